import {blackPrice, logMoneyness, normalisedVega} from './black.ts'
import type {ExercisePremium, PremiumKernel} from './exercise-kernel.ts'
import {HIGHEST_VOLATILITY, type KernelRange, LOWEST_VOLATILITY} from './slice-kernels.ts'

export interface AmericanSolveInput {
  /** Quoted (discounted) price. */
  readonly price: number
  readonly spot: number
  readonly strike: number
  readonly ttmYears: number
  readonly forward: number
  readonly discount: number
  readonly call: boolean
  /** Where to look first; NaN for nowhere in particular. */
  readonly start: number
  readonly kernels: KernelRange
}

export type AmericanSolution =
  | {readonly status: 'ok'; readonly volatility: number}
  | {readonly status: 'below-intrinsic' | 'above-bound'}

const BELOW = {status: 'below-intrinsic'} as const
const ABOVE = {status: 'above-bound'} as const
const ROUNDS = 60
const SETTLED = 1e-3
/** A solution this near to an end of a range lies beyond it. */
const EDGE = 1.002

/**
 * Volatility at which European value and premium make up the price: bracketed Newton. Leaves the premium there in `premium`.
 */
export const solveAmerican = (input: AmericanSolveInput, premium: ExercisePremium): AmericanSolution => {
  const {price, spot, strike, call, kernels} = input
  if (price <= (call ? spot - strike : strike - spot) || !(price > 0)) return BELOW
  if (price >= (call ? spot : strike)) return ABOVE
  const {main} = kernels
  // What holds at the edge of exercise, where nothing is computed.
  premium.rho = premium.vanna = premium.volga = premium.speed = 0
  const inside = within(input, main, input.start, premium)
  if (inside > main.low * EDGE && inside < main.high / EDGE) {
    main.into(premium, strike, inside, true)
    return {status: 'ok', volatility: inside}
  }
  const kernel = inside < main.high / EDGE ? kernels.below() : kernels.above()
  const volatility = within(input, kernel, Number.NaN, premium)
  if (volatility < LOWEST_VOLATILITY * EDGE) return BELOW
  if (volatility > HIGHEST_VOLATILITY / EDGE) return ABOVE
  kernel.into(premium, strike, volatility, true)
  return {status: 'ok', volatility}
}

/** The solution between a kernel's volatilities, or the end that lies nearer to it. */
const within = (input: AmericanSolveInput, kernel: PremiumKernel, start: number, premium: ExercisePremium): number => {
  const {price, spot, strike, ttmYears, forward, discount, call} = input
  const rootT = Math.sqrt(ttmYears)
  const scale = discount * Math.sqrt(forward) * Math.sqrt(strike)
  const x = -Math.abs(logMoneyness(forward, strike))
  let {low, high} = kernel
  let sigma = start > low && start < high ? start : Math.sqrt(low * high)
  for (let round = 0; round < ROUNDS; round++) {
    kernel.into(premium, strike, sigma, false)
    const isExercised = premium.exercised
    const value = isExercised
      ? call
        ? spot - strike
        : strike - spot
      : discount * blackPrice(forward, strike, sigma * rootT, call) + premium.value
    const excess = value - price
    if (excess > 0) high = sigma
    else low = sigma
    const vega = isExercised ? 0 : scale * normalisedVega(x, sigma * rootT) * rootT + premium.vega
    let next = vega > 0 ? sigma - excess / vega : Number.NaN
    if (!(next > low && next < high)) next = Math.sqrt(low * high)
    const moved = Math.abs(next - sigma)
    sigma = next
    // Convergence is quadratic: the step after this one would be of the order of its square.
    if (moved < SETTLED * sigma && !isExercised) break
  }
  return sigma
}
