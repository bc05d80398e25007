import {nearest, UserError} from '../../../domain/errors.ts'
import {US_PER_DAY} from '../../../domain/units.ts'
import {identifier, quoted} from '../database.ts'
import {adjustment} from './adjustment.ts'
import {barTime, createSessions, dayCloseSql} from './bar-time.ts'
import {AGGRESSOR} from './binance.ts'
import {type Layout, type LayoutContext, type LayoutOutput, NEW_YORK, RAW, wrongColumns} from './layout.ts'
import {contractSql, rightSql} from './lean.ts'
import {type LocalRows, localToUtcUs} from './local-time.ts'
import {
  clockSql,
  dateType,
  isClockText,
  isWrittenDate,
  isWrittenNumber,
  writtenNumber,
  writtenTime,
  writtenToDates,
} from './stamp-text.ts'
import {coinPair, periodFromName, symbolFromName} from './symbols.ts'

/** Fields a plain table may have, and the names people give them (compared in lower case without punctuation). */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  time: [
    'tsus',
    'timestamp',
    'datetimeutc',
    'datetimeet',
    'datetime',
    'ts',
    'dt',
    'opentime',
    'unixtime',
    'unix',
    'epoch',
    'recvns',
  ],
  date: ['date', 'day', 'tradedate', 'quotedate'],
  clock: ['time', 'timeofday'],
  symbol: ['symbol', 'ticker', 'sym', 'instrument', 'underlying'],
  open: ['open', 'o', 'openprice'],
  high: ['high', 'h', 'highprice'],
  low: ['low', 'l', 'lowprice'],
  close: ['close', 'c', 'closeprice', 'closelast', 'last', 'settle'],
  volume: ['volume', 'v', 'vol', 'volumebtc', 'basevolume'],
  bid: ['bid', 'bidprice', 'bidpx', 'bestbid', 'bidclose'],
  ask: ['ask', 'askprice', 'askpx', 'bestask', 'ofr', 'offer', 'askclose'],
  bidSize: ['bidsize', 'bidqty', 'bidsiz', 'bidquantity', 'bidvolume'],
  askSize: ['asksize', 'askqty', 'ofrsiz', 'askquantity', 'askvolume', 'offersize'],
  price: ['price', 'px', 'tradeprice', 'lastprice'],
  size: ['size', 'qty', 'quantity', 'amount', 'tradesize'],
  aggressor: ['aggressor', 'side', 'takerside'],
  buyerIsMaker: ['buyerismaker', 'isbuyermaker'],
  strike: ['strike', 'strikeprice'],
  expiry: ['expiry', 'expiration', 'expirationdate', 'exdate'],
  right: ['right', 'type', 'optiontype', 'callput', 'cpflag'],
  contract: ['contract', 'optionsymbol', 'optionroot', 'occ'],
  openInterest: ['openinterest', 'oi'],
  underlyingPrice: ['underlyinglast', 'underlyingprice', 'spot'],
  impliedVolatility: ['impliedvol', 'impliedvolatility', 'iv'],
  timeframe: ['timeframe', 'interval', 'period'],
  periodUs: ['periodus'],
}

const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

const didYouMean = (near: string | undefined): string[] => (near === undefined ? [] : [`did you mean ${near}?`])

/** Field → column, by `--map` first, then by the first alias that a column bears. */
export const fieldsOf = (
  header: readonly string[],
  map: Readonly<Record<string, string>> = {},
): Map<string, string> => {
  const fields = new Map<string, string>()
  for (const [column, field] of Object.entries(map)) {
    if (!header.includes(column)) {
      throw new UserError('UNKNOWN_COLUMN', `--map names the column ${column}, which is not in the file`, {
        hints: [...didYouMean(nearest(column, header)), `its columns are ${header.join(', ')}`],
      })
    }
    if (!(field in ALIASES)) {
      throw new UserError('UNKNOWN_FIELD', `--map names the field ${field}, which does not exist`, {
        hints: [
          ...didYouMean(nearest(field, Object.keys(ALIASES))),
          `fields: ${Object.keys(ALIASES).join(', ')}; written --map COLUMN=FIELD`,
        ],
      })
    }
    fields.set(field, column)
  }
  const taken = new Set(fields.values())
  for (const [field, names] of Object.entries(ALIASES)) {
    if (fields.has(field)) continue
    for (const name of names) {
      const column = header.find(h => bare(h) === name && !taken.has(h))
      if (column === undefined) continue
      fields.set(field, column)
      taken.add(column)
      break
    }
  }
  // What trade sites call the close beside an open, a high and a low.
  const price = fields.get('price')
  if (price !== undefined && !fields.has('close') && ['open', 'high', 'low'].every(name => fields.has(name))) {
    fields.set('close', price)
    fields.delete('price')
  }
  // `Volume BTC` beside `Volume USDT`: the base coin comes first.
  const volume = header.find(name => bare(name).startsWith('volume') && !taken.has(name))
  if (!fields.has('volume') && volume !== undefined) fields.set('volume', volume)
  // A lone `time` column is a whole stamp, not a time of day.
  const clock = fields.get('clock')
  if (clock !== undefined && !fields.has('time') && !fields.has('date')) {
    fields.set('time', clock)
    fields.delete('clock')
  }
  return fields
}

type TimeFormat = 'seconds' | 'millis' | 'micros' | 'nanos' | 'date' | 'zoned' | 'naive' | 'written'

/** What a stamp looks like, from the first value of its column. */
export const timeFormatOf = (value: string): TimeFormat => {
  if (isWrittenDate(value)) return 'written'
  if (/^-?\d+(\.\d+)?$/.test(value)) {
    const digits = value.replace(/\..*$/, '').length
    return digits <= 10 ? 'seconds' : digits <= 13 ? 'millis' : digits <= 16 ? 'micros' : 'nanos'
  }
  if (/^\d{4}[-/]\d{1,2}[-/]\d{1,2}$/.test(value)) return 'date'
  return /(Z|[+-]\d{2}(:?\d{2})?)$/.test(value) && value.length > 16 ? 'zoned' : 'naive'
}

const TIME_TYPES: Readonly<Record<TimeFormat, string>> = {
  seconds: 'DOUBLE',
  millis: 'BIGINT',
  micros: 'BIGINT',
  nanos: 'BIGINT',
  date: 'DATE',
  zoned: 'TIMESTAMPTZ',
  naive: 'TIMESTAMP',
  written: 'VARCHAR',
}

const NUMERIC = new Set(
  'open high low close volume bid ask bidSize askSize price size strike openInterest underlyingPrice impliedVolatility'.split(
    ' ',
  ),
)

const valueAt = (context: Pick<LayoutContext, 'header' | 'sample'>, column: string): string =>
  context.sample[context.header.indexOf(column)] ?? ''

const tableTypes: Layout['types'] = context => {
  const fields = fieldsOf(context.header, context.options.map)
  const types: Record<string, string> = {}
  for (const [field, column] of fields) {
    if (NUMERIC.has(field)) types[column] = isWrittenNumber(valueAt(context, column)) ? 'VARCHAR' : 'DOUBLE'
    else if (field === 'time') types[column] = TIME_TYPES[timeFormatOf(valueAt(context, column))]
    else if (field === 'date') {
      const format = timeFormatOf(valueAt(context, column))
      types[column] = format === 'date' ? 'DATE' : TIME_TYPES[format]
    } else if (field === 'clock') types[column] = isClockText(valueAt(context, column)) ? 'VARCHAR' : 'TIME'
    else if (field === 'expiry') types[column] = dateType(context, column)
    else if (field === 'periodUs') types[column] = 'BIGINT'
  }
  return types
}

/** How the table's stamps become UTC microseconds, and whether they are only days. */
interface TimeSql {
  readonly utcUs: string
  /** DATE expression, set when the stamps are days. */
  readonly date?: string
}

const zoneOf = (context: LayoutContext, column: string, fallback: string): string => {
  if (context.options.timeZone !== undefined) return context.options.timeZone
  const name = bare(column)
  if (name.endsWith('utc')) return 'UTC'
  if (name.endsWith('et')) return NEW_YORK
  if (fallback !== NEW_YORK) context.note(`${context.fileName}: ${column} names no time zone, read as UTC (use --tz)`)
  return fallback
}

/** Rows whose stamps are too great for the first row's unit are in a finer one: vendors change theirs within a file. */
const finerUnits = (name: string, otherwise: string, from: number): string => {
  const units = [
    [1e17, `${name}::BIGINT // 1000`],
    [1e14, `${name}::BIGINT`],
    [1e11, `${name}::BIGINT * 1000`],
  ] as const
  const finer = units.filter(([least]) => least >= from)
  return `CASE ${finer.map(([least, sql]) => `WHEN ${name} >= ${least} THEN ${sql}`).join(' ')} ELSE ${otherwise} END`
}

const timeSql = async (
  context: LayoutContext,
  fields: ReadonlyMap<string, string>,
  fallbackZone: string,
  rows: LocalRows,
): Promise<TimeSql> => {
  const dateColumn = fields.get('date')
  const clockColumn = fields.get('clock')
  const timeColumn = fields.get('time') ?? (clockColumn === undefined ? dateColumn : undefined)
  if (timeColumn !== undefined) {
    const name = identifier(timeColumn)
    switch (timeFormatOf(valueAt(context, timeColumn))) {
      case 'seconds':
        return {utcUs: finerUnits(name, `round(${name} * 1e6)::BIGINT`, 1e11)}
      case 'millis':
        return {utcUs: finerUnits(name, `${name} * 1000`, 1e14)}
      case 'micros':
        return {utcUs: finerUnits(name, name, 1e17)}
      case 'nanos':
        return {utcUs: `${name} // 1000`}
      case 'date':
        return {utcUs: `epoch_us(${name}::TIMESTAMP)`, date: name}
      case 'zoned':
        return {utcUs: `epoch_us(${name})`}
      case 'written': {
        const written = await writtenTime(context, timeColumn, valueAt(context, timeColumn))
        if (!written.hasClock) return {utcUs: `epoch_us(${written.sql})`, date: `(${written.sql})::DATE`}
        return {utcUs: await localToUtcUs(context, written.sql, zoneOf(context, timeColumn, fallbackZone), rows)}
      }
      case 'naive':
        return {utcUs: await localToUtcUs(context, name, zoneOf(context, timeColumn, fallbackZone), rows)}
    }
  }
  if (dateColumn !== undefined && clockColumn !== undefined) {
    const sample = valueAt(context, dateColumn)
    const day =
      timeFormatOf(sample) === 'written' ? (await writtenTime(context, dateColumn, sample)).sql : identifier(dateColumn)
    const clock = isClockText(valueAt(context, clockColumn))
      ? clockSql(identifier(clockColumn))
      : identifier(clockColumn)
    const stamp = `((${day})::DATE + ${clock})`
    return {utcUs: await localToUtcUs(context, stamp, zoneOf(context, dateColumn, fallbackZone), rows)}
  }
  throw wrongColumns(context.fileName, context.header, 'time')
}

const symbolSql = async (context: LayoutContext, fields: ReadonlyMap<string, string>): Promise<string> => {
  if (context.options.symbol !== undefined) return quoted(context.options.symbol)
  const column = fields.get('symbol')
  if (column !== undefined) {
    const name = identifier(column)
    // A pair that is not written as one would be taken for a stock.
    const symbols = await context.database.rows<{symbol: string | null}>(
      `SELECT DISTINCT ${name} AS symbol FROM ${RAW}`,
    )
    const pairs = symbols.flatMap(({symbol}) => {
      const pair = typeof symbol === 'string' ? coinPair(symbol) : undefined
      return symbol === null || pair === undefined || pair === symbol
        ? []
        : [`WHEN ${quoted(symbol)} THEN ${quoted(pair)}`]
    })
    return pairs.length === 0 ? name : `CASE ${name} ${pairs.join(' ')} ELSE ${name} END`
  }
  const symbol = symbolFromName(context.fileName)
  if (symbol === undefined) {
    throw new UserError('UNKNOWN_SYMBOL', `${context.fileName}: neither a column nor the file name says which symbol`, {
      hints: ['name it with --symbol AAPL'],
    })
  }
  return quoted(symbol)
}

const tableOutputs =
  (fallbackZone: string) =>
  async (context: LayoutContext): Promise<readonly LayoutOutput[]> => {
    const fields = fieldsOf(context.header, context.options.map)
    const symbol = await symbolSql(context, fields)
    const isBar = fields.has('close') && !fields.has('bid') && !fields.has('strike')
    const time = await timeSql(context, fields, fallbackZone, {series: symbol, isBar})
    const column = (field: string, absent = 'NULL::DOUBLE'): string => {
      const name = fields.get(field)
      if (name === undefined) return absent
      if (NUMERIC.has(field) && isWrittenNumber(valueAt(context, name))) return writtenNumber(identifier(name))
      return identifier(name)
    }
    const has = (...names: string[]) => names.every(name => fields.has(name))
    const common = `${RAW}.rowid AS line, ${symbol} AS symbol, ${RAW}.rowid AS seq`
    if (has('strike', 'expiry', 'bid', 'ask')) {
      await writtenToDates(context, [fields.get('expiry') ?? ''])
      const right = column('right', 'NULL::VARCHAR')
      if (time.date !== undefined) await createSessions(context.database, time.date)
      // A chain of a day is known when its session closes.
      const tsUs = time.date === undefined ? time.utcUs : dayCloseSql(time.date)
      return [
        {
          kind: 'option',
          select: `SELECT ${common}, ${tsUs} AS ts_us, ${contractSql(column('contract', 'NULL::VARCHAR'), symbol, column('expiry'), right, column('strike'))} AS contract,
          ${rightSql(right)} AS "right", ${column('strike')} AS strike, ${column('expiry')} AS expiry,
          ${column('bid')} AS bid, ${column('ask')} AS ask, ${column('bidSize')} AS bid_size, ${column('askSize')} AS ask_size,
          ${column('underlyingPrice')} AS underlying, ${column('volume')} AS volume, ${column('openInterest')} AS open_interest,
          ${column('impliedVolatility')} AS implied_volatility FROM ${RAW}`,
        },
      ]
    }
    if (has('open', 'high', 'low', 'close') || (has('close') && !has('bid', 'ask'))) {
      const close = column('close')
      const priced = has('open', 'high', 'low')
      const adjusted = await adjustment(context, symbol, time)
      const bars = await barTime(context, {
        time,
        symbol,
        timeframe: fields.get('timeframe'),
        periodUs: fields.get('periodUs'),
        namedPeriodUs:
          context.options.periodUs ?? periodFromName(context.fileName) ?? (time.date ? US_PER_DAY : undefined),
      })
      return [
        {
          kind: 'bar',
          counts: bars.counts,
          select: `SELECT ${common}, ${bars.closeUs} AS ts_us, ${bars.periodUs} AS period_us,
          ${adjusted.price(priced ? column('open') : close)} AS open, ${adjusted.price(priced ? column('high') : close)} AS high,
          ${adjusted.price(priced ? column('low') : close)} AS low, ${adjusted.price(close)} AS close,
          ${adjusted.volume(column('volume', '0::DOUBLE'))} AS volume
          FROM ${RAW} ${adjusted.join}`,
        },
      ]
    }
    if (has('bid', 'ask')) {
      return [
        {
          kind: 'quote',
          select: `SELECT ${common}, ${time.utcUs} AS ts_us, ${column('bid')} AS bid, ${column('ask')} AS ask,
          ${column('bidSize', '1::DOUBLE')} AS bid_size, ${column('askSize', '1::DOUBLE')} AS ask_size FROM ${RAW}`,
        },
      ]
    }
    if (has('price')) {
      const maker = fields.get('buyerIsMaker')
      const side = fields.get('aggressor')
      const aggressor =
        maker !== undefined
          ? AGGRESSOR.replaceAll('buyer_is_maker', identifier(maker))
          : side !== undefined
            ? `CASE WHEN lower(${identifier(side)}::VARCHAR) IN ('buy', 'b', '1') THEN 1 WHEN lower(${identifier(side)}::VARCHAR) IN ('sell', 's', '-1') THEN 2 ELSE 0 END`
            : '0'
      const size = has('size') ? column('size') : column('volume', '0::DOUBLE')
      return [
        {
          kind: 'trade',
          select: `SELECT ${common}, ${time.utcUs} AS ts_us, ${column('price')} AS price, ${size} AS size,
          ${aggressor} AS aggressor FROM ${RAW}`,
        },
      ]
    }
    throw wrongColumns(context.fileName, context.header, 'open, high, low and close, nor bid and ask, nor price')
  }

/** Any table with column names people use, or that `--map` explains. */
export const csvTable: Layout = {
  name: 'table',
  source: 'csv',
  matches: () => true,
  types: tableTypes,
  outputs: tableOutputs('UTC'),
}

/** LEAN's trade bars: the same, in New York time. */
export const leanTable: Layout = {
  name: 'lean-bars',
  source: 'lean',
  matches: header => header.includes('open') && header.includes('close') && !header.includes('strike'),
  types: tableTypes,
  outputs: tableOutputs(NEW_YORK),
}
