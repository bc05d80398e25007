import {logMoneyness} from './black.ts'
import {millsRatio} from './normal.ts'

const INV_SQRT_2PI = 0.3989422804014327

export interface GreeksInput {
  readonly forward: number
  readonly strike: number
  readonly ttmYears: number
  /** Per √year. */
  readonly volatility: number
  /** Discount factor from expiry to now. */
  readonly discount: number
  readonly right: 'call' | 'put'
  /** Spot the sensitivities refer to; `forward·discount` (an underlying that pays nothing) when absent. */
  readonly spot?: number
}

/**
 * Sensitivities of the discounted price V(S, σ, r, t) of a European option. Spot is the variable: delta ∂V/∂S,
 * gamma ∂²V/∂S², vanna ∂²V/∂S∂σ, charm ∂²V/∂S∂t. Volatility and rate are in units of 1 (not of a percent):
 * vega ∂V/∂σ, volga ∂²V/∂σ², rho ∂V/∂r at fixed yield. Time is in years and runs forward: theta ∂V/∂t, so long options lose.
 */
export interface Greeks {
  readonly price: number
  readonly delta: number
  readonly gamma: number
  readonly vega: number
  readonly theta: number
  readonly rho: number
  readonly vanna: number
  readonly volga: number
  readonly charm: number
}

/** Order of the numbers that `greeksInto` writes. */
export const GREEK = {price: 0, delta: 1, gamma: 2, vega: 3, theta: 4, rho: 5, vanna: 6, volga: 7, charm: 8} as const
export const GREEK_COUNT = 9

export const greeks = (input: GreeksInput): Greeks => {
  const {forward, strike, ttmYears, volatility, discount, right, spot = forward * discount} = input
  if (!(forward > 0 && strike > 0 && ttmYears > 0 && volatility >= 0 && discount > 0 && spot > 0))
    throw new RangeError(
      `forward, strike, ttmYears, discount and spot must be positive and volatility not negative, was ${JSON.stringify(input)}`,
    )
  const out = new Float64Array(GREEK_COUNT)
  greeksInto(out, 0, forward, strike, ttmYears, volatility, discount, spot, right === 'call')
  return {
    price: at(out, GREEK.price),
    delta: at(out, GREEK.delta),
    gamma: at(out, GREEK.gamma),
    vega: at(out, GREEK.vega),
    theta: at(out, GREEK.theta),
    rho: at(out, GREEK.rho),
    vanna: at(out, GREEK.vanna),
    volga: at(out, GREEK.volga),
    charm: at(out, GREEK.charm),
  }
}

const at = (array: Float64Array, index: number): number => array[index] as number

/**
 * Allocation-free kernel: writes GREEK_COUNT numbers at `offset`. Volatility 0 gives the limits (delta of a forward or of
 * nothing, no curvature). One exponential: φ(d₁) serves both probabilities, since K·φ(d₂) = F·φ(d₁).
 */
export const greeksInto = (
  out: Float64Array,
  offset: number,
  forward: number,
  strike: number,
  ttmYears: number,
  volatility: number,
  discount: number,
  spot: number,
  call: boolean,
): void => {
  const rate = -Math.log(discount) / ttmYears
  const carry = (discount * forward) / spot // e^(−qT)
  const yieldRate = -Math.log(carry) / ttmYears
  const rootT = Math.sqrt(ttmYears)
  const s = volatility * rootT
  const x = logMoneyness(forward, strike)
  const d1 = s > 0 ? x / s + 0.5 * s : x > 0 ? Number.POSITIVE_INFINITY : x < 0 ? Number.NEGATIVE_INFINITY : 0
  const d2 = d1 - s
  const density1 = s > 0 ? INV_SQRT_2PI * Math.exp(-0.5 * d1 * d1) : 0
  const density2 = (density1 * forward) / strike
  const flip = call ? 1 : -1
  const n1 = tailProbability(flip * d1, density1)
  const n2 = tailProbability(flip * d2, density2)
  const delta = flip * carry * n1 + 0 // + 0: a put worth nothing has delta 0, not −0
  const strikeValue = discount * strike * n2
  const spotDensity = spot * carry * density1
  const gamma = s > 0 ? (carry * density1) / (spot * s) : 0
  const vega = spotDensity * rootT
  const decay = s > 0 ? (-spotDensity * volatility) / (2 * rootT) : 0
  out[offset] = flip * (discount * forward * n1 - strikeValue) + 0
  out[offset + 1] = delta
  out[offset + 2] = gamma
  out[offset + 3] = vega
  out[offset + 4] = decay + yieldRate * spot * delta - flip * rate * strikeValue
  out[offset + 5] = flip * ttmYears * strikeValue + 0
  if (!(s > 0)) {
    out[offset + 6] = 0
    out[offset + 7] = 0
    out[offset + 8] = yieldRate * delta
    return
  }
  out[offset + 6] = (-carry * density1 * d2) / volatility
  out[offset + 7] = (vega * d1 * d2) / volatility
  // ∂d₁/∂t with t forward: (r − q) enters through the forward.
  const d1Slope = (d2 * volatility * rootT - 2 * (rate - yieldRate) * ttmYears) / (2 * ttmYears * s)
  out[offset + 8] = yieldRate * delta + carry * density1 * d1Slope
}

/** Φ(d) given the density φ(d), through the Mills ratio: the lower tail keeps its relative accuracy. */
export const tailProbability = (d: number, density: number): number => {
  if (d < 0) return density === 0 ? 0 : density * millsRatio(-d)
  return d === 0 ? 0.5 : 1 - (density === 0 ? 0 : density * millsRatio(d))
}
