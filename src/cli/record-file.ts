import {rm, stat} from 'node:fs/promises'
import process from 'node:process'
import {writeNdjsonFile} from './ndjson.ts'

/** Writes records as Parquet where the file's name asks for it, else as NDJSON; whole or not at all. */
export const writeRecordFile = async (file: string, records: AsyncIterable<unknown>): Promise<void> => {
  if (!file.toLowerCase().endsWith('.parquet')) return writeNdjsonFile(file, records)
  const lines = `${file}.${process.pid}.ndjson`
  try {
    await writeNdjsonFile(lines, records)
    if ((await stat(lines)).size === 0) return await writeNdjsonFile(file, records)
    const {ndjsonToParquet} = await import('../core/ndjson-parquet.ts')
    await ndjsonToParquet(lines, file)
  } finally {
    await rm(lines, {force: true})
  }
}
