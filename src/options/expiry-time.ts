import {
  CALENDAR_FIRST_YEAR,
  CALENDAR_LAST_YEAR,
  civilOf,
  dayOf,
  inCalendar,
  isHalfDay,
  isTradingDay,
  newYorkDayOf,
  parseDay,
  previousTradingDay,
  sessionCloseUs,
  sessionOpenUs,
  weekdayOf,
} from '../domain/calendar.ts'
import {US_PER_DAY, US_PER_HOUR} from '../domain/units.ts'

const US_PER_YEAR = 365 * US_PER_DAY
const SESSION_US = 6.5 * US_PER_HOUR
const TRADING_DAYS_A_YEAR = 252

/** Settled on the opening prices of the expiry day, on its close, or at 08:00 UTC (coins). */
export type Settlement = 'am' | 'pm' | 'utc-8'

/** SPXW, NDXP, RUTW and every stock or ETF settle on the close. */
const AM_CLASSES = new Set(['SPX', 'NDX', 'RUT', 'DJX', 'VIX', 'VIXW'])
const COIN_CLASSES = new Set(['BTC', 'ETH', 'SOL', 'BTC_USDC', 'ETH_USDC', 'SOL_USDC'])

export const settlementOf = (root: string): Settlement =>
  AM_CLASSES.has(root) ? 'am' : COIN_CLASSES.has(root) || root.includes('/') ? 'utc-8' : 'pm'

export type ExerciseStyle = 'american' | 'european'
const EUROPEAN_CLASSES = new Set('SPX SPXW NDX NDXP RUT RUTW VIX VIXW DJX XSP XEO MRUT XND'.split(' '))
/** Cash-settled index classes and coins are European, stock and ETF options American. */
export const styleOf = (root: string): ExerciseStyle =>
  EUROPEAN_CLASSES.has(root) || settlementOf(root) === 'utc-8' ? 'european' : 'american'

/**
 * Epoch microseconds at which a contract that expires on `expiry` (YYYY-MM-DD) is settled; early closes count. A date on
 * which the exchange is shut (the Saturdays of expiries before 2015, Good Friday) means the trading day before it.
 */
export const expiryTsUs = (expiry: string, settlement: Settlement): number => {
  const day = parseDay(expiry)
  if (settlement === 'utc-8') return day * US_PER_DAY + 8 * US_PER_HOUR
  if (!inCalendar(day)) return day * US_PER_DAY + (settlement === 'am' ? 14 : 21) * US_PER_HOUR
  const session = isTradingDay(day) ? day : previousTradingDay(day)
  return settlement === 'am' ? sessionOpenUs(session) : sessionCloseUs(session)
}

/** Calendar time in years of 365 days. */
export const calendarYears = (fromUs: number, toUs: number): number => (toUs - fromUs) / US_PER_YEAR

/** Exchange time in years of 252 full sessions; nights, weekends and holidays do not count, a half day counts its hours. */
export const tradingYears = (fromUs: number, toUs: number): number =>
  (sessionTimeUs(toUs) - sessionTimeUs(fromUs)) / (SESSION_US * TRADING_DAYS_A_YEAR)

/** Third Friday of the month, when the monthly (not weekly) contracts expire. */
export const isThirdFriday = (expiry: string): boolean => {
  const day = parseDay(expiry)
  const {day: dayOfMonth} = civilOf(day)
  return weekdayOf(day) === 5 && dayOfMonth >= 15 && dayOfMonth <= 21
}

const FIRST_DAY = dayOf(CALENDAR_FIRST_YEAR, 1, 1)
const LAST_DAY = dayOf(CALENDAR_LAST_YEAR, 12, 31)
const HALF_SESSION_US = 3.5 * US_PER_HOUR

/** Session time before each day of the calendar, microseconds. */
const sessionsBefore = new Float64Array(LAST_DAY - FIRST_DAY + 2)
for (let day = FIRST_DAY; day <= LAST_DAY; day++) {
  const length = isTradingDay(day) ? (isHalfDay(day) ? HALF_SESSION_US : SESSION_US) : 0
  sessionsBefore[day - FIRST_DAY + 1] = (sessionsBefore[day - FIRST_DAY] as number) + length
}

/** Session time since the calendar begins; outside the calendar at the average pace of 252 sessions in 365 days. */
const sessionTimeUs = (tsUs: number): number => {
  const day = newYorkDayOf(tsUs)
  const pace = (SESSION_US * TRADING_DAYS_A_YEAR) / US_PER_YEAR
  if (day < FIRST_DAY) return (tsUs - FIRST_DAY * US_PER_DAY) * pace
  if (day > LAST_DAY) return (sessionsBefore.at(-1) as number) + (tsUs - (LAST_DAY + 1) * US_PER_DAY) * pace
  const before = sessionsBefore[day - FIRST_DAY] as number
  const length = (sessionsBefore[day - FIRST_DAY + 1] as number) - before
  return length === 0 ? before : before + Math.min(Math.max(tsUs - sessionOpenUs(day), 0), length)
}
