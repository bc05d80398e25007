import {LevelDiffer} from '../../../data/level-differ.ts'
import {OrderAction} from '../../../data/tape.ts'
import {newYorkToUtcUs, parseDay} from '../../../domain/calendar.ts'
import {UserError} from '../../../domain/errors.ts'
import {US_PER_DAY} from '../../../domain/units.ts'
import {quoted} from '../database.ts'
import {doubleColumns, TableWriter} from '../table-writer.ts'
import {hasColumns, inTimeOrder, type Layout, type LayoutContext, type LayoutOutput, RAW, usable} from './layout.ts'
import {symbolFromName} from './symbols.ts'

/**
 * LOBSTER: one message a row, joined with the visible levels right after it. Prices are in 1/10,000 dollar, an absent
 * level is ±9999999999 with size 0. Format: lobsterdata.com/info/DataStructure.php.
 */
export const lobster: Layout = {
  name: 'lobster',
  source: 'lobster',
  matches: hasColumns('time_s', 'type', 'order_id', 'direction', 'ask_price_1', 'bid_price_1'),
  types: ({header}) => Object.fromEntries(header.map(name => [name, 'DOUBLE'])),
  outputs: async context => convert(context),
}

const ACTIONS: Readonly<Record<number, number>> = {
  1: OrderAction.add,
  2: OrderAction.reduce,
  3: OrderAction.delete,
  4: OrderAction.execute,
  5: OrderAction.hiddenExecute,
  7: OrderAction.halt,
}
const VISIBLE_EXECUTION = 4
const HIDDEN_EXECUTION = 5
/** Of an auction, where nobody is the aggressor. */
const CROSS = 6
const HALT = 7
const ABSENT = 9_999_999_998
/** Room for what one message causes: the order, a trade, its level changes, a quote. */
const SEQ_STEP = 256

const UNUSABLE = [
  ['time_s IS NULL OR NOT isfinite(time_s) OR time_s < 0 OR time_s >= 86400', 'time is missing or of no day'],
  ['type IS NULL', 'type is missing'],
  ['price IS NULL OR size IS NULL OR direction IS NULL', 'price, size and direction must be numbers'],
] as const

const convert = async (context: LayoutContext): Promise<LayoutOutput[]> => {
  const {database, header, options} = context
  const level = options.level ?? 2
  const levels = header.filter(name => name.startsWith('ask_price_')).length
  const midnightUs = midnightOf(context.fileName)
  const symbol = options.symbol ?? symbolFromName(context.fileName)
  if (symbol === undefined)
    throw new UserError('UNKNOWN_SYMBOL', `${context.fileName} does not name a symbol`, {
      hints: ['name it with --symbol'],
    })

  const common = ['line', 'ts_us', 'seq']
  const quotes = await TableWriter.create(database, 'kernel_quote', [...common, 'bid', 'ask', 'bid_size', 'ask_size'])
  const trades = await TableWriter.create(database, 'kernel_trade', [...common, 'price', 'size', 'aggressor'])
  const depth = await TableWriter.create(database, 'kernel_depth', [...common, 'price', 'size', 'flags'])
  const orders = await TableWriter.create(database, 'kernel_order', [...common, 'price', 'size', 'order_id', 'flags'])
  const side = (name: string) => Array.from({length: levels}, (_, i) => `"${name}_${i + 1}"`)
  const expressions = ['rowid', 'time_s', 'type', 'order_id', 'size', 'price', 'direction']
  expressions.push(...side('bid_price'), ...side('bid_size'), ...side('ask_price'), ...side('ask_size'))

  const differ = new LevelDiffer(levels)
  const [bidPrices, bidSizes, askPrices, askSizes] = Array.from({length: 4}, () => new Float64Array(levels)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const top = [Number.NaN, 0, 0, 0]
  const unusable = [...UNUSABLE, ...(level === 3 ? [['order_id IS NULL', 'order_id is missing'] as const] : [])]
  const from = await inTimeOrder(database, usable(unusable), 'time_s')
  for await (const {rows, columns} of doubleColumns(database, expressions, from)) {
    const at = (column: number, row: number): number => (columns[column] as Float64Array)[row] as number
    const load = (first: number, row: number, into: Float64Array, sizes: boolean): void => {
      for (let i = 0; i < levels; i++) into[i] = sizes ? at(first + i, row) : at(first + i, row) / 1e4
    }
    for (let row = 0; row < rows; row++) {
      const line = at(0, row)
      const tsUs = midnightUs + Math.floor(at(1, row) * 1e6 + 1e-4)
      const type = at(2, row)
      const size = at(4, row)
      const price = at(5, row) / 1e4
      const isAsk = at(6, row) < 0
      let seq = line * SEQ_STEP
      if (level === 3 && type in ACTIONS) {
        orders.write(
          line,
          tsUs,
          seq,
          Math.max(0, price),
          size,
          at(3, row),
          ((ACTIONS[type] as number) << 1) | (isAsk ? 1 : 0),
        )
      }
      seq++
      // Somebody executed against a resting sell order: a buyer was the aggressor.
      if (type === VISIBLE_EXECUTION || type === HIDDEN_EXECUTION)
        trades.write(line, tsUs, seq, price, size, isAsk ? 1 : 2)
      else if (type === CROSS) trades.write(line, tsUs, seq, price, size, 0)
      load(7, row, bidPrices, false)
      load(7 + levels, row, bidSizes, true)
      load(7 + 2 * levels, row, askPrices, false)
      load(7 + 3 * levels, row, askSizes, true)
      blankAbsent(bidPrices, bidSizes)
      blankAbsent(askPrices, askSizes)
      if (level >= 2) {
        differ.next(bidPrices, bidSizes, askPrices, askSizes, (p, s, flags) =>
          depth.write(line, tsUs, ++seq, p, s, flags),
        )
      }
      if (bidPrices[0] !== top[0] || askPrices[0] !== top[1] || bidSizes[0] !== top[2] || askSizes[0] !== top[3]) {
        top[0] = bidPrices[0] as number
        top[1] = askPrices[0] as number
        top[2] = bidSizes[0] as number
        top[3] = askSizes[0] as number
        quotes.write(line, tsUs, line * SEQ_STEP + SEQ_STEP - 1, ...(top as [number, number, number, number]))
      }
    }
  }
  for (const writer of [quotes, trades, depth, orders]) writer.close()
  const select = (table: string) => `SELECT *, ${quoted(symbol)} AS symbol FROM ${table}`
  const {halts, crosses} = await database.one<{halts: number; crosses: number}>(
    `SELECT count_if(type = ${HALT}) AS halts, count_if(type = ${CROSS}) AS crosses FROM ${RAW}`,
  )
  if (halts > 0) context.count('halts', halts)
  if (crosses > 0) context.count('crossTrades', crosses)
  const known = [...Object.keys(ACTIONS), CROSS]
  const others = `SELECT count_if(type NOT IN (${known})) FROM ${RAW}`
  return [
    {
      kind: 'quote',
      unusable,
      select: select('kernel_quote'),
      counts: {unknownMessages: others},
    },
    {kind: 'trade', select: select('kernel_trade')},
    ...(halts === 0 ? [] : ([{kind: 'notice', select: haltsSql(midnightUs, symbol)}] as const)),
    ...(level >= 2 ? ([{kind: 'depth', select: select('kernel_depth')}] as const) : []),
    ...(level === 3 ? ([{kind: 'order', select: select('kernel_order')}] as const) : []),
  ]
}

/** A halt begins at the price -1 and ends at 1; at 0 quoting alone resumes. */
const haltsSql = (midnightUs: number, symbol: string): string =>
  `SELECT rowid AS line, rowid * ${SEQ_STEP} AS seq, ${quoted(symbol)} AS symbol, ${midnightUs} + floor(time_s * 1e6 + 1e-4)::BIGINT AS ts_us,
     3 AS code, CASE WHEN price < 0 THEN 1 ELSE 0 END AS first FROM ${RAW} WHERE type = ${HALT} AND price != 0`

const blankAbsent = (prices: Float64Array, sizes: Float64Array): void => {
  for (let i = 0; i < prices.length; i++) {
    if (Math.abs(prices[i] as number) * 1e4 < ABSENT && (sizes[i] as number) > 0) continue
    prices[i] = 0
    sizes[i] = 0
  }
}

const midnightOf = (fileName: string): number => {
  const match = /\d{4}-\d{2}-\d{2}/.exec(fileName)
  if (match === null) {
    throw new UserError('UNKNOWN_DATE', `${fileName} does not name its day`, {
      hints: ['name the file as SYMBOL_YYYY-MM-DD…'],
    })
  }
  return newYorkToUtcUs(parseDay(match[0]) * US_PER_DAY)
}
