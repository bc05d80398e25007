import {createReadStream, statSync} from 'node:fs'
import process from 'node:process'
import {createGunzip} from 'node:zlib'
import {UserError} from '../domain/errors.ts'

/** Throws UserError for a file that is not there: for what would first open or make something large. */
export const requireInput = (from: string): void => {
  if (from === '-') return
  const there = statSync(from, {throwIfNoEntry: false})
  if (there?.isDirectory() === true)
    throw new UserError('INPUT_IS_FOLDER', `${from} is a folder, and records are read from a file`, {
      hints: ['name a file in it', `of a catalog: gpi ingest parquet ${from} --out - | gpi …`],
    })
  if (there !== undefined) return
  throw new UserError('FILE_NOT_FOUND', `no such file: ${from}`, {hints: ['check the path, or - for standard input']})
}

/** Throws UserError for a table where option quotes are read as NDJSON records. */
export const requireQuoteRecords = (from: string, command: string): void => {
  const table = /\.(csv|parquet)(\.gz)?$/i.exec(from)
  if (table === null) return
  throw new UserError('CHAIN_NEEDS_RECORDS', `--from reads option-quote records (NDJSON), was ${from}`, {
    hints: [
      `gpi ingest ${table[1]?.toLowerCase() === 'parquet' ? 'parquet' : 'cboe'} ${from} --out - | gpi ${command}`,
      'gpi ingest --help lists what it reads',
    ],
  })
}

/** The bytes of a file (gzip by its name) or of standard input for `-`. */
export const openInput = (from: string): AsyncIterable<Uint8Array> => {
  requireInput(from)
  const raw = from === '-' ? process.stdin : createReadStream(from)
  return from.endsWith('.gz') ? raw.pipe(createGunzip()) : raw
}

/** What messages call it. */
export const inputName = (from: string): string => (from === '-' ? 'stdin' : from)
