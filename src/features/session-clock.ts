import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../domain/units.ts'

/** Turns an instant into the trading day it belongs to and the time within it; features reset when the day changes. */
export interface SessionClock {
  readonly name: 'us-equity' | 'utc'
  /** Days since 1970-01-01 of the local date. */
  readonly day: (tsUs: number) => number
  /** Share of the session that is over, 0 at its open and 1 at its close; outside it the value leaves [0, 1]. */
  readonly progress: (tsUs: number) => number
}

const dayOfWeek = (day: number): number => (((day + 4) % 7) + 7) % 7
const daysFromCivil = (year: number, month: number, date: number): number =>
  Date.UTC(year, month - 1, date) / 86_400_000

/** Offset of New York in hours: -4 from the second Sunday of March to the first of November, both at 2:00, else -5. */
const newYorkOffsetHours = (tsUs: number): number => {
  const year = new Date(tsUs / 1000).getUTCFullYear()
  const march = daysFromCivil(year, 3, 8)
  const november = daysFromCivil(year, 11, 1)
  const start = march + ((7 - dayOfWeek(march)) % 7)
  const end = november + ((7 - dayOfWeek(november)) % 7)
  const isSummer = tsUs >= start * US_PER_DAY + 7 * US_PER_HOUR && tsUs < end * US_PER_DAY + 6 * US_PER_HOUR
  return isSummer ? -4 : -5
}

/** The last calendar day asked about: its offset holds for the whole of it, but for the hours around a change. */
const cachedOffset = () => {
  let hour = Number.NaN
  let offset = 0
  return (tsUs: number): number => {
    const asked = Math.floor(tsUs / US_PER_HOUR)
    if (asked !== hour) {
      hour = asked
      offset = newYorkOffsetHours(tsUs)
    }
    return offset
  }
}

/** US equities: New York dates, 9:30 to 16:00. The rule of 2007 onwards for daylight saving. */
export const usEquitySession = (): SessionClock => {
  const offset = cachedOffset()
  const local = (tsUs: number): number => tsUs + offset(tsUs) * US_PER_HOUR
  return {
    name: 'us-equity',
    day: tsUs => Math.floor(local(tsUs) / US_PER_DAY),
    progress: tsUs => {
      const at = local(tsUs)
      return (at - Math.floor(at / US_PER_DAY) * US_PER_DAY - 570 * US_PER_MINUTE) / (390 * US_PER_MINUTE)
    },
  }
}

/** Markets that never close: UTC dates. */
export const utcSession = (): SessionClock => ({
  name: 'utc',
  day: tsUs => Math.floor(tsUs / US_PER_DAY),
  progress: tsUs => (tsUs % US_PER_DAY) / US_PER_DAY,
})

export const sessionNamed = (name: SessionClock['name']): SessionClock =>
  name === 'us-equity' ? usEquitySession() : utcSession()

/** The instant at which New York's clocks show `localUs` (read as if it were UTC); outside the hour of a change, exact. */
export const fromNewYork = (localUs: number): number => {
  const guess = localUs + 5 * US_PER_HOUR
  return localUs - newYorkOffsetHours(guess - US_PER_HOUR / 2) * US_PER_HOUR
}
