/**
 * Quotes of Guéant, Lehalle and Fernandez-Tapia ("Dealing with the inventory risk", 2013; asymptotic form of Guéant,
 * "Optimal market making", 2017, eqs. 4.6–4.7): fills arrive at A·e^(−kδ) a second at distance δ from the fair price,
 * the fair price is a Brownian motion of σ per √second, the maker has constant absolute risk aversion γ. Distances are in
 * any one price unit; inventory is counted in orders of size `orderSize`.
 */
export interface GlftParams {
  /** Fills a second at distance zero. */
  readonly arrival: number
  /** Decay of fills with distance, per price unit. */
  readonly decay: number
  readonly riskAversion: number
  /** Price units per √second. */
  readonly volatility: number
  /** Δ; 1 when inventory is counted in orders. */
  readonly orderSize?: number
}
export interface GlftQuote {
  /** Distance of either quote from the fair price at zero inventory. */
  readonly halfSpread: number
  /** Shift of both quotes against one unit of inventory. */
  readonly skew: number
}

export const glftQuote = ({arrival, decay, riskAversion, volatility, orderSize = 1}: GlftParams): GlftQuote => {
  const ratio = (riskAversion * orderSize) / decay
  const c1 = Math.log1p(ratio) / (riskAversion * orderSize)
  const c2 = Math.sqrt(
    (riskAversion / (2 * arrival * orderSize * decay)) * (1 + ratio) ** (decay / (riskAversion * orderSize) + 1),
  )
  return {halfSpread: c1 + (orderSize / 2) * volatility * c2, skew: volatility * c2}
}
