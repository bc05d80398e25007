// Numeric kernel: arrays are indexed with `!` below their length.
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
 * Premiums from lattices on a grid of strikes and volatilities, cubic between: for cash dividends, where a boundary depends on
 * the strike too, and for exercise with two boundaries. Some hundred times slower than `boundaryKernel`.
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
  const into = (out: ExercisePremium, strike: number, volatility: number, withRho: boolean): void => {
    const x = (Math.log(strike) - from) / step
    const first = Math.min(Math.max(Math.floor(x) - 1, 0), strikes - 4)
    cubicWeights(x - first, inStrike)
    const sigma = Math.min(Math.max(volatility, low), high)
    const t = Math.log(sigma / low) / sigmaStep
    cubicWeights(t, inVolatility)
    cubicSlopes(t, slopeInVolatility)
    out.value = out.slope = out.curvature = out.vega = 0
    let moved = 0
    let exercised = 0
    for (let k = 0; k < 4; k++)
      for (let v = 0; v < VOLATILITIES; v++) {
        const node = table(first + k, v)
        const weight = inStrike[k]! * inVolatility[v]!
        out.value += weight * node.value
        out.slope += weight * node.slope
        out.curvature += weight * node.curvature
        out.vega += (inStrike[k]! * slopeInVolatility[v]! * node.value) / (sigma * sigmaStep)
        if (node.exercised) exercised += weight
        if (withRho) moved += weight * bumped(first + k, v).value
      }
    out.value = Math.max(out.value, 0)
    out.exercised = exercised > 0.5
    out.rho = withRho ? (moved - out.value) / RATE_STEP : Number.NaN
  }
  return {low, high, into}
}

type Table = (k: number, v: number) => LatticePremium

/** Lagrange weights of the points 0, 1, 2, 3 at x, and their derivatives. */
const cubicWeights = (x: number, out: Float64Array): void => {
  const [a, b, c] = [x - 1, x - 2, x - 3]
  out[0] = (-a * b * c) / 6
  out[1] = (x * b * c) / 2
  out[2] = (-x * a * c) / 2
  out[3] = (x * a * b) / 6
}

const cubicSlopes = (x: number, out: Float64Array): void => {
  const [a, b, c] = [x - 1, x - 2, x - 3]
  out[0] = -(a * b + a * c + b * c) / 6
  out[1] = (x * b + x * c + b * c) / 2
  out[2] = -(x * a + x * c + a * c) / 2
  out[3] = (x * a + x * b + a * b) / 6
}
