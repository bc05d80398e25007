import {UserError} from '../domain/errors.ts'
import {US_PER_DAY} from '../domain/units.ts'
import type {Catalog} from '../drivers/duckdb/catalog.ts'
import type {SessionClock} from '../features/session-clock.ts'
import {type BarSource, barDataset} from '../models/bar-dataset.ts'
import {bookDataset} from '../models/book-dataset.ts'
import type {Dataset} from '../models/dataset.ts'
import type {RowStoreOptions} from '../models/row-store.ts'
import {STRATEGY_LABEL_RULE} from '../models/strategy-labels.ts'
import {patternEvidence} from './pattern-evidence.ts'
import {openRowSpill} from './row-spill.ts'
import {openTrainingCatalog, requireSymbols, sourceHash} from './training-catalog.ts'
import {heedStop, refuseWhenStopped, symbolHistory} from './training-market.ts'

/** What a row is: a bar's own features, those with everything else known of the instrument, or a book. */
export type RowKind = 'bar' | 'multi' | 'book'
export const ROW_KINDS: readonly RowKind[] = ['bar', 'multi', 'book']

export interface TrainingData {
  readonly dataset: Dataset
  readonly session: SessionClock['name']
  readonly periodUs: number
  readonly embargoUs: number
  /** What has to do where data is so short that the embargo would leave nothing of a part: the label's reach of bars. */
  readonly leastEmbargoUs: number
  /** How labels were made, for the model's card. */
  readonly labels: Readonly<Record<string, number | string>>
}

export interface TrainingDataRequest {
  readonly data: string
  readonly symbols?: readonly string[]
  readonly horizon: number
  readonly barrier: number
  readonly costBps: number
  /** Length of the bars that are built from ticks, for instruments that have none; without it those are left out. */
  readonly periodUs?: number
  /** MiB of rows held in memory; more lie in a file. */
  readonly memoryMiB?: number
}

/**
 * Labelled rows for a model: bars with triple barriers, or books with a cost-aware direction. Refuses once a stop is asked
 * for.
 */
export const loadTrainingData = async (
  request: TrainingDataRequest,
  rows: RowKind,
  isStopped?: () => boolean,
): Promise<TrainingData> => {
  await using opened = await openTrainingCatalog(request.data, request.symbols)
  const {catalog} = opened
  requireSymbols(catalog, [...new Set(catalog.list().map(({symbol}) => symbol))].sort(), request.symbols)
  return rows === 'book'
    ? await loadBooks(catalog, request, isStopped)
    : await loadBars(catalog, request, rows, isStopped)
}

const storeOptions = ({memoryMiB = 256}: TrainingDataRequest): RowStoreOptions => ({
  budgetBytes: memoryMiB * 2 ** 20,
  spill: () => openRowSpill(),
})

const loadBars = async (
  catalog: Catalog,
  request: TrainingDataRequest,
  rows: 'bar' | 'multi',
  isStopped: (() => boolean) | undefined,
): Promise<TrainingData> => {
  const {horizon, barrier, costBps} = request
  const read = barSource(catalog, request, rows)
  const source = {...read, histories: heedStop(read.histories, isStopped)}
  const dataset = await barDataset(source, {
    horizon,
    barrier,
    costBps,
    rows,
    ...(rows === 'multi' ? {patterns: patternEvidence} : {}),
    store: storeOptions(request),
  })
  return {
    dataset,
    session: source.session,
    periodUs: source.periodUs,
    embargoUs: US_PER_DAY,
    leastEmbargoUs: horizon * source.periodUs,
    labels: {
      kind: 'triple-barrier',
      horizon,
      barrierDeviations: barrier,
      costBps,
      entry: "next bar's open",
      ...(request.periodUs === undefined ? {} : {builtPeriodUs: request.periodUs}),
      strategy: STRATEGY_LABEL_RULE,
    },
  }
}

/**
 * The bars of a catalog at its commonest period. An instrument without any joins in with bars of `periodUs` built from its
 * own trades and quotes: the only place where books and option chains come with bars.
 */
const barSource = (catalog: Catalog, request: TrainingDataRequest, rows: 'bar' | 'multi'): BarSource => {
  const entries = catalog.list().filter(entry => request.symbols?.includes(entry.symbol) ?? true)
  const counts = new Map<number, number>()
  for (const {kind, periodUs = 0, rows: count} of entries)
    if (kind === 'bar' && periodUs >= MIN_PERIOD_US) counts.set(periodUs, (counts.get(periodUs) ?? 0) + count)
  const [commonest] = [...counts].sort(([, a], [, b]) => b - a)
  const periodUs = commonest?.[0] ?? request.periodUs
  if (periodUs === undefined) {
    throw new UserError('NO_BARS', `${catalog.dir} holds no bars to train on`, {
      hints: [
        `ingest some: gpi ingest csv FILE --out ${catalog.dir}`,
        'gpi train builds them from quotes and trades with --period SECONDS',
      ],
    })
  }
  const isMulti = rows === 'multi'
  const withBars = new Set(entries.filter(e => e.kind === 'bar' && e.periodUs === periodUs).map(e => e.symbol))
  const ticks = entries.filter(e => e.kind === 'trade' || e.kind === 'quote' || e.kind === 'depth').map(e => e.symbol)
  const held = [...new Set([...withBars, ...(request.periodUs === undefined ? [] : ticks)])].sort()
  const symbols = requireSymbols(catalog, held, request.symbols)
  const sessions = sessionsOf(catalog)
  const session = symbols.every(symbol => sessions.get(symbol) === 'utc') ? 'utc' : 'us-equity'
  return {
    session,
    periodUs,
    histories: symbols.map(symbol => {
      const hasBars = withBars.has(symbol)
      const own = hasBars ? periodUs : (request.periodUs ?? periodUs)
      return {
        ...symbolHistory(catalog, symbol, {periodUs: own, hasBars, isMulti}),
        periodUs: own,
        session: sessions.get(symbol) ?? session,
      }
    }),
  }
}

/** Bars shorter than this are ticks to build longer ones from. */
const MIN_PERIOD_US = 10_000_000

/** Days of New York for stocks and funds, of UTC for everything else. */
const sessionsOf = ({units}: Catalog): ReadonlyMap<string, SessionClock['name']> =>
  new Map(
    units
      .flatMap(unit => unit.instruments)
      .map(({symbol, kind}) => [symbol, kind === 'crypto' ? 'utc' : 'us-equity'] as const),
  )

const loadBooks = async (
  catalog: Catalog,
  request: TrainingDataRequest,
  isStopped: (() => boolean) | undefined,
): Promise<TrainingData> => {
  const {symbols, horizon, barrier} = request
  const held = catalog.list().filter(entry => entry.kind === 'depth' && (symbols?.includes(entry.symbol) ?? true))
  if (held.length === 0) {
    throw new UserError('NO_BOOKS', `${catalog.dir} holds no order books to train on`, {
      hints: [`ingest some: gpi ingest lobster FILE --out ${catalog.dir}`],
    })
  }
  const kinds = ['depth', 'trade'] as const
  const names = requireSymbols(catalog, [...new Set(held.map(({symbol}) => symbol))].sort(), symbols)
  const dataset = await bookDataset(
    names.map(symbol => ({
      symbol,
      sha256: sourceHash(catalog, symbol, kinds),
      tape: () => {
        refuseWhenStopped(isStopped)
        return catalog.tape({kinds, symbols: [symbol]})
      },
    })),
    {horizon, spreads: barrier, every: 1, store: storeOptions(request)},
  )
  return {
    dataset,
    session: 'utc',
    periodUs: 0,
    embargoUs: 60 * 1_000_000,
    leastEmbargoUs: 10 * 1_000_000,
    labels: {
      kind: 'cost-aware-direction',
      horizon,
      thresholdSpreads: barrier,
      mid: 'raw, against the current mid',
      strategy: STRATEGY_LABEL_RULE,
    },
  }
}
