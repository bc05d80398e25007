/** Above this many waiting, records that the next one of their kind replaces are left out. */
const CROWDED = 5_000
/** Kinds that describe a moment: whoever is late loses nothing by missing some. */
const MOMENTARY: ReadonlySet<string> = new Set(['position', 'risk', 'latency', 'requests'])

/** Events from a producer that must never wait to one reader that may be slow; ends when closed. */
export class EventQueue<T extends {readonly kind: string}> {
  #items: T[] = []
  #closed = false
  #wake: (() => void) | undefined
  /** Momentary records left out because the reader was behind. */
  dropped = 0

  push(item: T): void {
    if (this.#closed) return
    if (this.#items.length > CROWDED && MOMENTARY.has(item.kind)) {
      this.dropped++
      return
    }
    this.#items.push(item)
    this.#wake?.()
  }
  close(): void {
    this.#closed = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (true) {
      const ready = this.#items
      this.#items = []
      yield* ready
      if (this.#items.length > 0) continue
      if (this.#closed) return
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}
