import type {ChainGreeks} from '../../src/options/chain-greeks.ts'
import type {VendorQuote} from '../support/option-chains.ts'

export interface Agreement {
  /** Row in the quotes. */
  readonly row: number
  readonly days: number
  /** ln(K/F)/(σ√T) with our volatility. */
  readonly deviation: number
  readonly isOutOfTheMoney: boolean
  /** Half the bid–ask spread in volatility. */
  readonly halfSpread: number
  /** Ours less the vendor's. */
  readonly volatilityGap: number
  /** Forward delta (spot delta over e^(−qT)) less the vendor's: the vendor leaves the yield out. */
  readonly deltaGap: number
}

/** Rows where both have a volatility and the quote is two-sided. */
export const compareWithVendor = (analysis: ChainGreeks, quotes: readonly VendorQuote[]): Agreement[] => {
  const {columns, options, status, sliceOf} = analysis
  const rows: Agreement[] = []
  quotes.forEach((quote, row) => {
    if (status[row] !== 'ok' || (sliceOf[row] ?? -1) < 0 || !(quote.vendorVolatility > 0) || !(quote.bid > 0)) return
    const volatility = columns.impliedVolatility[row] ?? Number.NaN
    const ttmYears = options.ttmYears[row] ?? Number.NaN
    const forward = options.forward[row] ?? Number.NaN
    const carry = ((options.discount[row] ?? 1) * forward) / (options.spot[row] ?? Number.NaN)
    rows.push({
      row,
      days: ttmYears * 365,
      deviation: Math.log(quote.strike / forward) / (volatility * Math.sqrt(ttmYears)),
      isOutOfTheMoney: quote.right === 'call' ? quote.strike >= forward : quote.strike < forward,
      halfSpread: (0.5 * (quote.ask - quote.bid)) / (columns.vega[row] ?? Number.NaN),
      volatilityGap: volatility - quote.vendorVolatility,
      deltaGap: (columns.delta[row] ?? Number.NaN) / carry - quote.vendorDelta,
    })
  })
  return rows
}
