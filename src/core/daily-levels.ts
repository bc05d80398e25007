import {newYorkDayOf} from '../domain/calendar.ts'

const DAYS = 21
const LEAST = 10
const SESSIONS_A_YEAR = 252

/** Levels of underlyings, one a New York day: what a stream of chains itself tells of realised volatility. */
export class DailyLevels {
  readonly #levels = new Map<string, {readonly day: number; level: number}[]>()

  /** In order of time; a later level of the same day replaces the earlier. */
  add(symbol: string, tsUs: number, level: number): void {
    if (!(level > 0)) return
    const day = newYorkDayOf(tsUs)
    const list = this.#levels.get(symbol) ?? []
    this.#levels.set(symbol, list)
    const last = list.at(-1)
    if (last?.day === day) last.level = level
    else list.push({day, level})
    if (list.length > DAYS + 1) list.shift()
  }

  /** Root mean square of the last 21 daily log returns, annual; NaN under ten, or with a gap of over a week among them. */
  realised(symbol: string): number {
    const list = this.#levels.get(symbol) ?? []
    if (list.length <= LEAST) return Number.NaN
    let sum = 0
    for (const [i, {day, level}] of list.entries()) {
      const before = list[i - 1]
      if (before === undefined) continue
      if (day - before.day > 7) return Number.NaN
      sum += Math.log(level / before.level) ** 2
    }
    return Math.sqrt((SESSIONS_A_YEAR * sum) / (list.length - 1))
  }
}
