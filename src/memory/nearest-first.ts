// Columns are indexed within their lengths, hence the `!`.

const BUCKETS = 4_096

/**
 * Puts cells in order of falling score, to within a 4,096th of the scores' range, by counting: a search visits hundreds, and
 * to compare them with one another costs more than to read them.
 */
export class NearestFirst {
  readonly #order: Int32Array
  readonly #bucketOf: Uint16Array
  readonly #starts = new Int32Array(BUCKETS + 1)

  constructor(count: number) {
    this.#order = new Int32Array(count)
    this.#bucketOf = new Uint16Array(count)
  }

  /** Valid until the next call. */
  order(scores: Float32Array): Int32Array {
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let i = 0; i < scores.length; i++) {
      const score = scores[i]!
      if (score < least) least = score
      if (score > most) most = score
    }
    const [bucketOf, starts, order] = [this.#bucketOf, this.#starts, this.#order]
    const perUnit = (BUCKETS - 1) / Math.max(most - least, 1e-12)
    starts.fill(0)
    for (let i = 0; i < scores.length; i++) {
      const bucket = ((most - scores[i]!) * perUnit) | 0
      bucketOf[i] = bucket
      starts[bucket + 1]!++
    }
    for (let b = 0; b < BUCKETS; b++) starts[b + 1]! += starts[b]!
    for (let i = 0; i < scores.length; i++) order[starts[bucketOf[i]!]!++] = i
    return order
  }
}
