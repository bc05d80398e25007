import {existsSync, readdirSync} from 'node:fs'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'
import {US_PER_DAY, US_PER_MINUTE} from '../domain/units.ts'
import {fromNewYork, type SessionClock} from '../features/session-clock.ts'
import {type BarSource, barDataset, type SymbolBars} from '../models/bar-dataset.ts'
import {bookDataset} from '../models/book-dataset.ts'
import type {Dataset} from '../models/dataset.ts'

const BAR_FILE = /^us_5m_([A-Z]+)_2025\.csv(\.gz)?$/

/** Bars of a catalog, or of a folder of 5-minute CSV files (New York time, stamped at the start of the bar). */
export const openBarSource = async (dir: string, symbols: readonly string[] | undefined): Promise<BarSource> => {
  const folder = [dir, path.join(dir, 'intraday')].find(
    candidate => existsSync(candidate) && filesOf(candidate).length > 0,
  )
  if (folder !== undefined) return csvBarSource(folder, symbols)
  const {readCatalog} = await import('../drivers/duckdb/catalog.ts')
  const {tapeBarSource} = await import('../models/tape-bars.ts')
  const catalog = await readCatalog(dir)
  const bars = catalog.list().filter(entry => entry.kind === 'bar' && (symbols?.includes(entry.symbol) ?? true))
  const counts = new Map<number, number>()
  for (const {periodUs = 0, rows} of bars) counts.set(periodUs, (counts.get(periodUs) ?? 0) + rows)
  const [best] = [...counts].sort(([, a], [, b]) => b - a)
  if (best === undefined) {
    throw new UserError('NO_BARS', `${dir} holds no bars to train on`, {
      hints: [`ingest some: gpi ingest csv FILE --out ${dir}`],
    })
  }
  const [periodUs] = best
  const chosen = [...new Set(bars.filter(entry => entry.periodUs === periodUs).map(({symbol}) => symbol))]
  const tape = await catalog.tape({kinds: ['bar'], periodUs, symbols: chosen})
  const isCrypto = chosen.every(symbol => symbol.includes('/'))
  return tapeBarSource(tape, isCrypto ? 'utc' : 'us-equity', periodUs)
}

const filesOf = (folder: string): string[] =>
  readdirSync(folder)
    .filter(name => BAR_FILE.test(name))
    .sort()

const csvBarSource = (folder: string, symbols: readonly string[] | undefined): BarSource => ({
  session: 'us-equity',
  periodUs: 5 * US_PER_MINUTE,
  async *symbols() {
    const {Database, quoted} = await import('../drivers/duckdb/database.ts')
    await using database = await Database.open({threads: 1})
    for (const name of filesOf(folder)) {
      const symbol = BAR_FILE.exec(name)?.[1] as string
      if (symbols !== undefined && !symbols.includes(symbol)) continue
      const columns: number[][] = [[], [], [], [], [], []]
      const sql = `SELECT epoch_us(datetime_et::TIMESTAMP)::DOUBLE, open::DOUBLE, high::DOUBLE, low::DOUBLE, close::DOUBLE,
        volume::DOUBLE FROM read_csv(${quoted(path.join(folder, name))}, header = true) ORDER BY 1`
      for await (const chunk of database.stream(sql)) {
        for (const [i, column] of columns.entries()) {
          for (const value of chunk.getColumnValues(i)) column.push(value as number)
        }
      }
      const [start = [], open = [], high = [], low = [], close = [], volume = []] = columns
      const tsUs = Float64Array.from(start, local => fromNewYork(local) + 5 * US_PER_MINUTE)
      yield {
        symbol,
        tsUs,
        open: Float64Array.from(open),
        high: Float64Array.from(high),
        low: Float64Array.from(low),
        close: Float64Array.from(close),
        volume: Float64Array.from(volume),
      } satisfies SymbolBars
    }
  },
})

export interface TrainingData {
  readonly dataset: Dataset
  readonly session: SessionClock['name']
  readonly periodUs: number
  readonly embargoUs: number
  /** How labels were made, for the model's card. */
  readonly labels: Readonly<Record<string, number | string>>
}

export interface TrainingDataRequest {
  readonly data: string
  readonly symbols?: readonly string[]
  readonly horizon: number
  readonly barrier: number
  readonly costBps: number
}

/** Labelled rows for a model: bars with triple barriers, or books with a cost-aware direction. */
export const loadTrainingData = async (request: TrainingDataRequest, rows: 'bar' | 'book'): Promise<TrainingData> =>
  rows === 'bar' ? loadBars(request) : loadBooks(request)

const loadBars = async ({data, symbols, horizon, barrier, costBps}: TrainingDataRequest): Promise<TrainingData> => {
  const source = await openBarSource(data, symbols)
  const dataset = await barDataset(source, {horizon, barrier, costBps})
  return {
    dataset,
    session: source.session,
    periodUs: source.periodUs,
    embargoUs: US_PER_DAY,
    labels: {kind: 'triple-barrier', horizon, barrierDeviations: barrier, costBps, entry: "next bar's open"},
  }
}

const loadBooks = async ({data, symbols, horizon, barrier}: TrainingDataRequest): Promise<TrainingData> => {
  const {readCatalog} = await import('../drivers/duckdb/catalog.ts')
  const catalog = await readCatalog(data)
  const held = catalog.list().filter(entry => entry.kind === 'depth' && (symbols?.includes(entry.symbol) ?? true))
  if (held.length === 0) {
    throw new UserError('NO_BOOKS', `${data} holds no order books to train on`, {
      hints: [`ingest some: gpi ingest lobster FILE --out ${data}`],
    })
  }
  const tape = await catalog.tape({kinds: ['depth', 'trade'], symbols: held.map(entry => entry.symbol)})
  const dataset = await bookDataset(tape, {horizon, spreads: barrier, every: 1})
  return {
    dataset,
    session: 'utc',
    periodUs: 0,
    embargoUs: 60 * 1_000_000,
    labels: {kind: 'cost-aware-direction', horizon, thresholdSpreads: barrier, mid: 'raw, against the current mid'},
  }
}
