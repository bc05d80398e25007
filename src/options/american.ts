// Numeric kernel: arrays are indexed with `!` below their length.
import {blackPrice} from './black.ts'
import {tailProbability} from './greeks.ts'
import {normalCdf} from './normal.ts'
import {gaussLegendre, type Quadrature} from './quadrature.ts'

/** An American option on an underlying that pays a continuous yield; rates continuously compounded, prices discounted. */
export interface AmericanInput {
  readonly spot: number
  readonly strike: number
  readonly ttmYears: number
  readonly volatility: number
  readonly rate: number
  readonly yieldRate: number
  readonly right: 'call' | 'put'
}

/** How finely a boundary is solved. Everything in it is a function of the first four numbers. */
export interface BoundaryScheme {
  /** Collocation degree. */
  readonly degree: number
  readonly rounds: number
  /** Boundary movement, in strikes, at which the rounds end. */
  readonly settled: number
  readonly rule: Quadrature
  /** cos(iπ/degree), i < 2·degree. */
  readonly cosines: Float64Array
  /** Weights of the collocated values at quadrature time j of collocation time i: [degree + 1, points, degree + 1]. */
  readonly interpolation: Float64Array
}

export const boundaryScheme = (degree: number, points: number, rounds: number, settled: number): BoundaryScheme => {
  const rule = gaussLegendre(points)
  const cosines = Float64Array.from({length: 2 * degree}, (_, i) => Math.cos((i * Math.PI) / degree))
  const interpolation = new Float64Array((degree + 1) * points * (degree + 1))
  const unit = new Float64Array(degree + 1)
  const coefficients = new Float64Array(degree + 1)
  for (let k = 0; k <= degree; k++) {
    unit.fill(0)[k] = 1
    chebyshev(unit, coefficients, cosines)
    for (let i = 0; i <= degree; i++)
      for (let j = 0; j < points; j++) {
        const y = 1 + rule.node[j]!
        const z = (1 - cosines[i]!) * Math.sqrt(1 - 0.25 * y * y) - 1
        interpolation[(i * points + j) * (degree + 1) + k] = clenshaw(coefficients, z)
      }
  }
  return {degree, rounds, settled, rule, cosines, interpolation}
}

const PRICE_RULE = gaussLegendre(24)
/** Interest that no price shows. */
const NO_RATE = 1e-9

/**
 * Price by the spectral collocation of the early-exercise boundary (L. Andersen, M. Lake, D. Offengenden, "High-performance
 * American option pricing", J. Computational Finance 20, 2016): European price plus the integral of the exercise premium.
 * A call is the put with spot and strike, rate and yield exchanged. Where the rate of the put is not positive it is never
 * exercised early, unless the yield is lower still: then exercise has two boundaries and `undefined` is returned.
 */
export const americanPrice = (input: AmericanInput): number | undefined => {
  const {spot, strike, ttmYears, volatility, rate, yieldRate, right} = input
  const put = right === 'put'
  const boundary = exerciseBoundary({
    ttmYears,
    volatility,
    rate: put ? rate : yieldRate,
    yieldRate: put ? yieldRate : rate,
  })
  if (boundary === undefined) return undefined
  const european =
    Math.exp(-rate * ttmYears) *
    blackPrice(spot * Math.exp((rate - yieldRate) * ttmYears), strike, volatility * Math.sqrt(ttmYears), !put)
  const intrinsic = put ? strike - spot : spot - strike
  return Math.max(european + exercisePremium(boundary, put ? spot : strike, put ? strike : spot), intrinsic)
}

/** Early-exercise boundary of a put in units of the strike; depends on neither spot nor strike. */
export interface ExerciseBoundary {
  readonly ttmYears: number
  readonly volatility: number
  readonly rate: number
  readonly yieldRate: number
  /** Boundary at expiry over strike: min(1, rate/yield); 0 where the put is never exercised early. */
  readonly atExpiry: number
  /** Chebyshev coefficients of ln²(boundary/atExpiry) in √τ on [0, √ttmYears]. */
  readonly coefficients: Float64Array
}

interface PutParameters {
  readonly ttmYears: number
  readonly volatility: number
  readonly rate: number
  readonly yieldRate: number
}

/** `near`: ln(boundary/strike) by time to expiry, to start from. */
export const exerciseBoundary = (
  put: PutParameters,
  near?: (tau: number) => number,
  scheme: BoundaryScheme = PRECISE,
): ExerciseBoundary | undefined => {
  const {ttmYears, volatility, rate, yieldRate} = put
  const none: ExerciseBoundary = {...put, atExpiry: 0, coefficients: new Float64Array(0)}
  if (rate <= NO_RATE) return yieldRate >= Math.min(rate, 0) ? none : undefined
  if (!(ttmYears > 0 && volatility > 0)) return none
  const {degree, rounds, settled, cosines} = scheme
  const atExpiry = yieldRate > rate ? rate / yieldRate : 1
  const values = new Float64Array(degree + 1)
  const coefficients = new Float64Array(degree + 1)
  const boundary = {...put, atExpiry, coefficients}
  const taus = Float64Array.from({length: degree + 1}, (_, i) => ttmYears * (0.5 * (1 - cosines[i]!)) ** 2)
  for (let i = 1; i <= degree; i++) {
    const start =
      near === undefined ? startingBoundary(put, atExpiry, taus[i]!) : Math.min(Math.exp(near(taus[i]!)), atExpiry)
    values[i] = Math.log(start / atExpiry) ** 2
  }
  const growth = growthTable(put, taus, scheme)
  const now = values.map(value => atExpiry * Math.exp(-Math.sqrt(value)))
  const image = new Float64Array(degree + 1)
  const lastNow = new Float64Array(degree + 1)
  const lastImage = new Float64Array(degree + 1)
  for (let round = 0; round < rounds; round++) {
    let moved = 0
    let along = 0
    let size = 0
    for (let i = 1; i <= degree; i++) {
      const next = improve(boundary, scheme, values, growth, i, taus[i]!, now[i]!)
      // Where both densities underflow there is nothing to improve on.
      image[i] = Number.isNaN(next) ? now[i]! : Math.min(Math.max(next, 1e-6 * atExpiry), atExpiry)
      const residual = image[i]! - now[i]!
      const change = residual - (lastImage[i]! - lastNow[i]!)
      moved = Math.max(moved, Math.abs(residual))
      along += residual * change
      size += change * change
    }
    // Anderson acceleration of depth one: the residuals of two rounds point to where they vanish.
    const share = round > 0 && size > 0 ? Math.min(Math.max(along / size, -1), 0.5) : 0
    for (let i = 1; i <= degree; i++) {
      const b = image[i]! - share * (image[i]! - lastImage[i]!)
      lastImage[i] = image[i]!
      lastNow[i] = now[i]!
      now[i] = Math.min(Math.max(b, 1e-6 * atExpiry), atExpiry)
      values[i] = Math.log(now[i]! / atExpiry) ** 2
    }
    if (moved < settled) break
  }
  chebyshev(values, coefficients, cosines)
  return boundary
}

/** Value of the right to exercise before expiry, for a put of this spot and strike. */
export const exercisePremium = (boundary: ExerciseBoundary, spot: number, strike: number): number => {
  const {ttmYears, volatility, rate, yieldRate, atExpiry} = boundary
  if (atExpiry === 0) return 0
  const moneyness = Math.log(spot / strike)
  // At and below the boundary the put is worth its exercise now; the integral would only approach that.
  if (moneyness <= logBoundary(boundary, ttmYears)) return strike - spot - europeanPut(boundary, spot, strike)
  const {node, weight} = PRICE_RULE
  let sum = 0
  for (let j = 0; j < node.length; j++) {
    const y = 1 + node[j]!
    const left = 0.25 * ttmYears * y * y // time from now to the exercise
    const s = volatility * Math.sqrt(left)
    const logRatio = moneyness - logBoundary(boundary, ttmYears - left)
    const d1 = (logRatio + (rate - yieldRate) * left) / s + 0.5 * s
    const density1 = density(d1)
    const density2 = density1 * Math.exp(logRatio + (rate - yieldRate) * left)
    const gain = rate * strike * Math.exp(-rate * left) * tailProbability(s - d1, density2)
    const cost = yieldRate * spot * Math.exp(-yieldRate * left) * tailProbability(-d1, density1)
    sum += weight[j]! * y * (gain - cost)
  }
  return Math.max(0.5 * ttmYears * sum, 0)
}

const europeanPut = ({ttmYears, volatility, rate, yieldRate}: ExerciseBoundary, spot: number, strike: number): number =>
  Math.exp(-rate * ttmYears) *
  blackPrice(spot * Math.exp((rate - yieldRate) * ttmYears), strike, volatility * Math.sqrt(ttmYears), false)

/** ∂(exercisePremium)/∂spot. */
export const exercisePremiumSlope = (boundary: ExerciseBoundary, spot: number, strike: number): number => {
  const {ttmYears, volatility, rate, yieldRate, atExpiry} = boundary
  if (atExpiry === 0) return 0
  const moneyness = Math.log(spot / strike)
  if (moneyness <= logBoundary(boundary, ttmYears)) {
    const h = 1e-4 * spot
    return -1 - (europeanPut(boundary, spot + h, strike) - europeanPut(boundary, spot - h, strike)) / (2 * h)
  }
  const {node, weight} = PRICE_RULE
  let sum = 0
  for (let j = 0; j < node.length; j++) {
    const y = 1 + node[j]!
    const left = 0.25 * ttmYears * y * y
    const s = volatility * Math.sqrt(left)
    const logRatio = moneyness - logBoundary(boundary, ttmYears - left)
    const d1 = (logRatio + (rate - yieldRate) * left) / s + 0.5 * s
    const density1 = density(d1)
    const density2 = density1 * Math.exp(logRatio + (rate - yieldRate) * left)
    const gain = (-rate * strike * Math.exp(-rate * left) * density2) / (spot * s)
    const cost = yieldRate * Math.exp(-yieldRate * left) * (tailProbability(-d1, density1) - density1 / s)
    sum += weight[j]! * y * (gain - cost)
  }
  return 0.5 * ttmYears * sum
}

/** ln(boundary/strike) with `tau` years to expiry. */
export const logBoundary = ({ttmYears, atExpiry, coefficients}: ExerciseBoundary, tau: number): number => {
  if (atExpiry === 0) return Number.NEGATIVE_INFINITY
  const z = 2 * Math.sqrt(Math.max(tau, 0) / ttmYears) - 1
  return Math.log(atExpiry) - Math.sqrt(Math.max(clenshaw(coefficients, z), 0))
}

/** Σ coefficients[k]·T_k(z). */
const clenshaw = (coefficients: Float64Array, z: number): number => {
  let b1 = 0
  let b2 = 0
  for (let k = coefficients.length - 1; k >= 1; k--) {
    const b0 = coefficients[k]! + 2 * z * b1 - b2
    b2 = b1
    b1 = b0
  }
  return coefficients[0]! + z * b1 - b2
}

/** Bjerksund and Stensland's exponential path from the boundary at expiry to that of the perpetual put. */
const startingBoundary = ({volatility, rate, yieldRate}: PutParameters, atExpiry: number, tau: number): number => {
  const v = volatility * volatility
  const drift = rate - yieldRate
  const half = drift / v - 0.5
  const root = -half - Math.sqrt(half * half + (2 * rate) / v)
  const perpetual = root / (root - 1)
  const h = (drift * tau - 2 * volatility * Math.sqrt(tau)) * (1 / (atExpiry - perpetual)) * (perpetual > 0 ? 1 : 0)
  return perpetual + (atExpiry - perpetual) * Math.exp(Math.min(h * perpetual, 0))
}

interface GrowthTable {
  /** e^(ru) and e^(qu) at the quadrature times u of each collocation time, row major. */
  readonly rate: Float64Array
  readonly yield: Float64Array
}

const growthTable = (
  {rate, yieldRate}: PutParameters,
  taus: Float64Array,
  {rule: {node}}: BoundaryScheme,
): GrowthTable => {
  const width = node.length
  const table = {rate: new Float64Array(taus.length * width), yield: new Float64Array(taus.length * width)}
  for (let i = 1; i < taus.length; i++)
    for (let j = 0; j < width; j++) {
      const y = 1 + node[j]!
      const u = taus[i]! * (1 - 0.25 * y * y)
      table.rate[i * width + j] = Math.exp(rate * u)
      table.yield[i * width + j] = Math.exp(yieldRate * u)
    }
  return table
}

/** One fixed-point step of the smooth-pasting condition (ALO's system A): B ← e^(−(r−q)τ)·N/D with strike 1. */
const improve = (
  boundary: ExerciseBoundary,
  {degree, rule: {node, weight}, interpolation}: BoundaryScheme,
  values: Float64Array,
  growth: GrowthTable,
  i: number,
  tau: number,
  b: number,
): number => {
  const {volatility, rate, yieldRate, atExpiry} = boundary
  const carry = rate - yieldRate
  const logB = Math.log(b)
  const sinceExpiry = Math.log(b / atExpiry)
  const s = volatility * Math.sqrt(tau)
  const d1 = (logB + carry * tau) / s + 0.5 * s
  const n = density(d1 - s) / s
  const d = density(d1) / s + normalCdf(d1)
  const points = node.length
  let nSum = 0
  let dSum = 0
  for (let j = 0; j < points; j++) {
    const y = 1 + node[j]!
    const left = 0.25 * tau * y * y
    const root = 0.5 * s * y
    const at = i * points + j
    let square = 0
    for (let k = 0; k <= degree; k++) square += interpolation[at * (degree + 1) + k]! * values[k]!
    const drift = sinceExpiry + Math.sqrt(Math.max(square, 0)) + carry * left
    const e1 = drift / root + 0.5 * root
    const density1 = density(e1)
    const step = weight[j]! * y
    nSum += (step * growth.rate[at]! * density1 * Math.exp(drift)) / root // φ(e1 − root) = φ(e1)·e^drift
    dSum += step * growth.yield[at]! * (tailProbability(e1, density1) + density1 / root)
  }
  return (Math.exp(-carry * tau) * (n + rate * 0.5 * tau * nSum)) / (d + yieldRate * 0.5 * tau * dSum)
}

const density = (x: number): number => 0.3989422804014327 * Math.exp(-0.5 * x * x)

/** Chebyshev coefficients of values at z_i = −cos(iπ/n), by the discrete cosine transform. */
const chebyshev = (values: Float64Array, out: Float64Array, cosines: Float64Array): void => {
  const n = values.length - 1
  for (let k = 0; k <= n; k++) {
    let sum = 0
    for (let i = 0; i <= n; i++) {
      const end = i === 0 || i === n ? 0.5 : 1
      sum += end * values[i]! * cosines[(k * (n - i)) % (2 * n)]!
    }
    out[k] = (sum * (k === 0 || k === n ? 1 : 2)) / n
  }
}

/** The price is then good to about 1e-6 of the strike. */
const PRECISE = boundaryScheme(10, 18, 16, 1e-7)
