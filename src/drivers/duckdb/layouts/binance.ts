import {Aggressor, Depth} from '../../../data/tape.ts'
import {UserError} from '../../../domain/errors.ts'
import {quoted} from '../database.ts'
import {hasColumns, type Layout, type LayoutContext, RAW} from './layout.ts'
import {coinPair} from './symbols.ts'

/** Part of what makes a unit what it is: the same bytes mean another instrument in another folder. */
export const isFuturesPath = (path: string): boolean => /[/\\]futures[/\\](um|cm)[/\\]/.test(path)

/**
 * Binance stream captures on the receiver's clock (`recv_ns`): what we could know, when we could know it. Nanoseconds
 * within a microsecond order the streams of one symbol against each other.
 */
const COMMON = `${RAW}.rowid AS line, recv_ns // 1000 AS ts_us, (recv_ns % 1000) * 1099511627776 + ${RAW}.rowid AS seq`

/**
 * `binance_usdm_BTCUSDT_…` → `BTC/USDT-PERP`: the perpetual must not be taken for the coin itself. Files of the archive are
 * called alike on every market: there the folder tells, or the header, which only futures have. `BTCUSDT_240628` is a
 * contract that is delivered on its day.
 */
export const binanceSymbol = ({fileName, path, options, isHeaded}: LayoutContext): string => {
  if (options.symbol !== undefined) return quoted(options.symbol)
  const isArchive = /^[A-Z0-9]+(_[A-Z0-9]+)?-/.test(fileName)
  const isPerpetual = /usdm|coinm|perp|futures|swap/i.test(fileName) || (isArchive && (isHeaded || isFuturesPath(path)))
  const delivery = /^[A-Z0-9]+_(\d{6})-/.exec(fileName)?.[1]
  for (const word of fileName.split(/[_.-]/)) {
    const pair = /^[A-Z0-9]+$/.test(word) ? coinPair(word, true) : undefined
    if (pair !== undefined) return quoted(delivery ? `${pair}-${delivery}` : isPerpetual ? `${pair}-PERP` : pair)
  }
  throw new UserError('UNKNOWN_SYMBOL', `${fileName} does not name a coin pair`, {
    hints: ['name it with --symbol BTC/USDT'],
  })
}

/** Who met the resting order: the seller where the buyer was the maker. Flags are written 1, True or true. */
export const AGGRESSOR = `CASE WHEN lower(buyer_is_maker::VARCHAR) IN ('true', '1', 't') THEN ${Aggressor.sell} WHEN lower(buyer_is_maker::VARCHAR) IN ('false', '0', 'f') THEN ${Aggressor.buy} ELSE 0 END`

export const binanceQuotes: Layout = {
  name: 'binance-bbo',
  source: 'binance',
  matches: hasColumns('recv_ns', 'bid', 'bid_qty', 'ask', 'ask_qty'),
  types: () => ({
    recv_ns: 'BIGINT',
    exch_event_ms: 'BIGINT',
    update_id: 'BIGINT',
    bid: 'DOUBLE',
    bid_qty: 'DOUBLE',
    ask: 'DOUBLE',
    ask_qty: 'DOUBLE',
  }),
  outputs: context => [
    {
      kind: 'quote',
      select: `SELECT ${COMMON}, ${binanceSymbol(context)} AS symbol, bid, ask, bid_qty AS bid_size, ask_qty AS ask_size,
        exch_event_ms * 1000 AS venue_ts_us FROM ${RAW}`,
    },
  ],
}

export const binanceTrades: Layout = {
  name: 'binance-trades',
  source: 'binance',
  matches: hasColumns('recv_ns', 'trade_id', 'price', 'qty', 'buyer_is_maker'),
  types: () => ({
    recv_ns: 'BIGINT',
    exch_event_ms: 'BIGINT',
    trade_ms: 'BIGINT',
    trade_id: 'BIGINT',
    price: 'DOUBLE',
    qty: 'DOUBLE',
    buyer_is_maker: 'VARCHAR',
  }),
  outputs: context => [
    {
      kind: 'trade',
      counts: {repeatedTradeIds: `SELECT count(trade_id) - count(DISTINCT trade_id) FROM ${RAW}`},
      select: `SELECT ${COMMON}, ${binanceSymbol(context)} AS symbol, price, qty AS size,
        ${AGGRESSOR} AS aggressor,
        trade_ms * 1000 AS venue_ts_us FROM ${RAW}`,
    },
  ],
}

export const binanceDepth: Layout = {
  name: 'binance-depth',
  source: 'binance',
  matches: hasColumns('recv_ns', 'first_update_id', 'last_update_id', 'kind', 'side', 'price', 'qty'),
  types: () => ({
    recv_ns: 'BIGINT',
    exch_event_ms: 'BIGINT',
    exch_tx_ms: 'BIGINT',
    first_update_id: 'BIGINT',
    last_update_id: 'BIGINT',
    price: 'DOUBLE',
    qty: 'DOUBLE',
  }),
  outputs: context => {
    const message = 'recv_ns, last_update_id, kind'
    // Windows without an order stream over the table as it lies, in file order; ordered ones would sort it.
    const differs = (neighbour: 'lag' | 'lead') =>
      ['recv_ns', 'last_update_id', 'kind']
        .map(name => `${name} IS DISTINCT FROM ${neighbour}(${name}) OVER ()`)
        .join(' OR ')
    // Numbers of one spot stream follow on; futures streams skip by design and carry their own link.
    const gaps = `SELECT count_if(first_update_id > previous + 1) FROM (
      SELECT any_value(first_update_id) AS first_update_id, lag(last_update_id) OVER (ORDER BY min(rowid)) AS previous
      FROM ${RAW} WHERE kind = 'update' GROUP BY ${message})`
    const isPerpetual = /usdm/i.test(context.fileName)
    return [
      {
        kind: 'depth',
        ...(isPerpetual ? {} : {counts: {sequenceGaps: gaps}}),
        select: `SELECT ${COMMON}, ${binanceSymbol(context)} AS symbol, price, qty AS size,
          coalesce(exch_tx_ms, exch_event_ms) * 1000 AS venue_ts_us,
          CASE side WHEN 'ask' THEN ${Depth.ask} ELSE 0 END
            + CASE WHEN kind = 'snapshot' AND (${differs('lag')}) THEN ${Depth.clear} ELSE 0 END
            + CASE WHEN ${differs('lead')} THEN ${Depth.last} ELSE 0 END AS flags
          FROM ${RAW}`,
      },
    ]
  },
}
