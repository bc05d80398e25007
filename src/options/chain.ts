// Numeric kernel: columns are indexed with `!` below the slice's length.
import {
  calendarYears,
  type ExerciseStyle,
  expiryTsUs,
  type Settlement,
  settlementOf,
  styleOf,
  tradingYears,
} from './expiry-time.ts'
import {type OptionQuote, optionRoot} from './option-quote.ts'

/** Columns of one right over a slice's strikes; NaN prices and index −1 where the contract is not in the chain. */
export interface RightColumns {
  /** Index into `Chain.quotes`. */
  readonly index: Int32Array
  readonly bid: Float64Array
  readonly ask: Float64Array
}

/** All strikes of one option class and expiry, ascending. */
export interface Slice {
  readonly root: string
  readonly expiry: string
  readonly settlement: Settlement
  readonly style: ExerciseStyle
  readonly expiryUs: number
  /** Calendar time, years of 365 days; ≤ 0 when already settled. */
  readonly ttmYears: number
  /** Exchange time, years of 252 sessions. */
  readonly tradingTtmYears: number
  readonly strike: Float64Array
  readonly call: RightColumns
  readonly put: RightColumns
}

/** All option quotes of an underlying at one time. */
export interface Chain {
  readonly symbol: string
  /** Latest stamp among the quotes. */
  readonly tsUs: number
  /** Last price of the underlying where the quotes carry one. */
  readonly underlying: number | undefined
  readonly quotes: readonly OptionQuote[]
  /** By expiry time, then class. */
  readonly slices: readonly Slice[]
}

/**
 * Arranges the quotes of one underlying into slices. A contract quoted twice keeps its later quote. Throws RangeError when
 * the quotes are of several underlyings or there are none.
 */
export const buildChain = (quotes: readonly OptionQuote[], style: ExerciseStyle | 'auto' = 'auto'): Chain => {
  const first = quotes[0]
  if (first === undefined) throw new RangeError('a chain needs at least one quote')
  let tsUs = 0
  let underlying: number | undefined
  let underlyingUs = -1
  const groups = new Map<string, Map<string, number[]>>()
  for (let i = 0; i < quotes.length; i++) {
    const quote = quotes[i]!
    if (quote.symbol !== first.symbol)
      throw new RangeError(`a chain is of one underlying, was ${first.symbol} and ${quote.symbol}`)
    if (quote.tsUs > tsUs) tsUs = quote.tsUs
    if (quote.underlying !== undefined && quote.underlying > 0 && quote.tsUs >= underlyingUs) {
      underlying = quote.underlying
      underlyingUs = quote.tsUs
    }
    const root = optionRoot(quote.contract, quote.symbol)
    const byExpiry = groups.get(root) ?? new Map<string, number[]>()
    groups.set(root, byExpiry)
    const rows = byExpiry.get(quote.expiry)
    if (rows === undefined) byExpiry.set(quote.expiry, [i])
    else rows.push(i)
  }
  const slices: Slice[] = []
  for (const [root, byExpiry] of groups)
    for (const [expiry, rows] of byExpiry) slices.push(buildSlice(quotes, rows, root, expiry, tsUs, style))
  slices.sort((a, b) => a.expiryUs - b.expiryUs || (a.root < b.root ? -1 : a.root > b.root ? 1 : 0))
  return {symbol: first.symbol, tsUs, underlying, quotes, slices}
}

const buildSlice = (
  quotes: readonly OptionQuote[],
  rows: number[],
  root: string,
  expiry: string,
  tsUs: number,
  style: ExerciseStyle | 'auto',
): Slice => {
  rows.sort((a, b) => quotes[a]!.strike - quotes[b]!.strike || quotes[a]!.tsUs - quotes[b]!.tsUs || a - b)
  let count = 0
  let last = Number.NaN
  for (const row of rows) {
    const strike = quotes[row]!.strike
    if (strike !== last) count++
    last = strike
  }
  const strike = new Float64Array(count)
  const call = rightColumns(count)
  const put = rightColumns(count)
  let at = -1
  for (const row of rows) {
    const quote = quotes[row]!
    if (at < 0 || quote.strike !== strike[at]!) strike[++at] = quote.strike
    const side = quote.right === 'call' ? call : put
    side.index[at] = row
    side.bid[at] = finitePrice(quote.bid)
    side.ask[at] = finitePrice(quote.ask)
  }
  const settlement = settlementOf(root)
  const expiryUs = expiryTsUs(expiry, settlement)
  return {
    root,
    expiry,
    settlement,
    style: style === 'auto' ? styleOf(root) : style,
    expiryUs,
    ttmYears: calendarYears(tsUs, expiryUs),
    tradingTtmYears: Math.max(tradingYears(tsUs, expiryUs), 0),
    strike,
    call,
    put,
  }
}

const finitePrice = (price: number): number => (Number.isFinite(price) ? price : Number.NaN)

const rightColumns = (length: number): RightColumns => ({
  index: new Int32Array(length).fill(-1),
  bid: new Float64Array(length).fill(Number.NaN),
  ask: new Float64Array(length).fill(Number.NaN),
})

/** A two-sided market: both prices there, the bid above zero and not above the ask. */
export const isTwoSided = (bid: number, ask: number): boolean => bid > 0 && ask >= bid
