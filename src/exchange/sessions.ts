import {
  civilOf,
  dayOf,
  formatDay,
  holidaysOf,
  inCalendar,
  isTradingDay as isCalendarDay,
  isHalfDay,
  newYorkDayOf,
  newYorkOffsetUs,
  newYorkToUtcUs,
  weekdayOf,
} from '../domain/calendar.ts'
import {US_PER_DAY, US_PER_MINUTE} from '../domain/units.ts'

/**
 * Sessions as the wire shows them, extended hours and settlement included, over the trading days of `domain/calendar.ts`.
 * Days are counted as integers since 1970-01-01; times of day are minutes after midnight in New York.
 */
export interface Session {
  readonly day: number
  readonly openUs: number
  readonly closeUs: number
  /** Extended hours: 04:00 to 20:00, or 17:00 on an early close. */
  readonly preOpenUs: number
  readonly postCloseUs: number
}

/** The service lists days from 1970 on; before the calendar's first year the holidays' rules alone decide. */
export const isTradingDay = (day: number): boolean => {
  if (inCalendar(day)) return isCalendarDay(day)
  const weekday = weekdayOf(day)
  return weekday !== 0 && weekday !== 6 && day !== NIXON_MOURNING && !holidaysOf(civilOf(day).year).includes(day)
}
const NIXON_MOURNING = dayOf(1994, 4, 27)

const isEarlyClose = (day: number): boolean => inCalendar(day) && isHalfDay(day)

/** The New York calendar day an instant falls on. */
export const newYorkDay = newYorkDayOf

/** The instant of a New York wall time. */
export const newYorkTime = (day: number, minutes: number): number =>
  newYorkToUtcUs(day * US_PER_DAY + minutes * US_PER_MINUTE)

/** `2020-06-08T22:38:49.042731-04:00` */
export const isoNewYork = (atUs: number): string => {
  const offset = newYorkOffsetUs(atUs) / US_PER_MINUTE
  const seconds = Math.floor(atUs / 1e6)
  const head = new Date((seconds + offset * 60) * 1000).toISOString().slice(0, 19)
  const rest = atUs - seconds * 1e6
  const fraction = rest === 0 ? '' : `.${String(rest).padStart(6, '0').replace(/0+$/, '')}`
  return `${head}${fraction}-0${-offset / 60}:00`
}

export const isoDay = formatDay
export const parseDay = (text: string): number => Math.floor(Date.parse(`${text.slice(0, 10)}T00:00:00Z`) / 86_400_000)

export const sessionOf = (day: number): Session | undefined => {
  if (!isTradingDay(day)) return undefined
  const early = isEarlyClose(day)
  return {
    day,
    openUs: newYorkTime(day, 570),
    closeUs: newYorkTime(day, early ? 780 : 960),
    preOpenUs: newYorkTime(day, 240),
    postCloseUs: newYorkTime(day, early ? 1020 : 1200),
  }
}

/** The session that is running at, or next after, an instant: the first whose close lies after it. */
export const currentOrNextSession = (atUs: number): Session => {
  for (let day = newYorkDay(atUs); ; day++) {
    const session = sessionOf(day)
    if (session !== undefined && session.closeUs > atUs) return session
  }
}
export const previousTradingDay = (day: number): number => {
  do day--
  while (!isTradingDay(day))
  return day
}
export const nextTradingDay = (day: number): number => {
  do day++
  while (!isTradingDay(day))
  return day
}
/** T+1 since 2024-05-28, T+2 since 2017-09-05, T+3 before. */
export const settlementDay = (day: number): number => {
  const lag = day >= dayOf(2024, 5, 28) ? 1 : day >= dayOf(2017, 9, 5) ? 2 : 3
  let settles = day
  for (let i = 0; i < lag; i++) settles = nextTradingDay(settles)
  return settles
}
