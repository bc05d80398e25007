import type {StoredBar} from '../market-store.ts'
import {newYorkDay, newYorkTime} from '../sessions.ts'

/** A bar length of the wire: minutes, hours, days, weeks or months. */
export interface Timeframe {
  readonly count: number
  readonly unit: 'minute' | 'hour' | 'day' | 'week' | 'month'
}

const UNITS: Readonly<Record<string, Timeframe['unit']>> = {
  min: 'minute',
  T: 'minute',
  hour: 'hour',
  H: 'hour',
  day: 'day',
  D: 'day',
  week: 'week',
  W: 'week',
  month: 'month',
  M: 'month',
}
const MONTHS = new Set([1, 2, 3, 4, 6, 12])

/** Undefined when the text is not a timeframe that the data API knows. Words may be in any case: ccxt asks for `1min`. */
export const parseTimeframe = (text: string): Timeframe | undefined => {
  const [, digits, name = ''] = /^(\d{1,2})(min|hour|day|week|month|[THDWM])$/i.exec(text) ?? []
  const unit = UNITS[name.length === 1 ? name : name.toLowerCase()]
  if (unit === undefined) return undefined
  const count = Number(digits)
  const allowed =
    unit === 'minute'
      ? count >= 1 && count <= 59
      : unit === 'hour'
        ? count >= 1 && count <= 23
        : unit === 'month'
          ? MONTHS.has(count)
          : count === 1
  return allowed ? {count, unit} : undefined
}

/** Start of the interval that an instant falls into; days, weeks and months of shares begin at midnight in New York. */
const startOf = (atUs: number, {count, unit}: Timeframe, coin: boolean): number => {
  if (unit === 'minute' || unit === 'hour') {
    const frameUs = count * (unit === 'minute' ? 60e6 : 3_600e6)
    return Math.floor(atUs / frameUs) * frameUs
  }
  const day = coin ? Math.floor(atUs / 86_400e6) : newYorkDay(atUs)
  const toUs = (d: number): number => (coin ? d * 86_400e6 : newYorkTime(d, 0))
  if (unit === 'day') return toUs(day)
  if (unit === 'week') return toUs(day - ((((day + 3) % 7) + 7) % 7))
  const date = new Date(day * 86_400_000)
  const month = Math.floor(date.getUTCMonth() / count) * count
  return toUs(Date.UTC(date.getUTCFullYear(), month, 1) / 86_400_000)
}

/** Bars of a coarser frame from bars in time order. */
export const resample = (bars: readonly StoredBar[], frame: Timeframe, coin: boolean): StoredBar[] => {
  const result: StoredBar[] = []
  for (const bar of bars) {
    const startUs = startOf(bar.startUs, frame, coin)
    const last = result.at(-1)
    if (last === undefined || last.startUs !== startUs) {
      result.push({...bar, startUs})
      continue
    }
    last.high = Math.max(last.high, bar.high)
    last.low = Math.min(last.low, bar.low)
    last.close = bar.close
    last.lots += bar.lots
    last.count += bar.count
    last.turnover += bar.turnover
  }
  return result
}
