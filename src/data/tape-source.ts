import type {InstrumentTable} from '../domain/instrument.ts'
import type {TapeChunk} from './tape.ts'

/**
 * Market history that can be replayed. Chunks arrive in time order and are only valid until the next one is asked for
 * (a reader may reuse its buffers), so memory stays bounded however long the history is.
 */
export interface TapeSource {
  readonly instruments: InstrumentTable
  /** SHA-256 (hex) over the content, the same for the same rows however they were stored. */
  readonly dataHash: () => Promise<string>
  readonly chunks: () => AsyncIterable<TapeChunk>
  /** Rows, where known without reading. */
  readonly rows?: number
}
