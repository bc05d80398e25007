import {once} from 'node:events'
import {open, rename, rm, stat} from 'node:fs/promises'
import process from 'node:process'
import type {Writable} from 'node:stream'

/** Writes one JSON document a line, waiting for a slow reader. Returns false once the reader has gone. */
export const writeNdjson = async (
  out: Writable,
  items: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<boolean> => {
  try {
    for await (const item of items) {
      // It would never ask for more.
      if (out.errored) throw out.errored
      if (!out.write(`${JSON.stringify(item)}\n`)) await once(out, 'drain')
    }
    if (out.writableLength > 0) await new Promise<void>(resolve => out.write('', () => resolve()))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return false
    throw error
  }
}

/**
 * Beside the file and then into place, so that a stopped or failed run leaves no half file. What is there and no file, such
 * as `/dev/null` or a named pipe, is written to and not replaced.
 */
export const writeNdjsonFile = async (file: string, records: AsyncIterable<unknown>): Promise<void> => {
  const there = await stat(file).catch(() => undefined)
  if (there?.isDirectory() === true) {
    throw Object.assign(new Error(`${file} is a folder`), {code: 'EISDIR', path: file})
  }
  const isDirect = there !== undefined && !there.isFile()
  const beside = isDirect ? file : `${file}.${process.pid}.tmp`
  const handle = await open(beside, 'w').catch(error => {
    throw Object.assign(error as Error, {path: file})
  })
  try {
    const out = handle.createWriteStream()
    await Promise.race([writeNdjson(out, records), failureOf(out)])
    await ended(out)
    if (!isDirect) await rename(beside, file)
  } catch (error) {
    if (!isDirect) await rm(beside, {force: true})
    throw error
  }
}

/** Also the last lines are written, or cannot be: `end` tells its callback of an error, and hands none to anyone else. */
const ended = (out: Writable): Promise<void> =>
  new Promise((resolve, reject) => {
    out.once('error', reject)
    out.end((error?: Error | null) => (error ? reject(out.errored ?? error) : resolve()))
  })

/** Rejects when the stream breaks, such as on a full disk. */
const failureOf = (out: Writable): Promise<never> => new Promise((_, reject) => out.once('error', reject))
