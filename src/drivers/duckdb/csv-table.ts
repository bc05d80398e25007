import {createReadStream} from 'node:fs'
import {createInterface} from 'node:readline'
import {ExitCode, UserError} from '../../domain/errors.ts'
import {type Database, identifier, quoted} from './database.ts'
import {RAW} from './layouts/layout.ts'
import {firstBytes, type SourceFile} from './source-file.ts'

export interface TableShape {
  readonly header: readonly string[]
  readonly sample: readonly string[]
  readonly delimiter: string
}

/** Header and first row. */
export const tableShape = async (source: SourceFile): Promise<TableShape> => {
  const text = (await firstBytes(source.plainPath, 1 << 16)).toString('utf8').replace(/^\uFEFF/, '')
  const [first = '', second = ''] = text.split(/\r?\n/)
  const delimiter =
    [',', ';', '\t', '|'].map(d => [d, first.split(d).length] as const).sort((a, b) => b[1] - a[1])[0]?.[0] ?? ','
  const header = splitLine(first, delimiter)
  if (header.every(name => name === '') || header.length < 2) {
    throw new UserError('WRONG_COLUMNS', `${source.name}: its first line is no table header: ${first.slice(0, 60)}`, {
      exitCode: ExitCode.invalidData,
      hints: ['the first line must name the columns, separated by commas'],
    })
  }
  return {header, sample: splitLine(second, delimiter), delimiter}
}

const splitLine = (line: string, delimiter: string): string[] => {
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

export const readRaw = async (
  database: Database,
  source: SourceFile,
  {header, delimiter}: TableShape,
  types: Readonly<Record<string, string>>,
): Promise<void> => {
  const seen = new Map<string, number>()
  const columns = header.map((name, i) => {
    const nth = seen.get(name) ?? 0
    seen.set(name, nth + 1)
    const unique = name === '' ? `column${i}` : nth === 0 ? name : `${name}_${nth}`
    return `${quoted(unique)}: ${quoted(types[name] ?? 'VARCHAR')}`
  })
  await dropTables(database)
  await database.run(
    `CREATE TEMP TABLE ${RAW} AS SELECT * FROM read_csv(${quoted(source.plainPath)}, columns = {${columns}}, header = true,
       auto_detect = false, delim = ${quoted(delimiter)}, quote = '"', nullstr = '', store_rejects = true, max_line_size = 1000000)`,
  )
}

export interface ParseReject {
  readonly line: number
  readonly reason: string
  readonly text: string
}

/** Rows that did not parse, by line. */
export const parseRejects = async (database: Database): Promise<ParseReject[]> => {
  const rows = await database.rows<{line: number; column: string | null; type: string; text: string}>(
    `SELECT line, column_name AS "column", error_type::VARCHAR AS type, csv_line AS text FROM reject_errors
     QUALIFY row_number() OVER (PARTITION BY line ORDER BY column_idx) = 1 ORDER BY line`,
  )
  return rows.map(({line, column, type, text}) => ({
    line,
    text,
    reason: type === 'CAST' ? `${column} could not be read` : type.toLowerCase(),
  }))
}

/** File line of a raw row: rows that did not parse are missing from the raw table. */
export const lineOf = (row: number, parsed: readonly ParseReject[]): number => {
  let line = row + 2
  for (const reject of parsed) {
    if (reject.line > line) break
    line++
  }
  return line
}

/** The text of some lines of a file. */
export const linesOf = async (file: string, wanted: ReadonlySet<number>): Promise<Map<number, string>> => {
  const texts = new Map<number, string>()
  if (wanted.size === 0) return texts
  const last = Math.max(...wanted)
  let line = 0
  for await (const text of createInterface({input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY})) {
    line++
    if (wanted.has(line)) texts.set(line, text)
    if (line >= last) break
  }
  return texts
}

/** Forgets the tables of the file before. */
export const dropTables = async (database: Database): Promise<void> => {
  for (const table of [RAW, 'reject_errors', 'reject_scans']) await database.run(`DROP TABLE IF EXISTS ${table}`)
  const {tables} = await database.one<{tables: string[]}>(
    `SELECT list(table_name) AS tables FROM duckdb_tables() WHERE table_name LIKE 'normalised_%' OR table_name LIKE 'kernel_%'`,
  )
  for (const table of tables ?? []) await database.run(`DROP TABLE ${identifier(table)}`)
}
