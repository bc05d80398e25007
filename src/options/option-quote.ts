/** The `option-quote` record of gpi's pipes, as the options folder needs it. Prices in currency units a share. */
export interface OptionQuote {
  readonly symbol: string
  readonly contract: string
  readonly right: 'call' | 'put'
  readonly strike: number
  /** YYYY-MM-DD */
  readonly expiry: string
  readonly tsUs: number
  readonly bid: number
  readonly ask: number
  readonly bidSize?: number | undefined
  readonly askSize?: number | undefined
  readonly underlying?: number | undefined
  readonly volume?: number | undefined
  readonly openInterest?: number | undefined
}

/** What can be said of a quote before any model looks at it, or of its implied volatility after. */
export type QuoteStatus = 'ok' | 'below-intrinsic' | 'above-bound' | 'no-quote' | 'crossed'

const OCC_SUFFIX = 15 // yymmdd, C or P, eight digits of strike

/** Option class of an OCC symbol (`SPXW` of `SPXW190426C00800000`); the fallback where the contract is not one. */
export const optionRoot = (contract: string, fallback: string): string => {
  const split = contract.length - OCC_SUFFIX
  if (split <= 0) return fallback
  const right = contract.charCodeAt(split + 6)
  return right === 67 || right === 80 ? contract.slice(0, split).trimEnd() : fallback
}
