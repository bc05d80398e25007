import type {CatalogUnit} from '../../data/catalog.ts'
import {EventKind, type TapeChunk} from '../../data/tape.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'
import {dropTables} from './csv-table.ts'
import {type Database, quoted} from './database.ts'
import type {LayoutOutput} from './layouts/layout.ts'
import {TableWriter} from './table-writer.ts'
import {buildUnit} from './unit-build.ts'

export interface RowsUnitRequest {
  readonly database: Database
  readonly dir: string
  readonly staging: string
  readonly about: Pick<CatalogUnit, 'key' | 'source' | 'layout' | 'file' | 'replaces'>
  readonly instruments: InstrumentTable
  /** Defects that the source of the rows found. */
  readonly defects?: () => Readonly<Record<string, number>>
  readonly signal?: AbortSignal
}

/** Tables to write rows to, by kind: `line, ts_us, seq, instrument index`, then the kind's columns, as decimals. */
export type RowWriters = Readonly<Record<RowKind, TableWriter>>
export type RowKind = 'quote' | 'trade' | 'bar' | 'depth' | 'notice'

const COLUMNS = ['line', 'ts_us', 'seq', 'symbol_index']
const KINDS: Readonly<Record<RowKind, readonly string[]>> = {
  quote: ['bid', 'ask', 'bid_size', 'ask_size'],
  trade: ['price', 'size', 'aggressor'],
  bar: ['open', 'high', 'low', 'close', 'volume', 'period_us'],
  depth: ['price', 'size', 'flags'],
  notice: ['code', 'first', 'second', 'lower', 'upper'],
}

/** Publishes the rows that `fill` writes as one unit of a catalog. */
export const publishRows = async (
  request: RowsUnitRequest,
  fill: (writers: RowWriters) => Promise<void>,
): Promise<CatalogUnit> => {
  const {database, instruments} = request
  await dropTables(database)
  const create = (kind: RowKind) => TableWriter.create(database, `kernel_${kind}`, [...COLUMNS, ...KINDS[kind]])
  const writers: RowWriters = {
    quote: await create('quote'),
    trade: await create('trade'),
    bar: await create('bar'),
    depth: await create('depth'),
    notice: await create('notice'),
  }
  try {
    await fill(writers)
  } finally {
    for (const writer of Object.values(writers)) writer.close()
  }
  const names = `[${instruments.all().map(({symbol}) => quoted(symbol))}]`
  const outputs: LayoutOutput[] = (Object.keys(KINDS) as RowKind[])
    .filter(kind => writers[kind].rows > 0)
    .map(kind => ({
      kind,
      instrument: symbol => instruments.at(instruments.indexOf(symbol) as number),
      select: `SELECT *, (${names})[symbol_index::INTEGER + 1] AS symbol FROM kernel_${kind}`,
    }))
  return buildUnit({
    database,
    dir: request.dir,
    staging: request.staging,
    outputs,
    options: {},
    about: request.about,
    rejected: 0,
    defects: request.defects?.() ?? {},
    // Counted in the manifest; there is no file and no line to name.
    onInvalid: async () => {},
    ...(request.signal === undefined ? {} : {signal: request.signal}),
  })
}

/** Publishes tape rows (quotes, trades, bars, depth, notices) as one unit. */
export const publishTape = (
  request: RowsUnitRequest,
  chunks: AsyncIterable<TapeChunk> | Iterable<TapeChunk>,
): Promise<CatalogUnit> =>
  publishRows(request, async writers => {
    const all = request.instruments.all()
    const prices = Float64Array.from(all, instrument => 10 ** instrument.priceDecimals)
    const sizes = Float64Array.from(all, instrument => 10 ** instrument.sizeDecimals)
    let n = 0
    for await (const {count, kind, instrument, tsUs, flags, v0, v1, v2, v3, v4, v5} of chunks) {
      for (let row = 0; row < count; row++, n++) {
        const i = instrument[row] as number
        const at = tsUs[row] as number
        const p = prices[i] as number
        const s = sizes[i] as number
        const price = (column: Float64Array) => (column[row] as number) / p
        const size = (column: Float64Array) => (column[row] as number) / s
        switch (kind[row]) {
          case EventKind.quote:
            writers.quote.write(n, at, n, i, price(v0), price(v1), size(v2), size(v3))
            break
          case EventKind.trade:
            writers.trade.write(n, at, n, i, price(v0), size(v1), flags[row] as number)
            break
          case EventKind.bar:
            writers.bar.write(n, at, n, i, price(v0), price(v1), price(v2), price(v3), size(v4), v5[row] as number)
            break
          case EventKind.depth:
            writers.depth.write(n, at, n, i, price(v0), size(v1), flags[row] as number)
            break
          case EventKind.notice:
            writers.notice.write(
              n,
              at,
              n,
              i,
              flags[row] as number,
              v0[row] as number,
              v1[row] as number,
              price(v2),
              price(v3),
            )
            break
          default:
            throw new Error(`rows of kind ${kind[row]} cannot be published from a tape`)
        }
      }
    }
  })
