// Columns are indexed within their lengths, hence the `!`.

const BUCKETS = 512

/** Keeps about the `wanted` keys of the highest estimates: those below `threshold` cannot be among them. */
export class CandidatePool {
  threshold = Number.NEGATIVE_INFINITY
  readonly keys: Int32Array
  length = 0
  readonly #wanted: number
  readonly #estimates: Float32Array
  readonly #counts = new Int32Array(BUCKETS)

  constructor(wanted: number) {
    this.#wanted = wanted
    this.keys = new Int32Array(4 * wanted)
    this.#estimates = new Float32Array(4 * wanted)
  }

  /** Not below the threshold. */
  push(key: number, estimate: number): void {
    if (this.length === this.keys.length) {
      this.shrink()
      if (estimate < this.threshold) return
    }
    this.keys[this.length] = key
    this.#estimates[this.length++] = estimate
  }

  /** Lets go of what is certainly not among the wanted, to within one bucket of a histogram. */
  shrink(): void {
    if (this.length <= this.#wanted) return
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let i = 0; i < this.length; i++) {
      least = Math.min(least, this.#estimates[i]!)
      most = Math.max(most, this.#estimates[i]!)
    }
    const perUnit = (BUCKETS - 1) / Math.max(most - least, 1e-12)
    this.#counts.fill(0)
    for (let i = 0; i < this.length; i++) this.#counts[Math.floor((this.#estimates[i]! - least) * perUnit)]!++
    let [bucket, above] = [BUCKETS - 1, this.#counts[BUCKETS - 1]!]
    while (bucket > 0 && above < this.#wanted) above += this.#counts[--bucket]!
    this.threshold = Math.max(this.threshold, least + bucket / perUnit)
    let kept = 0
    // Ties could fill the pool for ever: half of it is all that stays.
    for (let i = 0; i < this.length && kept < 2 * this.#wanted; i++) {
      if (this.#estimates[i]! < this.threshold) continue
      this.keys[kept] = this.keys[i]!
      this.#estimates[kept++] = this.#estimates[i]!
    }
    this.length = kept
  }
}
