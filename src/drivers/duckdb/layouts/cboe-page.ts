import {dayOf, isTradingDay, newYorkToUtcUs, sessionCloseUs, sessionOpenUs} from '../../../domain/calendar.ts'
import {ExitCode, UserError} from '../../../domain/errors.ts'
import {US_PER_DAY, US_PER_MINUTE} from '../../../domain/units.ts'
import {identifier, quoted} from '../database.ts'
import {hasColumns, type Layout, type LayoutContext, RAW} from './layout.ts'
import {symbolFromName} from './symbols.ts'

/**
 * A chain as the exchange's delayed-quotes page gives it to download: three lines about the underlying, then a strike a row,
 * its call on the left and its put on the right (`spx_quotedata.csv`).
 */
export const cboePage: Layout = {
  name: 'cboe-page',
  source: 'cboe',
  matches: hasColumns('Calls', 'Puts', 'Strike', 'Bid', 'Ask'),
  types: ({header}) => ({
    ...Object.fromEntries(header.map(name => [name, 'DOUBLE'])),
    'Expiration Date': 'VARCHAR',
    Calls: 'VARCHAR',
    Puts: 'VARCHAR',
  }),
  outputs: async context => {
    const {header, preamble} = context
    const symbol = quoted(await symbolOf(context))
    const underlying = /Last:\s*([\d.]+)/.exec(preamble.join('\n'))?.[1] ?? 'NULL'
    const tsUs = snapshotUs(context)
    const expiry = `coalesce(${['%a %b %d %Y', '%m/%d/%Y', '%Y-%m-%d'].map(format => `try_strptime("Expiration Date", '${format}')`)})::DATE`
    const side = (contract: string, right: string, nth: 0 | 1) => {
      const column = (...names: readonly string[]) => {
        const name = names.find(n => header.includes(n))
        if (name === undefined) return 'NULL::DOUBLE'
        return identifier(nth === 0 ? name : `${name}_1`)
      }
      return `SELECT rowid AS line, rowid * 2 + ${nth} AS seq, ${symbol} AS symbol, ${tsUs}::BIGINT AS ts_us, ${contract} AS contract,
        '${right}' AS "right", "Strike" AS strike, ${expiry} AS expiry, ${column('Bid')} AS bid, ${column('Ask')} AS ask,
        ${underlying}::DOUBLE AS underlying, ${column('Volume', 'Vol')} AS volume, ${column('Open Interest', 'Open Int')} AS open_interest,
        nullif(${column('IV')}, 0) AS implied_volatility, ${column('Delta')} AS delta, ${column('Gamma')} AS gamma
        FROM ${RAW} WHERE ${contract} IS NOT NULL`
    }
    return [{kind: 'option', select: `${side('Calls', 'call', 0)} UNION ALL ${side('Puts', 'put', 1)}`}]
  },
}

/** Of the file's name; else the commonest root, without the letter of weekly and afternoon-settled indices. */
const symbolOf = async ({database, fileName, options}: LayoutContext): Promise<string> => {
  if (options.symbol !== undefined) return options.symbol
  const named = symbolFromName(fileName)
  if (named !== undefined) return named
  const {root} = await database.one<{root: string | null}>(
    `SELECT mode(regexp_extract(Calls, '^([A-Z]+)[0-9]{6}[CP]', 1)) AS root FROM ${RAW}`,
  )
  if (root) return /^(SPX|RUT|VIX|XSP|DJX)W$|^(NDX|XND)P$/.test(root) ? root.slice(0, -1) : root
  throw new UserError('UNKNOWN_SYMBOL', `${fileName} does not name its underlying`, {
    hints: ['name it with --symbol SPX'],
  })
}

const MONTHS = 'january february march april may june july august september october november december'.split(' ')

/**
 * When the quotes were good: the page's own stamp inside a session, else the close of the session before it, to which a
 * download of the evening, the weekend or the morning belongs. Stamps: `August 20, 2023 at 10:35 PM EDT`, `February 5 2022,
 * 8:09 PM EST`, `9 June 2023, 1:40 PM EDT`.
 */
const snapshotUs = ({fileName, preamble}: LayoutContext): number => {
  const text = /Date:\s*([^"\n]*?\d{4}[^"\n]*?[AP]M)/i.exec(preamble.join('\n'))?.[1] ?? ''
  const month = MONTHS.findIndex(name => text.toLowerCase().includes(name)) + 1
  const day = Number(/\b(\d{1,2})(?=[ ,])/.exec(text)?.[1])
  const year = Number(/\b(20\d{2})\b/.exec(text)?.[1])
  const [, hour = '', minute = '', half = ''] = /(\d{1,2}):(\d{2}) ([AP])M/i.exec(text) ?? []
  if (month === 0 || !(day > 0) || !(year > 0) || hour === '') {
    throw new UserError(
      'UNKNOWN_DATE',
      `${fileName}: no date of the quotes above the table: ${text || preamble.join(' ').slice(0, 60)}`,
      {
        exitCode: ExitCode.invalidData,
        hints: ['leave the lines above the header as the exchange gives them: "Date: August 18, 2023 at 11:05 AM EDT"'],
      },
    )
  }
  const minutes = ((Number(hour) % 12) + (half.toUpperCase() === 'P' ? 12 : 0)) * 60 + Number(minute)
  const today = dayOf(year, month, day)
  const stampUs = newYorkToUtcUs(today * US_PER_DAY + minutes * US_PER_MINUTE)
  let session = today
  while (!isTradingDay(session) || sessionOpenUs(session) > stampUs) session--
  return Math.min(stampUs, sessionCloseUs(session))
}
