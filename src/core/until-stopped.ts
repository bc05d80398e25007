import type {Readable} from 'node:stream'

/**
 * The items until the signal comes, even while none is there to be read: one Ctrl-C ends a command that waits for its input.
 * The input is closed then.
 */
export async function* untilStopped<T>(
  items: AsyncIterable<T>,
  {signal, input}: {readonly signal: AbortSignal | undefined; readonly input?: unknown},
): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]()
  const stopped = new Promise<undefined>(resolve => {
    if (signal?.aborted) resolve(undefined)
    else signal?.addEventListener('abort', () => resolve(undefined), {once: true})
  })
  for (;;) {
    const next = signal?.aborted ? undefined : await Promise.race([iterator.next(), stopped])
    if (next === undefined) {
      ;(input as Partial<Readable> | undefined)?.destroy?.()
      return
    }
    if (next.done) return
    yield next.value
  }
}
