import {emptyChunk, type TapeChunk} from '../../src/data/tape.ts'
import {hashTape} from '../../src/data/tape-hash.ts'
import type {TapeSource} from '../../src/data/tape-source.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'

const COLUMNS = ['tsUs', 'kind', 'instrument', 'flags', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const

/** Chunks in memory as a source, cut anew into `size` rows, in one buffer that is used again as real readers do. */
export const memoryTape = (symbols: readonly string[], chunks: readonly TapeChunk[], size = 65_536): TapeSource => {
  const instruments = InstrumentTable.of(symbols)
  const read = async function* (): AsyncGenerator<TapeChunk> {
    const out = emptyChunk(size)
    for (const chunk of chunks) {
      for (let from = 0; from < chunk.count; from += size) {
        const count = Math.min(size, chunk.count - from)
        for (const name of COLUMNS) out[name].set(chunk[name].subarray(from, from + count))
        out.count = count
        yield out
      }
    }
  }
  return {instruments, chunks: read, dataHash: () => hashTape(instruments, read())}
}
