import type {TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'

/** Market rows on demand: generated, or read ahead from a tape. */
export interface MarketSource {
  /** Rows refer to this table and are in its scale. */
  readonly instruments: InstrumentTable
  /**
   * The next rows at or before `nowUs`, at most `maxRows`, in time order; empty when there are none. The chunk is only
   * valid until the next call.
   */
  readonly advanceTo: (nowUs: number, maxRows: number) => TapeChunk
  /** Time of the next row, Infinity when none is known. */
  readonly nextUs: () => number
  /** Up to this time every row can be had; a tape that is still being read has a horizon. */
  readonly horizonUs: () => number
  /** No row will ever come after the horizon. */
  readonly ended: () => boolean
  /** Contracts open at the start, as published overnight, before any row tells; 0 when not known. */
  readonly openInterest?: (instrument: number) => number
}
