// Numeric kernel: columns are indexed with `!` below their length.

import {solveAmerican} from './american-solve.ts'
import {STATUS} from './batch.ts'
import type {Chain, Slice} from './chain.ts'
import {type ChainGreeks, chainGreeks} from './chain-greeks.ts'
import {americanRate, type CarryOptions, deAmericanisedForwards} from './de-americanise.ts'
import {emptyPremium} from './exercise-kernel.ts'
import {type ImpliedForward, impliedForwards} from './forward.ts'
import {GREEK, GREEK_COUNT, greeksInto} from './greeks.ts'
import type {Dividend} from './lattice.ts'
import type {QuoteStatus} from './option-quote.ts'
import {type SliceKernels, sliceKernels} from './slice-kernels.ts'

export interface AmericanChainOptions {
  /** Continuously compounded rate to use instead of the implied one. */
  readonly rate?: number
  readonly underlying?: number | undefined
  /** Cash dividends a share to come; what the forwards imply beside them stays a continuous yield. */
  readonly dividends?: readonly Dividend[]
}

/**
 * As `chainGreeks`, for slices whose contracts may be exercised early. The implied volatility is the one at which the
 * American price is the mid, and the greeks are those of that price. Yield: what the forward implies, beside the cash
 * dividends where given (escrowed: the volatility is that of the spot less their present value). One rate for the chain,
 * given or the one that parity of de-Americanised mids implies at expiries beyond three months; forwards from
 * near-the-money pairs. A mid at or below immediate exercise is `below-intrinsic`. In a chain without American slices this
 * is `chainGreeks`.
 */
export const americanChainGreeks = (chain: Chain, options: AmericanChainOptions = {}): ChainGreeks => {
  const {rate: givenRate, underlying = chain.underlying, dividends = []} = options
  const given = {underlying, ...(givenRate === undefined ? {} : {rate: givenRate})}
  const first = impliedForwards(chain.slices, given)
  if (!chain.slices.some(isLiveAmerican)) return chainGreeks(chain, given, first)
  const spot = underlying ?? spotOf(first)
  const carry: CarryOptions = {spot, dividends, underlying}
  const rate = givenRate ?? americanRate(chain.slices, first, carry)
  const forwards = deAmericanisedForwards(chain.slices, first, rate, carry)
  const analysis = chainGreeks(chain, given, forwards)
  const status = [...analysis.status]
  const writer = {analysis, status, spot, dividends}
  chain.slices.forEach((slice, s) => {
    if (isLiveAmerican(slice)) writeSlice(writer, slice, forwards[s]!)
  })
  return {...analysis, status}
}

const isLiveAmerican = (slice: Slice): boolean => slice.style === 'american' && slice.ttmYears > 0

const spotOf = (forwards: readonly ImpliedForward[]): number => {
  const first = forwards.find(f => f.method === 'parity') ?? forwards[0]
  return first === undefined ? Number.NaN : first.forward * first.discount
}

interface Writer {
  readonly analysis: ChainGreeks
  readonly status: QuoteStatus[]
  readonly spot: number
  readonly dividends: readonly Dividend[]
}

/** Overwrites volatility, greeks and status of an American slice's rows, out-of-the-money sides first: they start the others. */
const writeSlice = (writer: Writer, slice: Slice, forward: ImpliedForward): void => {
  const {analysis, spot, dividends} = writer
  const kernels = sliceKernels({slice, forward, spot, dividends, ...volatilityRange(analysis, slice)})
  if (kernels === undefined) return
  const {columns} = analysis
  for (const isOtm of [true, false])
    for (const call of [true, false]) {
      // How much exercise takes off the European volatility changes little from one strike to the next.
      let share = 1
      const quoted = call ? slice.call : slice.put
      for (let i = 0; i < slice.strike.length; i++) {
        const row = quoted.index[i]!
        const strike = slice.strike[i]!
        if (row < 0 || Number.isNaN(analysis.mid[row]!) || (call === strike >= forward.forward) !== isOtm) continue
        const twin = isOtm ? -1 : (call ? slice.put : slice.call).index[i]!
        const european = columns.impliedVolatility[row]!
        const start = twin < 0 ? share * european : columns.impliedVolatility[twin]!
        writeRow(writer, slice, forward, kernels, row, start, call)
        const ratio = columns.impliedVolatility[row]! / european
        if (isOtm && ratio > 0.5 && ratio < 2) share = ratio
      }
    }
}

/** European volatilities of the out-of-the-money quotes, which exercise hardly moves. */
const volatilityRange = ({columns, forwards, sliceOf}: ChainGreeks, slice: Slice) => {
  let low = Number.POSITIVE_INFINITY
  let high = 0
  for (const call of [true, false]) {
    const {index} = call ? slice.call : slice.put
    for (let i = 0; i < slice.strike.length; i++) {
      const row = index[i]!
      if (row < 0 || call !== slice.strike[i]! >= forwards[sliceOf[row]!]!.forward) continue
      const volatility = columns.impliedVolatility[row]!
      if (!(volatility > 0.02 && volatility < 5)) continue
      low = Math.min(low, volatility)
      high = Math.max(high, volatility)
    }
  }
  return high > 0 ? {low: 0.85 * low, high: 1.15 * high} : {low: 0.1, high: 1}
}

const NUMBERS = ['impliedVolatility', 'delta', 'gamma', 'vega', 'theta', 'rho', 'vanna', 'volga', 'charm'] as const

/** Of the strike: how far the premium of early exercise may be off. */
const PREMIUM_ERROR = 1e-6

const premium = emptyPremium()
const scratch = new Float64Array(GREEK_COUNT)

const writeRow = (
  {analysis, status, spot}: Writer,
  slice: Slice,
  forward: ImpliedForward,
  kernels: SliceKernels,
  row: number,
  start: number,
  call: boolean,
): void => {
  const {columns, mid} = analysis
  const strike = analysis.options.strike[row]!
  const price = mid[row]!
  // The premium is no more than the price: below its own error nothing but the European part can be told.
  const isWorthless = price < PREMIUM_ERROR * strike && (call ? strike >= spot : strike <= spot)
  if (isWorthless && status[row] === 'ok') return
  const result = solveAmerican(
    {
      price,
      spot,
      strike,
      ttmYears: slice.ttmYears,
      forward: forward.forward,
      discount: forward.discount,
      call,
      start,
      kernels: call ? kernels.call : kernels.put,
    },
    premium,
  )
  if (result.status !== 'ok') {
    status[row] = result.status
    columns.status[row] = result.status === 'above-bound' ? STATUS.aboveBound : STATUS.belowIntrinsic
    for (const name of NUMBERS) columns[name][row] = Number.NaN
    return
  }
  status[row] = 'ok'
  columns.status[row] = STATUS.ok
  columns.impliedVolatility[row] = result.volatility
  writeGreeks(analysis, row, strike, price, result.volatility, call, kernels, forward)
}

/** Sensitivities of the American price: the European ones plus the premium's; theta, and charm from it, by the pricing equation. */
const writeGreeks = (
  {columns}: ChainGreeks,
  row: number,
  strike: number,
  price: number,
  volatility: number,
  call: boolean,
  kernels: SliceKernels,
  {forward, discount, rate}: ImpliedForward,
): void => {
  const {bareSpot, yieldRate, escrow, escrowSlope, ttmYears} = kernels
  greeksInto(scratch, 0, forward, strike, ttmYears, volatility, discount, bareSpot, call)
  const delta = scratch[GREEK.delta]! + premium.slope
  const gamma = Math.max(scratch[GREEK.gamma]! + premium.curvature, 0)
  columns.delta[row] = delta
  columns.gamma[row] = gamma
  columns.vega[row] = scratch[GREEK.vega]! + premium.vega
  // The escrowed dividends grow at the rate, which takes from the part of the spot that moves.
  columns.theta[row] =
    rate * price -
    (rate - yieldRate) * bareSpot * delta -
    0.5 * (volatility * bareSpot) ** 2 * gamma -
    rate * escrow * delta
  columns.rho[row] = scratch[GREEK.rho]! + scratch[GREEK.delta]! * escrowSlope + premium.rho
  columns.vanna[row] = scratch[GREEK.vanna]! + premium.vanna
  columns.volga[row] = scratch[GREEK.volga]! + premium.volga
  const variance = volatility * volatility
  columns.charm[row] =
    scratch[GREEK.charm]! +
    yieldRate * premium.slope -
    (rate - yieldRate + variance) * bareSpot * premium.curvature -
    0.5 * variance * bareSpot * bareSpot * premium.speed -
    rate * escrow * gamma
}
