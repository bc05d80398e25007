import {createReadStream, existsSync} from 'node:fs'
import process from 'node:process'
import {createGunzip} from 'node:zlib'
import {UserError} from '../domain/errors.ts'

/** Throws UserError for a file that is not there: for what would first open or make something large. */
export const requireInput = (from: string): void => {
  if (from === '-' || existsSync(from)) return
  throw new UserError('FILE_NOT_FOUND', `no such file: ${from}`, {hints: ['check the path, or - for standard input']})
}

/** The bytes of a file (gzip by its name) or of standard input for `-`. */
export const openInput = (from: string): AsyncIterable<Uint8Array> => {
  requireInput(from)
  const raw = from === '-' ? process.stdin : createReadStream(from)
  return from.endsWith('.gz') ? raw.pipe(createGunzip()) : raw
}

/** What messages call it. */
export const inputName = (from: string): string => (from === '-' ? 'stdin' : from)
