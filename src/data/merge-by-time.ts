/** A line of text and when it became known. */
export interface TimedText {
  readonly tsUs: number
  readonly text: string
}

/** Merges streams that are each in time order; at equal times the earlier stream goes first. */
export async function* mergeByTime<T extends {readonly tsUs: number}>(
  streams: readonly AsyncIterable<T>[],
): AsyncGenerator<T> {
  const iterators = streams.map(stream => stream[Symbol.asyncIterator]())
  try {
    const heads = await Promise.all(iterators.map(iterator => iterator.next()))
    for (;;) {
      let first = -1
      let firstUs = Number.POSITIVE_INFINITY
      for (const [i, head] of heads.entries()) {
        if (head.done === true || head.value.tsUs >= firstUs) continue
        first = i
        firstUs = head.value.tsUs
      }
      const head = heads[first]
      const iterator = iterators[first]
      if (head === undefined || head.done === true || iterator === undefined) return
      yield head.value
      heads[first] = await iterator.next()
    }
  } finally {
    for (const iterator of iterators) await iterator.return?.()
  }
}
