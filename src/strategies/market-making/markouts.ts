// The ring is read below its count, so `!` cannot miss here.

const CAPACITY = 64
/** Fills whose adverse selection is remembered, exponentially. */
const MEMORY = 50

/**
 * What the mid did after our fills: the adverse selection a maker pays. A fill is measured once, a fixed time later, at the
 * first event that shows the mid. Fills beyond the ring's capacity are not measured.
 */
export class Markouts {
  /** Mean over all measured fills of the mid's move in their favour, basis points. */
  meanBps = 0
  count = 0
  readonly #horizonUs: number
  readonly #side = new Int8Array(CAPACITY)
  readonly #mid = new Float64Array(CAPACITY)
  readonly #atUs = new Float64Array(CAPACITY)
  #head = 0
  #pending = 0
  #recentBps = 0

  constructor(horizonUs: number) {
    this.#horizonUs = horizonUs
  }

  /** Basis points a fill has lately lost to the move after it, shrunk towards none while few were measured; at least 0. */
  get adverseBps(): number {
    return (Math.max(0, -this.#recentBps) * this.count) / (this.count + 20)
  }

  onFill(side: 1 | -1, mid: number, nowUs: number): void {
    if (this.#pending === CAPACITY) return
    const slot = (this.#head + this.#pending) % CAPACITY
    this.#side[slot] = side
    this.#mid[slot] = mid
    this.#atUs[slot] = nowUs
    this.#pending++
  }

  settle(mid: number, nowUs: number): void {
    while (this.#pending > 0 && nowUs - this.#atUs[this.#head]! >= this.#horizonUs) {
      const then = this.#mid[this.#head]!
      const moveBps = (this.#side[this.#head]! * (mid - then) * 1e4) / then
      this.count++
      this.meanBps += (moveBps - this.meanBps) / this.count
      this.#recentBps += (moveBps - this.#recentBps) / Math.min(this.count, MEMORY)
      this.#head = (this.#head + 1) % CAPACITY
      this.#pending--
    }
  }
}
