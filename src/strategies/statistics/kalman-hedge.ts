/**
 * Time-varying hedge ratio: y = β x + α + noise with (β, α) a random walk, filtered by Kalman's recursion. State noise is
 * δ/(1−δ) in each coefficient; δ = 0 is recursive least squares.
 */
export class KalmanHedge {
  #beta: number
  #alpha: number
  // Covariance of (β, α): symmetric, kept as three numbers.
  #pbb: number
  #pba = 0
  #paa: number
  readonly #stateNoise: number
  readonly #observationVariance: number

  constructor({
    beta = 0,
    alpha = 0,
    initialVariance = 1,
    delta = 1e-5,
    observationVariance = 1e-3,
  }: {
    readonly beta?: number
    readonly alpha?: number
    readonly initialVariance?: number
    readonly delta?: number
    readonly observationVariance?: number
  } = {}) {
    this.#beta = beta
    this.#alpha = alpha
    this.#pbb = initialVariance
    this.#paa = initialVariance
    this.#stateNoise = delta / (1 - delta)
    this.#observationVariance = observationVariance
  }

  get beta(): number {
    return this.#beta
  }
  get alpha(): number {
    return this.#alpha
  }

  /** Takes one observation; answers the innovation y − ŷ and its standard deviation, both before the update. */
  update(x: number, y: number): {readonly innovation: number; readonly deviation: number} {
    const pbb = this.#pbb + this.#stateNoise
    const paa = this.#paa + this.#stateNoise
    const pba = this.#pba
    const innovation = y - (this.#beta * x + this.#alpha)
    const hb = pbb * x + pba
    const ha = pba * x + paa
    const variance = hb * x + ha + this.#observationVariance
    const gainB = hb / variance
    const gainA = ha / variance
    this.#beta += gainB * innovation
    this.#alpha += gainA * innovation
    this.#pbb = pbb - gainB * hb
    this.#pba = pba - gainB * ha
    this.#paa = paa - gainA * ha
    return {innovation, deviation: Math.sqrt(variance)}
  }
}
