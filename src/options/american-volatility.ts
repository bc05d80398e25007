import {type AmericanInput, americanPrice} from './american.ts'
import type {ImpliedVolatility} from './implied-volatility.ts'
import {type Dividend, latticePrice} from './lattice.ts'

export interface AmericanVolatilityInput extends Omit<AmericanInput, 'volatility'> {
  /** Quoted (discounted) price. */
  readonly price: number
  /** Cash dividends before expiry; with any, the price comes from the lattice and the volatility is of the escrowed spot. */
  readonly dividends?: readonly Dividend[]
}

/** Below this the collocated boundary is a step that no polynomial follows. */
const LOWEST = 0.01
const HIGHEST = 8
const LATTICE_STEPS = 301

/**
 * Volatility at which the American price is the quoted one, to 1e-10 by bracketed secants. At or below the value of immediate
 * exercise no volatility is determined: `below-intrinsic`. `above-bound` at the spot (call) or strike (put) and above, and
 * beyond 800 % volatility.
 */
export const americanImpliedVolatility = (input: AmericanVolatilityInput): ImpliedVolatility => {
  const {price, dividends = [], ...option} = input
  if (!(option.spot > 0 && option.strike > 0 && option.ttmYears > 0) || Number.isNaN(price))
    throw new RangeError(`spot, strike and ttmYears must be positive and price a number, was ${JSON.stringify(input)}`)
  const call = option.right === 'call'
  const intrinsic = Math.max(call ? option.spot - option.strike : option.strike - option.spot, 0)
  if (price <= intrinsic) return {status: 'below-intrinsic'}
  if (price >= (call ? option.spot : option.strike)) return {status: 'above-bound'}
  const excess = (volatility: number): number => {
    const fast = dividends.length === 0 ? americanPrice({...option, volatility}) : undefined
    return (fast ?? latticePrice({...option, volatility}, {steps: LATTICE_STEPS, dividends})) - price
  }
  let low = LOWEST
  let high = 0.5
  let atLow = excess(low)
  if (atLow >= 0) return {status: 'below-intrinsic'}
  let atHigh = excess(high)
  while (atHigh < 0 && high < HIGHEST) {
    low = high
    atLow = atHigh
    high *= 2
    atHigh = excess(high)
  }
  if (atHigh < 0) return {status: 'above-bound'}
  // Illinois: regula falsi that halves the value of an end kept twice; halved values steer but do not decide.
  let best = high
  let bestExcess = Math.abs(atHigh)
  let kept = 0
  for (let i = 0; i < 100 && high - low > 1e-10; i++) {
    const volatility = (low * atHigh - high * atLow) / (atHigh - atLow)
    const value = excess(volatility)
    if (Math.abs(value) < bestExcess) {
      best = volatility
      bestExcess = Math.abs(value)
    }
    if (bestExcess < 1e-13 * price) break
    if (value > 0) {
      high = volatility
      atHigh = value
      if (kept === 1) atLow *= 0.5
      kept = 1
    } else {
      low = volatility
      atLow = value
      if (kept === -1) atHigh *= 0.5
      kept = -1
    }
  }
  return {status: 'ok', volatility: best}
}
