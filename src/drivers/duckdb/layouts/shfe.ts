import {LevelDiffer} from '../../../data/level-differ.ts'
import type {Instrument} from '../../../domain/instrument.ts'
import {identifier, quoted} from '../database.ts'
import {doubleColumns, TableWriter} from '../table-writer.ts'
import {hasColumns, type Layout, type LayoutContext, type LayoutOutput, RAW, SHANGHAI} from './layout.ts'
import {localToUtcUs} from './local-time.ts'

const LEVELS = 5
const SEQ_STEP = 64

/** SHFE rebar: 10 tonnes a contract, quoted in whole yuan a tonne. There is no futures kind: it trades as a stock would. */
const contract = (symbol: string): Instrument => ({
  symbol,
  kind: 'equity',
  base: symbol,
  quote: 'CNY',
  priceDecimals: 4,
  sizeDecimals: 0,
  multiplier: 10,
  incrementTicks: 10_000,
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

const convert = async (context: LayoutContext): Promise<LayoutOutput[]> => {
  const {database, options} = context
  const symbols = await database.rows<{symbol: string}>(`SELECT DISTINCT instrumentID AS symbol FROM ${RAW} ORDER BY 1`)
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
    const from = `${RAW} WHERE instrumentID = ${quoted(symbol)} AND timestamp IS NOT NULL`
    for await (const {rows, columns} of doubleColumns(database, expressions, from)) {
      const at = (column: number, row: number): number => (columns[column] as Float64Array)[row] as number
      for (let row = 0; row < rows; row++) {
        const line = at(0, row)
        const tsUs = at(1, row)
        let seq = line * SEQ_STEP
        const traded = at(3, row) - volume
        volume = at(3, row)
        // One print a snapshot: everything since the one before, at the last price; the first only sets the count.
        if (traded > 0) trades.write(line, tsUs, seq, index, at(2, row), traded)
        for (let i = 0; i < LEVELS; i++) {
          bidPrices[i] = at(4 + i, row)
          bidSizes[i] = at(4 + LEVELS + i, row)
          askPrices[i] = at(4 + 2 * LEVELS + i, row)
          askSizes[i] = at(4 + 3 * LEVELS + i, row)
        }
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
