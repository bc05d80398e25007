import {createReadStream, statSync} from 'node:fs'
import process from 'node:process'
import {Readable} from 'node:stream'
import {createGunzip} from 'node:zlib'
import {ExitCode, UserError} from '../domain/errors.ts'

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
  if (from === '-') return process.stdin
  return from.endsWith('.gz') ? Readable.from(unpacked(from)) : createReadStream(from)
}

async function* unpacked(from: string): AsyncGenerator<Uint8Array> {
  const raw = createReadStream(from)
  const gunzip = createGunzip()
  raw.once('error', error => gunzip.destroy(error))
  try {
    for await (const chunk of raw.pipe(gunzip)) yield chunk as Uint8Array
  } catch (error) {
    const {code = '', message} = error as NodeJS.ErrnoException
    if (!code.startsWith('Z_')) throw error
    throw new UserError('GZIP_INVALID', `${from} cannot be unpacked: ${message}`, {
      exitCode: ExitCode.invalidData,
      hints: ['it may have been cut off: gzip -t says so; what came before was read'],
      cause: error,
    })
  } finally {
    raw.destroy()
  }
}

/** What messages call it. */
export const inputName = (from: string): string => (from === '-' ? 'stdin' : from)
