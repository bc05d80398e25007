// Numeric kernel: columns are indexed with `!` below their length.
import type {ChainGreeks} from './chain-greeks.ts'
import {normalQuantile} from './normal.ts'

/**
 * Out-of-the-money implied volatilities of a slice by log-moneyness, for reading numbers off without a fit. Zero-bid quotes
 * are left out. Shared by features and tensor: one pass over the chain fills the buffers of all slices.
 */
export interface SliceSmile {
  readonly count: number
  /** Ascending ln(strike/forward). */
  readonly k: Float64Array
  readonly volatility: Float64Array
  /** Row in the chain's quotes, and of the in-the-money twin at the same strike (−1 without one). */
  readonly row: Int32Array
  readonly twin: Int32Array
  /** At-the-money volatility, linear between the two strikes around the forward; NaN when there are none. */
  readonly atTheMoney: number
}

export const sliceSmiles = (analysis: ChainGreeks): SliceSmile[] =>
  analysis.chain.slices.map((slice, s) => {
    const {columns, chain} = analysis
    const {forward} = analysis.forwards[s]!
    const n = slice.strike.length
    const k = new Float64Array(n)
    const volatility = new Float64Array(n)
    const row = new Int32Array(n)
    const twin = new Int32Array(n)
    let count = 0
    for (let i = 0; i < n; i++) {
      const strike = slice.strike[i]!
      const call = strike >= forward
      const index = (call ? slice.call : slice.put).index[i]!
      if (index < 0 || !(columns.impliedVolatility[index]! > 0) || !(chain.quotes[index]!.bid > 0)) continue
      k[count] = Math.log(strike / forward)
      volatility[count] = columns.impliedVolatility[index]!
      row[count] = index
      twin[count] = (call ? slice.put : slice.call).index[i]!
      count++
    }
    const smile = {count, k, volatility, row, twin}
    return {...smile, atTheMoney: volatilityAt(smile, 0)}
  })

/** Linear interpolation of volatility in log-moneyness; NaN outside the quotes. */
export const volatilityAt = (smile: Pick<SliceSmile, 'count' | 'k' | 'volatility'>, at: number): number => {
  const {count, k, volatility} = smile
  if (count < 2 || at < k[0]! || at > k[count - 1]!) return Number.NaN
  let low = 0
  let high = count - 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (k[middle]! <= at) low = middle
    else high = middle
  }
  const share = (at - k[low]!) / (k[high]! - k[low]!)
  return volatility[low]! + share * (volatility[high]! - volatility[low]!)
}

/** Volatility where the forward delta is `delta` (0.25 call, −0.25 put): fixed point over the smile. NaN when out of range. */
export const volatilityAtDelta = (smile: SliceSmile, delta: number, ttmYears: number): number => {
  const d1 = delta > 0 ? normalQuantile(delta) : normalQuantile(1 + delta)
  const rootT = Math.sqrt(ttmYears)
  let volatility = smile.atTheMoney
  for (let i = 0; i < 8; i++) {
    const s = volatility * rootT
    const next = volatilityAt(smile, s * (0.5 * s - d1))
    if (Number.isNaN(next) || Math.abs(next - volatility) < 1e-6) return next
    volatility = next
  }
  return volatility
}
