import {createHash} from 'node:crypto'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {TapeChunk} from './tape.ts'

const COLUMNS = ['tsUs', 'kind', 'instrument', 'flags', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const

/**
 * SHA-256 (hex) over a tape's rows and the instruments they are in. Each column has a digest of its own, so where one
 * chunk ends and the next begins does not matter.
 */
export const hashTape = async (instruments: InstrumentTable, chunks: AsyncIterable<TapeChunk>): Promise<string> => {
  const digests = COLUMNS.map(() => createHash('sha256'))
  for await (const chunk of chunks) {
    for (const [i, name] of COLUMNS.entries()) {
      const column = chunk[name]
      digests[i]?.update(new Uint8Array(column.buffer, column.byteOffset, chunk.count * column.BYTES_PER_ELEMENT))
    }
  }
  const whole = createHash('sha256')
  for (const {symbol, priceDecimals, sizeDecimals} of instruments.all()) {
    whole.update(`${symbol}\0${priceDecimals}\0${sizeDecimals}\n`)
  }
  for (const digest of digests) whole.update(digest.digest())
  return whole.digest('hex')
}
