// Indices run below the number of strategies, fixed at construction, so `!` cannot miss here.

const DECAY = 0.995

/**
 * Exponentially weighted moments of the strategies' returns on the capital each had, sampled at a fixed market-time pace.
 * Decay 0.995 a sample; means are subtracted from nothing (second moments), as is usual at short horizons.
 */
export class StrategyReturns {
  samples = 0
  readonly #n: number
  readonly #sampleUs: number
  readonly #lastProfit: Float64Array
  readonly #return: Float64Array
  readonly #mean: Float64Array
  readonly #moment: Float64Array
  readonly #equity: Float64Array
  readonly #peak: Float64Array
  #weight = 0
  #lastUs = -1

  constructor(strategies: number, sampleUs: number) {
    this.#n = strategies
    this.#sampleUs = sampleUs
    this.#lastProfit = new Float64Array(strategies)
    this.#return = new Float64Array(strategies)
    this.#mean = new Float64Array(strategies)
    this.#moment = new Float64Array(strategies * strategies)
    this.#equity = new Float64Array(strategies).fill(1)
    this.#peak = new Float64Array(strategies).fill(1)
  }

  observe(tsUs: number, profitMicros: Float64Array, weights: Float64Array, capitalMicros: number): void {
    if (this.#lastUs < 0) {
      this.#lastUs = tsUs
      this.#lastProfit.set(profitMicros)
      return
    }
    if (tsUs - this.#lastUs < this.#sampleUs) return
    this.#lastUs = tsUs
    this.samples++
    this.#weight = DECAY * this.#weight + 1
    for (let i = 0; i < this.#n; i++) {
      const capital = Math.max(weights[i]! * capitalMicros, 1)
      const r = weights[i]! > 0 ? (profitMicros[i]! - this.#lastProfit[i]!) / capital : 0
      this.#return[i] = r
      this.#mean[i]! += (r - this.#mean[i]!) / this.#weight
      this.#equity[i]! *= Math.max(0, 1 + r)
      this.#peak[i] = Math.max(this.#peak[i]!, this.#equity[i]!)
    }
    this.#lastProfit.set(profitMicros)
    for (let i = 0; i < this.#n; i++)
      for (let j = 0; j < this.#n; j++) {
        const k = i * this.#n + j
        this.#moment[k]! += (this.#return[i]! * this.#return[j]! - this.#moment[k]!) / this.#weight
      }
  }

  mean(i: number): number {
    return this.#mean[i]!
  }
  covariance(i: number, j: number): number {
    return this.#moment[i * this.#n + j]!
  }
  volatility(i: number): number {
    return Math.sqrt(this.covariance(i, i))
  }
  /** Fall of the strategy's own compounded return from its peak, 0 to 1. */
  drawdown(i: number): number {
    return 1 - this.#equity[i]! / this.#peak[i]!
  }
}
