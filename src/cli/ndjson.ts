import {once} from 'node:events'
import {createWriteStream} from 'node:fs'
import {rename} from 'node:fs/promises'
import process from 'node:process'
import type {Writable} from 'node:stream'

/** Writes one JSON document a line, waiting for a slow reader. Returns false once the reader has gone. */
export const writeNdjson = async (
  out: Writable,
  items: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<boolean> => {
  try {
    for await (const item of items) {
      if (!out.write(`${JSON.stringify(item)}\n`)) await once(out, 'drain')
    }
    if (out.writableLength > 0) await new Promise<void>(resolve => out.write('', () => resolve()))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return false
    throw error
  }
}

/** Beside the file and then into place, so that a stopped run leaves no half file. */
export const writeNdjsonFile = async (file: string, records: AsyncIterable<unknown>): Promise<void> => {
  const beside = `${file}.${process.pid}.tmp`
  const out = createWriteStream(beside)
  await writeNdjson(out, records)
  await new Promise<void>((resolve, reject) => out.once('error', reject).end(resolve))
  await rename(beside, file)
}
