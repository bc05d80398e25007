import {type AmericanInput, americanPrice} from './american.ts'
import type {Greeks} from './greeks.ts'
import {type Dividend, latticePrice} from './lattice.ts'

export interface AmericanGreeksInput extends AmericanInput {
  /** Cash dividends before expiry, escrowed; the price then comes from a lattice. */
  readonly dividends?: readonly Dividend[]
}

/** Relative steps: wide enough that the price's own error (1e-6 of the strike; on a lattice its ripple) does not show. */
const FINE = {spot: 4e-3, volatility: 4e-3, rate: 2e-4, time: 4e-3}
const ROUGH = {spot: 2e-2, volatility: 4e-2, rate: 2e-3, time: 4e-2}
const LATTICE_STEPS = 801

/**
 * Price and sensitivities of an American option, by central differences of its own price (units as in `greeks.ts`). Theta and
 * charm hold the dates of the dividends. Where exercise now is best, the price is the intrinsic value and all but delta
 * are zero. Milliseconds each: chains go through `americanChainGreeks`.
 */
export const americanGreeks = (input: AmericanGreeksInput): Greeks => {
  const {dividends = [], ...option} = input
  const {spot, strike, ttmYears, volatility, rate, right} = option
  if (!(spot > 0 && strike > 0 && ttmYears > 0 && volatility > 0))
    throw new RangeError(
      `spot, strike, ttmYears and volatility must be positive, was ${JSON.stringify({spot, strike, ttmYears, volatility})}`,
    )
  const isFast = dividends.length === 0 && americanPrice(option) !== undefined
  const step = isFast ? FINE : ROUGH
  /** Value with the spot and so on moved; `later` years from now. */
  const value = (ds = 0, dv = 0, dr = 0, later = 0): number => {
    const moved = {
      ...option,
      spot: spot + ds,
      volatility: volatility + dv,
      rate: rate + dr,
      ttmYears: ttmYears - later,
    }
    if (isFast) return americanPrice(moved) as number
    const coming = dividends.map(({timeYears, amount}) => ({timeYears: timeYears - later, amount}))
    return latticePrice(moved, {steps: LATTICE_STEPS, dividends: coming})
  }
  const price = value()
  const intrinsic = right === 'call' ? spot - strike : strike - spot
  const flip = right === 'call' ? 1 : -1
  if (intrinsic > 0 && price <= intrinsic * (1 + 1e-12))
    return {price: intrinsic, delta: flip, gamma: 0, vega: 0, theta: 0, rho: 0, vanna: 0, volga: 0, charm: 0}
  const hs = Math.min(step.spot, 0.25 * volatility * Math.sqrt(ttmYears)) * spot
  const hv = step.volatility * volatility
  const hr = step.rate
  const ht = Math.min(step.time, 1 / 365 / ttmYears) * ttmYears
  const up = value(hs)
  const down = value(-hs)
  const wide = value(0, hv)
  const narrow = value(0, -hv)
  const cross = (dv: number, later: number): number => (value(hs, dv, 0, later) - value(-hs, dv, 0, later)) / (2 * hs)
  return {
    price,
    delta: (up - down) / (2 * hs),
    gamma: (up - 2 * price + down) / (hs * hs),
    vega: (wide - narrow) / (2 * hv),
    theta: (value(0, 0, 0, ht) - value(0, 0, 0, -ht)) / (2 * ht),
    rho: (value(0, 0, hr) - value(0, 0, -hr)) / (2 * hr),
    vanna: (cross(hv, 0) - cross(-hv, 0)) / (2 * hv),
    volga: (wide - 2 * price + narrow) / (hv * hv),
    charm: (cross(0, ht) - cross(0, -ht)) / (2 * ht),
  }
}
