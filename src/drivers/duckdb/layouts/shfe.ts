import {LevelDiffer} from '../../../data/level-differ.ts'
import type {Instrument} from '../../../domain/instrument.ts'
import {identifier, quoted} from '../database.ts'
import {doubleColumns, TableWriter} from '../table-writer.ts'
import {
  hasColumns,
  inTimeOrder,
  type Layout,
  type LayoutContext,
  type LayoutOutput,
  SHANGHAI,
  usable,
} from './layout.ts'
import {localToUtcUs} from './local-time.ts'

const LEVELS = 5
const SEQ_STEP = 64

/** Units a contract and the price increment in yuan, by product; rebar's where it is not known. Source: shfe.com.cn contract pages. */
const PRODUCTS: Readonly<Record<string, readonly [multiplier: number, tick: number]>> = {
  rb: [10, 1],
  hc: [10, 1],
  wr: [10, 1],
  ss: [5, 5],
  cu: [5, 10],
  bc: [5, 10],
  al: [5, 5],
  zn: [5, 5],
  pb: [5, 5],
  ni: [1, 10],
  sn: [1, 10],
  ao: [20, 1],
  au: [1000, 0.02],
  ag: [15, 1],
  ru: [10, 5],
  nr: [10, 5],
  br: [5, 5],
  bu: [10, 1],
  fu: [10, 1],
  lu: [10, 1],
  sp: [10, 2],
  sc: [1000, 0.1],
  ec: [50, 0.1],
}
const productOf = (symbol: string) => PRODUCTS[/^[a-z]+/i.exec(symbol)?.[0].toLowerCase() ?? '']

/** There is no futures kind: a contract trades as a stock would. */
const contract = (symbol: string): Instrument => ({
  symbol,
  kind: 'equity',
  base: symbol,
  quote: 'CNY',
  priceDecimals: 4,
  sizeDecimals: 0,
  multiplier: (productOf(symbol) ?? [10])[0],
  incrementTicks: Math.round((productOf(symbol)?.[1] ?? 1) * 10_000),
  minLots: 1,
})

/** Shanghai Futures Exchange level-2 snapshots, about two a second, local time; volume counts from the session's start. */
export const shfe: Layout = {
  name: 'shfe-l5',
  source: 'shfe',
  matches: hasColumns('timestamp', 'instrumentID', 'bid1', 'bid5', 'askSize5', 'volume'),
  types: ({header}) =>
    Object.fromEntries(
      header.map(name => [name, name === 'timestamp' ? 'TIMESTAMP' : name === 'instrumentID' ? 'VARCHAR' : 'DOUBLE']),
    ),
  outputs: async context => convert(context),
}

const UNUSABLE = [
  ['"timestamp" IS NULL', 'time is missing'],
  ["coalesce(instrumentID, '') = ''", 'symbol is missing'],
] as const

/** At a limit one side is empty: blank, 0, or the greatest double, which is what the exchange's gateway has for no price. */
const blankAbsent = (prices: Float64Array, sizes: Float64Array): void => {
  for (let i = 0; i < prices.length; i++) {
    if ((prices[i] as number) > 0 && (prices[i] as number) < 1e15 && (sizes[i] as number) > 0) continue
    prices[i] = 0
    sizes[i] = 0
  }
}

const convert = async (context: LayoutContext): Promise<LayoutOutput[]> => {
  const {database, options} = context
  const symbols = await database.rows<{symbol: string}>(
    `SELECT DISTINCT instrumentID AS symbol FROM ${usable(UNUSABLE)} ORDER BY 1`,
  )
  for (const {symbol} of symbols) {
    if (productOf(symbol) === undefined && options.symbol === undefined)
      context.note(
        `${context.fileName}: ${symbol} is no product known here, taken for 10 units a contract and ticks of 1 yuan`,
      )
  }
  const common = ['line', 'ts_us', 'seq', 'symbol_index']
  const quotes = await TableWriter.create(database, 'kernel_quote', [...common, 'bid', 'ask', 'bid_size', 'ask_size'])
  const trades = await TableWriter.create(database, 'kernel_trade', [...common, 'price', 'size'])
  const depth = await TableWriter.create(database, 'kernel_depth', [...common, 'price', 'size', 'flags'])
  const side = (name: string) => Array.from({length: LEVELS}, (_, i) => identifier(`${name}${i + 1}`))
  const tsUs = await localToUtcUs(context, 'timestamp', options.timeZone ?? SHANGHAI)
  for (const [index, {symbol}] of symbols.entries()) {
    const differ = new LevelDiffer(LEVELS)
    const [bidPrices, bidSizes, askPrices, askSizes] = Array.from({length: 4}, () => new Float64Array(LEVELS)) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    const top = [Number.NaN, 0, 0, 0]
    let volume = Number.NaN
    const expressions = ['rowid', tsUs, 'last', 'volume']
    expressions.push(...side('bid'), ...side('bidSize'), ...side('ask'), ...side('askSize'))
    const from = await inTimeOrder(database, usable(UNUSABLE, [`instrumentID = ${quoted(symbol)}`]), 'timestamp')
    for await (const {rows, columns} of doubleColumns(database, expressions, from)) {
      const at = (column: number, row: number): number => (columns[column] as Float64Array)[row] as number
      for (let row = 0; row < rows; row++) {
        const line = at(0, row)
        const tsUs = at(1, row)
        let seq = line * SEQ_STEP
        const traded = at(3, row) - volume
        if (!Number.isNaN(at(3, row))) volume = at(3, row)
        // One print a snapshot: everything since the one before, at the last price; the first only sets the count.
        if (traded > 0) trades.write(line, tsUs, seq, index, at(2, row), traded)
        for (let i = 0; i < LEVELS; i++) {
          bidPrices[i] = at(4 + i, row)
          bidSizes[i] = at(4 + LEVELS + i, row)
          askPrices[i] = at(4 + 2 * LEVELS + i, row)
          askSizes[i] = at(4 + 3 * LEVELS + i, row)
        }
        blankAbsent(bidPrices, bidSizes)
        blankAbsent(askPrices, askSizes)
        if ((options.level ?? 2) >= 2) {
          differ.next(bidPrices, bidSizes, askPrices, askSizes, (p, s, flags) =>
            depth.write(line, tsUs, ++seq, index, p, s, flags),
          )
        }
        if (bidPrices[0] !== top[0] || askPrices[0] !== top[1] || bidSizes[0] !== top[2] || askSizes[0] !== top[3]) {
          top[0] = bidPrices[0] as number
          top[1] = askPrices[0] as number
          top[2] = bidSizes[0] as number
          top[3] = askSizes[0] as number
          quotes.write(line, tsUs, line * SEQ_STEP + SEQ_STEP - 1, index, ...(top as [number, number, number, number]))
        }
      }
    }
  }
  for (const writer of [quotes, trades, depth]) writer.close()
  const names = `[${symbols.map(({symbol}) => quoted(options.symbol ?? symbol))}]`
  const select = (table: string) => `SELECT *, (${names})[symbol_index::INTEGER + 1] AS symbol FROM ${table}`
  const sessionBreakUs = 60_000_000
  return [
    {
      kind: 'quote',
      instrument: contract,
      unusable: UNUSABLE,
      select: select('kernel_quote'),
      counts: {
        gaps: `SELECT count(*) FROM (SELECT ts_us - lag(ts_us) OVER (PARTITION BY symbol_index ORDER BY seq) AS gap FROM kernel_quote) WHERE gap > ${sessionBreakUs}`,
      },
    },
    {kind: 'trade', instrument: contract, select: select('kernel_trade')},
    ...((options.level ?? 2) >= 2
      ? ([{kind: 'depth', instrument: contract, select: select('kernel_depth')}] as const)
      : []),
  ]
}
