// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile'
import studentCdf from '@stdlib/stats-base-dists-t-cdf'

/** Value at risk and expected shortfall of one period, as positive losses in the unit of the profits given. */
export interface TailRisk {
  readonly valueAtRisk: number
  readonly expectedShortfall: number
}

/**
 * Empirical: value at risk is the smallest loss that at least `confidence` of the losses do not exceed (inverse of the
 * empirical distribution, type 1 of Hyndman and Fan); expected shortfall is the mean of the worst 1 − confidence of the
 * mass, the boundary observation taken in part (Acerbi and Tasche 2002).
 */
export const historical = (profits: ArrayLike<number>, confidence: number): TailRisk => {
  const losses = Float64Array.from(profits, p => -p).sort()
  const n = losses.length
  if (n === 0) throw new RangeError('value at risk of no profits is undefined')
  // The last bit of n·confidence must not push an exact count to the next observation.
  const index = Math.min(n - 1, Math.max(0, Math.ceil(n * confidence - 1e-9) - 1))
  const mass = n * (1 - confidence)
  let tail = 0
  for (let i = index + 1; i < n; i++) tail += losses[i]!
  const partial = mass - (n - 1 - index)
  return {
    valueAtRisk: losses[index]!,
    expectedShortfall: mass > 1e-9 ? (tail + partial * losses[index]!) / mass : losses[n - 1]!,
  }
}

const meanAndDeviation = (profits: ArrayLike<number>): {readonly mean: number; readonly deviation: number} => {
  const n = profits.length
  if (n < 2) throw new RangeError(`a parametric value at risk needs 2 profits, was ${n}`)
  let mean = 0
  for (let i = 0; i < n; i++) mean += profits[i]! / n
  let sum = 0
  for (let i = 0; i < n; i++) sum += (profits[i]! - mean) ** 2
  return {mean, deviation: Math.sqrt(sum / (n - 1))}
}

const normalDensity = (z: number): number => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)

export const normalTail = (mean: number, deviation: number, confidence: number): TailRisk => {
  const z = normalQuantile(confidence, 0, 1)
  return {
    valueAtRisk: -mean + deviation * z,
    expectedShortfall: -mean + (deviation * normalDensity(z)) / (1 - confidence),
  }
}
export const normal = (profits: ArrayLike<number>, confidence: number): TailRisk => {
  const {mean, deviation} = meanAndDeviation(profits)
  return normalTail(mean, deviation, confidence)
}

/**
 * Student's t scaled to the sample's mean and deviation. Degrees of freedom from the sample kurtosis, ν = 4 + 6/(κ − 3),
 * between 2.1 and 200, unless given.
 */
export const studentT = (profits: ArrayLike<number>, confidence: number, degrees = degreesOf(profits)): TailRisk => {
  const {mean, deviation} = meanAndDeviation(profits)
  const scale = deviation * Math.sqrt((degrees - 2) / degrees)
  const q = studentQuantile(confidence, degrees)
  const tail = (studentDensity(q, degrees) * (degrees + q * q)) / ((degrees - 1) * (1 - confidence))
  return {valueAtRisk: -mean + scale * q, expectedShortfall: -mean + scale * tail}
}

const degreesOf = (profits: ArrayLike<number>): number => {
  const excess = shape(profits).kurtosis - 3
  return excess > 0 ? Math.min(200, Math.max(2.1, 4 + 6 / excess)) : 200
}

/** By bisection on the distribution function: 1e-12 relative. */
export const studentQuantile = (p: number, degrees: number): number => {
  if (p < 0.5) return -studentQuantile(1 - p, degrees)
  let [low, high] = [0, 1]
  while (studentCdf(high, degrees) < p) high *= 2
  for (let i = 0; i < 100 && high - low > 1e-13 * high; i++) {
    const middle = (low + high) / 2
    if (studentCdf(middle, degrees) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

const studentDensity = (x: number, degrees: number): number =>
  Math.exp(
    logGamma((degrees + 1) / 2) -
      logGamma(degrees / 2) -
      0.5 * Math.log(degrees * Math.PI) -
      ((degrees + 1) / 2) * Math.log1p((x * x) / degrees),
  )

/** Lanczos's approximation (g = 7, nine terms): 15 digits for positive arguments. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const
const logGamma = (x: number): number => {
  const y = x - 1
  let sum: number = LANCZOS[0]
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (y + i)
  const t = y + 7.5
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum)
}

const shape = (profits: ArrayLike<number>): {readonly skewness: number; readonly kurtosis: number} => {
  const n = profits.length
  const {mean} = meanAndDeviation(profits)
  let [m2, m3, m4] = [0, 0, 0]
  for (let i = 0; i < n; i++) {
    const d = profits[i]! - mean
    m2 += (d * d) / n
    m3 += d ** 3 / n
    m4 += d ** 4 / n
  }
  return m2 > 0 ? {skewness: m3 / m2 ** 1.5, kurtosis: m4 / m2 ** 2} : {skewness: 0, kurtosis: 3}
}

/**
 * Cornish–Fisher quantile of losses from the sample's skewness and excess kurtosis. Undefined outside the domain in which
 * the expansion is monotonic (Maillard 2012): there it is not a quantile of anything. Shortfall by averaging the quantile
 * over the tail.
 */
export const cornishFisher = (profits: ArrayLike<number>, confidence: number): TailRisk | undefined => {
  const {mean, deviation} = meanAndDeviation(profits)
  const {skewness, kurtosis} = shape(profits)
  // Losses mirror profits.
  const s = -skewness
  const k = kurtosis - 3
  if (!isMonotonic(s, k)) return undefined
  const quantile = (p: number): number => {
    const z = normalQuantile(p, 0, 1)
    return z + ((z * z - 1) * s) / 6 + ((z ** 3 - 3 * z) * k) / 24 - ((2 * z ** 3 - 5 * z) * s * s) / 36
  }
  const steps = 2000
  let sum = 0
  for (let i = 0; i < steps; i++) sum += quantile(confidence + ((i + 0.5) / steps) * (1 - confidence))
  return {valueAtRisk: -mean + deviation * quantile(confidence), expectedShortfall: -mean + (deviation * sum) / steps}
}

/** The derivative in z, a parabola, is nowhere negative. */
const isMonotonic = (s: number, k: number): boolean => {
  const a = k / 8 - (s * s) / 6
  const b = s / 3
  const c = 1 - k / 8 + (5 * s * s) / 36
  return a > 0 ? b * b - 4 * a * c <= 0 : a === 0 && b === 0 && c >= 0
}

/**
 * Filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999): profits divided by their exponentially
 * weighted deviation of the time (decay 0.94), multiplied by today's, then the empirical estimate.
 */
export const filteredHistorical = (profits: ArrayLike<number>, confidence: number, decay = 0.94): TailRisk => {
  const n = profits.length
  const warm = Math.min(n, 20)
  let variance = 0
  for (let i = 0; i < warm; i++) variance += profits[i]! ** 2 / warm
  const residuals: number[] = []
  for (let i = 0; i < n; i++) {
    const value = profits[i]!
    if (variance > 0) residuals.push(value / Math.sqrt(variance))
    variance = decay * variance + (1 - decay) * value * value
  }
  if (residuals.length === 0) return historical(profits, confidence)
  const now = Math.sqrt(variance)
  return historical(
    residuals.map(r => r * now),
    confidence,
  )
}

export interface ParetoFit {
  readonly threshold: number
  readonly shape: number
  readonly scale: number
  readonly excesses: number
}

/**
 * Peaks over threshold: a generalised Pareto distribution fitted to losses beyond the `tail` quantile by probability-weighted
 * moments (Hosking and Wallis 1987), then VaR = u + β/ξ [((n/N_u)(1−p))^−ξ − 1] and ES = (VaR + β − ξu)/(1 − ξ). Undefined
 * with fewer than 10 excesses or ξ ≥ 1, where the shortfall is infinite.
 */
export const peaksOverThreshold = (
  profits: ArrayLike<number>,
  confidence: number,
  tail = 0.9,
): (TailRisk & {readonly fit: ParetoFit}) | undefined => {
  const losses = Float64Array.from(profits, p => -p).sort()
  const n = losses.length
  const index = Math.min(n - 1, Math.ceil(n * tail - 1e-9) - 1)
  if (confidence <= tail || n - 1 - index < 10) return undefined
  const threshold = losses[index]!
  const fit = fitPareto(
    losses.subarray(index + 1).map(l => l - threshold),
    threshold,
  )
  if (fit === undefined || fit.shape >= 1) return undefined
  const {shape: xi, scale: beta} = fit
  const ratio = (n / fit.excesses) * (1 - confidence)
  const valueAtRisk = threshold + (Math.abs(xi) < 1e-9 ? -beta * Math.log(ratio) : (beta / xi) * (ratio ** -xi - 1))
  return {valueAtRisk, expectedShortfall: (valueAtRisk + beta - xi * threshold) / (1 - xi), fit}
}

/** Ascending excesses. a₀ = mean, a₁ = Σ (1 − p_i) x_i / n with p_i = (i − 0.35)/n. */
export const fitPareto = (excesses: ArrayLike<number>, threshold = 0): ParetoFit | undefined => {
  const n = excesses.length
  let [a0, a1] = [0, 0]
  for (let i = 0; i < n; i++) {
    a0 += excesses[i]! / n
    a1 += ((1 - (i + 0.65) / n) * excesses[i]!) / n
  }
  const denominator = a0 - 2 * a1
  if (!(denominator > 0)) return undefined
  return {threshold, shape: 2 - a0 / denominator, scale: (2 * a0 * a1) / denominator, excesses: n}
}
