import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../domain/units.ts'

/**
 * Trading days and sessions of the New York stock exchanges, by rule: no table to go out of date. Days are counted as
 * integers since 1970-01-01; times of day are minutes after midnight in New York.
 */
export interface Session {
  readonly day: number
  readonly openUs: number
  readonly closeUs: number
  /** Extended hours: 04:00 to 20:00, or 17:00 on an early close. */
  readonly preOpenUs: number
  readonly postCloseUs: number
}

const dayOf = (year: number, month: number, date: number): number => Date.UTC(year, month - 1, date) / 86_400_000
/** 0 Sunday … 6 Saturday. */
const weekday = (day: number): number => (((day + 4) % 7) + 7) % 7
/** The n-th given weekday of a month; n = -1 is the last. */
const nth = (year: number, month: number, wanted: number, n: number): number => {
  if (n > 0) {
    const first = dayOf(year, month, 1)
    return first + ((wanted - weekday(first) + 7) % 7) + 7 * (n - 1)
  }
  const last = dayOf(month === 12 ? year + 1 : year, month === 12 ? 1 : month + 1, 1) - 1
  return last - ((weekday(last) - wanted + 7) % 7)
}
const yearOf = (day: number): number => new Date(day * 86_400_000).getUTCFullYear()

/** Gregorian Easter Sunday (Meeus, Astronomical Algorithms, ch. 8). */
const easter = (year: number): number => {
  const a = year % 19
  const b = Math.floor(year / 100)
  const c = year % 100
  const d = Math.floor((8 * b + 13) / 25)
  const h = (19 * a + b - Math.floor(b / 4) - d + 15) % 30
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7
  const m = Math.floor((a + 11 * h + 22 * l) / 451)
  const n = h + l - 7 * m + 114
  return dayOf(year, Math.floor(n / 31), (n % 31) + 1)
}

/** A holiday on a Saturday is kept on Friday, on a Sunday on Monday. */
const observed = (day: number): number => day + (weekday(day) === 6 ? -1 : weekday(day) === 0 ? 1 : 0)

/** One-off closures since 1990 (NYSE notices). */
const SPECIAL = new Set(
  [
    [1994, 4, 27],
    [2001, 9, 11],
    [2001, 9, 12],
    [2001, 9, 13],
    [2001, 9, 14],
    [2004, 6, 11],
    [2007, 1, 2],
    [2012, 10, 29],
    [2012, 10, 30],
    [2018, 12, 5],
    [2025, 1, 9],
  ].map(([y, m, d]) => dayOf(y as number, m as number, d as number)),
)

const holidaysOf = (year: number): ReadonlySet<number> => {
  const days = [
    nth(year, 2, 1, 3),
    easter(year) - 2,
    nth(year, 5, 1, -1),
    observed(dayOf(year, 7, 4)),
    nth(year, 9, 1, 1),
    nth(year, 11, 4, 4),
    observed(dayOf(year, 12, 25)),
  ]
  // New Year's Day on a Saturday is not kept at all (NYSE Rule 7.2).
  if (weekday(dayOf(year, 1, 1)) !== 6) days.push(observed(dayOf(year, 1, 1)))
  if (year >= 1998) days.push(nth(year, 1, 1, 3))
  if (year >= 2022) days.push(observed(dayOf(year, 6, 19)))
  return new Set(days)
}
const holidayCache = new Map<number, ReadonlySet<number>>()
const holidays = (year: number): ReadonlySet<number> => {
  let known = holidayCache.get(year)
  if (known === undefined) {
    known = holidaysOf(year)
    holidayCache.set(year, known)
  }
  return known
}

export const isTradingDay = (day: number): boolean => {
  const w = weekday(day)
  return w !== 0 && w !== 6 && !SPECIAL.has(day) && !holidays(yearOf(day)).has(day)
}

/** The afternoon before Independence Day, after Thanksgiving and before Christmas ends at 13:00. */
const isEarlyClose = (day: number): boolean => {
  const year = yearOf(day)
  if (day === nth(year, 11, 4, 4) + 1 || day === dayOf(year, 12, 24)) return true
  const fourth = dayOf(year, 7, 4)
  return day === fourth - 1 && weekday(fourth) >= 2 && weekday(fourth) <= 5
}

/** Minutes that New York is ahead of UTC (negative) at noon-ish of a UTC instant: -240 in summer, -300 in winter. */
export const newYorkOffsetMinutes = (atUs: number): number => {
  const year = yearOf(Math.floor((atUs - 5 * US_PER_HOUR) / US_PER_DAY))
  const start = year >= 2007 ? nth(year, 3, 0, 2) : year >= 1987 ? nth(year, 4, 0, 1) : nth(year, 4, 0, -1)
  const end = year >= 2007 ? nth(year, 11, 0, 1) : nth(year, 10, 0, -1)
  const startUs = start * US_PER_DAY + 7 * US_PER_HOUR
  const endUs = end * US_PER_DAY + 6 * US_PER_HOUR
  return atUs >= startUs && atUs < endUs ? -240 : -300
}

/** The New York calendar day an instant falls on. */
export const newYorkDay = (atUs: number): number =>
  Math.floor((atUs + newYorkOffsetMinutes(atUs) * US_PER_MINUTE) / US_PER_DAY)

/** The instant of a New York wall time. */
export const newYorkTime = (day: number, minutes: number): number => {
  const wall = day * US_PER_DAY + minutes * US_PER_MINUTE
  return wall - newYorkOffsetMinutes(wall + 5 * US_PER_HOUR) * US_PER_MINUTE
}

/** `2020-06-08T22:38:49.042731-04:00` */
export const isoNewYork = (atUs: number): string => {
  const offset = newYorkOffsetMinutes(atUs)
  const seconds = Math.floor(atUs / 1e6)
  const head = new Date((seconds + offset * 60) * 1000).toISOString().slice(0, 19)
  const rest = atUs - seconds * 1e6
  const fraction = rest === 0 ? '' : `.${String(rest).padStart(6, '0').replace(/0+$/, '')}`
  return `${head}${fraction}-0${-offset / 60}:00`
}

export const isoDay = (day: number): string => new Date(day * 86_400_000).toISOString().slice(0, 10)
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
