import {UserError} from '../../../domain/errors.ts'
import {createSessions, dayCloseSql} from './bar-time.ts'
import {hasColumns, type Layout, type LayoutContext, type LayoutOutput, NEW_YORK, RAW, toUtcUs} from './layout.ts'
import {contractSql, occSql, rightSql} from './lean.ts'
import {dateType, writtenToDates} from './stamp-text.ts'

const afterSessions =
  (date: string, outputs: (context: LayoutContext) => readonly LayoutOutput[]) =>
  async (context: LayoutContext): Promise<readonly LayoutOutput[]> => {
    await writtenToDates(context, [date, 'expiration'])
    await createSessions(context.database, date)
    return outputs(context)
  }

/**
 * The page's own stamp (`9 June 2023, 1:40 PM EDT`, `August 18, 2023 at 11:05 AM EDT`) where it lies in the session that the
 * quotes belong to; the session's close where the page was fetched later, at a weekend or without a legible stamp.
 */
const snapshotSql = (text: string, date: string): string => {
  const ofThatDay = `regexp_matches(${text}, '^(' || strftime(${date}, '%B %-d') || '|' || strftime(${date}, '%-d %B') || ')[ ,]')`
  const time = `try_strptime(regexp_extract(upper(${text}), '[0-9]{1,2}:[0-9]{2} [AP]M'), '%I:%M %p')::TIME`
  const stamp = `CASE WHEN ${ofThatDay} AND ${time} >= TIME '09:30:00' THEN ${toUtcUs(`(${date} + ${time})`, NEW_YORK)} END`
  return `least(coalesce(${stamp}, ${dayCloseSql(date)}), ${dayCloseSql(date)})`
}

/** Chains downloaded from the exchange's delayed-quotes page. */
export const cboeChain: Layout = {
  name: 'cboe-chain',
  source: 'cboe',
  matches: hasColumns('symbol', 'trade_date', 'snapshot_time_text', 'contract', 'right', 'expiration', 'strike'),
  types: context => ({
    ...Object.fromEntries(context.header.map(name => [name, 'DOUBLE'])),
    symbol: 'VARCHAR',
    trade_date: dateType(context, 'trade_date'),
    snapshot_time_text: 'VARCHAR',
    contract: 'VARCHAR',
    right: 'VARCHAR',
    expiration: dateType(context, 'expiration'),
  }),
  outputs: afterSessions('trade_date', () => [
    {
      kind: 'option',
      select: `SELECT ${RAW}.rowid AS line, ${RAW}.rowid AS seq, symbol, ${snapshotSql('snapshot_time_text', 'trade_date')} AS ts_us,
        ${contractSql('contract', 'symbol', 'expiration', '"right"', 'strike')} AS contract, ${rightSql('"right"')} AS "right", strike, expiration AS expiry, bid, ask, underlying_last AS underlying, volume, open_interest, nullif(implied_vol, 0) AS implied_volatility,
        delta, gamma FROM ${RAW}`,
    },
  ]),
}

/** SPX chains once a day, as snapshots or end of day. The weekly root SPXW is an option on SPX too. */
export const spxChain: Layout = {
  name: 'spx-chain',
  source: 'spx',
  matches: hasColumns(
    'quote_date',
    'underlying',
    'underlying_last',
    'optionroot',
    'type',
    'expiration',
    'strike',
    'bid',
    'ask',
  ),
  types: context => ({
    ...Object.fromEntries(context.header.map(name => [name, 'DOUBLE'])),
    quote_date: dateType(context, 'quote_date'),
    underlying: 'VARCHAR',
    exchange: 'VARCHAR',
    optionroot: 'VARCHAR',
    type: 'VARCHAR',
    expiration: dateType(context, 'expiration'),
  }),
  outputs: afterSessions('quote_date', ({options}) => [
    {
      kind: 'option',
      select: `SELECT ${RAW}.rowid AS line, ${RAW}.rowid AS seq,
        ${options.symbol === undefined ? "CASE ltrim(underlying, '^') WHEN 'SPXW' THEN 'SPX' ELSE ltrim(underlying, '^') END" : `'${options.symbol}'`} AS symbol,
        ${dayCloseSql('quote_date')} AS ts_us, ${contractSql('optionroot', 'underlying', 'expiration', 'type', 'strike')} AS contract,
        ${rightSql('type')} AS "right", strike, expiration AS expiry, bid, ask,
        underlying_last AS underlying, volume, openinterest AS open_interest, nullif(impliedvol, 0) AS implied_volatility, delta, gamma
        FROM ${RAW}`,
    },
  ]),
}

/** The exchange's end-of-day product: one row a contract with the quote at 15:45 and at the close. */
export const cboeEndOfDay: Layout = {
  name: 'cboe-eod',
  source: 'cboe',
  matches: hasColumns('underlying_symbol', 'quote_date', 'root', 'option_type', 'bid_1545', 'bid_eod'),
  types: context => ({
    ...Object.fromEntries(context.header.map(name => [name, 'DOUBLE'])),
    underlying_symbol: 'VARCHAR',
    quote_date: dateType(context, 'quote_date'),
    root: 'VARCHAR',
    expiration: dateType(context, 'expiration'),
    option_type: 'VARCHAR',
    delivery_code: 'VARCHAR',
  }),
  outputs: afterSessions('quote_date', () => {
    const right = rightSql('option_type')
    const snapshot = (suffix: string, tsUs: string, nth: number) =>
      `SELECT ${RAW}.rowid AS line, ${RAW}.rowid * 2 + ${nth} AS seq, ltrim(underlying_symbol, '^') AS symbol, ${tsUs} AS ts_us,
        ${occSql('root', 'expiration', 'option_type', 'strike')} AS contract, ${right} AS "right", strike, expiration AS expiry,
        bid_${suffix} AS bid, ask_${suffix} AS ask, bid_size_${suffix} AS bid_size, ask_size_${suffix} AS ask_size,
        (underlying_bid_${suffix} + underlying_ask_${suffix}) / 2 AS underlying,
        ${suffix === 'eod' ? 'trade_volume' : 'NULL::DOUBLE'} AS volume, open_interest FROM ${RAW}`
    const quarterTo = toUtcUs("(quote_date + TIME '15:45:00')", NEW_YORK)
    return [
      {
        kind: 'option',
        select: `${snapshot('1545', quarterTo, 0)} UNION ALL ${snapshot('eod', dayCloseSql('quote_date'), 1)}`,
      },
    ]
  }),
}

/** Bid and ask implied volatilities of one day's whole surface. */
export const spxVolatilities: Layout = {
  name: 'spx-volatilities',
  source: 'spx',
  matches: hasColumns('expiration', 'texp_years', 'strike', 'bid_iv', 'ask_iv', 'forward', 'call_mid'),
  types: ({header}) => ({...Object.fromEntries(header.map(name => [name, 'DOUBLE'])), expiration: 'DATE'}),
  outputs: ({fileName, options}) => {
    const date = /\d{4}-\d{2}-\d{2}/.exec(fileName)?.[0]
    if (date === undefined)
      throw new UserError('UNKNOWN_DATE', `${fileName} does not name its day`, {
        hints: ['put YYYY-MM-DD into the name'],
      })
    const symbol = options.symbol ?? 'SPX'
    return [
      {
        kind: 'option-volatility',
        select: `SELECT rowid AS line, rowid AS seq, '${symbol}' AS symbol, ${toUtcUs(`TIMESTAMP '${date} 16:00:00'`, NEW_YORK)} AS ts_us,
          ${occSql(`'${symbol}'`, 'expiration', "'call'", 'strike')} AS contract, 'call' AS "right", strike, expiration AS expiry,
          bid_iv AS bid_volatility, ask_iv AS ask_volatility, call_mid AS mark, forward FROM ${RAW}`,
      },
    ]
  },
}

/** Deribit: hourly volatilities in percent, no prices. Its stamps name no zone; the venue's is UTC. */
export const deribitVolatilities: Layout = {
  name: 'deribit-volatilities',
  source: 'deribit',
  matches: hasColumns('date', 'instrument_name', 'expiry_date', 'strike', 'type', 'bid_iv', 'ask_iv', 'mark_iv'),
  types: ({header}) => ({
    ...Object.fromEntries(header.map(name => [name, 'DOUBLE'])),
    date: 'TIMESTAMP',
    instrument_name: 'VARCHAR',
    expiry_name: 'VARCHAR',
    expiry_date: 'DATE',
    type: 'VARCHAR',
  }),
  outputs: ({options}) => [
    {
      kind: 'option-volatility',
      select: `SELECT rowid AS line, rowid AS seq, split_part(instrument_name, '-', 1) AS symbol, ${toUtcUs('"date"', options.timeZone ?? 'UTC')} AS ts_us,
        instrument_name AS contract, type AS "right", strike, expiry_date AS expiry, round(nullif(bid_iv, 0) / 100, 8) AS bid_volatility,
        round(nullif(ask_iv, 0) / 100, 8) AS ask_volatility, round(mark_iv / 100, 8) AS mark_volatility, delta, volume, open_interest FROM ${RAW}`,
    },
  ],
}
