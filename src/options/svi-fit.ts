// Numeric kernel: columns are indexed with `!` below their length.
import {levenbergMarquardt} from './levenberg-marquardt.ts'
import {nelderMead} from './nelder-mead.ts'
import {butterflyDensity, isButterflyFree, isCalendarFree, type Svi, sviVariance} from './svi.ts'

/** Quoted smile of one expiry: log-moneyness ascending, total variance of the mid, and its half-spread in total variance. */
export interface SmilePoints {
  readonly k: Float64Array
  readonly variance: Float64Array
  readonly halfSpread: Float64Array
}

/**
 * Least squares in units of the half-spread. The two shape parameters (m, σ) are searched and the three linear ones solved
 * for (the quasi-explicit method of Zeliade Systems, 2009), then all five are polished together. `grid` is where the
 * density and, with a `later` slice, the calendar are held: the best candidate that is free of both arbitrages, one of
 * which is the later slice's own shape scaled down. `start`: a smile known to be free, to begin from as well. Undefined under five points or where no candidate is free.
 */
export const fitSvi = (
  points: SmilePoints,
  grid: Float64Array,
  later: Svi | undefined,
  start?: Svi,
): Svi | undefined => {
  const n = points.k.length
  if (n < 5) return undefined
  const span = points.k[n - 1]! - points.k[0]!
  let best = {value: Number.POSITIVE_INFINITY, start: [0, Math.log(0.1 * span)]}
  const shape = (point: ArrayLike<number>): number => quasiExplicit(points, point[0]!, Math.exp(point[1]!), span).error
  for (const width of [0.03, 0.12, 0.5]) {
    for (const centre of [0.3, 0.5, 0.7]) {
      const start = [points.k[0]! + centre * span, Math.log(width * span)]
      const value = shape(start)
      if (value < best.value) best = {value, start}
    }
  }
  const {point} = nelderMead(shape, best.start, {steps: [0.1 * span, 0.5], maxEvaluations: 80, tolerance: 1e-5})
  const guess = quasiExplicit(points, point[0]!, Math.exp(point[1]!), span).svi
  if (isButterflyFree(guess, grid) && (later === undefined || isCalendarFree(guess, later, grid))) return guess
  const starts = [guess, start, later === undefined ? undefined : scaledBelow(points, later)]
  let chosen: {readonly svi: Svi; readonly error: number} | undefined
  for (const from of starts)
    for (const penalty of [0, 30, 3_000]) {
      if (from === undefined) continue
      const shaped = penalty === 0 ? from : polish(points, grid, later, from, penalty)
      if (!isButterflyFree(shaped, grid)) continue
      // Scaling down keeps the density positive (see `scaledBelow`) and clears what is left of the calendar.
      const svi = later === undefined ? shaped : scaled(shaped, Math.min(1, lowestRatio(later, shaped, grid)))
      const error = sumOfSquares(points, svi)
      if (chosen === undefined || error < chosen.error) chosen = {svi, error}
    }
  return chosen?.svi
}

const scaled = (svi: Svi, c: number): Svi => (c === 1 ? svi : {...svi, a: c * svi.a, b: c * svi.b})

const lowestRatio = (later: Svi, svi: Svi, grid: Float64Array): number => {
  let lowest = Number.POSITIVE_INFINITY
  for (const k of grid) lowest = Math.min(lowest, sviVariance(later, k) / sviVariance(svi, k))
  return lowest
}

const sumOfSquares = (points: SmilePoints, svi: Svi): number => {
  let sum = 0
  for (let i = 0; i < points.k.length; i++) {
    const r = (sviVariance(svi, points.k[i]!) - points.variance[i]!) / points.halfSpread[i]!
    sum += r * r
  }
  return sum
}

/**
 * The later slice's smile scaled down to this slice's level: below the later one everywhere, and free of butterfly
 * arbitrage when that one is (g of c·w is at least (1 − c)(1 − kw'/2w)² + c·g for c ≤ 1).
 */
const scaledBelow = (points: SmilePoints, later: Svi): Svi => {
  let numerator = 0
  let denominator = 0
  for (let i = 0; i < points.k.length; i++) {
    const w = sviVariance(later, points.k[i]!)
    const weight = 1 / points.halfSpread[i]! ** 2
    numerator += weight * w * points.variance[i]!
    denominator += weight * w * w
  }
  return scaled(later, Math.min(numerator / denominator, 1))
}

/** Weighted least squares in a', d, c of w = a' + d·y + c·√(y² + 1), y = (k − m)/σ, projected to 0 ≤ c, |d| ≤ c, c + |d| ≤ 2σ. */
const quasiExplicit = (
  points: SmilePoints,
  m: number,
  sigma: number,
  span: number,
): {readonly svi: Svi; readonly error: number} => {
  const {k, variance, halfSpread} = points
  const n = k.length
  let s00 = 0
  let s01 = 0
  let s02 = 0
  let s11 = 0
  let s12 = 0
  let s22 = 0
  let t0 = 0
  let t1 = 0
  let t2 = 0
  for (let i = 0; i < n; i++) {
    const weight = 1 / (halfSpread[i]! * halfSpread[i]!)
    const y = (k[i]! - m) / sigma
    const z = Math.sqrt(y * y + 1)
    const wy = weight * y
    const wz = weight * z
    s00 += weight
    s01 += wy
    s02 += wz
    s11 += wy * y
    s12 += wy * z
    s22 += wz * z
    t0 += weight * variance[i]!
    t1 += wy * variance[i]!
    t2 += wz * variance[i]!
  }
  // Eliminate a', then solve the 2 × 2 system; a touch of ridge keeps it regular when σ is far off.
  const a11 = (s11 - (s01 * s01) / s00) * (1 + 1e-12)
  const a12 = s12 - (s01 * s02) / s00
  const a22 = (s22 - (s02 * s02) / s00) * (1 + 1e-12)
  const b1 = t1 - (s01 * t0) / s00
  const b2 = t2 - (s02 * t0) / s00
  const determinant = a11 * a22 - a12 * a12
  let d = (b1 * a22 - b2 * a12) / determinant
  let c = (a11 * b2 - a12 * b1) / determinant
  if (!(c >= 0) || Math.abs(d) > c || c + Math.abs(d) > 2 * sigma) {
    const limit = 2 * sigma
    c = Math.min(Math.max(Number.isFinite(c) ? c : 0, 1e-8 * sigma), limit)
    d = Math.min(Math.max((b1 - a12 * c) / a11, -Math.min(c, limit - c)), Math.min(c, limit - c))
  }
  const offset = (t0 - d * s01 - c * s02) / s00
  let error = 0
  for (let i = 0; i < n; i++) {
    const y = (k[i]! - m) / sigma
    const r = (offset + d * y + c * Math.sqrt(y * y + 1) - variance[i]!) / halfSpread[i]!
    error += r * r
  }
  const b = c / sigma
  const svi = {a: offset, b, rho: c > 0 ? d / c : 0, m, sigma}
  // Shapes whose vertex lies far outside the quotes, or that are sharper than their spacing, are not identified.
  const outside = Math.max(0, k[0]! - 0.2 * span - m, m - k[n - 1]! - 0.2 * span, sigma - 2 * span) / span
  return {svi, error: error * (1 + 100 * outside * outside) * (sigma < MIN_SIGMA ? 1e6 : 1)}
}

/** All five parameters, with residuals for negative density and for variance above the later slice. */
const polish = (points: SmilePoints, grid: Float64Array, later: Svi | undefined, start: Svi, penalty: number): Svi => {
  const n = points.k.length
  const cells = grid.length
  const floor = 1e-3 * Math.min(...points.variance)
  const ceiling = later === undefined ? undefined : grid.map(k => sviVariance(later, k))
  const weight = Math.sqrt(penalty)
  const residuals = (p: Float64Array, out: Float64Array): void => {
    const svi = decode(p)
    for (let i = 0; i < n; i++) out[i] = (sviVariance(svi, points.k[i]!) - points.variance[i]!) / points.halfSpread[i]!
    for (let i = 0; i < cells; i++) {
      const w = sviVariance(svi, grid[i]!)
      // A small margin, so that the constraint is met and not only approached.
      out[n + i] =
        w > floor
          ? weight * Math.max(0, 2e-3 - butterflyDensity(svi, grid[i]!))
          : weight * (1 + Math.min((floor - w) / floor, 1e3))
      out[n + cells + i] = ceiling === undefined ? 0 : 10 * weight * Math.max(0, w / ceiling[i]! - 0.9999)
    }
  }
  return decode(levenbergMarquardt(residuals, encode(start), n + 2 * cells, {tolerance: 1e-6}).point)
}

/** A sharper vertex is a kink, which no quote spacing can show. */
const MIN_SIGMA = 1e-3

/** ρ and b are kept in their ranges (|ρ| < 1, b(1 + |ρ|) < 2) by the coordinates themselves. */
const encode = ({a, b, rho, m, sigma}: Svi): number[] => {
  const share = Math.min(Math.max((b * (1 + Math.abs(rho))) / 2, 1e-9), 0.999999)
  return [a, Math.log(share / (1 - share)), Math.atanh(Math.min(Math.max(rho, -0.9999), 0.9999)), m, Math.log(sigma)]
}
const decode = (p: Float64Array): Svi => {
  const rho = Math.tanh(p[2]!)
  return {
    a: p[0]!,
    b: 2 / (1 + Math.exp(-p[1]!)) / (1 + Math.abs(rho)),
    rho,
    m: p[3]!,
    sigma: Math.max(Math.exp(p[4]!), MIN_SIGMA),
  }
}
