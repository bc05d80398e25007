import type {TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'

/** Live (or replayed) market events, delivered in the tape's own columns as they arrive. */
export interface Feed extends AsyncDisposable {
  readonly name: string
  readonly instruments: InstrumentTable
  /** Chunks of one or more rows until the feed ends or is disposed. */
  readonly chunks: () => AsyncIterable<TapeChunk>
}
