import {type Database, identifier, quoted} from './database.ts'
import {RAW} from './layouts/layout.ts'
import type {SourceFile} from './source-file.ts'
import type {TableShape} from './table-shape.ts'

/** What vendors and tools write for "none". */
const BLANKS = ['', 'null', 'NULL', 'None', 'N/A', '#N/A']

export const readRaw = async (
  database: Database,
  source: SourceFile,
  {header, delimiter, skip}: TableShape,
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
    `CREATE TEMP TABLE ${RAW} AS SELECT * FROM read_csv(${quoted(source.plainPath)}, columns = {${columns}}, header = false, skip = ${skip},
       auto_detect = false, delim = ${quoted(delimiter)}, quote = '"', nullstr = [${BLANKS.map(quoted)}], store_rejects = true, max_line_size = 1000000)`,
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
    // Of a file with Windows line ends DuckDB gives the end of the line before, too.
    text: text.trim(),
    reason: type === 'CAST' ? `${column} could not be read` : type.toLowerCase(),
  }))
}

/** Forgets the tables of the file before. */
export const dropTables = async (database: Database): Promise<void> => {
  for (const table of [RAW, 'reject_errors', 'reject_scans']) await database.run(`DROP TABLE IF EXISTS ${table}`)
  const {tables} = await database.one<{tables: string[]}>(
    `SELECT list(table_name) AS tables FROM duckdb_tables() WHERE table_name LIKE 'normalised_%' OR table_name LIKE 'kernel_%'`,
  )
  for (const table of tables ?? []) await database.run(`DROP TABLE ${identifier(table)}`)
}
