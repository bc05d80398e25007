import {createReadStream, existsSync} from 'node:fs'
import process from 'node:process'
import {createGunzip} from 'node:zlib'
import {UserError} from '../domain/errors.ts'

/** The bytes of a file (gzip by its name) or of standard input for `-`. */
export const openInput = (from: string): AsyncIterable<Uint8Array> => {
  if (from !== '-' && !existsSync(from))
    throw new UserError('FILE_NOT_FOUND', `no such file: ${from}`, {hints: ['check the path, or - for standard input']})
  const raw = from === '-' ? process.stdin : createReadStream(from)
  return from.endsWith('.gz') ? raw.pipe(createGunzip()) : raw
}

/** What messages call it. */
export const inputName = (from: string): string => (from === '-' ? 'stdin' : from)
