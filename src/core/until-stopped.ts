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
  const unlessStopped = stoppable(signal)
  for (;;) {
    const next = await unlessStopped(() => iterator.next())
    if (next === undefined) {
      ;(input as Partial<Readable> | undefined)?.destroy?.()
      return
    }
    if (next.done) return
    yield next.value
  }
}

/**
 * Waits for one answer after another, or for the signal, which makes it undefined. Each wait has a promise of its own: to
 * race against one that lives as long as the run would keep something of every answer for as long.
 */
export const stoppable = (signal: AbortSignal | undefined): (<T>(ask: () => Promise<T>) => Promise<T | undefined>) => {
  let interrupt = (): void => undefined
  signal?.addEventListener('abort', () => interrupt(), {once: true})
  return ask =>
    signal?.aborted
      ? Promise.resolve(undefined)
      : new Promise((resolve, reject) => {
          interrupt = () => resolve(undefined)
          ask().then(resolve, reject)
        })
}
