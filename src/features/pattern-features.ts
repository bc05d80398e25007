// Rings and neighbours are indexed inside their bounds, hence the `!`.

/** Neighbours whose outcome a row shows, one token each. */
export const NEIGHBOURS = 4
export const NEIGHBOUR_NAMES = ['Similarity', 'Outcome', 'Age'] as const
export const PATTERN_NAMES = Array.from({length: NEIGHBOURS}, (_, i) =>
  NEIGHBOUR_NAMES.map(name => `pattern${i + 1}${name}`),
).flat()

/** Bars of a pattern: sixteen rows of sixteen features make its 256 numbers. */
export const PATTERN_BARS = 16
/** Every so many bars a pattern is remembered: their windows overlap. */
const LEARN_EVERY = 4

export interface Neighbour {
  /** Cosine, at most 1. */
  readonly similarity: number
  /** What followed it, in deviations over the horizon. */
  readonly outcome: number
  readonly tsUs: number
}

/** Where patterns are kept and looked up; the bank of `memory` behind an adapter, in training and live alike. */
export interface PatternSource {
  /** The nearest patterns whose outcome was known at `asOfUs`, most similar first. */
  readonly nearest: (vector: Float32Array, count: number, asOfUs: number) => readonly Neighbour[]
  /** Remembers a pattern; its outcome is not known yet. Gives what `settle` is told. */
  readonly learn: (vector: Float32Array, tsUs: number) => string
  readonly settle: (id: string, outcome: number, atUs: number) => void
}

interface Pending {
  readonly id: string
  readonly close: number
  readonly deviation: number
  readonly bar: number
}

/**
 * Evidence of retrieved patterns at each bar: the last sixteen rows, squashed to [-1, 1], are compared with what was seen
 * before; what followed the nearest ones becomes the row. An outcome is told to the source when its horizon is over and
 * never before, so no row knows what comes after it.
 */
export class PatternFeatures {
  readonly #source: PatternSource
  readonly #horizon: number
  readonly #width: number
  readonly #window: Float32Array
  readonly #vector: Float32Array
  #pending: Pending[] = []
  #count = 0
  #bars = 0

  constructor(source: PatternSource, horizon: number, width: number) {
    this.#source = source
    this.#horizon = horizon
    this.#width = width
    this.#window = new Float32Array(PATTERN_BARS * width)
    this.#vector = new Float32Array(PATTERN_BARS * width)
  }

  /**
   * Takes in the row of a bar (`width` numbers at `rowAt` of `row`) and writes the neighbours to `out`; false where there
   * are too few. `deviation` is that of a bar.
   */
  onBar(
    {tsUs, close, deviation, isNew}: {tsUs: number; close: number; deviation: number; isNew: boolean},
    row: Float32Array,
    rowAt: number,
    out: Float32Array,
    offset: number,
  ): boolean {
    if (isNew) {
      // A pattern whose horizon left the session has no outcome and is never retrieved.
      this.#pending = []
      this.#count = 0
    }
    this.#bars++
    this.#settle(tsUs, close)
    const width = this.#width
    this.#window.copyWithin(0, width)
    for (let i = 0; i < width; i++)
      this.#window[(PATTERN_BARS - 1) * width + i] = Math.tanh(row[rowAt + i]! * SQUASH[i % SQUASH.length]!)
    this.#count++
    if (this.#count < PATTERN_BARS) return false
    this.#vector.set(this.#window)
    const found = this.#source.nearest(this.#vector, NEIGHBOURS, tsUs)
    if (this.#bars % LEARN_EVERY === 0) {
      this.#pending.push({id: this.#source.learn(this.#vector, tsUs), close, deviation, bar: this.#bars})
    }
    if (found.length < NEIGHBOURS) return false
    let at = offset
    for (const {similarity, outcome, tsUs: seenUs} of found) {
      out[at++] = similarity
      out[at++] = Math.max(-5, Math.min(5, outcome))
      out[at++] = Math.log1p(Math.max(0, tsUs - seenUs) / 86_400_000_000)
    }
    return true
  }

  #settle(tsUs: number, close: number): void {
    while (this.#pending.length > 0 && this.#bars - this.#pending[0]!.bar >= this.#horizon) {
      const {id, close: then, deviation} = this.#pending.shift()!
      this.#source.settle(id, Math.log(close / then) / (deviation * Math.sqrt(this.#horizon)), tsUs)
    }
  }
}

/** Typical inverse sizes of the bar features in order: constants, so that a pattern's vector depends on no fit. */
export const SQUASH = [0.5, 1, 0.5, 0.35, 2, 1, 0.5, 0.2, 1, 1, 0.7, 2, 4, 2, 2, 2]
