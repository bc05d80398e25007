// Columns are indexed inside their bounds, hence the `!`.
import {applyRow, createMarketState} from '../data/market-state.ts'
import type {OrderBook} from '../data/order-book.ts'
import {Aggressor, Depth, EventKind} from '../data/tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {type Instrument, lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import {BOOK_LEVELS, BookFeatures, type BookInput, bookSchema} from '../features/book-features.ts'
import {joinParts} from './bar-dataset.ts'
import {CLASSES, type Dataset} from './dataset.ts'
import {costAwareDirection, type DirectionOptions} from './labels.ts'
import {sha256} from './model-file.ts'

/** A quarter of an hour: books have few days, and their labels look seconds ahead. */
const BLOCK_US = 900_000_000

export interface BookDatasetOptions extends DirectionOptions {
  /** Every n-th complete book becomes a row; its features still see all of them. */
  readonly every: number
}

/** Reads the levels of an instrument's book into a `BookInput`, reusing its arrays. */
export class BookReader {
  readonly #input = {
    tsUs: 0,
    bidPrices: new Float64Array(BOOK_LEVELS),
    bidSizes: new Float64Array(BOOK_LEVELS),
    askPrices: new Float64Array(BOOK_LEVELS),
    askSizes: new Float64Array(BOOK_LEVELS),
    signedVolume: 0,
  }

  /** Undefined while a side is empty or the book is crossed: such a book is no market. Valid until the next call. */
  read(book: OrderBook, instrument: Instrument, tsUs: number, signedVolume: number): BookInput | undefined {
    if (book.bidLevels() === 0 || book.askLevels() === 0 || book.bidTicks(0) >= book.askTicks(0)) return undefined
    const input = this.#input
    for (let level = 0; level < BOOK_LEVELS; level++) {
      // A level that is not there repeats the last price with size 0.
      const [bid, ask] = [Math.min(level, book.bidLevels() - 1), Math.min(level, book.askLevels() - 1)]
      input.bidPrices[level] = ticksToPrice(instrument, book.bidTicks(bid))
      input.askPrices[level] = ticksToPrice(instrument, book.askTicks(ask))
      input.bidSizes[level] = lotsToSize(instrument, book.bidLots(level))
      input.askSizes[level] = lotsToSize(instrument, book.askLots(level))
    }
    input.tsUs = tsUs
    input.signedVolume = signedVolume
    return input
  }
}

class Rows {
  readonly width = bookSchema.names.length
  features = new Float32Array(this.width * 4096)
  readonly tsUs: number[] = []
  readonly session: number[] = []
  readonly mid: number[] = []
  readonly spread: number[] = []
  readonly builder = new BookFeatures()
  readonly scratch = new Float32Array(this.width)
  seen = 0
  signedVolume = 0

  push(book: BookInput, every: number, startSession: () => number): void {
    const isNew = this.builder.push(book, this.scratch)
    const session = isNew ? startSession() : (this.session.at(-1) ?? startSession())
    this.signedVolume = 0
    if (this.seen++ % every !== 0) return
    const at = this.tsUs.length * this.width
    if (at === this.features.length) {
      const grown = new Float32Array(this.features.length * 2)
      grown.set(this.features)
      this.features = grown
    }
    this.features.set(this.scratch, at)
    this.tsUs.push(book.tsUs)
    this.session.push(session)
    this.mid.push((book.bidPrices[0]! + book.askPrices[0]!) / 2)
    this.spread.push(book.askPrices[0]! - book.bidPrices[0]!)
  }
}

/** Features and cost-aware labels of every instrument whose depth a tape holds: the market state of the live loop. */
export const bookDataset = async (tape: TapeSource, {every, ...options}: BookDatasetOptions): Promise<Dataset> => {
  const market = createMarketState(tape.instruments.size)
  const byInstrument = new Map<number, Rows>()
  const reader = new BookReader()
  let sessions = 0
  for await (const chunk of tape.chunks()) {
    for (let row = 0; row < chunk.count; row++) {
      applyRow(market, chunk, row)
      const index = chunk.instrument[row]!
      const rows = byInstrument.get(index) ?? new Rows()
      byInstrument.set(index, rows)
      if (chunk.kind[row] === EventKind.trade) {
        const size = lotsToSize(tape.instruments.at(index), chunk.v1[row]!)
        rows.signedVolume += chunk.flags[row] === Aggressor.buy ? size : chunk.flags[row] === Aggressor.sell ? -size : 0
      }
      if (chunk.kind[row] !== EventKind.depth || (chunk.flags[row]! & Depth.last) === 0) continue
      const input = reader.read(market.books[index]!, tape.instruments.at(index), chunk.tsUs[row]!, rows.signedVolume)
      if (input !== undefined) rows.push(input, every, () => sessions++)
    }
  }
  return assemble(tape, byInstrument, {every, ...options})
}

const assemble = async (
  tape: TapeSource,
  byInstrument: ReadonlyMap<number, Rows>,
  options: BookDatasetOptions,
): Promise<Dataset> => {
  const used = [...byInstrument].filter(([, rows]) => rows.tsUs.length > 0)
  const parts = used.map(([, rows]) => {
    const session = Int32Array.from(rows.session)
    const tsUs = Float64Array.from(rows.tsUs)
    const [mid, spread] = [Float64Array.from(rows.mid), Float64Array.from(rows.spread)]
    return {
      features: rows.features.slice(0, rows.tsUs.length * rows.width),
      session,
      tsUs,
      block: Int32Array.from(tsUs, at => Math.floor(at / BLOCK_US)),
      ...costAwareDirection({mid, spread, session}, options),
    }
  })
  const dataHash = await tape.dataHash()
  const symbols = used.map(([index]) => tape.instruments.at(index).symbol)
  return {
    ...joinParts(
      parts,
      parts.map(({tsUs}) => tsUs.length),
    ),
    schema: bookSchema,
    symbols,
    horizon: options.horizon,
    dataHash: sha256(JSON.stringify({dataHash, options, classes: CLASSES})),
    sources: symbols.map((name, i) => ({name, rows: parts[i]!.tsUs.length, sha256: dataHash})),
  }
}
