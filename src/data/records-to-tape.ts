import {type FileHandle, mkdtemp, open, rm} from 'node:fs/promises'
import path from 'node:path'
import {type Instrument, InstrumentTable, instrumentOf} from '../domain/instrument.ts'
import type {NumberedRecord, Rejects} from './ndjson.ts'
import {rowsOf, type SpooledRow, toIntegers} from './record-rows.ts'
import type {GpiRecord, MarketRecord} from './records.ts'
import {Scales} from './scales.ts'
import {addRow, emptyChunk, type TapeChunk} from './tape.ts'
import {hashTape} from './tape-hash.ts'
import type {TapeSource} from './tape-source.ts'

const CHUNK_ROWS = 65_536

export interface RecordsToTapeOptions {
  /** Where rows beyond the first chunk are kept until they are replayed. */
  readonly spoolDirectory: string
  readonly rejects: Rejects
  /** What a symbol means, where it is not what `instrumentOf` says. */
  readonly instrumentOf?: (symbol: string) => Instrument
}

export interface SpooledTape extends TapeSource, AsyncDisposable {
  readonly rows: number
  /** Records of kinds that are not market events, left out. */
  readonly ignored: number
}

/**
 * A stream of records as a tape that can be replayed any number of times, in memory of one chunk. The stream is read to
 * its end first: only then are all symbols known, and how many decimals each needs. A record whose time goes back is
 * refused. Dispose of the tape to remove its spool file.
 */
export const recordsToTape = async (
  records: AsyncIterable<NumberedRecord<GpiRecord>>,
  {spoolDirectory, rejects, instrumentOf: meaning = instrumentOf}: RecordsToTapeOptions,
): Promise<SpooledTape> => {
  const folder = await mkdtemp(path.join(spoolDirectory, 'gpi-tape-'))
  const spool = new Spool(await open(path.join(folder, 'rows'), 'w+'))
  const scales = new Scales(meaning)
  let lastUs = 0
  let ignored = 0
  try {
    for await (const {line, record} of records) {
      if (!isTapeRecord(record)) {
        ignored++
        continue
      }
      if (record.tsUs < lastUs) {
        rejects.add({
          line,
          reason: `time goes back from ${lastUs} to ${record.tsUs}`,
          text: JSON.stringify(record).slice(0, 1000),
        })
        continue
      }
      lastUs = record.tsUs
      for (const spooled of rowsOf(record, scales)) {
        const full = spool.write(spooled)
        if (full !== undefined) await full
      }
    }
  } catch (error) {
    await spool.close()
    await rm(folder, {recursive: true, force: true})
    throw error
  }
  const {instruments, order} = sorted(scales.instruments())
  const chunks = () => spool.read(instruments, order)
  let hash: Promise<string> | undefined
  return {
    instruments,
    rows: spool.rows,
    ignored,
    chunks,
    dataHash: () => {
      hash ??= hashTape(instruments, chunks())
      return hash
    },
    [Symbol.asyncDispose]: async () => {
      await spool.close()
      await rm(folder, {recursive: true, force: true})
    },
  }
}

type TapeRecord = Exclude<MarketRecord, {kind: 'observation'}>
const TAPE_RECORDS: ReadonlySet<string> = new Set<TapeRecord['kind']>([
  'quote',
  'trade',
  'bar',
  'book-snapshot',
  'book-delta',
  'book-order',
  'option-quote',
  'split',
  'dividend',
  'borrow',
  'status',
  'band',
])
const isTapeRecord = (record: GpiRecord): record is TapeRecord => TAPE_RECORDS.has(record.kind)

/** Instruments by symbol, as a catalog numbers them, so that the same rows have the same hash; and new index by old. */
const sorted = (found: readonly Instrument[]): {instruments: InstrumentTable; order: Uint16Array} => {
  const instruments = InstrumentTable.of([...found].sort((a, b) => (a.symbol < b.symbol ? -1 : 1)))
  return {instruments, order: Uint16Array.from(found, ({symbol}) => instruments.indexOf(symbol) as number)}
}

const renumber = ({count, instrument}: TapeChunk, order: Uint16Array): void => {
  for (let row = 0; row < count; row++) instrument[row] = order[instrument[row] as number] as number
}

/** Full chunks lie in the file, back to back; the last, unfilled one stays in memory. Values are decimal until read. */
class Spool {
  readonly #file: FileHandle
  readonly #chunk = emptyChunk(CHUNK_ROWS)
  #full = 0
  #isClosed = false

  constructor(file: FileHandle) {
    this.#file = file
  }

  get rows(): number {
    return this.#full * CHUNK_ROWS + this.#chunk.count
  }

  write(row: SpooledRow): Promise<void> | undefined {
    const chunk = this.#chunk
    const {tsUs, kind, instrument, flags, v0, v1, v2, v3, v4, v5} = row
    addRow(chunk, tsUs, kind, instrument, flags, v0, v1, v2, v3, v4, v5)
    return chunk.count === CHUNK_ROWS ? this.#flush() : undefined
  }

  async #flush(): Promise<void> {
    for (const column of columnsOf(this.#chunk)) await writeFully(this.#file, bytesOf(column))
    this.#full++
    this.#chunk.count = 0
  }

  async *read(instruments: InstrumentTable, order: Uint16Array): AsyncGenerator<TapeChunk> {
    const chunk = emptyChunk(CHUNK_ROWS)
    let position = 0
    for (let n = 0; n < this.#full; n++) {
      if (this.#isClosed) throw new Error('the spooled tape was disposed of while it was read')
      for (const column of columnsOf(chunk)) {
        const bytes = bytesOf(column)
        await readFully(this.#file, bytes, position)
        position += bytes.length
      }
      chunk.count = CHUNK_ROWS
      renumber(chunk, order)
      toIntegers(chunk, instruments)
      yield chunk
    }
    if (this.#chunk.count === 0) return
    for (const [i, column] of columnsOf(this.#chunk).entries()) columnsOf(chunk)[i]?.set(column as never)
    chunk.count = this.#chunk.count
    renumber(chunk, order)
    toIntegers(chunk, instruments)
    yield chunk
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#file.close()
  }
}

const columnsOf = (chunk: TapeChunk) => [
  chunk.tsUs,
  chunk.kind,
  chunk.instrument,
  chunk.flags,
  chunk.v0,
  chunk.v1,
  chunk.v2,
  chunk.v3,
  chunk.v4,
  chunk.v5,
]
const bytesOf = (column: ArrayBufferView): Uint8Array =>
  new Uint8Array(column.buffer, column.byteOffset, column.byteLength)

const writeFully = async (file: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten
}

const readFully = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const {bytesRead} = await file.read(bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0) throw new Error('the spool file is shorter than what was written to it')
    done += bytesRead
  }
}
