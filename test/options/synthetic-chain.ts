import {blackPrice} from '../../src/options/black.ts'
import {calendarYears, expiryTsUs, settlementOf} from '../../src/options/expiry-time.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {newYork} from '../support/option-chains.ts'

export interface ChainTruth {
  readonly root?: string
  readonly spot: number
  readonly rate: number
  readonly yieldRate: number
  readonly expiries: readonly string[]
  readonly strikes: readonly number[]
  /** Half-spread in currency units. */
  readonly halfSpread: number
  /** σ at a strike and time to expiry. */
  readonly volatility: (strike: number, ttmYears: number, forward: number) => number
}

export const NOON = newYork('2023-06-12', 12)

export const occ = (root: string, expiry: string, right: 'call' | 'put', strike: number): string =>
  `${root}${expiry.slice(2).replaceAll('-', '')}${right === 'call' ? 'C' : 'P'}${String(Math.round(strike * 1000)).padStart(8, '0')}`

/** Quotes around Black prices of a known forward, discount and volatility: the ground truth of the chain tests. */
export const syntheticQuotes = (truth: ChainTruth): OptionQuote[] => {
  const root = truth.root ?? 'SPXW'
  return truth.expiries.flatMap(expiry => {
    const ttmYears = calendarYears(NOON, expiryTsUs(expiry, settlementOf(root)))
    const forward = truth.spot * Math.exp((truth.rate - truth.yieldRate) * ttmYears)
    const discount = Math.exp(-truth.rate * ttmYears)
    return truth.strikes.flatMap(strike =>
      (['call', 'put'] as const).map((right): OptionQuote => {
        const total = truth.volatility(strike, ttmYears, forward) * Math.sqrt(ttmYears)
        const price = discount * blackPrice(forward, strike, total, right === 'call')
        return {
          symbol: root.startsWith('SPX') ? 'SPX' : root,
          contract: occ(root, expiry, right, strike),
          right,
          strike,
          expiry,
          tsUs: NOON,
          bid: Math.max(price - truth.halfSpread, 0),
          ask: price + truth.halfSpread,
          bidSize: 10,
          askSize: 10,
          underlying: truth.spot,
          volume: 10,
          openInterest: 100,
        }
      }),
    )
  })
}
