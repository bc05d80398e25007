import {US_PER_DAY} from '../../../domain/units.ts'
import {AGGRESSOR, binanceSymbol} from './binance.ts'
import {hasColumns, type Layout, type LayoutContext, RAW, toUtcUs} from './layout.ts'

/**
 * The daily and monthly files of Binance's public archive (github.com/binance/binance-public-data). Stamps are milliseconds;
 * those of spot files since 2025-01-01 are microseconds. Flags are written True, true or 1.
 */
const US_FROM = 100_000_000_000_000
const stampUs = (name: string): string => `CASE WHEN ${name} >= ${US_FROM} THEN ${name} ELSE ${name} * 1000 END`
const aggressor = AGGRESSOR.replaceAll('buyer_is_maker', 'is_buyer_maker')
const LINE = `${RAW}.rowid AS line, ${RAW}.rowid AS seq`

const types = (stamps: string, numbers: string): Layout['types'] => {
  const all = {
    ...Object.fromEntries(stamps.split(' ').map(name => [name, 'BIGINT'])),
    ...Object.fromEntries(numbers.split(' ').map(name => [name, 'DOUBLE'])),
  }
  return () => all
}

const repeatedIds = (id: string) => ({repeatedTradeIds: `SELECT count(${id}) - count(DISTINCT ${id}) FROM ${RAW}`})

/** Klines: their own close tells when each was complete. A month's have one period, of 30 days. */
export const binanceKlines: Layout = {
  name: 'binance-klines',
  source: 'binance',
  matches: hasColumns('open_time', 'open', 'high', 'low', 'close', 'volume', 'close_time'),
  types: types('open_time close_time', 'open high low close volume quote_volume'),
  outputs: async context => {
    const closeUs = `${stampUs('(close_time + 1)')}`
    const {period} = await context.database.one<{period: number | null}>(
      `SELECT mode(${closeUs} - ${stampUs('open_time')}) AS period FROM ${RAW}`,
    )
    const periodUs = period === null || period >= 28 * US_PER_DAY ? 30 * US_PER_DAY : period
    return [
      {
        kind: 'bar',
        select: `SELECT ${LINE}, ${binanceSymbol(context)} AS symbol, ${closeUs} AS ts_us, ${periodUs} AS period_us,
          open, high, low, close, volume FROM ${RAW}`,
      },
    ]
  },
}

export const binanceAggTrades: Layout = {
  name: 'binance-agg-trades',
  source: 'binance',
  matches: hasColumns('agg_trade_id', 'price', 'quantity', 'transact_time', 'is_buyer_maker'),
  types: types('agg_trade_id first_trade_id last_trade_id transact_time', 'price quantity'),
  outputs: context => [
    {
      kind: 'trade',
      counts: repeatedIds('agg_trade_id'),
      select: `SELECT ${LINE}, ${binanceSymbol(context)} AS symbol, ${stampUs('transact_time')} AS ts_us, price, quantity AS size,
        ${aggressor} AS aggressor, ${stampUs('transact_time')} AS venue_ts_us FROM ${RAW}`,
    },
  ],
}

export const binanceArchiveTrades: Layout = {
  name: 'binance-archive-trades',
  source: 'binance',
  matches: hasColumns('id', 'price', 'qty', 'time', 'is_buyer_maker'),
  types: types('id time', 'price qty quote_qty base_qty'),
  outputs: context => [
    {
      kind: 'trade',
      counts: repeatedIds('id'),
      select: `SELECT ${LINE}, ${binanceSymbol(context)} AS symbol, ${stampUs('"time"')} AS ts_us, price, qty AS size,
        ${aggressor} AS aggressor, ${stampUs('"time"')} AS venue_ts_us FROM ${RAW}`,
    },
  ],
}

/** Best quotes of futures, at the time of the transaction; the event follows within milliseconds. */
export const binanceBookTicker: Layout = {
  name: 'binance-book-ticker',
  source: 'binance',
  matches: hasColumns('update_id', 'best_bid_price', 'best_bid_qty', 'best_ask_price', 'best_ask_qty', 'event_time'),
  types: types('update_id transaction_time event_time', 'best_bid_price best_bid_qty best_ask_price best_ask_qty'),
  outputs: context => {
    const time = context.header.includes('transaction_time') ? 'coalesce(transaction_time, event_time)' : 'event_time'
    return [
      {
        kind: 'quote',
        select: `SELECT ${LINE}, ${binanceSymbol(context)} AS symbol, ${stampUs(time)} AS ts_us, best_bid_price AS bid,
          best_bid_qty AS bid_size, best_ask_price AS ask, best_ask_qty AS ask_size, ${stampUs('event_time')} AS venue_ts_us FROM ${RAW}`,
      },
    ]
  },
}

const observations = (context: LayoutContext, time: string, names: readonly string[]): string =>
  `SELECT id AS line, id AS seq, symbol, ts_us, name, value FROM (UNPIVOT (SELECT ${RAW}.rowid AS id, ${binanceSymbol(context)} AS symbol,
     ${time} AS ts_us, ${names.map(name => `"${name}"::DOUBLE AS "${name}"`)} FROM ${RAW}) ON ${names.map(name => `"${name}"`)} INTO NAME name VALUE value)`

/** Depth within some percent of the price, every half minute: sums, not levels, so no book is made of it. */
export const binanceBookDepth: Layout = {
  name: 'binance-book-depth',
  source: 'binance',
  matches: hasColumns('timestamp', 'percentage', 'depth', 'notional'),
  types: () => ({timestamp: 'TIMESTAMP', percentage: 'DOUBLE', depth: 'DOUBLE', notional: 'DOUBLE'}),
  outputs: context => [
    {
      kind: 'observation',
      select: `SELECT ${LINE}, ${binanceSymbol(context)} AS symbol, ${toUtcUs('"timestamp"', 'UTC')} AS ts_us,
        concat('depth ', percentage::VARCHAR, '%') AS name, depth AS value FROM ${RAW}`,
    },
  ],
}

/** Funding rates of perpetuals. */
export const binanceFunding: Layout = {
  name: 'binance-funding',
  source: 'binance',
  matches: hasColumns('calc_time', 'funding_interval_hours', 'last_funding_rate'),
  types: types('calc_time', 'funding_interval_hours last_funding_rate'),
  outputs: context => [
    {
      kind: 'observation',
      select: observations(context, stampUs('calc_time'), ['last_funding_rate']),
    },
  ],
}
