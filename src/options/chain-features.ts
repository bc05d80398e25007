// Numeric kernel: columns are indexed with `!` below their length.
import type {ChainGreeks} from './chain-greeks.ts'
import {type SliceSmile, sliceSmiles, volatilityAt, volatilityAtDelta} from './slice-smile.ts'

export interface ExpiryFeatures {
  readonly root: string
  readonly expiry: string
  readonly ttmYears: number
  readonly forward: number
  readonly atTheMoney: number
  /** 25-delta risk reversal: call less put volatility. Negative where puts are dear. */
  readonly riskReversal: number
  /** 25-delta butterfly: mean of the two wings less at-the-money volatility. */
  readonly butterfly: number
  /** ∂σ/∂k at the money, over ±5 % of the forward or the nearest quotes. */
  readonly slope: number
}

/** Numbers of a whole chain. Volatilities per √year in units of 1; NaN where the chain does not say. */
export interface ChainFeatures {
  readonly expiries: readonly ExpiryFeatures[]
  /** At-the-money volatility at constant 30 and 90 days, interpolated in total variance, and their difference. */
  readonly volatility30: number
  readonly volatility90: number
  readonly termSlope: number
  /** Risk reversal and butterfly of the expiry nearest to 30 days. */
  readonly riskReversal30: number
  readonly butterfly30: number
  /** Puts over calls: contracts traded, contracts open, and premium traded (mid × volume). */
  readonly putCallVolume: number
  readonly putCallOpenInterest: number
  readonly putCallPremium: number
  /**
   * Dollars of underlying that hedgers must trade for a 1 % move, if they are long every open call and short every open put
   * (the usual convention, an assumption: open interest does not say who holds it). 100 shares a contract.
   */
  readonly gammaExposure: number
  /** `volatility30` less the realised volatility given. */
  readonly impliedMinusRealised: number
  /** Median half-spread of the out-of-the-money quotes, in volatility. */
  readonly halfSpreadVolatility: number
}

const SHARES = 100
const DAY = 1 / 365

export const chainFeatures = (
  analysis: ChainGreeks,
  realisedVolatility = Number.NaN,
  smiles: readonly SliceSmile[] = sliceSmiles(analysis),
): ChainFeatures => {
  const expiries = analysis.chain.slices.map((slice, s): ExpiryFeatures => {
    const smile = smiles[s]!
    const call25 = volatilityAtDelta(smile, 0.25, slice.ttmYears)
    const put25 = volatilityAtDelta(smile, -0.25, slice.ttmYears)
    return {
      root: slice.root,
      expiry: slice.expiry,
      ttmYears: slice.ttmYears,
      forward: analysis.forwards[s]!.forward,
      atTheMoney: smile.atTheMoney,
      riskReversal: call25 - put25,
      butterfly: 0.5 * (call25 + put25) - smile.atTheMoney,
      slope: (volatilityAt(smile, 0.05) - volatilityAt(smile, -0.05)) / 0.1,
    }
  })
  const volatility30 = constantMaturity(expiries, 30 * DAY)
  const volatility90 = constantMaturity(expiries, 90 * DAY)
  const near30 = nearest(expiries, 30 * DAY)
  return {
    expiries,
    volatility30,
    volatility90,
    termSlope: volatility90 - volatility30,
    riskReversal30: near30?.riskReversal ?? Number.NaN,
    butterfly30: near30?.butterfly ?? Number.NaN,
    ...flow(analysis),
    impliedMinusRealised: volatility30 - realisedVolatility,
    halfSpreadVolatility: halfSpread(analysis, smiles),
  }
}

const nearest = (expiries: readonly ExpiryFeatures[], ttmYears: number): ExpiryFeatures | undefined => {
  let best: ExpiryFeatures | undefined
  for (const one of expiries) {
    if (Number.isNaN(one.riskReversal)) continue
    if (best === undefined || Math.abs(one.ttmYears - ttmYears) < Math.abs(best.ttmYears - ttmYears)) best = one
  }
  return best
}

/** Total variance linear in time between the expiries around; the end volatility beyond them. */
const constantMaturity = (expiries: readonly ExpiryFeatures[], ttmYears: number): number => {
  let before: ExpiryFeatures | undefined
  for (const one of expiries) {
    if (!(one.ttmYears > 0 && one.atTheMoney > 0)) continue
    if (one.ttmYears >= ttmYears) {
      if (before === undefined) return one.atTheMoney
      const share = (ttmYears - before.ttmYears) / (one.ttmYears - before.ttmYears)
      const low = before.atTheMoney ** 2 * before.ttmYears
      return Math.sqrt((low + share * (one.atTheMoney ** 2 * one.ttmYears - low)) / ttmYears)
    }
    before = one
  }
  return before?.atTheMoney ?? Number.NaN
}

const flow = (
  analysis: ChainGreeks,
): Pick<ChainFeatures, 'putCallVolume' | 'putCallOpenInterest' | 'putCallPremium' | 'gammaExposure'> => {
  const {chain, columns, mid, options, sliceOf} = analysis
  // Index 0 puts, 1 calls.
  const volume = [0, 0]
  const open = [0, 0]
  const premium = [0, 0]
  let gammaExposure = 0
  for (let i = 0; i < chain.quotes.length; i++) {
    if (sliceOf[i]! < 0) continue
    const quote = chain.quotes[i]!
    const call = options.call[i]!
    const traded = quote.volume ?? 0
    const held = quote.openInterest ?? 0
    volume[call]! += traded
    open[call]! += held
    if (traded > 0 && mid[i]! > 0) premium[call]! += traded * mid[i]!
    if (held > 0 && columns.gamma[i]! > 0)
      gammaExposure += (call === 1 ? 1 : -1) * columns.gamma[i]! * held * SHARES * options.spot[i]! ** 2 * 0.01
  }
  return {
    putCallVolume: volume[0]! / volume[1]!,
    putCallOpenInterest: open[0]! / open[1]!,
    putCallPremium: premium[0]! / premium[1]!,
    gammaExposure,
  }
}

const halfSpread = (analysis: ChainGreeks, smiles: readonly SliceSmile[]): number => {
  const {chain, columns} = analysis
  let total = 0
  for (const smile of smiles) total += smile.count
  const values = new Float64Array(total)
  let n = 0
  for (const smile of smiles)
    for (let i = 0; i < smile.count; i++) {
      const row = smile.row[i]!
      const quote = chain.quotes[row]!
      if (columns.vega[row]! > 0) values[n++] = (0.5 * (quote.ask - quote.bid)) / columns.vega[row]!
    }
  return n === 0 ? Number.NaN : values.subarray(0, n).sort()[n >> 1]!
}
