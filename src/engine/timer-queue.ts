/** Wake-ups of strategies in (time, arrival) order; times and tags are plain numbers. */
export class TimerQueue {
  readonly #items: {readonly atUs: number; readonly seq: number; readonly strategy: number; readonly tag: number}[] = []
  #seq = 0
  /** Time of the earliest; Infinity when there is none. */
  nextUs = Infinity

  push(atUs: number, strategy: number, tag: number): void {
    const item = {atUs, seq: this.#seq++, strategy, tag}
    let at = this.#items.length
    // Kept sorted, latest first, so that the earliest is popped from the end; new timers are mostly the latest.
    while (at > 0 && (this.#items[at - 1]?.atUs ?? 0) <= atUs) at--
    this.#items.splice(at, 0, item)
    this.nextUs = this.#items.at(-1)?.atUs ?? Infinity
  }
  /** The earliest that is due, or undefined. */
  popDue(nowUs: number): {readonly strategy: number; readonly tag: number} | undefined {
    if (this.nextUs > nowUs) return undefined
    const item = this.#items.pop()
    this.nextUs = this.#items.at(-1)?.atUs ?? Infinity
    return item
  }
}
