// Numeric kernel: arrays are indexed with `!` below their length.
import {cubicBends, cubicSlopes, cubicWeights} from './cubic-weights.ts'
import type {ExercisePremium, KernelInput, PremiumKernel} from './exercise-kernel.ts'
import {type Dividend, type LatticePremium, latticePremium} from './lattice.ts'

export interface LatticeKernelInput extends KernelInput {
  /** Cash dividends, escrowed: `spot` is with them, `yieldRate` what the forward implies beside them. */
  readonly dividends: readonly Dividend[]
  /** Strikes that will be asked for. */
  readonly lowStrike: number
  readonly highStrike: number
}

const STEPS = 61
/** Spacing of the table, in σ√T of the middle volatility, and most strikes it has. */
const SPACING = 0.3
const MOST_STRIKES = 40
const VOLATILITIES = 4
const RATE_STEP = 2e-3

/**
 * Premiums from lattices on a grid of strikes and volatilities, cubic between: for exercise with two boundaries. Some hundred
 * times slower than `boundaryKernel`, and without `speed`.
 */
export const latticeKernel = (input: LatticeKernelInput): PremiumKernel => {
  const {low, high, spot, ttmYears, call} = input
  const middle = Math.sqrt(low * high)
  const gap = SPACING * middle * Math.sqrt(ttmYears)
  const from = Math.log(input.lowStrike)
  const width = Math.max(Math.log(input.highStrike) - from, 1e-6)
  const strikes = Math.min(Math.max(Math.ceil(width / gap) + 1, 4), MOST_STRIKES)
  const step = width / (strikes - 1)
  const sigmaStep = Math.max(Math.log(high / low), 1e-6) / (VOLATILITIES - 1)
  const tableOf = (rate: number): Table => {
    const nodes: (LatticePremium | undefined)[] = []
    return (k, v) => {
      const at = k * VOLATILITIES + v
      nodes[at] ??= latticePremium(
        {
          spot,
          ttmYears,
          rate,
          yieldRate: input.yieldRate,
          strike: Math.exp(from + k * step),
          volatility: low * Math.exp(v * sigmaStep),
          right: call ? 'call' : 'put',
        },
        STEPS,
        input.dividends,
      )
      return nodes[at]
    }
  }
  const table = tableOf(input.rate)
  const bumped = tableOf(input.rate + RATE_STEP)
  const inStrike = new Float64Array(4)
  const inVolatility = new Float64Array(4)
  const slopeInVolatility = new Float64Array(4)
  const bendInVolatility = new Float64Array(4)
  const into = (out: ExercisePremium, strike: number, volatility: number, isFull: boolean): void => {
    const x = (Math.log(strike) - from) / step
    const first = Math.min(Math.max(Math.floor(x) - 1, 0), strikes - 4)
    cubicWeights(x - first, inStrike)
    const sigma = Math.min(Math.max(volatility, low), high)
    const t = Math.log(sigma / low) / sigmaStep
    cubicWeights(t, inVolatility)
    cubicSlopes(t, slopeInVolatility)
    cubicBends(t, bendInVolatility)
    out.value = out.slope = out.curvature = out.vega = out.vanna = out.volga = 0
    out.speed = Number.NaN
    let moved = 0
    let exercised = 0
    for (let k = 0; k < 4; k++)
      for (let v = 0; v < VOLATILITIES; v++) {
        const node = table(first + k, v)
        const weight = inStrike[k]! * inVolatility[v]!
        out.value += weight * node.value
        out.slope += weight * node.slope
        out.curvature += weight * node.curvature
        const perVolatility = inStrike[k]! / (sigma * sigmaStep)
        out.vega += perVolatility * slopeInVolatility[v]! * node.value
        out.vanna += perVolatility * slopeInVolatility[v]! * node.slope
        out.volga += (perVolatility / sigma) * (bendInVolatility[v]! / sigmaStep - slopeInVolatility[v]!) * node.value
        if (node.exercised) exercised += weight
        if (isFull) moved += weight * bumped(first + k, v).value
      }
    out.value = Math.max(out.value, 0)
    out.exercised = exercised > 0.5
    out.rho = isFull ? (moved - out.value) / RATE_STEP : Number.NaN
  }
  return {low, high, into}
}

type Table = (k: number, v: number) => LatticePremium
