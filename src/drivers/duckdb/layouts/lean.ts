import {UserError} from '../../../domain/errors.ts'
import {US_PER_MINUTE, US_PER_SECOND} from '../../../domain/units.ts'
import {quoted} from '../database.ts'
import {consolidateQuotes} from './consolidate.ts'
import {hasColumns, type Layout, type LayoutContext, NEW_YORK, RAW, toUtcUs} from './layout.ts'
import {localToUtcUs} from './local-time.ts'
import {periodFromName, symbolFromName} from './symbols.ts'

const zone = ({options}: LayoutContext): string => options.timeZone ?? NEW_YORK
const stampUs = (context: LayoutContext): Promise<string> => localToUtcUs(context, '("date" + "time")', zone(context))

export const symbolSql = ({fileName, options, header}: LayoutContext): string => {
  if (options.symbol !== undefined) return quoted(options.symbol)
  if (header.includes('symbol')) return '"symbol"'
  const symbol = symbolFromName(fileName)
  if (symbol === undefined)
    throw new UserError('UNKNOWN_SYMBOL', `${fileName} does not name a symbol`, {hints: ['name it with --symbol']})
  return quoted(symbol)
}

/** OCC symbol from its parts, as SQL. */
export const occSql = (root: string, expiry: string, right: string, strike: string): string =>
  `concat(${root}, strftime(${expiry}, '%y%m%d'), upper(left(${right}, 1)), lpad(round(${strike} * 1000)::BIGINT::VARCHAR, 8, '0'))`

/** The OCC symbol that a row gives, or is made of its parts: without one, contracts would be taken for repeats of each other. */
export const contractSql = (given: string, root: string, expiry: string, right: string, strike: string): string =>
  `coalesce(nullif(${given}, ''), ${occSql(root, expiry, right, strike)})`

/** `C`, `Call` and `CALL` are call. */
export const rightSql = (sql: string): string =>
  `CASE WHEN lower(${sql}::VARCHAR) IN ('c', 'call', 'calls') THEN 'call' WHEN lower(${sql}::VARCHAR) IN ('p', 'put', 'puts') THEN 'put' ELSE ${sql}::VARCHAR END`

const QUOTE_BAR = ['bid_open', 'bid_close', 'bid_size', 'ask_open', 'ask_close', 'ask_size']
const doubles = (header: readonly string[]): Record<string, string> => ({
  ...Object.fromEntries(
    header
      .filter(name =>
        /^(bid|ask|open|high|low|close|volume|strike|price|size|price_factor|split_factor|reference_close)/.test(name),
      )
      .map(name => [name, 'DOUBLE']),
  ),
  date: 'DATE',
  time: 'TIME',
})

/** How long after its stamp a quote bar was complete. */
const periodUsOf = ({fileName, options}: LayoutContext): number =>
  options.periodUs ?? periodFromName(fileName) ?? (fileName.includes('minute') ? US_PER_MINUTE : US_PER_SECOND)

/** Quote bars: the best bid and ask at the end of each second or minute, known when it ends. */
export const leanQuoteBars: Layout = {
  name: 'lean-quote-bars',
  source: 'lean',
  matches: header => hasColumns('date', 'time', ...QUOTE_BAR)(header) && !header.includes('strike'),
  types: ({header}) => doubles(header),
  outputs: async context => [
    {
      kind: 'quote',
      select: `SELECT rowid AS line, rowid AS seq, ${symbolSql(context)} AS symbol, ${await stampUs(context)} + ${periodUsOf(context)} AS ts_us,
        bid_close AS bid, ask_close AS ask, bid_size, ask_size FROM ${RAW}`,
    },
  ],
}

/**
 * Tick quotes, one side a row. A row names the exchange that now makes the national best, so the last bid row is the best
 * bid: checked on BAC and IBM of 2013-10, where this gives LEAN's own one-second bars exactly, prices and sizes, while
 * keeping a last quote of each exchange does not.
 */
export const leanTickQuotes: Layout = {
  name: 'lean-tick-quotes',
  source: 'lean',
  matches: hasColumns('date', 'time', 'bid', 'bid_size', 'ask', 'ask_size', 'exchange', 'suspicious'),
  types: ({header}) => doubles(header),
  outputs: async context => [
    await consolidateQuotes(context.database, {
      tsUs: await stampUs(context),
      symbol: symbolSql(context),
      venue: "'national'",
      bid: 'bid',
      bidSize: 'bid_size',
      ask: 'ask',
      askSize: 'ask_size',
      isOneSided: true,
      without: ["suspicious = '1'", 'suspiciousQuotes'],
    }),
  ],
}

export const leanTickTrades: Layout = {
  name: 'lean-tick-trades',
  source: 'lean',
  matches: hasColumns('date', 'time', 'price', 'size', 'exchange', 'suspicious'),
  types: ({header}) => doubles(header),
  outputs: async context => [
    {
      kind: 'trade',
      select: `SELECT rowid AS line, rowid AS seq, ${symbolSql(context)} AS symbol, ${await stampUs(context)} AS ts_us, price, size,
        CASE WHEN suspicious = '1' THEN 'suspiciousTrades' END AS dropped FROM ${RAW}`,
    },
  ],
}

/** Option quote bars, hourly or by the minute. */
export const leanOptionQuotes: Layout = {
  name: 'lean-option-quotes',
  source: 'lean',
  matches: hasColumns('date', 'time', 'right', 'strike', 'expiration', ...QUOTE_BAR),
  types: ({header}) => ({...doubles(header), expiration: 'DATE'}),
  outputs: async context => {
    const symbol = symbolSql(context)
    return [
      {
        kind: 'option',
        select: `SELECT rowid AS line, rowid AS seq, CASE ${symbol} WHEN 'SPXW' THEN 'SPX' ELSE ${symbol} END AS symbol, ${await stampUs(context)} + ${periodUsOf(context)} AS ts_us,
          ${occSql(symbol, 'expiration', '"right"', 'strike')} AS contract, "right", strike, expiration AS expiry,
          bid_close AS bid, ask_close AS ask, bid_size, ask_size FROM ${RAW}`,
      },
    ]
  },
}

/** Daily option universe: mid prices, implied volatility and Greeks, no quotes. */
export const leanOptionUniverse: Layout = {
  name: 'lean-option-universe',
  source: 'lean',
  matches: hasColumns('date', 'expiration', 'strike', 'right', 'close', 'implied_volatility', 'underlying_close'),
  types: ({header}) => ({
    ...Object.fromEntries(header.map(name => [name, 'DOUBLE'])),
    date: 'DATE',
    expiration: 'DATE',
    right: 'VARCHAR',
  }),
  outputs: context => {
    const symbol = symbolSql(context)
    return [
      {
        kind: 'option-volatility',
        select: `SELECT rowid AS line, rowid AS seq, ${symbol} AS symbol, ${toUtcUs('("date" + TIME \'16:00:00\')', NEW_YORK)} AS ts_us,
          ${occSql(symbol, 'expiration', '"right"', 'strike')} AS contract, "right", strike, expiration AS expiry,
          nullif(implied_volatility, 0) AS mark_volatility, close AS mark, underlying_close AS underlying, delta, volume, open_interest
          FROM ${RAW}`,
      },
    ]
  },
}

/** Adjustment factors: each holds up to and including its day. */
export const leanFactors: Layout = {
  name: 'lean-factors',
  source: 'lean',
  matches: hasColumns('symbol', 'date', 'price_factor', 'split_factor'),
  types: ({header}) => doubles(header),
  outputs: () => [
    {
      kind: 'observation',
      select: `SELECT rowid AS line, rowid AS seq, symbol, name, value, ${toUtcUs('("date" + TIME \'16:00:00\')', NEW_YORK)} AS ts_us FROM
        (UNPIVOT (SELECT rowid, * FROM ${RAW}) ON price_factor, split_factor, reference_close INTO NAME name VALUE value)`,
    },
  ],
}
