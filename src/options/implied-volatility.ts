import {logMoneyness, normalisedBlack, normalisedBlackComplement, priceToVega} from './black.ts'
import {millsFirstMoment, millsRatio, normalCdf, normalQuantile} from './normal.ts'
import {convexParameterAtLeft, convexParameterAtRight, rationalCubic} from './rational-cubic.ts'

const SQRT_2PI = 2.5066282746310002
const INV_SQRT_2PI = 0.3989422804014327
const SQRT_3 = 1.7320508075688772

/** A price below intrinsic or at and above the forward (call) or strike (put) has no volatility: a status, never NaN. */
export type ImpliedVolatility =
  | {readonly status: 'ok'; readonly volatility: number}
  | {readonly status: 'below-intrinsic' | 'above-bound'}

export interface ImpliedVolatilityInput {
  /** Undiscounted price: quoted price / discount factor. */
  readonly price: number
  readonly forward: number
  readonly strike: number
  readonly ttmYears: number
  readonly right: 'call' | 'put'
}

/** Implied Black volatility per √year, to attainable double precision. Throws RangeError on inputs that are not numbers > 0. */
export const impliedVolatility = (input: ImpliedVolatilityInput): ImpliedVolatility => {
  const {price, forward, strike, ttmYears, right} = input
  if (!(forward > 0 && strike > 0 && ttmYears > 0) || Number.isNaN(price) || forward === Number.POSITIVE_INFINITY)
    throw new RangeError(
      `forward, strike and ttmYears must be positive, price a number, was ${forward}, ${strike}, ${ttmYears}, ${price}`,
    )
  const total = impliedTotalVolatility(price, forward, strike, right === 'call')
  if (total === BELOW_INTRINSIC) return {status: 'below-intrinsic'}
  if (total === ABOVE_BOUND) return {status: 'above-bound'}
  return {status: 'ok', volatility: total / Math.sqrt(ttmYears)}
}

/** Results of the kernels that are not volatilities. */
export const BELOW_INTRINSIC = -1
export const ABOVE_BOUND = -2

/** Allocation-free kernel: σ√T, or BELOW_INTRINSIC, or ABOVE_BOUND. Price is undiscounted. */
export const impliedTotalVolatility = (price: number, forward: number, strike: number, call: boolean): number => {
  const intrinsic = call ? forward - strike : strike - forward
  const timeValue = intrinsic > 0 ? price - intrinsic : price
  if (timeValue < 0) return BELOW_INTRINSIC
  if (price >= (call ? forward : strike)) return ABOVE_BOUND
  const beta = timeValue / (Math.sqrt(forward) * Math.sqrt(strike))
  return normalisedImpliedVolatility(beta, -Math.abs(logMoneyness(forward, strike)))
}

/**
 * The s ≥ 0 with b(x, s) = beta, for x ≤ 0 (out-of-the-money side): P. Jäckel, "Let's Be Rational", Wilmott 2015.
 * Four-branch rational guess (section 4), then third-order Householder steps on the objective that is closest to linear in
 * each branch (section 5): two suffice everywhere, fewer where the guess is already good to 1e-5.
 * BELOW_INTRINSIC for beta < 0, ABOVE_BOUND for beta ≥ e^(x/2).
 */
export const normalisedImpliedVolatility = (beta: number, x: number): number => {
  if (beta <= 0) return beta === 0 ? 0 : BELOW_INTRINSIC
  const upperBound = Math.exp(0.5 * x)
  if (beta >= upperBound) return ABOVE_BOUND
  if (x === 0) return atTheMoney(beta)
  const sCentre = Math.sqrt(-2 * x) // the inflection point of b in s
  const vegaCentre = upperBound * INV_SQRT_2PI
  const bCentre = x < -1e-6 ? 0.5 * upperBound - vegaCentre * millsRatio(sCentre) : normalisedBlack(x, sCentre)
  return beta < bCentre
    ? solveBelowCentre(beta, x, sCentre, bCentre, vegaCentre)
    : solveAboveCentre(beta, x, sCentre, bCentre, vegaCentre, upperBound)
}

const vega = (x: number, s: number): number => {
  const y = x / s
  return INV_SQRT_2PI * Math.exp(-0.5 * y * y - 0.125 * s * s)
}

const solveBelowCentre = (beta: number, x: number, sCentre: number, bCentre: number, vegaCentre: number): number => {
  const sLow = sCentre - bCentre / vegaCentre
  const y = -x / sLow
  const density = Math.exp(-0.5 * y * y)
  const lift = Math.exp(0.125 * sLow * sLow)
  const vegaLow = (INV_SQRT_2PI * density) / lift
  const bLow = vegaLow * priceToVega(x, sLow)
  if (beta >= bLow) {
    const left = 1 / vegaLow
    const right = 1 / vegaCentre
    const r = convexParameterAtRight(bLow, bCentre, sLow, sCentre, left, right, 0)
    return polishMiddle(beta, x, rationalCubic(beta, bLow, bCentre, sLow, sCentre, left, right, r))
  }
  // Section 4.1: f(β) = (2π|x|/(3√3))·Φ(−|x|/(√3·s))³ is nearly the identity at β → 0; interpolate it, then invert.
  const u = y / SQRT_3
  const ratio = millsRatio(u)
  const fLow = (-x * density * ratio * ratio * ratio) / (3 * SQRT_3 * SQRT_2PI)
  const slope = (y * y * ratio * ratio * lift) / 3
  const curvature = (slope * ((2 * (u * millsFirstMoment(u) - ratio)) / (sLow * ratio) + 0.25 * sLow)) / vegaLow
  const r = convexParameterAtRight(0, bLow, 0, fLow, 1, slope, curvature)
  let f = rationalCubic(beta, 0, bLow, 0, fLow, 1, slope, r)
  if (!(f > 0)) {
    const w = beta / bLow
    f = (fLow * w + bLow * (1 - w)) * w
  }
  const p = SQRT_3 * Math.cbrt(f / (-2 * Math.PI * x))
  return polishLower(beta, x, -x / (SQRT_3 * -normalQuantile(Math.min(p, 0.499999))))
}

const solveAboveCentre = (
  beta: number,
  x: number,
  sCentre: number,
  bCentre: number,
  vegaCentre: number,
  upperBound: number,
): number => {
  const sHigh = sCentre + (upperBound - bCentre) / vegaCentre
  const bHigh = normalisedBlack(x, sHigh)
  if (beta <= bHigh) {
    const left = 1 / vegaCentre
    const right = 1 / vega(x, sHigh)
    const r = convexParameterAtLeft(bCentre, bHigh, sCentre, sHigh, left, right, 0)
    return polishMiddle(beta, x, rationalCubic(beta, bCentre, bHigh, sCentre, sHigh, left, right, r))
  }
  const guess = guessUpper(beta, x, sHigh, bHigh, upperBound)
  return beta > 0.5 * upperBound ? polishUpper(beta, x, guess, upperBound) : polishMiddle(beta, x, guess)
}

/** Section 4.4: f(β) = Φ(−s/2), from its value at (b_high) to (e^(x/2), 0) with end slope −1/2. */
const guessUpper = (beta: number, x: number, sHigh: number, bHigh: number, upperBound: number): number => {
  const ySquared = (x / sHigh) * (x / sHigh)
  const fHigh = normalCdf(-0.5 * sHigh)
  const slope = -0.5 * Math.exp(0.5 * ySquared)
  const curvature = ((0.5 * ySquared) / sHigh) * SQRT_2PI * Math.exp(ySquared + 0.125 * sHigh * sHigh)
  const r = convexParameterAtLeft(bHigh, upperBound, fHigh, 0, slope, -0.5, curvature)
  let f = rationalCubic(beta, bHigh, upperBound, fHigh, 0, slope, -0.5, r)
  if (!(f > 0)) {
    const w = (beta - bHigh) / (upperBound - bHigh)
    f = (fHigh * (1 - w) + 0.5 * (upperBound - bHigh) * w) * (1 - w)
  }
  return -2 * normalQuantile(Math.min(f, 0.499999))
}

const MAX_STEPS = 4
/** A third-order Householder step that moves s by less than this leaves an error far below one ulp. */
const SETTLED = 1e-5

/** Third-order Householder correction from ν = −g/g', h₂ = g''/g', h₃ = g'''/g'; never below a tenth of s. */
const householder = (s: number, newton: number, h2: number, h3: number): number => {
  const step = (newton * (1 + 0.5 * newton * h2)) / (1 + newton * (h2 + (newton * h3) / 6))
  return Number.isFinite(step) ? Math.max(step, -0.9 * s) : newton > 0 ? 0.5 * s : -0.5 * s
}

/** g(s) = b(x, s) − β. */
const polishMiddle = (beta: number, x: number, guess: number): number => {
  let s = guess
  for (let i = 0; i < MAX_STEPS; i++) {
    const y = x / s
    const h2 = (y * y) / s - 0.25 * s
    const newton = beta / vega(x, s) - priceToVega(x, s)
    const step = householder(s, newton, h2, h2 * h2 - (3 * y * y) / (s * s) - 0.25)
    s += step
    if (Math.abs(step) < SETTLED * s) break
  }
  return s
}

/** g(s) = 1/ln b(x, s) − 1/ln β. */
const polishLower = (beta: number, x: number, guess: number): number => {
  const logBeta = Math.log(beta)
  let s = guess
  for (let i = 0; i < MAX_STEPS; i++) {
    const ySquared = (x / s) * (x / s)
    const ratio = priceToVega(x, s)
    const logB = Math.log(INV_SQRT_2PI * ratio) - 0.5 * ySquared - 0.125 * s * s
    const p = 1 / ratio
    const b2 = ySquared / s - 0.25 * s
    const weight = 1 + 2 / logB
    const h2 = b2 - p * weight
    const h2Slope = (-3 * ySquared) / (s * s) - 0.25 - p * (b2 - p) * weight + (2 * p * p) / (logB * logB)
    const step = householder(s, ((logBeta - logB) * logB * ratio) / logBeta, h2, h2Slope + h2 * h2)
    s += step
    if (Math.abs(step) < SETTLED * s) break
  }
  return s
}

/** g(s) = ln((e^(x/2) − β)/(e^(x/2) − b(x, s))). */
const polishUpper = (beta: number, x: number, guess: number, upperBound: number): number => {
  const target = upperBound - beta
  let s = guess
  for (let i = 0; i < MAX_STEPS; i++) {
    const complement = normalisedBlackComplement(x, s)
    const y = x / s
    const w = vega(x, s) / complement
    const b2 = (y * y) / s - 0.25 * s
    const h2 = b2 + w
    const h2Slope = -(3 * y * y) / (s * s) - 0.25 + w * h2
    const step = householder(s, Math.log(complement / target) / w, h2, h2Slope + h2 * h2)
    s += step
    if (Math.abs(step) < SETTLED * s) break
  }
  return s
}

/** x = 0: b = 2Φ(s/2) − 1, inverted by the series of Φ⁻¹ for small β and by Φ⁻¹ itself, then polished. */
const atTheMoney = (beta: number): number => {
  if (beta > 0.5) return polishUpper(beta, 0, -2 * normalQuantile(0.5 * (1 - beta)), 1)
  const z = SQRT_2PI * beta
  return polishMiddle(beta, 0, z * (1 + (z * z) / 24 + (7 * z * z * z * z) / 1920))
}
