import {inCalendar, isTradingDay, parseDay, previousTradingDay} from './calendar.ts'
import type {Instrument} from './instrument.ts'
import {optionTermsOf} from './option-terms.ts'
import {US_PER_MINUTE} from './units.ts'

/** How much longer than shares some options trade: to 16:15 New York, to 13:15 on a half day. */
export const LATE_CLOSE_US = 15 * US_PER_MINUTE

/**
 * Funds whose options trade as long as those on indices. An exchange designates them class by class and publishes no dated
 * list; these are on each of two brokers' lists (IG US Options and Futures, Firstrade; read in 2026), so what only one of
 * them names, GLD or TLT, closes with its shares here: an order that the market would have taken is refused, never the reverse.
 */
const LATE_FUNDS: ReadonlySet<string> = new Set(
  (
    'DBA DBB DBC DBO DIA EEM EFA GAZ IWM IWN IWO IWV JJC KBE KRE MDY MOO OEF OIL QQQ SLX SPY SVXY UNG UUP UVXY VIXM VIXY ' +
    'VXX VXZ XHB XLB XLE XLF XLI XLK XLP XLU XLV XLY XME XRT'
  ).split(' '),
)

/** Whether an instrument is an option that trades past the close of shares on every day but its last. */
export const tradesLate = (instrument: Instrument): boolean => {
  const terms = optionTermsOf(instrument)
  return terms !== undefined && (terms.isIndex || LATE_FUNDS.has(terms.underlying))
}

/**
 * The last day an option can be traded: that of its expiry, or the trading day before where it is settled in the morning
 * (Cboe Rule 4.13); undefined for what is no option, or one that ends outside the calendar. On it an option that is settled
 * on the close trades no longer than shares (Cboe Rule 5.1(b)(2)(C)). That is the rule for indices since the end of 2011
 * (SR-CBOE-2011-038, -100), kept here for the years before, and for funds, whose options do trade on to 16:15 then,
 * because the books settle at the close.
 */
export const lastTradingDayOf = (instrument: Instrument): number | undefined => {
  const {option} = instrument
  if (option === undefined) return undefined
  const date = parseDay(option.expiry)
  if (!inCalendar(date) || !inCalendar(date - 10)) return undefined
  const day = isTradingDay(date) ? date : previousTradingDay(date)
  return optionTermsOf(instrument)?.isMorning === true ? previousTradingDay(day) : day
}

/** Whether an option closes with the shares on its last trading day. */
export const endsAtTheClose = (instrument: Instrument): boolean => optionTermsOf(instrument)?.isMorning === false
