import {rename, rm} from 'node:fs/promises'
import process from 'node:process'
import {Database, quoted} from '../drivers/duckdb/database.ts'

/** An object may be this large: a surface with its features, an embedding with its vector. */
const MOST_BYTES = 16 * 1024 * 1024

/**
 * A file of NDJSON records as one Parquet file, which appears whole or not at all. Columns are the union of the records'
 * fields, null where a record lacks one; a date such as an expiry becomes a DATE, nested objects structs, vectors lists.
 */
export const ndjsonToParquet = async (source: string, file: string): Promise<void> => {
  const beside = `${file}.${process.pid}.tmp`
  try {
    await using database = await Database.open({threads: 1})
    await database.run(
      `COPY (SELECT * FROM read_json(${quoted(source)}, format = 'newline_delimited', sample_size = -1, map_inference_threshold = -1, maximum_object_size = ${MOST_BYTES})) TO ${quoted(beside)} (FORMAT parquet)`,
    )
    await rename(beside, file)
  } finally {
    await rm(beside, {force: true})
  }
}
