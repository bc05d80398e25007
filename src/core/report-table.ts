import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'

/** Writes CSV text as it is, or as Parquet where the file's name asks for it. */
export const writeTable = async (file: string, csv: string): Promise<void> => {
  if (!file.endsWith('.parquet')) return writeFile(file, csv)
  const {Database, quoted} = await import('../drivers/duckdb/database.ts')
  const folder = await mkdtemp(path.join(tmpdir(), 'gpi-table-'))
  try {
    const source = path.join(folder, 'table.csv')
    await writeFile(source, csv)
    await using database = await Database.open({threads: 1})
    await database.run(
      `COPY (SELECT * FROM read_csv(${quoted(source)}, header = true)) TO ${quoted(file)} (FORMAT parquet)`,
    )
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}
