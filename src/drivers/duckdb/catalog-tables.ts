import type {z} from 'zod'
import type {CatalogQuery} from '../../data/catalog.ts'
import type {Observation, OptionQuote, OptionVolatility} from '../../data/records.ts'
import {EventKind} from '../../data/tape.ts'
import {lotsToSize, ticksToPrice} from '../../domain/instrument.ts'
import type {Catalog} from './catalog.ts'
import {tableRecords} from './catalog-records.ts'

type Query = Omit<CatalogQuery, 'kinds'>

/** All quotes of the options on one underlying at one time. */
export interface ChainSnapshot {
  readonly symbol: string
  readonly tsUs: number
  readonly quotes: readonly z.output<typeof OptionQuote>[]
}

/** Option chains, oldest first, one (underlying, time) after another; memory holds one chain. */
export async function* readChains(catalog: Catalog, query: Query = {}): AsyncGenerator<ChainSnapshot> {
  let quotes: z.output<typeof OptionQuote>[] = []
  // The catalog wrote these columns itself: they are option quotes by construction.
  for await (const record of tableRecords(catalog.parts({...query, kinds: ['option']}), query)) {
    const quote = record as unknown as z.output<typeof OptionQuote>
    const [first] = quotes
    if (first !== undefined && (first.tsUs !== quote.tsUs || first.symbol !== quote.symbol)) {
      yield {symbol: first.symbol, tsUs: first.tsUs, quotes}
      quotes = []
    }
    quotes.push(quote)
  }
  const [first] = quotes
  if (first !== undefined) yield {symbol: first.symbol, tsUs: first.tsUs, quotes}
}

/** Published volatilities and named daily numbers, in time order. */
export const readVolatilities = (catalog: Catalog, query: Query = {}) =>
  tableRecords(
    catalog.parts({...query, kinds: ['option-volatility']}),
    query,
  ) as AsyncGenerator<unknown> as AsyncGenerator<z.output<typeof OptionVolatility>>
export const readObservations = (catalog: Catalog, query: Query = {}) =>
  tableRecords(catalog.parts({...query, kinds: ['observation']}), query) as AsyncGenerator<unknown> as AsyncGenerator<
    z.output<typeof Observation>
  >

/** One symbol's bars as decimal columns of equal length, stamped at their close. */
export interface BarColumns {
  readonly symbol: string
  readonly periodUs: number
  readonly tsUs: Float64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly volume: Float64Array
}

const BAR_COLUMNS = ['tsUs', 'open', 'high', 'low', 'close', 'volume'] as const

/** The bars of each symbol in turn, at the asked or the finest period; memory holds one symbol. */
export async function* readBars(catalog: Catalog, query: Query = {}): AsyncGenerator<BarColumns> {
  const symbols = [...new Set(catalog.parts({...query, kinds: ['bar']}).map(part => part.symbol))].sort()
  for (const symbol of symbols) {
    const tape = await catalog.tape({...query, symbols: [symbol], kinds: ['bar']})
    const instrument = tape.instruments.at(0)
    const columns = BAR_COLUMNS.map(() => [] as number[])
    let periodUs = 0
    for await (const chunk of tape.chunks()) {
      for (let row = 0; row < chunk.count; row++) {
        if (chunk.kind[row] !== EventKind.bar) continue
        periodUs = chunk.v5[row] as number
        columns[0]?.push(chunk.tsUs[row] as number)
        for (const [i, column] of [chunk.v0, chunk.v1, chunk.v2, chunk.v3].entries()) {
          columns[i + 1]?.push(ticksToPrice(instrument, column[row] as number))
        }
        columns[5]?.push(lotsToSize(instrument, chunk.v4[row] as number))
      }
    }
    const [tsUs = [], open = [], high = [], low = [], close = [], volume = []] = columns
    yield {
      symbol,
      periodUs,
      tsUs: Float64Array.from(tsUs),
      open: Float64Array.from(open),
      high: Float64Array.from(high),
      low: Float64Array.from(low),
      close: Float64Array.from(close),
      volume: Float64Array.from(volume),
    }
  }
}
