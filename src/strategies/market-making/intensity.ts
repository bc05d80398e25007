// Bucket indices are clamped to the histogram's length, so `!` cannot miss here.

const BUCKETS = 48
/** Buckets with fewer trades at or beyond them are noise. */
const LEAST_COUNT = 10

/**
 * Arrival of market orders by depth: counts trades by their distance from the mid before them and fits
 * log λ(≥ δ) = log A − kδ near the touch by least squares. Counts decay, so the fit follows the market. The range of the
 * fit changes the answer much; it ends where fewer than ten trades reached.
 */
export class TradeIntensity {
  readonly #counts = new Float64Array(BUCKETS)
  readonly #halfLifeUs: number
  #width = 0
  #seconds = 0
  #lastUs = 0

  constructor(halfLifeUs: number) {
    this.#halfLifeUs = halfLifeUs
  }

  /** `depth` in price units at or beyond zero; `scale` (an average spread) sets the bucket width once. */
  onTrade(depth: number, scale: number, nowUs: number): void {
    if (this.#width === 0) this.#width = Math.max(0.5, scale / 8)
    this.#decayTo(nowUs)
    const bucket = Math.min(BUCKETS - 1, Math.max(0, Math.floor(depth / this.#width)))
    this.#counts[bucket]! += 1
  }

  /** Undefined until three depths have been reached ten times. */
  fit(nowUs: number): {readonly arrival: number; readonly decay: number} | undefined {
    this.#decayTo(nowUs)
    if (this.#seconds <= 0) return undefined
    let reached = 0
    for (const count of this.#counts) reached += count
    let [n, sx, sy, sxx, sxy] = [0, 0, 0, 0, 0]
    for (let b = 0; b < BUCKETS && reached >= LEAST_COUNT; b++) {
      const x = b * this.#width
      const y = Math.log(reached / this.#seconds)
      n++
      sx += x
      sy += y
      sxx += x * x
      sxy += x * y
      reached -= this.#counts[b]!
    }
    if (n < 3) return undefined
    const slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
    if (!(slope < 0)) return undefined
    return {arrival: Math.exp((sy - slope * sx) / n), decay: -slope}
  }

  #decayTo(nowUs: number): void {
    if (this.#lastUs === 0) this.#lastUs = nowUs
    const elapsedUs = nowUs - this.#lastUs
    if (elapsedUs <= 0) return
    const keep = 0.5 ** (elapsedUs / this.#halfLifeUs)
    for (let b = 0; b < BUCKETS; b++) this.#counts[b]! *= keep
    // Exposure time decays with the counts, so their ratio stays a rate.
    this.#seconds = this.#seconds * keep + ((1 - keep) * this.#halfLifeUs) / (Math.LN2 * 1e6)
    this.#lastUs = nowUs
  }
}
