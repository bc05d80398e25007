// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import {constantColumn, ols} from './ols.ts'

export interface HalfLife {
  /** Observations until half of a deviation is gone; Infinity without mean reversion. */
  readonly observations: number
  /** 95 % interval of it; Infinity where the slope's interval reaches zero. */
  readonly low: number
  readonly high: number
  /** Long-run mean and standard deviation of the fitted AR(1). */
  readonly mean: number
  readonly deviation: number
}

/**
 * Ornstein–Uhlenbeck half-life from Δs on s₋₁ with a constant: −ln 2 / ln(1 + slope), exact for the discretely observed
 * process. A sample of n cannot identify a half-life above about n/10.
 */
export const halfLife = (spread: Float64Array): HalfLife => {
  const n = spread.length - 1
  const before = spread.subarray(0, n)
  const change = Float64Array.from({length: n}, (_, i) => spread[i + 1]! - spread[i]!)
  const fit = ols([before, constantColumn(n)], change)
  const [slope = 0, constant = 0] = fit.coefficients
  const error = 1.96 * fit.standardErrors[0]!
  const phi = 1 + slope
  const innovation = Math.sqrt(fit.ssr / (n - 2))
  return {
    observations: decayTime(slope),
    low: decayTime(slope - error),
    high: decayTime(slope + error),
    mean: slope < 0 ? -constant / slope : Number.NaN,
    deviation: Math.abs(phi) < 1 ? innovation / Math.sqrt(1 - phi * phi) : Number.NaN,
  }
}

const decayTime = (slope: number): number => {
  if (slope >= 0) return Number.POSITIVE_INFINITY
  return slope <= -1 ? 0 : -Math.LN2 / Math.log(1 + slope)
}

/** Which p-values are discoveries at false-discovery rate `q` (Benjamini and Hochberg 1995; independence or positive dependence). */
export const benjaminiHochberg = (pValues: readonly number[], q: number): boolean[] => {
  const order = pValues.map((_, i) => i).sort((a, b) => pValues[a]! - pValues[b]!)
  let last = -1
  order.forEach((index, rank) => {
    if (pValues[index]! <= ((rank + 1) / pValues.length) * q) last = rank
  })
  const found = pValues.map(() => false)
  for (let rank = 0; rank <= last; rank++) found[order[rank]!] = true
  return found
}
