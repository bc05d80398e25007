// The ring is read below its count, so `!` cannot miss here.

const CAPACITY = 64
/** Share of a fill's loss by which quotes widen after it: twenty like fills in a row make up for their loss in full. */
const GAIN = 0.05

/**
 * What fills turned out to be worth: the mid a fixed time after each against the price it was made at, fee taken off. Quotes
 * widen while fills lose and come back while they earn, so a maker that is picked off stops being picked off. A fill is
 * measured once, at the first event after its time; fills beyond the ring's capacity are not measured.
 */
export class Markouts {
  /** Mean over all measured fills of the mid's move in their favour after the fill, basis points: adverse selection. */
  meanBps = 0
  /** Mean over all measured fills of what they were worth after fees, basis points. */
  edgeBps = 0
  count = 0
  /** What to add to the quoted distance, basis points. */
  widenBps = 0
  readonly #horizonUs: number
  readonly #side = new Int8Array(CAPACITY)
  readonly #price = new Float64Array(CAPACITY)
  readonly #mid = new Float64Array(CAPACITY)
  readonly #feeBps = new Float64Array(CAPACITY)
  readonly #atUs = new Float64Array(CAPACITY)
  #head = 0
  #pending = 0

  constructor(horizonUs: number) {
    this.#horizonUs = horizonUs
  }

  onFill(side: 1 | -1, price: number, mid: number, feeBps: number, nowUs: number): void {
    if (this.#pending === CAPACITY) return
    const slot = (this.#head + this.#pending) % CAPACITY
    this.#side[slot] = side
    this.#price[slot] = price
    this.#mid[slot] = mid
    this.#feeBps[slot] = feeBps
    this.#atUs[slot] = nowUs
    this.#pending++
  }

  isDue(nowUs: number): boolean {
    return this.#pending > 0 && nowUs - this.#atUs[this.#head]! >= this.#horizonUs
  }

  /** `mostBps` bounds how far quotes may widen. */
  settle(mid: number, nowUs: number, mostBps: number): void {
    while (this.isDue(nowUs)) {
      const k = this.#head
      const side = this.#side[k]!
      const moveBps = (side * (mid - this.#mid[k]!) * 1e4) / this.#mid[k]!
      const edgeBps = (side * (mid - this.#price[k]!) * 1e4) / this.#price[k]! - this.#feeBps[k]!
      this.count++
      this.meanBps += (moveBps - this.meanBps) / this.count
      this.edgeBps += (edgeBps - this.edgeBps) / this.count
      this.widenBps = Math.max(0, Math.min(mostBps, this.widenBps - GAIN * edgeBps))
      this.#head = (k + 1) % CAPACITY
      this.#pending--
    }
  }
}
