/** First in, first out, each with the time it is due; times never decrease, as on one connection. */
export class Channel<T> {
  #items: {readonly dueUs: number; readonly item: T}[] = []
  #head = 0
  #lastUs = 0
  push(dueUs: number, item: T): void {
    this.#lastUs = Math.max(this.#lastUs, dueUs)
    this.#items.push({dueUs: this.#lastUs, item})
  }
  headUs(): number {
    return this.#items[this.#head]?.dueUs ?? Infinity
  }
  shift(): T {
    const head = this.#items[this.#head++]
    if (head === undefined) throw new Error('shift of an empty channel')
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    }
    return head.item
  }
}
