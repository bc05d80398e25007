// Numeric kernel: columns are indexed with `!` below their length.
import {
  type GreeksColumns,
  greeksColumns,
  impliedVolatilityAndGreeksBatch,
  type OptionColumns,
  optionColumns,
  STATUS,
} from './batch.ts'
import type {Chain, Slice} from './chain.ts'
import {type ForwardOptions, type ImpliedForward, impliedForwards} from './forward.ts'
import type {OptionQuote, QuoteStatus} from './option-quote.ts'

/** A chain with forwards, implied volatilities and greeks; columns run over `chain.quotes`. */
export interface ChainGreeks {
  readonly chain: Chain
  /** One a slice. */
  readonly forwards: readonly ImpliedForward[]
  /** Slice of each quote; −1 for a quote that a later one of the same contract replaced. */
  readonly sliceOf: Int32Array
  readonly mid: Float64Array
  readonly status: readonly QuoteStatus[]
  readonly options: OptionColumns
  readonly columns: GreeksColumns
}

/** `greeks` record of gpi's pipes. Units as in `greeks.ts`. */
export interface GreeksRecord {
  readonly kind: 'greeks'
  readonly symbol: string
  readonly contract: string
  readonly right: 'call' | 'put'
  readonly strike: number
  readonly expiry: string
  readonly tsUs: number
  readonly bid: number
  readonly ask: number
  readonly mid: number | null
  readonly forward: number
  readonly discount: number
  readonly ttmYears: number
  readonly impliedVolatility: number | null
  readonly delta: number | null
  readonly gamma: number | null
  readonly vega: number | null
  readonly theta: number | null
  readonly rho: number | null
  readonly vanna: number | null
  readonly volga: number | null
  readonly charm: number | null
  readonly status: QuoteStatus
}

/**
 * Black implied volatilities at the mid and greeks of every quote. A quote without an ask, or of an expired contract, is
 * `no-quote`, as is one of an adjusted class, whose deliverable is not the underlying; one whose bid is zero is priced at half its ask (`ok`, but no smile is fitted to it). The greeks refer to the
 * underlying's price where the chain carries one, else to the discounted forward.
 */
export const chainGreeks = (
  chain: Chain,
  options: ForwardOptions = {},
  forwards: readonly ImpliedForward[] = impliedForwards(chain.slices, {underlying: chain.underlying, ...options}),
): ChainGreeks => {
  const n = chain.quotes.length
  const columns = optionColumns(n)
  const price = new Float64Array(n).fill(Number.NaN)
  const status = new Array<QuoteStatus>(n).fill('no-quote')
  const sliceOf = new Int32Array(n).fill(-1)
  chain.slices.forEach((slice, s) => {
    const {forward, discount} = forwards[s]!
    const spot = chain.underlying ?? forward * discount
    const priced = slice.ttmYears > 0 && !isAdjusted(slice.root, chain.symbol)
    for (const call of [1, 0]) {
      const side = call === 1 ? slice.call : slice.put
      for (let i = 0; i < slice.strike.length; i++) {
        const row = side.index[i]!
        if (row < 0) continue
        sliceOf[row] = s
        columns.strike[row] = slice.strike[i]!
        columns.forward[row] = forward
        columns.discount[row] = discount
        columns.ttmYears[row] = slice.ttmYears
        columns.spot[row] = spot
        columns.call[row] = call
        const bid = side.bid[i]!
        const ask = side.ask[i]!
        if (!(ask > 0 && bid >= 0)) continue
        if (bid > ask) status[row] = 'crossed'
        else if (priced) {
          const mid = 0.5 * (bid + ask)
          price[row] = mid > LEAST_PRICE * forward ? mid : 0
        }
      }
    }
  })
  const out = greeksColumns(n)
  impliedVolatilityAndGreeksBatch(columns, price, out)
  for (let i = 0; i < n; i++) {
    const code = out.status[i]!
    if (code === STATUS.ok) status[i] = 'ok'
    else if (code === STATUS.belowIntrinsic) status[i] = 'below-intrinsic'
    else if (code === STATUS.aboveBound) status[i] = 'above-bound'
  }
  return {chain, forwards, sliceOf, mid: price, status, options: columns, columns: out}
}

/** Of the forward: a price below it is nothing, and its volatility would be one of rounding. */
const LEAST_PRICE = 1e-14

/** OCC adjusts a class after a merger or a special dividend and appends a digit to its root: `AMD1`. */
const isAdjusted = (root: string, symbol: string): boolean => /\d$/.test(root) && !/\d$/.test(symbol)

/** The records, in the order of the chain's quotes, without replaced quotes. */
export const greeksRecords = function* (analysis: ChainGreeks): Generator<GreeksRecord> {
  const {chain, forwards, sliceOf, mid, status, options, columns} = analysis
  for (let i = 0; i < chain.quotes.length; i++) {
    const slice = sliceOf[i]!
    if (slice < 0) continue
    const quote = chain.quotes[i]!
    const {forward, discount} = forwards[slice]!
    yield {
      kind: 'greeks',
      symbol: quote.symbol,
      contract: quote.contract,
      right: quote.right,
      strike: quote.strike,
      expiry: quote.expiry,
      tsUs: quote.tsUs,
      bid: quote.bid,
      ask: quote.ask,
      mid: finite(mid[i]!) ?? midOf(quote),
      forward,
      discount,
      ttmYears: options.ttmYears[i]!,
      impliedVolatility: finite(columns.impliedVolatility[i]!),
      delta: finite(columns.delta[i]!),
      gamma: finite(columns.gamma[i]!),
      vega: finite(columns.vega[i]!),
      theta: finite(columns.theta[i]!),
      rho: finite(columns.rho[i]!),
      vanna: finite(columns.vanna[i]!),
      volga: finite(columns.volga[i]!),
      charm: finite(columns.charm[i]!),
      status: status[i]!,
    }
  }
}

/** Of a quote that was not priced, such as one of a contract that expires at this moment. */
const midOf = ({bid, ask}: OptionQuote): number | null => (bid > 0 && ask >= bid ? 0.5 * (bid + ask) : null)

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** σ√T of the strike nearest to the forward that has a volatility. */
export const atTheMoneyTotal = ({columns, status}: ChainGreeks, slice: Slice, forward: number): number => {
  let nearest = Number.POSITIVE_INFINITY
  let volatility = Number.NaN
  for (let i = 0; i < slice.strike.length; i++) {
    const strike = slice.strike[i]!
    const row = (strike >= forward ? slice.call : slice.put).index[i]!
    if (row < 0 || status[row] !== 'ok' || !(columns.impliedVolatility[row]! > 0)) continue
    if (Math.abs(strike - forward) >= nearest) continue
    nearest = Math.abs(strike - forward)
    volatility = columns.impliedVolatility[row]!
  }
  return volatility * Math.sqrt(Math.max(slice.ttmYears, 0))
}
