import {americanChainGreeks} from './american-chain.ts'
import {buildChain} from './chain.ts'
import {type ChainFeatures, chainFeatures} from './chain-features.ts'
import type {ChainGreeks} from './chain-greeks.ts'
import {type ChainTensor, chainTensor} from './chain-tensor.ts'
import type {ExerciseStyle} from './expiry-time.ts'
import type {Dividend} from './lattice.ts'
import type {OptionQuote} from './option-quote.ts'
import {sliceSmiles} from './slice-smile.ts'

/**
 * Prices, rates and volatilities in this folder are float64 and plain: prices in currency units a share, volatility per
 * √year and rates per year in units of 1, time in years. Nothing here reads a clock or draws a random number.
 */
export interface ChainReadOptions {
  readonly style?: ExerciseStyle | 'auto'
  /** Continuously compounded; implied from the quotes when absent. */
  readonly rate?: number
  /** Cash dividends to come, where contracts may be exercised early. */
  readonly dividends?: readonly Dividend[]
  /** Of the underlying, for `impliedMinusRealised`. */
  readonly realisedVolatility?: number
  /** Tensor to fill again. */
  readonly tensor?: ChainTensor
}

export interface ChainReading {
  readonly analysis: ChainGreeks
  readonly features: ChainFeatures
  readonly tensor: ChainTensor
}

/** Everything a model or a strategy wants of the option quotes of one underlying at one time. */
export const readChain = (
  quotes: readonly OptionQuote[],
  {style = 'auto', rate, dividends = [], realisedVolatility, tensor}: ChainReadOptions = {},
): ChainReading => {
  const analysis = americanChainGreeks(buildChain(quotes, style), {dividends, ...(rate === undefined ? {} : {rate})})
  const smiles = sliceSmiles(analysis)
  return {
    analysis,
    features: chainFeatures(analysis, realisedVolatility, smiles),
    tensor: chainTensor(analysis, smiles, tensor),
  }
}
