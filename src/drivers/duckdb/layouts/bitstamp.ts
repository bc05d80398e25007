import {Depth, OrderAction} from '../../../data/tape.ts'
import {quoted} from '../database.ts'
import {doubleColumns, TableWriter} from '../table-writer.ts'
import {hasColumns, type Layout, type LayoutContext, type LayoutOutput, usable} from './layout.ts'
import {symbolFromName} from './symbols.ts'

const SEQ_STEP = 4

/**
 * Bitstamp's feed of single orders, on the receiver's clock: `volume` is what is left of the order, in 1e-8 coins. A
 * deletion may be a cancel or a fill, so no trades are made of it. The book starts empty: orders that were resting before
 * the capture are unknown until they change.
 */
export const bitstampOrders: Layout = {
  name: 'bitstamp-orders',
  source: 'bitstamp',
  matches: hasColumns('id', 'timestamp', 'exchange.timestamp', 'price', 'volume', 'action', 'direction'),
  types: () => ({
    id: 'BIGINT',
    timestamp: 'BIGINT',
    'exchange.timestamp': 'BIGINT',
    price: 'DOUBLE',
    volume: 'DOUBLE',
  }),
  outputs: async context => convert(context),
}

interface Resting {
  readonly price: number
  readonly isAsk: boolean
  size: number
}

const UNUSABLE = [
  ['id IS NULL OR "timestamp" IS NULL', 'order or time is missing'],
  ['price IS NULL OR NOT isfinite(price) OR price < 0', 'price must be a finite number not below 0'],
  ['volume IS NULL OR NOT isfinite(volume) OR volume < 0', 'volume must be a finite number not below 0'],
  ["coalesce(action, '') NOT IN ('created', 'changed', 'deleted')", 'action must be created, changed or deleted'],
  ["coalesce(direction, '') NOT IN ('ask', 'bid')", 'direction must be bid or ask'],
] as const

const convert = async ({database, fileName, options}: LayoutContext): Promise<LayoutOutput[]> => {
  const level = options.level ?? 2
  const common = ['line', 'ts_us', 'seq']
  const depth = await TableWriter.create(database, 'kernel_depth', [...common, 'price', 'size', 'flags'])
  const events = await TableWriter.create(database, 'kernel_order', [...common, 'price', 'size', 'order_id', 'flags'])
  const orders = new Map<number, Resting>()
  const totals: [Map<number, number>, Map<number, number>] = [new Map(), new Map()]
  let unknown = 0
  let isFirst = true
  const expressions = [
    'rowid',
    'id',
    'timestamp * 1000',
    'price',
    'round(volume)',
    "CASE action WHEN 'created' THEN 0 WHEN 'changed' THEN 1 WHEN 'deleted' THEN 2 END",
    "CASE direction WHEN 'ask' THEN 1 WHEN 'bid' THEN 0 END",
  ]
  // Captures arrive nearly, not wholly, in order of their stamps.
  for await (const block of doubleColumns(
    database,
    expressions,
    `(SELECT rowid, * FROM ${usable(UNUSABLE)} ORDER BY timestamp, rowid)`,
  )) {
    const at = (column: number, row: number): number => (block.columns[column] as Float64Array)[row] as number
    for (let row = 0; row < block.rows; row++) {
      const line = at(0, row)
      const id = at(1, row)
      const tsUs = at(2, row)
      const action = at(5, row)
      const known = orders.get(id)
      if (known === undefined && action !== 0) unknown++
      const price = known?.price ?? at(3, row)
      const isAsk = known?.isAsk ?? at(6, row) === 1
      const left = action === 2 ? 0 : at(4, row)
      const before = known?.size ?? 0
      if (left > 0) orders.set(id, {price, isAsk, size: left})
      else orders.delete(id)
      const change = left - before
      if (level === 3 && (change !== 0 || known !== undefined)) {
        const kind = before === 0 ? OrderAction.add : left === 0 ? OrderAction.delete : OrderAction.reduce
        events.write(line, tsUs, line * SEQ_STEP, price, Math.abs(change) / 1e8, id, (kind << 1) | (isAsk ? 1 : 0))
      }
      if (change === 0) continue
      const side = totals[isAsk ? 1 : 0]
      const total = (side.get(price) ?? 0) + change
      if (total > 0) side.set(price, total)
      else side.delete(price)
      const flags = (isAsk ? Depth.ask : 0) | Depth.last | (isFirst ? Depth.clear : 0)
      isFirst = false
      depth.write(line, tsUs, line * SEQ_STEP + 1, price, Math.max(0, total) / 1e8, flags)
    }
  }
  depth.close()
  events.close()
  const symbol = quoted(options.symbol ?? symbolFromName(fileName) ?? 'BTC/USD')
  return [
    {
      kind: 'depth',
      unusable: UNUSABLE,
      select: `SELECT *, ${symbol} AS symbol FROM kernel_depth`,
      counts: {unknownOrders: `SELECT ${unknown}`},
    },
    ...(level === 3 ? ([{kind: 'order', select: `SELECT *, ${symbol} AS symbol FROM kernel_order`}] as const) : []),
  ]
}
