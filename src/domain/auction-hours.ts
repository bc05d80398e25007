import {currentOrNextSession, inCalendar, isTradingDay, newYorkDayOf, newYorkToUtcUs} from './calendar.ts'
import type {Instrument} from './instrument.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from './units.ts'

/** The opening and the closing auction of a share, as a time in force. */
export type Auction = 'opg' | 'cls'

/**
 * Whose hours count: the exchanges', or those of a broker that stands before them and, like Alpaca, closes every option at
 * 16:00 and takes orders for an auction from 19:00 of the evening before.
 */
export type VenueHours = 'exchange' | 'broker'

/** Nasdaq takes no order for its opening after 09:28 (Rule 4752); the New York Stock Exchange none for its closing in the last ten minutes (Rule 7.35B). */
const CUT_OFF_US = {opg: 2 * US_PER_MINUTE, cls: 10 * US_PER_MINUTE} as const
const BROKER_QUEUES_LOCAL_US = 19 * US_PER_HOUR

/** Shares and funds are auctioned; coins and options are not. */
export const hasAuctions = ({kind}: Instrument): boolean => kind === 'equity' || kind === 'etf'

/** When the exchange takes orders for the auction again: the time of the auction whose cut-off has passed, else 0. */
export const barredUntilUs = (auction: Auction, nowUs: number): number => {
  if (!inCalendar(newYorkDayOf(nowUs))) return 0
  const {openUs, closeUs} = currentOrNextSession(nowUs)
  const atUs = auction === 'opg' ? openUs : closeUs
  return nowUs >= atUs - CUT_OFF_US[auction] && nowUs < atUs ? atUs : 0
}

/** The same of a broker: from the cut-off to 19:00 of a trading day. */
export const queuedFromUs = (auction: Auction, nowUs: number): number => {
  const day = newYorkDayOf(nowUs)
  if (!inCalendar(day) || !isTradingDay(day)) return 0
  const untilUs = newYorkToUtcUs(day * US_PER_DAY + BROKER_QUEUES_LOCAL_US)
  // The session that runs or is next is another day's once today's has closed.
  const {day: next, openUs, closeUs} = currentOrNextSession(nowUs)
  const cutOffUs = next !== day ? nowUs : (auction === 'opg' ? openUs : closeUs) - CUT_OFF_US[auction]
  return nowUs >= cutOffUs && nowUs < untilUs ? untilUs : 0
}
