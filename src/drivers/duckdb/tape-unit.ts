import type {CatalogKind, CatalogUnit} from '../../data/catalog.ts'
import {EventKind, type TapeChunk} from '../../data/tape.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'
import {dropTables} from './csv-table.ts'
import {type Database, quoted} from './database.ts'
import type {LayoutOutput} from './layouts/layout.ts'
import {TableWriter} from './table-writer.ts'
import {buildUnit} from './unit-build.ts'

export interface TapeUnitRequest {
  readonly database: Database
  readonly dir: string
  readonly staging: string
  readonly about: Pick<CatalogUnit, 'key' | 'source' | 'layout' | 'file' | 'replaces'>
  readonly instruments: InstrumentTable
  readonly chunks: AsyncIterable<TapeChunk> | Iterable<TapeChunk>
  readonly signal?: AbortSignal
}

const COLUMNS = ['line', 'ts_us', 'seq', 'symbol_index']
/** Kernel table columns after the common ones, by kind. Values are decimals, as every layout gives them. */
const KINDS: Readonly<Partial<Record<CatalogKind, readonly string[]>>> = {
  quote: ['bid', 'ask', 'bid_size', 'ask_size'],
  trade: ['price', 'size', 'aggressor'],
  bar: ['open', 'high', 'low', 'close', 'volume', 'period_us'],
  depth: ['price', 'size', 'flags'],
}

/** Publishes tape rows (quotes, trades, bars, depth) as one unit of a catalog. */
export const publishTape = async (request: TapeUnitRequest): Promise<CatalogUnit> => {
  const {database, instruments} = request
  await dropTables(database)
  const writers = new Map<CatalogKind, TableWriter>()
  for (const [kind, columns] of Object.entries(KINDS)) {
    writers.set(kind as CatalogKind, await TableWriter.create(database, `kernel_${kind}`, [...COLUMNS, ...columns]))
  }
  const writer = (kind: CatalogKind): TableWriter => {
    const found = writers.get(kind)
    if (found === undefined) throw new Error(`no table for ${kind}`)
    return found
  }
  const [quotes, trades, bars, depth] = [writer('quote'), writer('trade'), writer('bar'), writer('depth')]
  const prices = Float64Array.from(instruments.all(), instrument => 10 ** instrument.priceDecimals)
  const sizes = Float64Array.from(instruments.all(), instrument => 10 ** instrument.sizeDecimals)
  let n = 0
  for await (const {count, kind, instrument, tsUs, flags, v0, v1, v2, v3, v4, v5} of request.chunks) {
    for (let row = 0; row < count; row++, n++) {
      const i = instrument[row] as number
      const at = tsUs[row] as number
      const p = prices[i] as number
      const s = sizes[i] as number
      const price = (column: Float64Array) => (column[row] as number) / p
      const size = (column: Float64Array) => (column[row] as number) / s
      switch (kind[row]) {
        case EventKind.quote:
          quotes.write(n, at, n, i, price(v0), price(v1), size(v2), size(v3))
          break
        case EventKind.trade:
          trades.write(n, at, n, i, price(v0), size(v1), flags[row] as number)
          break
        case EventKind.bar:
          bars.write(n, at, n, i, price(v0), price(v1), price(v2), price(v3), size(v4), v5[row] as number)
          break
        case EventKind.depth:
          depth.write(n, at, n, i, price(v0), size(v1), flags[row] as number)
          break
        default:
          throw new Error(`rows of kind ${kind[row]} cannot be published from a tape`)
      }
    }
  }
  for (const each of writers.values()) each.close()
  const names = `[${instruments.all().map(({symbol}) => quoted(symbol))}]`
  const bySymbol = (symbol: string) => instruments.at(instruments.indexOf(symbol) as number)
  const outputs: LayoutOutput[] = [...writers]
    .filter(([, each]) => each.rows > 0)
    .map(([kind]) => ({
      kind,
      instrument: bySymbol,
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
    defects: {},
    onInvalid: async (_, count) => {
      throw new Error(`${count} rows of a generated tape are invalid`)
    },
    ...(request.signal === undefined ? {} : {signal: request.signal}),
  })
}
