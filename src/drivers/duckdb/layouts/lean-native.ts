import {parseDay} from '../../../domain/calendar.ts'
import {UserError} from '../../../domain/errors.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND} from '../../../domain/units.ts'
import {quoted} from '../database.ts'
import {createSessions, dayCloseSql} from './bar-time.ts'
import {consolidateQuotes} from './consolidate.ts'
import {type Layout, type LayoutContext, NEW_YORK, RAW} from './layout.ts'
import {localToUtcUs} from './local-time.ts'
import {coinPair} from './symbols.ts'

/**
 * LEAN's own files (quantconnect.com/docs/v2/lean-engine/data-format): a CSV without header in a zip archive. Ticks, seconds
 * and minutes are a file a day, stamped in milliseconds since the exchange's midnight (`20131007_spy_minute_trade.csv`);
 * hours and days are a file a symbol with whole stamps (`spy.csv` in `daily/`). Prices of stocks and options are in 1/10,000
 * dollar, those of coins as they are. Option files are one a contract, its strike in 1/10,000 dollar.
 */
const OF_DAY = /^(\d{8})_([a-z0-9.^-]+)_(?:(?:trade|quote)_)?(tick|second|minute)(?:_(?:trade|quote))?(?=[_.])/i
const TYPE = String.raw`[/\\](equity|option|indexoption|index|crypto|cryptofuture|forex|cfd|future|futureoption)[/\\]`
const SERIES = new RegExp(String.raw`${TYPE}[^/\\]+[/\\](hour|daily)[/\\]`)
const OPTION = /_(american|european)_(call|put)_(\d+)_(\d{8})\.csv/i
const BARS = 'open high low close volume'
const QUOTES = 'bid_open bid_high bid_low bid_close bid_size ask_open ask_high ask_low ask_close ask_size'
const PERIODS: Readonly<Record<string, number>> = {
  second: US_PER_SECOND,
  minute: US_PER_MINUTE,
  hour: US_PER_HOUR,
  daily: US_PER_DAY,
}

const resolutionOf = (fileName: string, path: string): string | undefined =>
  OF_DAY.exec(fileName)?.[3]?.toLowerCase() ?? SERIES.exec(path)?.[2]

export const isLeanName = (fileName: string, path: string, fields: readonly string[]): boolean =>
  resolutionOf(fileName, path) !== undefined || /^\d{8} \d{2}:\d{2}$/.test(fields[0] ?? '')

/** Names of the columns of a LEAN file; undefined where its shape is not one of LEAN's. */
export const leanColumns = (
  fileName: string,
  path: string,
  fields: readonly string[],
): readonly string[] | undefined => {
  const isTick = resolutionOf(fileName, path) === 'tick'
  const isQuote = /_quote/i.test(fileName)
  const stamp = /^\d{8} \d{2}:\d{2}/.test(fields[0] ?? '') ? 'lean_stamp' : 'lean_ms'
  const names = (text: string) => [stamp, ...text.split(' ')]
  if (isTick && isQuote) return names('bid bid_size ask ask_size exchange condition suspicious').slice(0, fields.length)
  if (isTick) return names('price size exchange condition suspicious').slice(0, fields.length)
  if (fields.length === 11) return names(QUOTES)
  return fields.length === 6 ? names(BARS) : undefined
}

export const leanNative: Layout = {
  name: 'lean-native',
  source: 'lean',
  matches: header => header[0] === 'lean_ms' || header[0] === 'lean_stamp',
  types: ({header}) =>
    Object.fromEntries(
      header
        .filter(name => !['exchange', 'condition', 'suspicious', 'lean_stamp'].includes(name))
        .map(name => [name, 'DOUBLE']),
    ),
  outputs: async context => {
    const {fileName, path, header, options} = context
    const scale = await scaleOf(context)
    const resolution = resolutionOf(fileName, path) ?? (await resolutionOfStamps(context))
    const periodUs = options.periodUs ?? PERIODS[resolution] ?? 0
    const symbol = quoted(symbolOf(context))
    const stampUs = await stampOf(context, resolution)
    const of = (name: string) => (scale === 1 ? name : `${name} / ${scale}`)
    const common = `${RAW}.rowid AS line, ${RAW}.rowid AS seq, ${symbol} AS symbol`
    if (header.includes('price')) {
      const dropped = header.includes('suspicious')
        ? "CASE WHEN suspicious = '1' THEN 'suspiciousTrades' END"
        : 'NULL::VARCHAR'
      return [
        {
          kind: 'trade',
          select: `SELECT ${common}, ${stampUs} AS ts_us, ${of('price')} AS price, size, ${dropped} AS dropped FROM ${RAW}`,
        },
      ]
    }
    if (header.includes('bid')) {
      return [
        await consolidateQuotes(context.database, {
          tsUs: stampUs,
          symbol,
          venue: "'national'",
          // A side that the tick does not touch is written as 0.
          bid: `nullif(${of('bid')}, 0)`,
          bidSize: 'bid_size',
          ask: `nullif(${of('ask')}, 0)`,
          askSize: 'ask_size',
          isOneSided: true,
          ...(header.includes('suspicious') ? {without: ["suspicious = '1'", 'suspiciousQuotes'] as const} : {}),
        }),
      ]
    }
    if (header.includes('bid_close')) {
      const quote = `${of('bid_close')} AS bid, ${of('ask_close')} AS ask, bid_size, ask_size`
      const option = OPTION.exec(fileName)
      if (option === null) {
        return [{kind: 'quote', select: `SELECT ${common}, ${stampUs} + ${periodUs} AS ts_us, ${quote} FROM ${RAW}`}]
      }
      const [, , right = '', strike = '', expiry = ''] = option
      const root = symbolOf(context)
      const occ = `${root}${expiry.slice(2)}${right === 'call' ? 'C' : 'P'}${String(Number(strike) / 10).padStart(8, '0')}`
      return [
        {
          kind: 'option',
          select: `SELECT ${RAW}.rowid AS line, ${RAW}.rowid AS seq, ${quoted(root === 'SPXW' ? 'SPX' : root)} AS symbol, ${stampUs} + ${periodUs} AS ts_us,
            ${quoted(occ)} AS contract, ${quoted(right.toLowerCase())} AS "right", ${Number(strike) / 1e4}::DOUBLE AS strike,
            DATE '${isoDay(expiry)}' AS expiry, ${quote} FROM ${RAW}`,
        },
      ]
    }
    const bar = BARS.split(' ').map(name => (name === 'volume' ? name : `${of(name)} AS ${name}`))
    const isDaily = resolution === 'daily' && !symbol.includes('/')
    if (isDaily) await createSessions(context.database, dayOfStamp)
    return [
      {
        kind: 'bar',
        select: `SELECT ${common}, ${isDaily ? dayCloseSql(dayOfStamp) : `${stampUs} + ${periodUs}`} AS ts_us, ${periodUs} AS period_us,
          ${bar} FROM ${RAW}`,
      },
    ]
  },
}

const dayOfStamp = "try_strptime(lean_stamp[1:8], '%Y%m%d')::DATE"

const resolutionOfStamps = async ({database}: LayoutContext): Promise<string> => {
  const {isDaily} = await database.one<{isDaily: boolean | null}>(
    `SELECT bool_and(lean_stamp LIKE '% 00:00') AS "isDaily" FROM ${RAW}`,
  )
  return isDaily === true ? 'daily' : 'hour'
}

const isoDay = (digits: string): string => `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`

const symbolOf = ({fileName, options}: LayoutContext): string => {
  if (options.symbol !== undefined) return options.symbol
  const name = (OF_DAY.exec(fileName)?.[2] ?? fileName.replace(/[_.].*$/, '')).toUpperCase()
  return coinPair(name) ?? name
}

const stampOf = async (context: LayoutContext, resolution: string): Promise<string> => {
  const isCrypto = /[/\\](crypto|cryptofuture|forex|cfd)[/\\]/.test(context.path)
  const zone = context.options.timeZone ?? (isCrypto ? 'UTC' : NEW_YORK)
  if (context.header[0] === 'lean_stamp') {
    return localToUtcUs(context, `try_strptime(lean_stamp, '%Y%m%d %H:%M')`, zone, {isBar: resolution !== 'tick'})
  }
  const day = OF_DAY.exec(context.fileName)?.[1] ?? /(?:^|[/\\])(\d{8})_[a-z]+\.zip$/.exec(context.path)?.[1]
  if (day === undefined) {
    throw new UserError('UNKNOWN_DATE', `${context.fileName} does not name its day`, {
      hints: ['name the file as YYYYMMDD_symbol_minute_trade.csv'],
    })
  }
  parseDay(isoDay(day))
  const local = `(TIMESTAMP '${isoDay(day)}' + to_milliseconds(lean_ms::BIGINT))`
  return localToUtcUs(context, local, zone)
}

/** 10,000 where prices are whole numbers of 1/10,000 dollar: by the folder of the security type, else by the prices. */
const scaleOf = async (context: LayoutContext): Promise<number> => {
  const type = new RegExp(TYPE).exec(context.path)?.[1]
  if (type === 'equity' || type === 'option' || type === 'indexoption') return 10_000
  if (type !== undefined) return 1
  const price = ['price', 'close', 'bid_close', 'bid'].find(name => context.header.includes(name)) ?? 'close'
  const {whole} = await context.database.one<{whole: boolean | null}>(
    `SELECT bool_and(${price} = floor(${price}) AND ${price} >= 1000) AS whole FROM ${RAW} WHERE ${price} > 0`,
  )
  if (whole !== true) return 1
  context.note(`${context.fileName}: whole prices, read as 1/10,000 dollar as LEAN writes stocks`)
  return 10_000
}
