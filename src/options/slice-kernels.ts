import type {Slice} from './chain.ts'
import {dividendKernel} from './dividend-kernel.ts'
import {boundaryKernel, type KernelInput, type PremiumKernel} from './exercise-kernel.ts'
import type {ImpliedForward} from './forward.ts'
import {type Dividend, escrowed} from './lattice.ts'
import {latticeKernel} from './lattice-kernel.ts'

/** Early-exercise premiums of an expiry's calls and puts. */
export interface SliceKernels {
  readonly ttmYears: number
  /** Spot less the present value of the dividends before expiry: what the volatility is of. */
  readonly bareSpot: number
  /** What the forward implies beside those dividends, continuous. */
  readonly yieldRate: number
  /** Present value of those dividends, and its fall with the rate. */
  readonly escrow: number
  readonly escrowSlope: number
  readonly call: KernelRange
  readonly put: KernelRange
}

/** Kernels of one right by volatility: the smile's own range, and what lies below and above it, made when first needed. */
export interface KernelRange {
  readonly main: PremiumKernel
  readonly below: () => PremiumKernel
  readonly above: () => PremiumKernel
}

export const LOWEST_VOLATILITY = 0.01
export const HIGHEST_VOLATILITY = 8

export interface SliceKernelInput {
  readonly slice: Slice
  readonly forward: ImpliedForward
  readonly spot: number
  readonly dividends: readonly Dividend[]
  readonly low: number
  readonly high: number
  readonly coarse?: boolean
}

/** Undefined without a spot, or where the dividends are worth more than it. */
export const sliceKernels = (input: SliceKernelInput): SliceKernels | undefined => {
  const {slice, forward, spot, low, high} = input
  const {ttmYears} = slice
  const dividends = input.dividends.filter(({timeYears}) => timeYears > 0 && timeYears <= ttmYears)
  const escrow = escrowed(dividends, forward.rate, ttmYears)
  const bareSpot = spot - escrow
  if (!(bareSpot > 0 && forward.forward > 0)) return undefined
  const yieldRate = forward.rate - Math.log(forward.forward / bareSpot) / ttmYears
  const make = (call: boolean, from: number, to: number): PremiumKernel => {
    const {coarse = false} = input
    const one: KernelInput = {call, spot, ttmYears, rate: forward.rate, yieldRate, low: from, high: to, coarse}
    const fast = dividends.length === 0 ? boundaryKernel(one) : undefined
    if (fast !== undefined) return fast
    const {strike} = slice
    const kernel = dividends.length > 0 && !isTwofold(one) ? dividendKernel : latticeKernel
    return kernel({
      ...one,
      dividends,
      lowStrike: strike[0] as number,
      highStrike: strike[strike.length - 1] as number,
    })
  }
  const range = (call: boolean): KernelRange => {
    // A `dividendKernel` solves volatilities as they are asked for.
    if (dividends.length > 0 && !isTwofold({call, rate: forward.rate, yieldRate})) {
      const whole = make(call, LOWEST_VOLATILITY, HIGHEST_VOLATILITY)
      return {main: whole, below: () => whole, above: () => whole}
    }
    let below: PremiumKernel | undefined
    let above: PremiumKernel | undefined
    return {
      main: make(call, low, high),
      below: () => (below ??= make(call, LOWEST_VOLATILITY, 1.001 * low)),
      above: () => (above ??= make(call, high / 1.001, HIGHEST_VOLATILITY)),
    }
  }
  let escrowSlope = 0
  for (const {timeYears, amount} of dividends) escrowSlope += timeYears * amount * Math.exp(-forward.rate * timeYears)
  return {ttmYears, bareSpot, yieldRate, escrow, escrowSlope, call: range(true), put: range(false)}
}

/** Exercise that has two boundaries. */
const isTwofold = ({call, rate, yieldRate}: Pick<KernelInput, 'call' | 'rate' | 'yieldRate'>): boolean =>
  call ? rate < yieldRate && yieldRate < 0 : yieldRate < rate && rate < 0
