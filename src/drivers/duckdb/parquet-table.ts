import {ExitCode, UserError} from '../../domain/errors.ts'
import {dropTables} from './csv-table.ts'
import {type Database, identifier, quoted} from './database.ts'
import {RAW} from './layouts/layout.ts'
import type {SourceFile} from './source-file.ts'
import type {TableShape} from './table-shape.ts'

/** Column names and first row of a Parquet file, as text. */
export const parquetShape = async (database: Database, source: SourceFile): Promise<TableShape> => {
  const file = `read_parquet(${quoted(source.path)}, hive_partitioning = false)`
  try {
    const columns = await database.rows<{name: string}>(
      `SELECT column_name AS name FROM (DESCRIBE SELECT * FROM ${file})`,
    )
    const header = columns.map(({name}) => name)
    const [first] = await database.rows<Record<string, string | null>>(
      `SELECT ${header.map(name => `${identifier(name)}::VARCHAR AS ${identifier(name)}`)} FROM ${file} LIMIT 1`,
    )
    return {header, sample: header.map(name => first?.[name] ?? ''), delimiter: ',', skip: 0, preamble: []}
  } catch (cause) {
    throw new UserError('NOT_PARQUET', `${source.name} could not be read as Parquet`, {
      cause,
      exitCode: ExitCode.invalidData,
      hints: ['for a text table use gpi ingest csv'],
    })
  }
}

/** Fills the raw table; a value that does not fit its column's type is as good as missing. */
export const readParquet = async (
  database: Database,
  source: SourceFile,
  {header}: TableShape,
  types: Readonly<Record<string, string>>,
): Promise<void> => {
  await dropTables(database)
  const singles = await database.rows<{name: string}>(
    `SELECT column_name AS name FROM (DESCRIBE SELECT * FROM read_parquet(${quoted(source.path)}, hive_partitioning = false)) WHERE column_type = 'FLOAT'`,
  )
  const isSingle = new Set(singles.map(({name}) => name))
  const columns = header.map(name => {
    const type = types[name]
    // A price of 123.45 in single precision is 123.45, not 123.4499969.
    if (type === 'DOUBLE' && isSingle.has(name)) return `${identifier(name)}::VARCHAR::DOUBLE AS ${identifier(name)}`
    return type === undefined ? identifier(name) : `TRY_CAST(${identifier(name)} AS ${type}) AS ${identifier(name)}`
  })
  await database.run(
    `CREATE TEMP TABLE ${RAW} AS SELECT ${columns} FROM read_parquet(${quoted(source.path)}, hive_partitioning = false)`,
  )
}
