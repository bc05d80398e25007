// Columns are indexed inside their bounds, hence the `!`.
import {applyRow, createMarketState} from '../data/market-state.ts'
import type {OrderBook} from '../data/order-book.ts'
import {Aggressor, Depth, EventKind} from '../data/tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {type Instrument, lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import {BOOK_LEVELS, BookFeatures, type BookInput, bookSchema} from '../features/book-features.ts'
import type {Dataset} from './dataset.ts'
import {LabelledRows} from './labelled-rows.ts'
import {costAwareDirection, type DirectionOptions} from './labels.ts'
import {sha256} from './model-file.ts'
import {RowStore, type RowStoreOptions} from './row-store.ts'
import {rowPrint} from './seen-rows.ts'
import {strategyLabel} from './strategy-labels.ts'

/** A quarter of an hour: books have few days, and their labels look seconds ahead. */
const BLOCK_US = 900_000_000

export interface BookDatasetOptions extends DirectionOptions {
  /** Every n-th complete book becomes a row; its features still see all of them. */
  readonly every: number
  readonly store?: RowStoreOptions
}

/** The depth and trades of one instrument, and a hash of what they are read from. */
export interface BookHistory {
  readonly symbol: string
  readonly sha256: string
  readonly tape: () => Promise<TapeSource>
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

const columns = (capacity: number) => ({mid: new Float64Array(capacity), spread: new Float64Array(capacity)})

/** Features and cost-aware labels of every instrument's depth: the market state of the live loop, one symbol at a time. */
export const bookDataset = async (
  histories: readonly BookHistory[],
  {every, store: storeOptions, ...options}: BookDatasetOptions,
): Promise<Dataset> => {
  const {horizon} = options
  const store = new RowStore(bookSchema.names.length, storeOptions)
  const session = new Int32Array(4096 + 2 * horizon)
  const labelled = new LabelledRows({
    store,
    horizon,
    columns,
    label: ({mid, spread}, count) =>
      costAwareDirection(
        {mid: mid.subarray(0, count), spread: spread.subarray(0, count), session: session.subarray(0, count)},
        options,
      ),
    // Moves are in current spreads, and a round trip crosses one.
    cost: () => 1,
    strategy: (features, at, move, cost) =>
      strategyLabel(
        {
          stretch:
            (features[at + MOMENTUM] as number) / Math.exp(features[at + LOG_DEVIATION] as number) / Math.sqrt(horizon),
          sentiment: undefined,
          evidence: undefined,
        },
        move,
        cost,
      ),
  })
  const sources: {name: string; rows: number; sha256: string}[] = []
  for (const {symbol, sha256: hash, tape} of histories) {
    const before = store.length
    labelled.startSymbol(sources.length)
    await readBooks(await tape(), symbol, every, labelled)
    labelled.endSession()
    if (store.length > before) sources.push({name: symbol, rows: store.length - before, sha256: hash})
  }
  return {
    schema: bookSchema,
    rows: store,
    symbols: sources.map(({name}) => name),
    horizon,
    dataHash: sha256(JSON.stringify({sources, options: {every, ...options}, rows: 'book'})),
    sources,
  }
}

const MOMENTUM = bookSchema.names.indexOf('midMomentum')
const LOG_DEVIATION = bookSchema.names.indexOf('logDeviation')

const readBooks = async (
  tape: TapeSource,
  symbol: string,
  every: number,
  labelled: LabelledRows<ReturnType<typeof columns>>,
): Promise<void> => {
  const market = createMarketState(tape.instruments.size)
  const reader = new BookReader()
  const features = new BookFeatures()
  const row = new Float32Array(bookSchema.names.length)
  const index = tape.instruments.indexOf(symbol)
  if (index === undefined) return
  const instrument = tape.instruments.at(index)
  let [signedVolume, seen] = [0, 0]
  for await (const chunk of tape.chunks()) {
    for (let i = 0; i < chunk.count; i++) {
      if (chunk.instrument[i] !== index) continue
      applyRow(market, chunk, i)
      if (chunk.kind[i] === EventKind.trade) {
        const size = lotsToSize(instrument, chunk.v1[i]!)
        signedVolume += chunk.flags[i] === Aggressor.buy ? size : chunk.flags[i] === Aggressor.sell ? -size : 0
      }
      if (chunk.kind[i] !== EventKind.depth || (chunk.flags[i]! & Depth.last) === 0) continue
      const book = reader.read(market.books[index]!, instrument, chunk.tsUs[i]!, signedVolume)
      if (book === undefined) continue
      if (features.push(book, row)) labelled.endSession()
      signedVolume = 0
      if (seen++ % every !== 0) continue
      const at = labelled.count
      labelled.columns.mid[at] = (book.bidPrices[0]! + book.askPrices[0]!) / 2
      labelled.columns.spread[at] = book.askPrices[0]! - book.bidPrices[0]!
      const print = rowPrint(
        ...([book.tsUs, book.bidPrices[0]!, book.askPrices[0]!, book.bidSizes[0]!, book.askSizes[0]!, 0] as const),
      )
      labelled.push(row, book.tsUs, Math.floor(book.tsUs / BLOCK_US), print)
    }
  }
}
