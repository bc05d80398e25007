// Columns are sized by the number of strategies, fixed at construction, so `!` cannot miss here.

/** What one strategy's returns have shown so far, and what is held of it. */
const PER_STRATEGY = [
  'available',
  'last',
  'fast',
  'slow',
  'long',
  'volatility',
  'volatility-ratio',
  'drawdown',
  'correlation',
  'weight',
] as const
/** The strategies together, and the account. */
const TOGETHER = ['correlation', 'volatility-ratio', 'maturity', 'cash', 'drawdown'] as const

/** Identity of the columns over these strategies, in order; a policy trained on others does not fit. */
export const strategySchemaKey = (strategies: readonly string[]): string =>
  `strategy@${VERSION}:${[...strategies.flatMap(strategy => PER_STRATEGY.map(name => `${strategy}.${name}`)), ...TOGETHER].join(',')}`

/** Rises when a formula changes. */
const VERSION = 1
const WIDTH = PER_STRATEGY.length
const FAST = 2 / (5 + 1)
const SLOW = 2 / (30 + 1)
const LONG = 2 / (120 + 1)
/** Deviation of a period below which a strategy counts as one that has not moved. */
const STILL = 1e-9
const LIMIT = 5

const bounded = (value: number): number => Math.max(-LIMIT, Math.min(LIMIT, value))

/**
 * What a weight policy sees: trailing returns, volatility, drawdown, correlation and regime of each strategy, all from
 * periods that are over, in units that do not depend on the length of a period (returns in deviations, volatility in
 * powers of ten of a basis point). One incremental path for training, back-test and live: `push` a period, then `write`.
 */
export class StrategyFeatures {
  readonly width: number
  periods = 0
  readonly #n: number
  readonly #available: readonly boolean[]
  readonly #last: Float64Array
  readonly #fast: Float64Array
  readonly #slow: Float64Array
  readonly #long: Float64Array
  readonly #fastSquare: Float64Array
  /** [n, n]: slow second moments. */
  readonly #moment: Float64Array
  readonly #equity: Float64Array
  readonly #peak: Float64Array
  #poolFast = 0
  #poolSlow = 0

  /** `available`: which of the strategies run at all; the columns of the others stay zero. */
  constructor(available: readonly boolean[]) {
    const n = available.length
    this.#n = n
    this.#available = available
    this.width = n * WIDTH + TOGETHER.length
    this.#last = new Float64Array(n)
    this.#fast = new Float64Array(n)
    this.#slow = new Float64Array(n)
    this.#long = new Float64Array(n)
    this.#fastSquare = new Float64Array(n)
    this.#moment = new Float64Array(n * n)
    this.#equity = new Float64Array(n).fill(1)
    this.#peak = new Float64Array(n).fill(1)
  }

  /** A period is over: each strategy's simple return on its own capital, from `at` on. Throws RangeError on NaN. */
  push(returns: ArrayLike<number>, at = 0): void {
    const n = this.#n
    this.periods++
    // Plain means until an exponential window is full, so that the first periods are not averaged with made-up zeros.
    const rate = (alpha: number): number => Math.max(alpha, 1 / this.periods)
    const [fast, slow, long] = [rate(FAST), rate(SLOW), rate(LONG)]
    let pool = 0
    let count = 0
    for (let s = 0; s < n; s++) {
      const r = this.#available[s] === true ? returns[at + s]! : 0
      if (!Number.isFinite(r)) throw new RangeError(`return ${s} of period ${this.periods} was ${r}`)
      this.#last[s] = r
      this.#fast[s]! += fast * (r - this.#fast[s]!)
      this.#slow[s]! += slow * (r - this.#slow[s]!)
      this.#long[s]! += long * (r - this.#long[s]!)
      this.#fastSquare[s]! += fast * (r * r - this.#fastSquare[s]!)
      this.#equity[s]! *= Math.max(0, 1 + r)
      this.#peak[s] = Math.max(this.#peak[s]!, this.#equity[s]!)
      if (this.#available[s] === true) {
        pool += r
        count++
      }
    }
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        this.#moment[i * n + j]! += slow * (this.#last[i]! * this.#last[j]! - this.#moment[i * n + j]!)
    pool /= Math.max(1, count)
    this.#poolFast += fast * (pool * pool - this.#poolFast)
    this.#poolSlow += slow * (pool * pool - this.#poolSlow)
  }

  /** Root of the slow second moment of a strategy's returns. */
  deviation(s: number): number {
    return Math.sqrt(this.#moment[s * this.#n + s]!)
  }
  /** Whether its returns have differed from zero lately. */
  hasMoved(s: number): boolean {
    return this.deviation(s) > STILL
  }

  /** Everything but what is held; those columns are left as they are. */
  write(out: Float32Array, offset = 0): void {
    const n = this.#n
    let sum = 0
    let pairs = 0
    for (let s = 0; s < n; s++) {
      const at = offset + s * WIDTH
      if (this.#available[s] !== true) {
        out.fill(0, at, at + WIDTH - 1)
        continue
      }
      const deviation = Math.max(STILL, this.deviation(s))
      let own = 0
      let others = 0
      for (let j = 0; j < n; j++) {
        if (j === s || !this.hasMoved(j) || !this.hasMoved(s)) continue
        own += this.#moment[s * n + j]! / (deviation * this.deviation(j))
        others++
      }
      sum += own
      pairs += others
      out[at] = 1
      out[at + 1] = bounded(this.#last[s]! / deviation)
      out[at + 2] = bounded((2 * this.#fast[s]!) / deviation)
      out[at + 3] = bounded((4 * this.#slow[s]!) / deviation)
      out[at + 4] = bounded((8 * this.#long[s]!) / deviation)
      out[at + 5] = bounded(Math.log10(deviation * 1e4))
      out[at + 6] = bounded(Math.log(Math.max(STILL, Math.sqrt(this.#fastSquare[s]!)) / deviation))
      out[at + 7] = bounded((this.#equity[s]! / this.#peak[s]! - 1) / (10 * deviation))
      out[at + 8] = others === 0 ? 0 : bounded(own / others)
    }
    const at = offset + n * WIDTH
    const pool = Math.sqrt(this.#poolSlow)
    out[at] = pairs === 0 ? 0 : bounded(sum / pairs)
    out[at + 1] = pool > STILL ? bounded(Math.log(Math.max(STILL, Math.sqrt(this.#poolFast)) / pool)) : 0
    out[at + 2] = Math.min(1, this.periods / 60)
  }
}

/** The columns of what is held: shares by strategy, cash, and the account's fall from its peak (0 to 1). */
export const writeHoldings = (out: Float32Array, weights: ArrayLike<number>, drawdown: number, offset = 0): void => {
  let cash = 1
  for (let s = 0; s < weights.length; s++) {
    out[offset + s * WIDTH + WIDTH - 1] = weights[s]!
    cash -= weights[s]!
  }
  const at = offset + weights.length * WIDTH + TOGETHER.length - 2
  out[at] = cash
  out[at + 1] = bounded(-10 * drawdown)
}
