/**
 * How much of the micro-price adjustment and of the order-flow imbalance to believe: least squares of the next sampled mid
 * change on both, recursively and with forgetting, started at (1, 0) so that a quiet start quotes around the micro-price.
 */
export class SignalWeights {
  #micro = 1
  #flow = 0
  #p00 = 0.25
  #p01 = 0
  #p11 = 1
  readonly #forgetting: number

  constructor(forgetting = 0.999) {
    this.#forgetting = forgetting
  }

  get micro(): number {
    return this.#micro
  }
  get flow(): number {
    return this.#flow
  }

  predict(micro: number, flow: number): number {
    return this.#micro * micro + this.#flow * flow
  }

  /** Regressors seen at one sample, the mid change to the next, and the variance of that change. */
  learn(micro: number, flow: number, change: number, variance: number): void {
    const h0 = this.#p00 * micro + this.#p01 * flow
    const h1 = this.#p01 * micro + this.#p11 * flow
    const s = micro * h0 + flow * h1 + Math.max(variance, 1e-6)
    const error = change - this.predict(micro, flow)
    this.#micro += (h0 / s) * error
    this.#flow += (h1 / s) * error
    // Forgetting is capped so that a still market does not blow the covariance up.
    const grow = (p: number) => Math.min(p / this.#forgetting, 4)
    this.#p00 = grow(this.#p00 - (h0 * h0) / s)
    this.#p11 = grow(this.#p11 - (h1 * h1) / s)
    this.#p01 = (this.#p01 - (h0 * h1) / s) / this.#forgetting
    const bound = Math.sqrt(this.#p00 * this.#p11) * 0.999
    this.#p01 = Math.max(-bound, Math.min(bound, this.#p01))
  }
}
