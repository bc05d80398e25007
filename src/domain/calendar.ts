import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from './units.ts'

/**
 * Civil days, New York and Shanghai time, and the trading days of the New York Stock Exchange 1998–2035, all by rule:
 * no time-zone database and no allocation, so it may be called in hot loops. A day is an integer, days since
 * 1970-01-01; times are epoch microseconds UTC. "Local" microseconds read the wall clock as if it were UTC.
 * Sources: US Energy Policy Act of 2005 (daylight saving), NYSE Rule 7.2 and the exchange's closing notices.
 */

/** Days since the epoch of a proleptic Gregorian date; month and day from 1. (Howard Hinnant, days_from_civil.) */
export const dayOf = (year: number, month: number, day: number): number => {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}

export interface CivilDate {
  readonly year: number
  readonly month: number
  readonly day: number
}

export const civilOf = (day: number): CivilDate => {
  const z = day + 719_468
  const era = Math.floor(z / 146_097)
  const doe = z - era * 146_097
  const yearOfEra = Math.floor(
    (doe - Math.floor(doe / 1_460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365,
  )
  const dayOfYear = doe - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const mp = Math.floor((5 * dayOfYear + 2) / 153)
  const month = mp < 10 ? mp + 3 : mp - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * mp + 2) / 5) + 1,
  }
}

/** 0 Sunday … 6 Saturday. */
export const weekdayOf = (day: number): number => (((day + 4) % 7) + 7) % 7

/** `YYYY-MM-DD` of a day, and back; the parser throws RangeError on anything else. */
export const formatDay = (day: number): string => {
  const date = civilOf(day)
  return `${String(date.year).padStart(4, '0')}-${String(date.month).padStart(2, '0')}-${String(date.day).padStart(2, '0')}`
}
export const parseDay = (text: string): number => {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  const day = match === null ? Number.NaN : dayOf(Number(match[1]), Number(match[2]), Number(match[3]))
  if (match === null || formatDay(day) !== text) throw new RangeError(`a date is YYYY-MM-DD, was ${text}`)
  return day
}

export const utcDayOf = (tsUs: number): number => Math.floor(tsUs / US_PER_DAY)

/** The n-th (1 = first) given weekday of a month. */
const nthWeekday = (year: number, month: number, weekday: number, n: number): number => {
  const first = dayOf(year, month, 1)
  return first + ((weekday - weekdayOf(first) + 7) % 7) + 7 * (n - 1)
}
const lastWeekday = (year: number, month: number, weekday: number): number => {
  const last = (month === 12 ? dayOf(year + 1, 1, 1) : dayOf(year, month + 1, 1)) - 1
  return last - ((weekdayOf(last) - weekday + 7) % 7)
}

const FIRST_YEAR = 1970
const LAST_YEAR = 2100
/** Days on which New York's clocks change, by year: forward at 2:00 standard time, back at 2:00 daylight time. */
const dstStart = new Int32Array(LAST_YEAR - FIRST_YEAR + 1)
const dstEnd = new Int32Array(LAST_YEAR - FIRST_YEAR + 1)
for (let year = FIRST_YEAR; year <= LAST_YEAR; year++) {
  const i = year - FIRST_YEAR
  dstStart[i] =
    year >= 2007 ? nthWeekday(year, 3, 0, 2) : year >= 1987 ? nthWeekday(year, 4, 0, 1) : lastWeekday(year, 4, 0)
  dstEnd[i] = year >= 2007 ? nthWeekday(year, 11, 0, 1) : lastWeekday(year, 10, 0)
}

const EST = -5 * US_PER_HOUR
const EDT = -4 * US_PER_HOUR

/** New York's offset from UTC at a UTC time: −5 h or −4 h, in microseconds. */
export const newYorkOffsetUs = (tsUs: number): number => {
  const i = civilYear(tsUs + EST) - FIRST_YEAR
  const startUs = (dstStart[i] as number) * US_PER_DAY + 2 * US_PER_HOUR - EST
  const endUs = (dstEnd[i] as number) * US_PER_DAY + 2 * US_PER_HOUR - EDT
  return tsUs >= startUs && tsUs < endUs ? EDT : EST
}

const civilYear = (localUs: number): number => {
  // Right to a day either side of New Year, when the offset is the same on both.
  const year = 1970 + Math.floor(localUs / (365.2425 * US_PER_DAY))
  return Math.min(LAST_YEAR, Math.max(FIRST_YEAR, year))
}

export const newYorkToLocalUs = (tsUs: number): number => tsUs + newYorkOffsetUs(tsUs)
/** UTC of a New York wall-clock time; the hour that happens twice is read as the first, the skipped hour as standard time. */
export const newYorkToUtcUs = (localUs: number): number => {
  const early = localUs - EDT
  return newYorkOffsetUs(early) === EDT ? early : localUs - EST
}
/** The New York calendar day of a UTC time. */
export const newYorkDayOf = (tsUs: number): number => Math.floor(newYorkToLocalUs(tsUs) / US_PER_DAY)

/** Shanghai keeps UTC+8 all year (since 1991). */
export const SHANGHAI_OFFSET_US = 8 * US_PER_HOUR
export const shanghaiToUtcUs = (localUs: number): number => localUs - SHANGHAI_OFFSET_US

/** Easter Sunday of the Gregorian calendar (the anonymous algorithm, Meeus ch. 8). */
const easterSunday = (year: number): number => {
  const a = year % 19
  const b = Math.floor(year / 100)
  const c = year % 100
  const d = (19 * a + b - Math.floor(b / 4) - Math.floor((b - Math.floor((b + 8) / 25) + 1) / 3) + 15) % 30
  const e = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - d - (c % 4)) % 7
  const f = d + e - 7 * Math.floor((a + 11 * d + 22 * e) / 451) + 114
  return dayOf(year, Math.floor(f / 31), (f % 31) + 1)
}

/** Days the exchange stayed shut outside the rules: mourning, attacks, storms. */
const SPECIAL_CLOSURES = [
  '2001-09-11',
  '2001-09-12',
  '2001-09-13',
  '2001-09-14',
  '2004-06-11',
  '2007-01-02',
  '2012-10-29',
  '2012-10-30',
  '2018-12-05',
  '2025-01-09',
]
/** Early closes that no rule gives. */
const SPECIAL_HALF_DAYS = ['1999-12-31', '2003-12-26']

const FULL = 1
const HALF = 2

export const CALENDAR_FIRST_YEAR = 1998
export const CALENDAR_LAST_YEAR = 2035
const firstDay = dayOf(CALENDAR_FIRST_YEAR, 1, 1)
const lastDay = dayOf(CALENDAR_LAST_YEAR, 12, 31)

/** A Saturday holiday is kept on the Friday before, a Sunday one on the Monday after. */
const observed = (day: number): number => {
  const weekday = weekdayOf(day)
  return weekday === 6 ? day - 1 : weekday === 0 ? day + 1 : day
}

/** Days the exchange keeps by rule in a year, one-off closures aside; some may fall on weekends. */
export const holidaysOf = (year: number): number[] => {
  const newYear = dayOf(year, 1, 1)
  const days = [
    nthWeekday(year, 2, 1, 3), // Washington's Birthday
    easterSunday(year) - 2, // Good Friday
    lastWeekday(year, 5, 1), // Memorial Day
    observed(dayOf(year, 7, 4)),
    nthWeekday(year, 9, 1, 1), // Labor Day
    nthWeekday(year, 11, 4, 4), // Thanksgiving
    observed(dayOf(year, 12, 25)),
  ]
  // New Year's Day on a Saturday is not made up: the Friday is the last trading day of the year.
  if (weekdayOf(newYear) !== 6) days.push(observed(newYear))
  if (year >= 1998) days.push(nthWeekday(year, 1, 1, 3)) // Martin Luther King Jr. Day
  if (year >= 2022) days.push(observed(dayOf(year, 6, 19)))
  return days
}

/** The exchange closes at 13:00 on these, when they are trading days. */
const halfDaysOf = (year: number): number[] => {
  const independence = dayOf(year, 7, 4)
  const weekday = weekdayOf(independence)
  const days = [nthWeekday(year, 11, 4, 4) + 1, dayOf(year, 12, 24)]
  // The day before, on Tuesday to Friday; until 2012 a Thursday holiday had its half day on the Friday after.
  if (weekday >= 2 && weekday <= 5) {
    days.push(weekday === 4 && year < 2013 ? independence + 1 : independence - 1)
  }
  return days
}

/** 0 closed, FULL or HALF, by day − firstDay. */
const schedule = new Uint8Array(lastDay - firstDay + 1)
for (let day = firstDay; day <= lastDay; day++) {
  const weekday = weekdayOf(day)
  schedule[day - firstDay] = weekday === 0 || weekday === 6 ? 0 : FULL
}
const mark = (day: number, what: number): void => {
  if (day < firstDay || day > lastDay) return
  if (what === HALF && schedule[day - firstDay] === 0) return
  schedule[day - firstDay] = what
}
for (let year = CALENDAR_FIRST_YEAR; year <= CALENDAR_LAST_YEAR; year++) {
  for (const day of holidaysOf(year)) mark(day, 0)
  for (const day of halfDaysOf(year)) mark(day, HALF)
}
for (const text of SPECIAL_CLOSURES) mark(parseDay(text), 0)
for (const text of SPECIAL_HALF_DAYS) mark(parseDay(text), HALF)

const scheduleOf = (day: number): number => {
  if (day < firstDay || day > lastDay) {
    throw new RangeError(
      `the trading calendar covers ${CALENDAR_FIRST_YEAR}–${CALENDAR_LAST_YEAR}, was asked for ${formatDay(day)}`,
    )
  }
  return schedule[day - firstDay] as number
}

/** Whether the calendar knows the day; the functions below throw RangeError outside. */
export const inCalendar = (day: number): boolean => day >= firstDay && day <= lastDay
export const isTradingDay = (day: number): boolean => scheduleOf(day) !== 0
export const isHalfDay = (day: number): boolean => scheduleOf(day) === HALF

const OPEN_LOCAL_US = 9 * US_PER_HOUR + 30 * US_PER_MINUTE
/** UTC of the opening bell (09:30 New York) and the close (16:00, or 13:00 on half days). */
export const sessionOpenUs = (day: number): number => newYorkToUtcUs(day * US_PER_DAY + OPEN_LOCAL_US)
export const sessionCloseUs = (day: number): number =>
  newYorkToUtcUs(day * US_PER_DAY + (isHalfDay(day) ? 13 : 16) * US_PER_HOUR)

export interface Session {
  readonly day: number
  readonly openUs: number
  readonly closeUs: number
  readonly isHalf: boolean
}
export const sessionOf = (day: number): Session | undefined =>
  isTradingDay(day)
    ? {day, openUs: sessionOpenUs(day), closeUs: sessionCloseUs(day), isHalf: isHalfDay(day)}
    : undefined

/** Whether the exchange's regular session runs at a UTC time: open inclusive, close exclusive. */
export const isSessionOpen = (tsUs: number): boolean => {
  const day = newYorkDayOf(tsUs)
  return isTradingDay(day) && tsUs >= sessionOpenUs(day) && tsUs < sessionCloseUs(day)
}

/** The first trading day after (before) a day. */
export const nextTradingDay = (day: number): number => {
  let next = day + 1
  while (!isTradingDay(next)) next++
  return next
}
export const previousTradingDay = (day: number): number => {
  let previous = day - 1
  while (!isTradingDay(previous)) previous--
  return previous
}

/** The session running at a UTC time, or the next one to open. */
export const currentOrNextSession = (tsUs: number): Session => {
  let day = newYorkDayOf(tsUs)
  while (!isTradingDay(day) || tsUs >= sessionCloseUs(day)) day++
  return sessionOf(day) as Session
}

/** Trading days in [fromDay, toDay]. */
export const tradingDays = (fromDay: number, toDay: number): number[] => {
  const days: number[] = []
  for (let day = fromDay; day <= toDay; day++) if (isTradingDay(day)) days.push(day)
  return days
}
