import {currentOrNextSession, inCalendar, newYorkDayOf} from '../domain/calendar.ts'
import type {Instrument, InstrumentTable} from '../domain/instrument.ts'
import {Session} from '../risk/risk.ts'

// Columns are sized from the run's instruments, so they are read under `!`.

/** Traded at New York's exchanges, so it has sessions; coins never close. */
const isExchangeTraded = ({kind}: Instrument): boolean => kind !== 'crypto'

/** The sessions a venue needs, from the same calendar. */
export const exchangeSessions = (instruments: InstrumentTable) => ({
  openUs: (instrument: number, nowUs: number): number =>
    isExchangeTraded(instruments.at(instrument)) && inCalendar(newYorkDayOf(nowUs))
      ? currentOrNextSession(nowUs).openUs
      : nowUs,
  closeUs: (instrument: number, nowUs: number): number =>
    isExchangeTraded(instruments.at(instrument)) && inCalendar(newYorkDayOf(nowUs))
      ? currentOrNextSession(nowUs).closeUs
      : Infinity,
})

/** Writes what the exchanges do now into `session`; returns when that changes, Infinity where the calendar ends. */
export const setSessions = (
  instruments: InstrumentTable,
  halted: Uint8Array,
  session: Uint8Array,
  nowUs: number,
): number => {
  const day = newYorkDayOf(nowUs)
  if (!inCalendar(day) || !inCalendar(day + 14)) return Infinity
  const next = currentOrNextSession(nowUs)
  const isOpen = nowUs >= next.openUs
  for (let i = 0; i < instruments.size; i++)
    session[i] =
      halted[i] !== 0 ? Session.halted : isOpen || !isExchangeTraded(instruments.at(i)) ? Session.open : Session.closed
  return isOpen ? next.closeUs : next.openUs
}
