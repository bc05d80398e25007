/** Probability that forecasts worth nothing are ever trusted. */
const ALPHA = 0.05
/** Blocks at which the bound is tightest. */
const BEST_AT = 50
const RHO_SQUARED = (-2 * Math.log(ALPHA) + Math.log(-2 * Math.log(ALPHA)) + 1) / BEST_AT

/**
 * Half the width, in deviations, of a one-sided confidence sequence at `n`: it holds at all times together, so looking after
 * every outcome does not make chance look like skill (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, eq. 2.6
 * one-sided; asymptotic in `n`).
 */
export const sequenceRadius = (n: number): number => {
  const spread = n * RHO_SQUARED + 1
  return Math.sqrt(((2 * spread) / (n * n * RHO_SQUARED)) * Math.log(1 + Math.sqrt(spread) / (2 * ALPHA)))
}

/**
 * Whether forecasts have earned what they cost, beyond chance. Forecasts whose horizons overlap share their luck, over all
 * instruments: those that end in the same stretch of two horizons count as one outcome, their mean. Trust is there while the
 * lower 95 % bound of the mean, valid at all times together, lies above zero.
 */
export class EarnedTrust {
  /** Outcomes that overlap little. */
  blocks = 0
  mean = 0
  #squares = 0
  #block = Number.NaN
  #sum = 0
  #count = 0
  readonly #least: number

  /** From `least` blocks on; 0 trusts from the start. */
  constructor(least: number) {
    this.#least = least
  }

  /** Takes the move in the forecast's direction after costs, basis points, of a forecast over `horizonUs` that ended at `atUs`. */
  onOutcome(netBps: number, atUs: number, horizonUs: number): void {
    const block = Math.floor(atUs / (2 * horizonUs))
    if (block !== this.#block) this.#close()
    this.#block = block
    this.#sum += netBps
    this.#count++
  }

  get lowBps(): number {
    if (this.blocks < 2) return Number.NEGATIVE_INFINITY
    const deviation = Math.sqrt(this.#squares / (this.blocks - 1))
    return this.mean - sequenceRadius(this.blocks) * deviation
  }

  get isEarned(): boolean {
    return this.#least === 0 || (this.blocks >= this.#least && this.lowBps > 0)
  }

  #close(): void {
    if (this.#count === 0) return
    const outcome = this.#sum / this.#count
    this.blocks++
    const delta = outcome - this.mean
    this.mean += delta / this.blocks
    this.#squares += delta * (outcome - this.mean)
    this.#sum = 0
    this.#count = 0
  }
}
