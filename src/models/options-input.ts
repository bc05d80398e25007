import type {OptionsInput} from '../features/multi-features.ts'
import {buildChain} from '../options/chain.ts'
import {chainFeatures} from '../options/chain-features.ts'
import {chainGreeks} from '../options/chain-greeks.ts'
import type {OptionQuote} from '../options/option-quote.ts'
import {sliceSmiles} from '../options/slice-smile.ts'

const MIN_QUOTES = 20
/** Volatility points of risk reversal that count as full fear or greed. */
const SENTIMENT_UNIT = 0.1

/** What the models see of a chain; undefined for one of too few quotes, or that does not say its 30-day volatility. */
export const optionsInput = (quotes: readonly OptionQuote[]): OptionsInput | undefined => {
  if (quotes.length < MIN_QUOTES) return undefined
  const chain = buildChain(quotes)
  const analysis = chainGreeks(chain)
  const features = chainFeatures(analysis, Number.NaN, sliceSmiles(analysis))
  if (!Number.isFinite(features.volatility30)) return undefined
  return {
    tsUs: chain.tsUs,
    volatility30: features.volatility30,
    // With one expiry there is no slope to speak of.
    termSlope: Number.isFinite(features.termSlope) ? features.termSlope : 0,
    riskReversal30: features.riskReversal30,
    butterfly30: features.butterfly30,
    putCallVolume: features.putCallVolume,
    putCallPremium: features.putCallPremium,
    halfSpreadVolatility: features.halfSpreadVolatility,
    sentiment: Math.tanh(features.riskReversal30 / SENTIMENT_UNIT),
  }
}
