import {type Auction, barredUntilUs, hasAuctions, type VenueHours} from '../domain/auction-hours.ts'
import {currentOrNextSession, type Session as Hours, inCalendar, newYorkDayOf} from '../domain/calendar.ts'
import type {Instrument, InstrumentTable} from '../domain/instrument.ts'
import {endsAtTheClose, LATE_CLOSE_US, lastTradingDayOf, tradesLate} from '../domain/option-hours.ts'
import {Session} from '../risk/risk.ts'

// Columns are sized from the run's instruments, so they are read under `!`.

/** Traded at New York's exchanges, so it has sessions; coins never close. */
const isExchangeTraded = ({kind}: Instrument): boolean => kind !== 'crypto'

/** The session that runs at a time, or the next one, of an instrument that closes so much later than shares. */
const hoursOf = (nowUs: number, lateUs: number, lastDay: number): Hours => {
  const hours = currentOrNextSession(nowUs - lateUs)
  if (lateUs === 0) return hours
  if (hours.day !== lastDay) return {...hours, closeUs: hours.closeUs + lateUs}
  return nowUs < hours.closeUs ? hours : currentOrNextSession(nowUs)
}

/** By instrument: how much later than shares it closes, and the day on which it does not (NaN: none). */
const lateColumns = (instruments: InstrumentTable): {readonly lateUs: Float64Array; readonly lastDay: Float64Array} => {
  const all = instruments.all()
  return {
    lateUs: Float64Array.from(all, instrument => (tradesLate(instrument) ? LATE_CLOSE_US : 0)),
    lastDay: Float64Array.from(all, instrument =>
      endsAtTheClose(instrument) ? (lastTradingDayOf(instrument) ?? Number.NaN) : Number.NaN,
    ),
  }
}

/** The sessions a venue needs, from the same calendar. */
export const exchangeSessions = (instruments: InstrumentTable) => {
  const {lateUs, lastDay} = lateColumns(instruments)
  const hours = (i: number, nowUs: number): Hours | undefined =>
    isExchangeTraded(instruments.at(i)) && inCalendar(newYorkDayOf(nowUs))
      ? hoursOf(nowUs, lateUs[i]!, lastDay[i]!)
      : undefined
  return {
    openUs: (instrument: number, nowUs: number): number => hours(instrument, nowUs)?.openUs ?? nowUs,
    closeUs: (instrument: number, nowUs: number): number => hours(instrument, nowUs)?.closeUs ?? Infinity,
    bars: (instrument: number, auction: Auction, nowUs: number): boolean =>
      hasAuctions(instruments.at(instrument)) && barredUntilUs(auction, nowUs) > 0,
  }
}

/** What the exchanges do, instrument by instrument, kept in a column for risk. */
export class SessionWatch {
  readonly #instruments: InstrumentTable
  readonly #lateUs: Float64Array
  readonly #lastDay: Float64Array
  readonly #anyLateUs: number

  constructor(instruments: InstrumentTable, hours: VenueHours) {
    const {lateUs, lastDay} = lateColumns(instruments)
    this.#instruments = instruments
    this.#lateUs = hours === 'exchange' ? lateUs : lateUs.fill(0)
    this.#lastDay = lastDay
    this.#anyLateUs = this.#lateUs.some(us => us > 0) ? LATE_CLOSE_US : 0
  }

  /** Writes what the exchanges do now into `session`; returns when that changes, Infinity where the calendar ends. */
  set(halted: Uint8Array, session: Uint8Array, nowUs: number): number {
    const day = newYorkDayOf(nowUs)
    if (!inCalendar(day) || !inCalendar(day + 14)) return Infinity
    const shares = currentOrNextSession(nowUs)
    for (let i = 0; i < this.#instruments.size; i++)
      session[i] =
        halted[i] !== 0
          ? Session.halted
          : !isExchangeTraded(this.#instruments.at(i)) || this.#isOpen(i, shares, nowUs)
            ? Session.open
            : Session.closed
    if (nowUs >= shares.openUs) return shares.closeUs
    const lateEndUs = hoursOf(nowUs, this.#anyLateUs, Number.NaN).closeUs
    return Math.min(shares.openUs, lateEndUs)
  }

  #isOpen(i: number, shares: Hours, nowUs: number): boolean {
    const lateUs = this.#lateUs[i]!
    return nowUs >= (lateUs === 0 ? shares : hoursOf(nowUs, lateUs, this.#lastDay[i]!)).openUs
  }
}
