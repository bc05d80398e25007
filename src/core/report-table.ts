import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'

const FORMATS = ['.csv', '.parquet', '.txt', '']

/** Throws UserError for a name that asks for a format other than CSV and Parquet; a device or a pipe has none. */
export const requireTableFormat = (file: string): void => {
  const ending = path.extname(file).toLowerCase()
  if (FORMATS.includes(ending)) return
  throw new UserError('TABLE_FORMAT', `${file}: tables are written as CSV or Parquet, not as ${ending}`, {
    hints: [`name it ${path.basename(file, path.extname(file))}.csv or .parquet`],
  })
}

/** Writes CSV text as it is, or as Parquet where the file's name asks for it. A column is text where it names a symbol, else whole numbers. */
export const writeTable = async (file: string, csv: string): Promise<void> => {
  if (!file.toLowerCase().endsWith('.parquet')) return writeFile(file, csv)
  const {Database, quoted} = await import('../drivers/duckdb/database.ts')
  const folder = await mkdtemp(path.join(tmpdir(), 'gpi-table-'))
  try {
    const source = path.join(folder, 'table.csv')
    await writeFile(source, csv)
    await using database = await Database.open({threads: 1})
    const columns = (csv.split('\n', 1)[0] ?? '').split(',')
    // Not guessed: all of a column may be the ticker TRUE, and a table may have no rows.
    const types = columns.map(name => `${quoted(name)}: '${name === 'symbol' ? 'VARCHAR' : 'BIGINT'}'`)
    await database.run(
      `COPY (SELECT * FROM read_csv(${quoted(source)}, header = true, columns = {${types.join(', ')}})) TO ${quoted(file)} (FORMAT parquet)`,
    )
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}
