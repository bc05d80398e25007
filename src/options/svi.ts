/**
 * Raw SVI: total variance w(k) = a + b·(ρ(k − m) + √((k − m)² + σ²)) of log-moneyness k = ln(strike/forward)
 * (J. Gatheral, "A parsimonious arbitrage-free implied volatility parameterization", 2004).
 */
export interface Svi {
  readonly a: number
  readonly b: number
  readonly rho: number
  readonly m: number
  readonly sigma: number
}

export const sviVariance = ({a, b, rho, m, sigma}: Svi, k: number): number => {
  const d = k - m
  return a + b * (rho * d + Math.sqrt(d * d + sigma * sigma))
}

/**
 * Durrleman's function g(k) = (1 − k·w'/(2w))² − (w'²/4)(1/w + 1/4) + w''/2: the risk-neutral density is positive exactly
 * where g is (Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces", 2014, eq. 2.1).
 */
export const butterflyDensity = ({a, b, rho, m, sigma}: Svi, k: number): number => {
  const d = k - m
  const root = Math.sqrt(d * d + sigma * sigma)
  const w = a + b * (rho * d + root)
  const slope = b * (rho + d / root)
  const curvature = (b * sigma * sigma) / (root * root * root)
  const left = 1 - (0.5 * k * slope) / w
  return left * left - 0.25 * slope * slope * (1 / w + 0.25) + 0.5 * curvature
}

/** Points at which a fitted slice is checked against arbitrage: the quoted range widened by half its width on both sides. */
export const arbitrageGrid = (low: number, high: number, points = 81): Float64Array => {
  const margin = 0.5 * Math.max(high - low, 0.05)
  const from = low - margin
  const step = (high - low + 2 * margin) / (points - 1)
  return Float64Array.from({length: points}, (_, i) => from + i * step)
}

/** Roundoff of g where the smile is straight. */
const DENSITY_TOLERANCE = 1e-9

/** No negative density on the grid, positive variance, and wings no steeper than Lee's bound of 2. */
export const isButterflyFree = (svi: Svi, grid: Float64Array): boolean => {
  if (!(svi.b >= 0 && svi.sigma > 0 && svi.b * (1 + Math.abs(svi.rho)) <= 2)) return false
  for (const k of grid) if (!(sviVariance(svi, k) > 0 && butterflyDensity(svi, k) >= -DENSITY_TOLERANCE)) return false
  return true
}

/** Total variance never falls from the earlier to the later slice anywhere on the grid. */
export const isCalendarFree = (earlier: Svi, later: Svi, grid: Float64Array): boolean => {
  for (const k of grid) if (sviVariance(later, k) < sviVariance(earlier, k) - 1e-12) return false
  return true
}
