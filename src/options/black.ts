import {millsFirstMoment, millsRatio} from './normal.ts'

const INV_SQRT_2PI = 0.3989422804014327
const SQRT_2PI = 2.5066282746310002

/**
 * Normalised Black price of an out-of-the-money option: b(x, s) = e^(x/2)·Φ(x/s + s/2) − e^(−x/2)·Φ(x/s − s/2), for
 * x = −|ln(forward/strike)| ≤ 0 and total volatility s = σ√T ≥ 0 (Jäckel, "Let's Be Rational", 2015, eq. 2.4; the call
 * at x equals the put at −x). Price = discount·√(forward·strike)·b. Relative error a few 1e-16 times max(1, (x/s)²),
 * the conditioning of the function itself.
 *
 * With y = −x/s and t = s/2, b = φ-scale·2∫₀^∞ exp(−yu − u²/2)·sinh(tu) du: every term of its expansion in t is positive,
 * which is what replaces the cancelling difference of two normal probabilities where t is small.
 */
export const normalisedBlack = (x: number, s: number): number => {
  if (!(s > 0)) return 0
  const y = -x / s
  const t = 0.5 * s
  const scale = INV_SQRT_2PI * Math.exp(-0.5 * (y * y + t * t))
  if (t < 0.4 && x > -2) return 2 * t * scale * sinhMoments(y, t)
  if (y >= t) return scale === 0 ? 0 : scale * (millsRatio(y - t) - millsRatio(y + t))
  return Math.exp(0.5 * x) - scale * (millsRatio(t - y) + millsRatio(t + y))
}

/** e^(x/2) − b(x, s) without cancellation, for x ≤ 0 and s²/2 > −x. */
export const normalisedBlackComplement = (x: number, s: number): number => {
  const y = -x / s
  const t = 0.5 * s
  return INV_SQRT_2PI * Math.exp(-0.5 * (y * y + t * t)) * (millsRatio(t - y) + millsRatio(t + y))
}

/** ∂b/∂s = φ(x/s)·exp(−s²/8). */
export const normalisedVega = (x: number, s: number): number => {
  if (!(s > 0)) return 0
  const y = x / s
  return INV_SQRT_2PI * Math.exp(-0.5 * y * y - 0.125 * s * s)
}

/** b(x, s)/(∂b/∂s): free of any exponential, hence of underflow, where s²/2 ≤ −x or s and x are small. */
export const priceToVega = (x: number, s: number): number => {
  const y = -x / s
  const t = 0.5 * s
  if (t < 0.4 && x > -2) return 2 * t * sinhMoments(y, t)
  if (y >= t) return millsRatio(y - t) - millsRatio(y + t)
  return SQRT_2PI * Math.exp(0.5 * (t - y) * (t - y)) - millsRatio(t - y) - millsRatio(t + y)
}

/**
 * Σ t^(2k)·I_(2k+1)(y)/(2k+1)! with the moments I_n = ∫₀^∞ uⁿ·exp(−yu − u²/2) du from
 * I_(2k+3) = (4k + 3 + y²)·I_(2k+1) − 2k(2k+1)·I_(2k−1), I₃ = (3 + y²)·I₁ − 1.
 */
const sinhMoments = (y: number, t: number): number => {
  const q = t * t
  const h = y * y + 3
  const first = millsFirstMoment(y)
  const c1 = q * (h * first - 1) * (1 / 6)
  const c2 = q * ((h + 4) * c1 - q * first) * (1 / 20)
  const c3 = q * ((h + 8) * c2 - q * c1) * (1 / 42)
  const c4 = q * ((h + 12) * c3 - q * c2) * (1 / 72)
  let sum = first + (c1 + (c2 + (c3 + c4)))
  let before = c3
  let term = c4
  for (let k = 4; k < 16 && term > 1e-17 * sum; k++) {
    const next = (q * ((4 * k + h) * term - q * before)) / ((2 * k + 2) * (2 * k + 3))
    before = term
    term = next
    sum += next
  }
  return sum
}

/** Undiscounted Black price; `totalVolatility` = σ√T. */
export const blackPrice = (forward: number, strike: number, totalVolatility: number, call: boolean): number => {
  const intrinsic = call ? Math.max(forward - strike, 0) : Math.max(strike - forward, 0)
  if (!(totalVolatility > 0)) return intrinsic
  return (
    intrinsic +
    Math.sqrt(forward) * Math.sqrt(strike) * normalisedBlack(-Math.abs(logMoneyness(forward, strike)), totalVolatility)
  )
}

/** ln(forward/strike), exact to the last digit where the two are close. */
export const logMoneyness = (forward: number, strike: number): number => {
  const difference = forward - strike
  return Math.abs(difference) < 0.25 * strike ? Math.log1p(difference / strike) : Math.log(forward / strike)
}
