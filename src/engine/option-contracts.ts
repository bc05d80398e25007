import {
  inCalendar,
  isTradingDay,
  parseDay,
  previousTradingDay,
  sessionCloseUs,
  sessionOpenUs,
} from '../domain/calendar.ts'
import {type InstrumentTable, priceToTicks, sizeToLots} from '../domain/instrument.ts'
import {optionTermsOf} from '../domain/option-terms.ts'

/** An option of a run and what becomes of it. */
export interface Contract {
  readonly instrument: number
  /** Index of the underlying; -1 when the run has none. */
  readonly underlying: number
  readonly isCall: boolean
  readonly isMorning: boolean
  readonly isPhysical: boolean
  readonly isAmerican: boolean
  readonly expiry: string
  /** Close of its last day, or the last instant before the opening that it is settled on. */
  readonly expiresUs: number
  /** Lots of the underlying one contract stands for; a split changes it, the sum to pay for them stays. */
  deliverLots: number
  readonly strikeDollars: number
  strikeFactor: number
  isDone: boolean
}

/** Every option of the run, the earliest end first. */
export const contractsOf = (instruments: InstrumentTable): Contract[] =>
  instruments
    .all()
    .flatMap((instrument, i): Contract[] => {
      const terms = optionTermsOf(instrument)
      const {option} = instrument
      if (terms === undefined || option === undefined) return []
      const underlying = instruments.indexOf(terms.underlying) ?? -1
      return [
        {
          instrument: i,
          underlying,
          isCall: option.right === 'call',
          isMorning: terms.isMorning,
          isPhysical: terms.settlement === 'physical',
          isAmerican: option.style === 'american',
          expiry: option.expiry,
          expiresUs: endOf(option.expiry, terms.isMorning),
          deliverLots: underlying < 0 ? 0 : sizeToLots(instruments.at(underlying), instrument.multiplier),
          strikeDollars: option.strike,
          strikeFactor: 1,
          isDone: false,
        },
      ]
    })
    .sort((a, b) => a.expiresUs - b.expiresUs || a.instrument - b.instrument)

/**
 * Close of the last trading day up to the expiry date (Saturdays were expiry dates until 2015), or the instant before it
 * opens; never outside the calendar.
 */
const endOf = (expiry: string, isMorning: boolean): number => {
  const date = parseDay(expiry)
  if (!inCalendar(date) || !inCalendar(date - 10)) return Infinity
  const day = isTradingDay(date) ? date : previousTradingDay(date)
  return isMorning ? sessionOpenUs(day) - 1 : sessionCloseUs(day)
}

/** What one unit of the underlying costs on exercise, in its ticks; a split moves it between two of them. */
export const strikeTicks = (
  instruments: InstrumentTable,
  {underlying, strikeDollars, strikeFactor}: Contract,
): number => priceToTicks(instruments.at(underlying), strikeDollars) * strikeFactor
