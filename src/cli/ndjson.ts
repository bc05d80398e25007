import {once} from 'node:events'
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
