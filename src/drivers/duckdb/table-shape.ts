import {ExitCode, UserError} from '../../domain/errors.ts'
import {headlessColumns} from './layouts/headless.ts'
import {firstBytes, type SourceFile} from './source-file.ts'

export interface TableShape {
  readonly header: readonly string[]
  /** The first value of each column. */
  readonly sample: readonly string[]
  readonly delimiter: string
  /** Lines before the first row. */
  readonly skip: number
  /** Lines before the header. */
  readonly preamble: readonly string[]
}

/** A header stands among this many lines, or nowhere. */
const MOST_PREAMBLE = 12

/** Header and first values, below whatever a vendor puts above them; for the tables that vendors give no header, its names. */
export const tableShape = async (source: SourceFile): Promise<TableShape> => {
  const text = (await firstBytes(source.plainPath, 1 << 16)).toString('utf8').replace(/^\uFEFF/, '')
  const lines = text.split(/\r?\n/)
  const at = headerLine(lines)
  const first = lines[at] ?? ''
  const delimiter =
    [',', ';', '\t', '|'].map(d => [d, first.split(d).length] as const).sort((a, b) => b[1] - a[1])[0]?.[0] ?? ','
  const fields = splitLine(first, delimiter)
  const preamble = lines.slice(0, at)
  const row = (from: number) => sampleOf(lines.slice(from, from + SAMPLE_LINES), delimiter)
  if (source.header !== undefined) {
    return {header: source.header, sample: row(at), delimiter, skip: at, preamble}
  }
  if (fields.every(name => name === '') || fields.length < 2) {
    throw new UserError('WRONG_COLUMNS', `${source.name}: its first line is no table header: ${first.slice(0, 60)}`, {
      exitCode: ExitCode.invalidData,
      hints: ['the first line must name the columns, separated by commas'],
    })
  }
  const yahoo = yahooHeader(lines.slice(at, at + 3), fields, delimiter)
  if (yahoo !== undefined) return {header: yahoo, sample: row(at + 3), delimiter, skip: at + 3, preamble}
  if (!isValue(fields[0] ?? '')) return {header: fields, sample: row(at + 1), delimiter, skip: at + 1, preamble}
  const header = headlessColumns(source.name, source.path, fields)
  if (header !== undefined) return {header, sample: row(at), delimiter, skip: at, preamble}
  throw new UserError(
    'WRONG_COLUMNS',
    `${source.name}: its first line holds values, not the names of columns: ${first.slice(0, 60)}`,
    {
      exitCode: ExitCode.invalidData,
      hints: [
        'put a line of names above it, such as time,open,high,low,close,volume',
        'files of Binance, LEAN and LOBSTER are known without one by the names that these vendors give them',
      ],
    },
  )
}

const SAMPLE_LINES = 100

const sampleOf = (lines: readonly string[], delimiter: string): string[] => {
  const sample: string[] = []
  for (const line of lines) {
    if (line === '') continue
    for (const [i, field] of splitLine(line, delimiter).entries()) sample[i] ||= field
  }
  return Array.from(sample, field => field ?? '')
}

/** The first line of three or more fields after blank ones and words; CBOE's page puts its quotes above the table. */
const headerLine = (lines: readonly string[]): number => {
  const head = lines.slice(0, MOST_PREAMBLE)
  const chain = head.findIndex(line => /(^|,)Calls,.*,Puts,/.test(line))
  if (chain >= 0) return chain
  const filled = head.findIndex(line => line.trim() !== '')
  if (filled < 0) return 0
  if (/[,;\t|]/.test(head[filled] ?? '')) return filled
  const table = head.findIndex((line, i) => i > filled && line.split(/[,;\t|]/).length >= 3)
  return table < 0 ? filled : table
}

/** A number, a flag or a time: nothing that a column would be called. */
const isValue = (field: string): boolean =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field) || /^\d{4}[-/.]?\d{2}[-/.]?\d{2}([T ]|$)/.test(field)

/** `yfinance` writes three lines of header: `Price,Close,High…`, `Ticker,AAPL,AAPL…` and `Date,,…`. */
const yahooHeader = (
  lines: readonly string[],
  fields: readonly string[],
  delimiter: string,
): readonly string[] | undefined => {
  const [, tickers = [], dates = []] = lines.map(line => splitLine(line, delimiter))
  if (fields[0] !== 'Price' || tickers[0] !== 'Ticker' || !/^Date(time)?$/.test(dates[0] ?? '')) return undefined
  return [dates[0] ?? '', ...fields.slice(1)]
}

export const splitLine = (line: string, delimiter: string): string[] => {
  const fields: string[] = []
  let field = ''
  let isQuoted = false
  for (const char of line) {
    if (char === '"') isQuoted = !isQuoted
    else if (char === delimiter && !isQuoted) {
      fields.push(field.trim())
      field = ''
    } else field += char
  }
  fields.push(field.trim())
  return fields
}
