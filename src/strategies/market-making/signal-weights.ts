// Three regressors and a 3 × 3 covariance in row order: indices are below 9, so `!` cannot miss here.

/** Most a variance may grow to by forgetting: a still market must not blow the covariance up. */
const MOST_VARIANCE = 4

/**
 * How much of the micro-price adjustment, of the order-flow imbalance and of a signal model's expected move to believe: least
 * squares of the next sampled mid change on all three, recursively and with forgetting, started at (1, 0, 0) so that a quiet
 * start quotes around the micro-price and a model counts only as far as it has been right here. A regressor that is always 0
 * changes nothing.
 */
export class SignalWeights {
  readonly #weights = new Float64Array([1, 0, 0])
  readonly #p = new Float64Array([0.25, 0, 0, 0, 1, 0, 0, 0, 0.25])
  readonly #forgetting: number

  constructor(forgetting = 0.999) {
    this.#forgetting = forgetting
  }

  get micro(): number {
    return this.#weights[0]!
  }
  get flow(): number {
    return this.#weights[1]!
  }
  get model(): number {
    return this.#weights[2]!
  }

  predict(micro: number, flow: number, model = 0): number {
    return this.#weights[0]! * micro + this.#weights[1]! * flow + this.#weights[2]! * model
  }

  /** Regressors seen at one sample, the mid change to the next, and the variance of that change. */
  learn(micro: number, flow: number, model: number, change: number, variance: number): void {
    const p = this.#p
    const noise = Math.max(variance, 1e-6)
    const h0 = p[0]! * micro + p[1]! * flow + p[2]! * model
    const h1 = p[3]! * micro + p[4]! * flow + p[5]! * model
    const h2 = p[6]! * micro + p[7]! * flow + p[8]! * model
    const s = Math.max(noise, micro * h0 + flow * h1 + model * h2 + noise)
    const error = change - this.predict(micro, flow, model)
    this.#weights[0]! += (h0 / s) * error
    this.#weights[1]! += (h1 / s) * error
    this.#weights[2]! += (h2 / s) * error
    this.#shrink(0, h0, h0, s)
    this.#shrink(4, h1, h1, s)
    this.#shrink(8, h2, h2, s)
    this.#correlate(1, 3, h0 * h1, s, p[0]! * p[4]!)
    this.#correlate(2, 6, h0 * h2, s, p[0]! * p[8]!)
    this.#correlate(5, 7, h1 * h2, s, p[4]! * p[8]!)
  }

  #shrink(at: number, a: number, b: number, s: number): void {
    this.#p[at] = Math.min((this.#p[at]! - (a * b) / s) / this.#forgetting, MOST_VARIANCE)
  }

  #correlate(at: number, mirror: number, product: number, s: number, variances: number): void {
    const bound = Math.sqrt(variances) * 0.999
    const value = Math.max(-bound, Math.min(bound, (this.#p[at]! - product / s) / this.#forgetting))
    this.#p[at] = value
    this.#p[mirror] = value
  }
}
