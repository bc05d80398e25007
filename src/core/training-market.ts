// Columns are indexed inside their bounds, hence the `!`.
import type {CatalogKind} from '../data/catalog.ts'
import {applyRow, createMarketState} from '../data/market-state.ts'
import {Aggressor, Depth, EventKind, type TapeChunk} from '../data/tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import type {Catalog} from '../drivers/duckdb/catalog.ts'
import type {OptionsInput} from '../features/multi-features.ts'
import type {MarketSink, SymbolHistory} from '../models/bar-dataset.ts'
import {BookReader} from '../models/book-dataset.ts'
import {optionsInput} from '../models/options-input.ts'
import {catalogQuotes, chainsOf} from './chain-stream.ts'
import {LiveBars} from './live-bars.ts'
import {sourceHash} from './training-catalog.ts'

export interface HistoryOptions {
  readonly periodUs: number
  /** The catalog has bars of this period; else they are built from trades and quotes. */
  readonly hasBars: boolean
  /** Also quotes, books and option chains. */
  readonly isMulti: boolean
}

/** Time between two readings of a chain: reading one takes longer than a bar. */
const CHAIN_PACE_US = 900_000_000

/** One symbol of a catalog, replayed chunk by chunk: bars, and what else is known of it at the same time. */
export const symbolHistory = (catalog: Catalog, symbol: string, options: HistoryOptions): SymbolHistory => {
  const {periodUs, hasBars, isMulti} = options
  const held = new Set(
    catalog
      .list()
      .filter(entry => entry.symbol === symbol)
      .map(({kind}) => kind),
  )
  const wanted: CatalogKind[] = [
    ...(hasBars ? (['bar'] as const) : []),
    ...(isMulti || !hasBars ? (['quote', 'trade', 'depth'] as const) : []),
  ]
  const kinds = wanted.filter(kind => held.has(kind))
  const hasChains = isMulti && held.has('option')
  return {
    symbol,
    sha256: sourceHash(catalog, symbol, hasChains ? [...kinds, 'option'] : kinds),
    async read(sink) {
      const tape = await catalog.tape({kinds, periodUs, symbols: [symbol]})
      const chains = hasChains ? readChains(catalog.dir, symbol) : undefined
      await replay(tape, symbol, options, sink, chains)
    },
  }
}

/** Histories whose reading ends with a refusal at the first bar after a stop was asked for. */
export const heedStop = (
  histories: readonly SymbolHistory[],
  isStopped: (() => boolean) | undefined,
): readonly SymbolHistory[] =>
  isStopped === undefined
    ? histories
    : histories.map(history => ({
        ...history,
        async read(sink) {
          refuseWhenStopped(isStopped)
          await history.read({
            ...sink,
            onBar(bar) {
              refuseWhenStopped(isStopped)
              sink.onBar(bar)
            },
          })
        },
      }))

/** Nothing is worth keeping before the first step, and least of all in the place of a model that is. */
export const refuseWhenStopped = (isStopped: (() => boolean) | undefined): void => {
  if (isStopped?.() !== true) return
  throw new UserError('STOPPED', 'stopped before the first step: nothing was written', {
    hints: ['the same command starts again'],
    exitCode: ExitCode.failure,
  })
}

/** Plays a tape of one instrument into a sink: bars as they are, or built from its trades and quotes. */
export const replay = async (
  tape: TapeSource,
  symbol: string,
  {periodUs, hasBars, isMulti}: HistoryOptions,
  sink: MarketSink,
  chains: AsyncGenerator<OptionsInput> | undefined,
): Promise<void> => {
  const index = tape.instruments.indexOf(symbol)
  if (index === undefined) return
  const instrument = tape.instruments.at(index)
  const market = createMarketState(tape.instruments.size)
  const reader = new BookReader()
  const pending: OptionsInput[] = []
  const bars = hasBars
    ? undefined
    : new LiveBars(tape.instruments, periodUs, (_, bar) => {
        settleChains(bar.tsUs)
        sink.onBar(bar)
      })
  let signedVolume = 0

  const settleChains = (tsUs: number): void => {
    while (pending.length > 0 && pending[0]!.tsUs <= tsUs) sink.onOptions(pending.shift()!)
  }
  const onBook = (chunk: TapeChunk, row: number): void => {
    const tsUs = chunk.tsUs[row]!
    if (chunk.kind[row] === EventKind.quote) {
      const [bid, ask] = [ticksToPrice(instrument, chunk.v0[row]!), ticksToPrice(instrument, chunk.v1[row]!)]
      const sizes = [lotsToSize(instrument, chunk.v2[row]!), lotsToSize(instrument, chunk.v3[row]!)]
      // A side that is absent has no size and is no market.
      if (sizes[0]! > 0 && sizes[1]! > 0) {
        sink.onBook({
          tsUs,
          bidPrices: [bid],
          askPrices: [ask],
          bidSizes: [sizes[0]!],
          askSizes: [sizes[1]!],
          signedVolume,
        })
        signedVolume = 0
      }
      return
    }
    const book = reader.read(market.books[index]!, instrument, tsUs, signedVolume)
    if (book === undefined) return
    sink.onBook(book)
    signedVolume = 0
  }

  for await (const chunk of tape.chunks()) {
    if (chunk.count > 0 && chains !== undefined) await fill(pending, chains, chunk.tsUs[chunk.count - 1]!)
    for (let row = 0; row < chunk.count; row++) {
      if (chunk.instrument[row] !== index) continue
      const kind = chunk.kind[row]
      bars?.onRow(chunk, row)
      if (kind === EventKind.bar) {
        const tsUs = chunk.tsUs[row]!
        settleChains(tsUs)
        sink.onBar({
          tsUs,
          open: ticksToPrice(instrument, chunk.v0[row]!),
          high: ticksToPrice(instrument, chunk.v1[row]!),
          low: ticksToPrice(instrument, chunk.v2[row]!),
          close: ticksToPrice(instrument, chunk.v3[row]!),
          volume: lotsToSize(instrument, chunk.v4[row]!),
        })
        continue
      }
      if (!isMulti && bars === undefined) continue
      applyRow(market, chunk, row)
      if (kind === EventKind.trade) {
        const size = lotsToSize(instrument, chunk.v1[row]!)
        signedVolume += chunk.flags[row] === Aggressor.buy ? size : chunk.flags[row] === Aggressor.sell ? -size : 0
      } else if (kind === EventKind.quote || (chunk.flags[row]! & Depth.last) !== 0) {
        if (kind === EventKind.depth) bars?.onMid(index, chunk.tsUs[row]!, market)
        if (isMulti) onBook(chunk, row)
      }
    }
  }
}

/** Reads chains on until one lies after `untilUs`; that one waits for the next call. */
const fill = async (pending: OptionsInput[], chains: AsyncGenerator<OptionsInput>, untilUs: number): Promise<void> => {
  while ((pending.at(-1)?.tsUs ?? Number.NEGATIVE_INFINITY) <= untilUs) {
    const {done, value} = await chains.next()
    if (done === true) return
    pending.push(value)
  }
}

async function* readChains(dir: string, symbol: string): AsyncGenerator<OptionsInput> {
  let nextUs = Number.NEGATIVE_INFINITY
  for await (const quotes of chainsOf(catalogQuotes(dir, [symbol]))) {
    const tsUs = quotes[0]?.tsUs ?? 0
    if (tsUs < nextUs) continue
    const read = optionsInput(quotes)
    if (read === undefined) continue
    nextUs = tsUs + CHAIN_PACE_US
    yield read
  }
}
