import {type BarInput, barSchema} from '../features/bar-features.ts'
import type {BookInput} from '../features/book-features.ts'
import type {FeatureSchema} from '../features/features.ts'
import {MULTI_COLUMNS, MultiFeatures, multiSchema, type OptionsInput} from '../features/multi-features.ts'
import {NEIGHBOUR_NAMES, type PatternSource} from '../features/pattern-features.ts'
import {type SessionClock, sessionNamed} from '../features/session-clock.ts'
import type {Dataset} from './dataset.ts'
import {LabelledRows} from './labelled-rows.ts'
import {type TripleBarrierOptions, tripleBarrier} from './labels.ts'
import {sha256} from './model-file.ts'
import {RowStore, type RowStoreOptions} from './row-store.ts'
import {NO_PRINT, rowPrint} from './seen-rows.ts'
import {strategyLabel} from './strategy-labels.ts'

/** What happens to one instrument, in time order. Books and chains come before the bar that closes after them. */
export interface MarketSink {
  readonly onBar: (bar: BarInput) => void
  readonly onBook: (book: BookInput) => void
  readonly onOptions: (chain: OptionsInput) => void
}

/** One symbol's history, read from start to end without being held. */
export interface SymbolHistory {
  readonly symbol: string
  /** Of what it is read from. */
  readonly sha256: string
  readonly read: (sink: MarketSink) => Promise<void>
  /** Its own bar length and trading day, where they are not those of the source: rows are relative and mix. */
  readonly periodUs?: number
  readonly session?: SessionClock['name']
}

/** Where rows for training come from: a catalog, or a test's own bars. */
export interface BarSource {
  readonly session: SessionClock['name']
  readonly periodUs: number
  readonly histories: readonly SymbolHistory[]
}

export interface BarDatasetOptions extends TripleBarrierOptions {
  /** `bar`: technical features alone; `multi`: everything known of the instrument. */
  readonly rows?: 'bar' | 'multi'
  /** A pattern memory of its own for each symbol; without it no pattern is retrieved. */
  readonly patterns?: (symbol: string) => PatternSource
  readonly store?: RowStoreOptions
}

export interface BarDataset extends Dataset {
  readonly periodUs: number
  readonly sessionName: SessionClock['name']
  readonly rows: RowStore
}

const columns = (capacity: number) => ({
  open: new Float64Array(capacity),
  high: new Float64Array(capacity),
  low: new Float64Array(capacity),
  close: new Float64Array(capacity),
  deviation: new Float64Array(capacity),
})

/** Features and triple-barrier labels of every symbol of a source, through the same code that serves. */
export const barDataset = async (source: BarSource, options: BarDatasetOptions): Promise<BarDataset> => {
  const {rows = 'bar', patterns, store: storeOptions, horizon, barrier, costBps} = options
  const schema = rows === 'multi' ? multiSchema : barSchema
  const store = new RowStore(schema.names.length, storeOptions)
  const session = new Int32Array(4096 + 2 * horizon)
  const labelled = new LabelledRows({
    store,
    horizon,
    columns,
    label: (values, count) => tripleBarrier({...cut(values, count), session: session.subarray(0, count)}, options),
    cost: ({deviation}, row) => (costBps * 1e-4) / ((deviation[row] as number) * Math.sqrt(horizon)),
    strategy: strategyOf(schema, horizon),
  })
  const sources: {name: string; rows: number; sha256: string}[] = []
  for (const [symbol, history] of source.histories.entries()) {
    const before = store.length
    labelled.startSymbol(symbol)
    await history.read(rowMaker({...source, ...history}, schema, labelled, horizon, patterns?.(history.symbol)))
    labelled.endSession()
    sources.push({name: history.symbol, rows: store.length - before, sha256: history.sha256})
  }
  return {
    schema,
    rows: store,
    symbols: sources.map(({name}) => name),
    horizon,
    dataHash: sha256(JSON.stringify({sources, options: {horizon, barrier, costBps}, rows: schema.set})),
    sources,
    periodUs: source.periodUs,
    sessionName: source.session,
  }
}

/** Turns what happens into rows. A missing bar ends the session for windows and labels; the day's running state goes on. */
const rowMaker = (
  {session, periodUs}: Pick<BarSource, 'session' | 'periodUs'>,
  schema: FeatureSchema,
  labelled: LabelledRows<ReturnType<typeof columns>>,
  horizon: number,
  patterns: PatternSource | undefined,
): MarketSink => {
  const clock = sessionNamed(session)
  const features = new MultiFeatures({session: clock, horizon, ...(patterns === undefined ? {} : {patterns})})
  const row = new Float32Array(multiSchema.names.length)
  const width = schema.names.length
  let previousUs = Number.NaN
  return {
    onBook: book => features.onBook(book),
    onOptions: chain => features.onOptions(chain),
    onBar(bar) {
      const isNew = features.push(bar, row)
      if (isNew || bar.tsUs - previousUs > periodUs) labelled.endSession()
      previousUs = bar.tsUs
      const at = labelled.count
      const {open, high, low, close, deviation} = labelled.columns
      open[at] = bar.open
      high[at] = bar.high
      low[at] = bar.low
      close[at] = bar.close
      deviation[at] = features.deviation
      // The technical features come first in both schemas.
      labelled.push(row.subarray(0, width), bar.tsUs, clock.day(bar.tsUs), printOf(bar))
    },
  }
}

/** A bar that stood still looks like any other's of that time. */
const printOf = ({tsUs, open, high, low, close, volume}: BarInput): number =>
  high > low ? rowPrint(tsUs, open, high, low, close, volume) : NO_PRINT

const cut = (values: ReturnType<typeof columns>, count: number) => ({
  open: values.open.subarray(0, count),
  high: values.high.subarray(0, count),
  low: values.low.subarray(0, count),
  close: values.close.subarray(0, count),
  deviation: values.deviation.subarray(0, count),
})

const DISTANCE_TO_VWAP = barSchema.names.indexOf('distanceToVwap')

const strategyOf = (schema: FeatureSchema, horizon: number) => {
  const isMulti = schema === multiSchema
  const {flags, sentiment, patterns, neighbours} = MULTI_COLUMNS
  const step = NEIGHBOUR_NAMES.length
  return (features: Float32Array, at: number, move: number, cost: number): number => {
    const value = (column: number): number => features[at + column] as number
    let evidence = 0
    for (let i = 0; isMulti && i < neighbours; i++) evidence += value(patterns + step * i + 1) / neighbours
    return strategyLabel(
      {
        stretch: value(DISTANCE_TO_VWAP) / Math.sqrt(horizon),
        sentiment: isMulti && value(flags + 1) === 1 ? value(sentiment) : undefined,
        evidence: isMulti && value(flags + 2) === 1 ? evidence : undefined,
      },
      move,
      cost,
    )
  }
}
