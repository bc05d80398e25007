// Numeric kernel: typed arrays are indexed with `!` below `length`, which the entry points check.
import {logMoneyness} from './black.ts'
import {tailProbability} from './greeks.ts'
import {ABOVE_BOUND, normalisedImpliedVolatility} from './implied-volatility.ts'

const INV_SQRT_2PI = 0.3989422804014327

/** Columns of equal length, one row an option. Prices, forwards, strikes and spots in currency units. */
export interface OptionColumns {
  readonly length: number
  readonly strike: Float64Array
  readonly forward: Float64Array
  /** Discount factor. */
  readonly discount: Float64Array
  readonly ttmYears: Float64Array
  readonly spot: Float64Array
  /** 1 call, 0 put. */
  readonly call: Uint8Array
}

/** `NO_PRICE` where the price is NaN or an input is not a positive number; then the volatility is NaN too. */
export const STATUS = {ok: 0, belowIntrinsic: 1, aboveBound: 2, noPrice: 3} as const

/** Units as in `greeks.ts`; rows whose status is not ok hold NaN. */
export interface GreeksColumns {
  readonly status: Uint8Array
  readonly impliedVolatility: Float64Array
  readonly delta: Float64Array
  readonly gamma: Float64Array
  readonly vega: Float64Array
  readonly theta: Float64Array
  readonly rho: Float64Array
  readonly vanna: Float64Array
  readonly volga: Float64Array
  readonly charm: Float64Array
}

export const optionColumns = (length: number): OptionColumns => ({
  length,
  strike: new Float64Array(length),
  forward: new Float64Array(length),
  discount: new Float64Array(length),
  ttmYears: new Float64Array(length),
  spot: new Float64Array(length),
  call: new Uint8Array(length),
})

export const greeksColumns = (length: number): GreeksColumns => ({
  status: new Uint8Array(length),
  impliedVolatility: new Float64Array(length),
  delta: new Float64Array(length),
  gamma: new Float64Array(length),
  vega: new Float64Array(length),
  theta: new Float64Array(length),
  rho: new Float64Array(length),
  vanna: new Float64Array(length),
  volga: new Float64Array(length),
  charm: new Float64Array(length),
})

/** Implied volatilities of discounted prices, into `out` and `status`; no allocation. */
export const impliedVolatilityBatch = (
  options: OptionColumns,
  price: Float64Array,
  out: Float64Array,
  status: Uint8Array,
): void => {
  checkLength(options.length, options.strike, price, out, status)
  for (let i = 0; i < options.length; i++) {
    const forward = options.forward[i]!
    const strike = options.strike[i]!
    const ttmYears = options.ttmYears[i]!
    const code = totalVolatility(
      price[i]! / options.discount[i]!,
      forward,
      strike,
      ttmYears,
      options.call[i]! === 1,
      logMoneyness(forward, strike),
    )
    status[i] = statusOf(code)
    out[i] = code >= 0 ? code / Math.sqrt(ttmYears) : Number.NaN
  }
}

/** Greeks of first and second order from volatilities; rows with a NaN volatility become NaN. No allocation. */
export const greeksBatch = (options: OptionColumns, volatility: Float64Array, out: GreeksColumns): void => {
  checkLength(options.length, options.strike, volatility, out.delta, out.gamma, out.vega, out.theta, out.rho)
  const rates = {discount: Number.NaN, carry: Number.NaN, ttmYears: Number.NaN, rate: 0, yieldRate: 0}
  for (let i = 0; i < options.length; i++) {
    const x = logMoneyness(options.forward[i]!, options.strike[i]!)
    writeGreeks(options, i, x, volatility[i]!, out, rates)
  }
}

/** Both in one pass: implied volatility, status and greeks of first and second order. No allocation per option. */
export const impliedVolatilityAndGreeksBatch = (
  options: OptionColumns,
  price: Float64Array,
  out: GreeksColumns,
): void => {
  checkLength(options.length, options.strike, price, out.impliedVolatility, out.delta, out.gamma, out.vega, out.rho)
  const rates = {discount: Number.NaN, carry: Number.NaN, ttmYears: Number.NaN, rate: 0, yieldRate: 0}
  for (let i = 0; i < options.length; i++) {
    const forward = options.forward[i]!
    const strike = options.strike[i]!
    const ttmYears = options.ttmYears[i]!
    const x = logMoneyness(forward, strike)
    const code = totalVolatility(price[i]! / options.discount[i]!, forward, strike, ttmYears, options.call[i]! === 1, x)
    const volatility = code >= 0 ? code / Math.sqrt(ttmYears) : Number.NaN
    out.status[i] = statusOf(code)
    out.impliedVolatility[i] = volatility
    writeGreeks(options, i, x, volatility, out, rates)
  }
}

const NO_PRICE = -3

const totalVolatility = (
  price: number,
  forward: number,
  strike: number,
  ttmYears: number,
  call: boolean,
  x: number,
): number => {
  if (!(forward > 0 && strike > 0 && ttmYears > 0) || Number.isNaN(price)) return NO_PRICE
  const intrinsic = call ? forward - strike : strike - forward
  if (price >= (call ? forward : strike)) return ABOVE_BOUND
  const timeValue = intrinsic > 0 ? price - intrinsic : price
  return normalisedImpliedVolatility(timeValue / Math.sqrt(forward * strike), x > 0 ? -x : x)
}

const statusOf = (code: number): number => (code >= 0 ? STATUS.ok : -code)

interface Rates {
  discount: number
  carry: number
  ttmYears: number
  rate: number
  yieldRate: number
}

/** As `greeksInto`, with the logarithms of discount and carry kept while they do not change (the rows of one expiry). */
const writeGreeks = (
  options: OptionColumns,
  i: number,
  x: number,
  volatility: number,
  out: GreeksColumns,
  rates: Rates,
): void => {
  if (!(volatility >= 0)) {
    out.delta[i] = out.gamma[i] = out.vega[i] = out.theta[i] = out.rho[i] = Number.NaN
    out.vanna[i] = out.volga[i] = out.charm[i] = Number.NaN
    return
  }
  const forward = options.forward[i]!
  const strike = options.strike[i]!
  const ttmYears = options.ttmYears[i]!
  const discount = options.discount[i]!
  const spot = options.spot[i]!
  const carry = (discount * forward) / spot
  if (discount !== rates.discount || carry !== rates.carry || ttmYears !== rates.ttmYears) {
    rates.discount = discount
    rates.carry = carry
    rates.ttmYears = ttmYears
    rates.rate = -Math.log(discount) / ttmYears
    rates.yieldRate = -Math.log(carry) / ttmYears
  }
  const rootT = Math.sqrt(ttmYears)
  const s = volatility * rootT
  const flip = options.call[i]! === 1 ? 1 : -1
  const d1 = s > 0 ? x / s + 0.5 * s : x === 0 ? 0 : x * Number.POSITIVE_INFINITY
  const density1 = s > 0 ? INV_SQRT_2PI * Math.exp(-0.5 * d1 * d1) : 0
  const n1 = tailProbability(flip * d1, density1)
  const n2 = tailProbability(flip * (d1 - s), (density1 * forward) / strike)
  const delta = flip * carry * n1 + 0
  const strikeValue = discount * strike * n2
  const spotDensity = spot * carry * density1
  out.delta[i] = delta
  out.gamma[i] = s > 0 ? (carry * density1) / (spot * s) : 0
  out.vega[i] = spotDensity * rootT
  out.theta[i] =
    (-spotDensity * volatility) / (2 * rootT) + rates.yieldRate * spot * delta - flip * rates.rate * strikeValue
  out.rho[i] = flip * ttmYears * strikeValue + 0
  const isSure = !(s > 0)
  const d2 = d1 - s
  out.vanna[i] = isSure ? 0 : (-carry * density1 * d2) / volatility
  out.volga[i] = isSure ? 0 : (spotDensity * rootT * d1 * d2) / volatility
  // ∂d₁/∂t with t forward: (r − q) enters through the forward.
  out.charm[i] =
    rates.yieldRate * delta +
    (isSure ? 0 : carry * density1 * (d2 / (2 * ttmYears) - (rates.rate - rates.yieldRate) / s))
}

const checkLength = (length: number, ...columns: readonly {readonly length: number}[]): void => {
  for (const column of columns)
    if (column.length < length) throw new RangeError(`a column must hold ${length} rows, was ${column.length}`)
}
