// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {type EvidenceOptions, sharedTime} from './evidence.ts'
import {DIMENSION, unitVector} from './pattern.ts'

/** Past vectors kept to compare with, spread evenly over history; up to twice as many. */
const KEPT = 32
const BINS = 4096
const LEAST_SEARCHES = 100
/** Searches between two looks at what is novel. */
const REVIEW_EVERY = 50
const LEAST_OUTCOMES = 30
const LEAST_CROSS = 60
/** Share of unrelated patterns that may be as like the query as a neighbour has to be. */
const CHANCE = 0.05
/** Share of queries whose nearest pattern is so far that they count as unlike everything seen. */
const NOVEL = 0.02

/**
 * What evidence has to be measured by, found while a run goes on and from its past alone: how like the query unrelated
 * patterns are (their 95 % point is where nearness begins), how near the nearest usually is (a query farther than 98 % of
 * those before it has no neighbours), how far outcomes spread, and how much those of different symbols over the same
 * time move together. Costs about a hundred dot products a query.
 */
export class RunningCalibration {
  readonly #kept: Float32Array[] = []
  #stride = 1
  #seen = 0
  readonly #nearest = new Float64Array(BINS)
  #searches = 0
  #novelty = -1
  #outcomes = 0
  #mean = 0
  #squares = 0
  readonly #latest = new Map<string, {readonly tsUs: number; readonly untilUs: number; readonly value: number}>()
  #products = 0
  #shares = 0
  #crossPairs = 0

  /** Takes a pattern's vector in, of any length but zero. */
  onVector(vector: ArrayLike<number>): void {
    if (this.#seen++ % this.#stride !== 0) return
    this.#kept.push(unitVector(vector, 'a pattern'))
    if (this.#kept.length < 2 * KEPT) return
    // Every other one goes, and from here on half as many come: the kept ones stay spread over all of history.
    for (let i = 0; i < KEPT; i++) this.#kept[i] = this.#kept[2 * i]!
    this.#kept.length = KEPT
    this.#stride *= 2
  }

  /** Takes in how like its query the nearest known pattern of a search was. */
  onNearest(similarity: number): void {
    const bin = Math.floor(((similarity + 1) / 2) * BINS)
    this.#nearest[Math.max(0, Math.min(BINS - 1, bin))]!++
    if (this.#searches++ % REVIEW_EVERY === 0) this.#novelty = this.#noveltyLevel()
  }

  /** Takes what followed a pattern of `symbol` decided at `tsUs`, known at `untilUs`, which do not go back. */
  onOutcome(symbol: string, bps: number, tsUs: number, untilUs: number): void {
    this.#outcomes++
    const limit = this.#outcomes > LEAST_OUTCOMES ? 4 * this.#deviation : Number.POSITIVE_INFINITY
    const centred = Math.max(-limit, Math.min(limit, bps - this.#mean))
    this.#mean += centred / this.#outcomes
    this.#squares += centred * (centred - centred / this.#outcomes)
    if (this.#outcomes <= LEAST_OUTCOMES) return
    const value = centred / Math.max(1e-9, this.#deviation)
    for (const [other, latest] of this.#latest) {
      if (other === symbol) continue
      const shared = sharedTime(latest, {tsUs, untilUs})
      if (shared < 0.5) continue
      this.#products += shared * value * latest.value
      this.#shares += shared * shared
      this.#crossPairs++
    }
    this.#latest.set(symbol, {tsUs, untilUs, value})
  }

  get #deviation(): number {
    return Math.sqrt(this.#squares / Math.max(1, this.#outcomes - 1))
  }

  /** From where patterns are near this query; undefined until 100 searches and 64 patterns say. */
  minSimilarity(query: ArrayLike<number>): number | undefined {
    if (this.#searches < LEAST_SEARCHES || this.#kept.length < KEPT) return undefined
    return Math.max(this.#chanceLevel(query), this.#novelty)
  }

  #chanceLevel(query: ArrayLike<number>): number {
    const unit = unitVector(query, 'the query')
    const kept = this.#kept
    const similarities = new Float64Array(kept.length)
    // Four sums at a time do not wait for each other; each is summed in the order it would be alone.
    for (let k = 0; k < kept.length; k += 4) {
      const last = kept.length - 1
      const [a, b, c, d] = [
        kept[k]!,
        kept[Math.min(k + 1, last)]!,
        kept[Math.min(k + 2, last)]!,
        kept[Math.min(k + 3, last)]!,
      ]
      let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0]
      for (let i = 0; i < DIMENSION; i++) {
        const value = unit[i]!
        sumA += value * a[i]!
        sumB += value * b[i]!
        sumC += value * c[i]!
        sumD += value * d[i]!
      }
      similarities[k] = sumA
      similarities[k + 1] = sumB
      similarities[k + 2] = sumC
      similarities[k + 3] = sumD
    }
    return similarities.sort()[Math.floor((1 - CHANCE) * similarities.length)]!
  }

  #noveltyLevel(): number {
    let below = 0
    for (let bin = 0; bin < BINS; bin++) {
      below += this.#nearest[bin]!
      if (below > NOVEL * this.#searches) return (2 * bin) / BINS - 1
    }
    return 1
  }

  /** Correlation of outcomes of different symbols over the same time, 0 to 0.95; where few pairs show it, a cautious half. */
  get crossSymbol(): number {
    if (this.#crossPairs < LEAST_CROSS) return 0.5
    return Math.max(0, Math.min(0.95, this.#products / this.#shares))
  }

  /** How evidence about this query is judged; undefined until patterns, searches and outcomes are enough to say. */
  evidenceOptions(query: ArrayLike<number>): Partial<EvidenceOptions> | undefined {
    if (this.#outcomes < LEAST_OUTCOMES || this.#deviation === 0) return undefined
    const minSimilarity = this.minSimilarity(query)
    return minSimilarity === undefined
      ? undefined
      : {minSimilarity, crossSymbol: this.crossSymbol, priorSdBps: this.#deviation}
  }
}
