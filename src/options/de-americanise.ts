// Numeric kernel: columns are indexed with `!` below their length.
import {blackPrice} from './black.ts'
import {isTwoSided, type RightColumns, type Slice} from './chain.ts'
import {emptyPremium} from './exercise-kernel.ts'
import {type ImpliedForward, impliedForwards, median} from './forward.ts'
import {impliedTotalVolatility} from './implied-volatility.ts'
import type {Dividend} from './lattice.ts'
import {sliceKernels} from './slice-kernels.ts'

export interface CarryOptions {
  readonly spot: number
  readonly underlying?: number | undefined
  readonly dividends: readonly Dividend[]
}

/** Least time of the expiries that tell the rate: a cent in a price is too much of a rate before. */
const RATE_YEARS = 0.25
const RATE_SLICES = 3
const RATE_PASSES = 2
const PASSES = 3
/** Movement of a forward that does not change a premium. */
const SETTLED = 2e-4
/** Pairs that tell the forward, in σ√T about it (further out one of the two is worth its exercise), and those for the rate. */
const NEAR = {reach: 1.25, pairs: 24}
const FAR = {reach: 2.5, pairs: 40}

/**
 * Forwards from parity of near-the-money pairs less their early-exercise premiums, under one rate. European and expired
 * slices keep the forward of `first`, under that rate.
 */
export const deAmericanisedForwards = (
  slices: readonly Slice[],
  first: readonly ImpliedForward[],
  rate: number,
  carry: CarryOptions,
): ImpliedForward[] => {
  const near = slices.map((slice, s) => selected(slice, first[s]!, NEAR))
  const given = {underlying: carry.underlying, rate}
  let forwards = impliedForwards(near, given)
  let bare: Slice[] = near
  let moved = slices.map(() => true)
  for (let pass = 0; pass < PASSES && moved.includes(true); pass++) {
    const before = forwards
    const last = bare
    bare = near.map((slice, s) => (moved[s] === true ? europeanised(slice, before[s]!, carry) : last[s]!))
    forwards = impliedForwards(bare, given)
    moved = forwards.map(({forward}, s) => Math.abs(forward / before[s]!.forward - 1) > SETTLED)
  }
  return forwards
}

/**
 * The rate r at which the mids, de-Americanised under r, imply r by parity: the median over the best quoted long expiries,
 * found by secants, since the premium that is taken off depends on the rate that is sought. Not negative.
 */
export const americanRate = (
  slices: readonly Slice[],
  first: readonly ImpliedForward[],
  carry: CarryOptions,
): number => {
  const live = slices.map((_, s) => s).filter(s => first[s]!.method === 'parity' && first[s]!.pairs >= 8)
  const long = live.filter(s => slices[s]!.ttmYears >= RATE_YEARS)
  const used = (long.length > 0 ? long : live).sort((a, b) => first[b]!.pairs - first[a]!.pairs).slice(0, RATE_SLICES)
  if (used.length === 0) return 0
  const far = used.map(s => selected(slices[s]!, first[s]!, FAR))
  const given = {underlying: carry.underlying}
  let near: ImpliedForward[] | undefined
  const implied = (rate: number): number => {
    near ??= impliedForwards(far, {...given, rate})
    let bare: Slice[] = far
    for (let pass = 0; pass < RATE_PASSES; pass++) {
      const under = near.map((forward, i) => ({
        ...forward,
        rate,
        discount: Math.exp(-rate * far[i]!.ttmYears),
      }))
      bare = far.map((slice, i) => europeanised(slice, under[i]!, carry))
      near = impliedForwards(bare, {...given, rate})
    }
    return Math.max(median(Float64Array.from(impliedForwards(bare, given), f => f.rate)), 0)
  }
  let before = Math.max(median(Float64Array.from(used, s => first[s]!.rate)), 0.01)
  let gapBefore = implied(before) - before
  let rate = before + gapBefore
  for (let round = 0; round < 6 && Math.abs(gapBefore) > 2e-4; round++) {
    const gap = implied(rate) - rate
    const slope = (gap - gapBefore) / (rate - before)
    before = rate
    gapBefore = gap
    // A slope of the map near 1 says the mids do not tell the rate: plain steps then.
    rate = Math.min(Math.max(slope < -0.2 ? rate - gap / slope : rate + gap, 0), 0.25)
  }
  return rate
}

const isAmerican = (slice: Slice): boolean => slice.style === 'american' && slice.ttmYears > 0

/** The slice with at most `pairs` strikes, evenly spread over those quoted on both sides within `reach`·σ√T of the forward. */
const selected = (slice: Slice, {forward, discount}: ImpliedForward, near: typeof NEAR): Slice => {
  if (!isAmerican(slice)) return slice
  const {strike, call, put} = slice
  const paired: number[] = []
  for (let i = 0; i < strike.length; i++)
    if (isTwoSided(call.bid[i]!, call.ask[i]!) && isTwoSided(put.bid[i]!, put.ask[i]!)) paired.push(i)
  const total = nearestTotal(slice, paired, forward, discount)
  const inside = paired.filter(i => Math.abs(Math.log(strike[i]! / forward)) <= near.reach * total)
  const count = Math.min(inside.length, near.pairs)
  const kept = Array.from({length: count}, (_, j) => inside[Math.floor(((j + 0.5) * inside.length) / count)]!)
  const columns = ({index, bid, ask}: RightColumns): RightColumns => ({
    index: Int32Array.from(kept, i => index[i]!),
    bid: Float64Array.from(kept, i => bid[i]!),
    ask: Float64Array.from(kept, i => ask[i]!),
  })
  return {...slice, strike: Float64Array.from(kept, i => strike[i]!), call: columns(call), put: columns(put)}
}

/** σ√T of the paired strike nearest to the forward that has a volatility. */
const nearestTotal = (slice: Slice, paired: readonly number[], forward: number, discount: number): number => {
  const {strike} = slice
  const near = paired.toSorted((a, b) => Math.abs(strike[a]! - forward) - Math.abs(strike[b]! - forward))
  for (const i of near) {
    const total = impliedTotalVolatility(
      otmMid(slice, i, forward) / discount,
      forward,
      strike[i]!,
      strike[i]! >= forward,
    )
    if (total > 0) return total
  }
  return Number.NaN
}

const otmMid = ({strike, call, put}: Slice, i: number, forward: number): number => {
  const side = strike[i]! >= forward ? call : put
  return 0.5 * (side.bid[i]! + side.ask[i]!)
}

const premium = emptyPremium()

/** Bids and asks less the premium of their contract; pairs of which one is worth its exercise drop out. */
const europeanised = (slice: Slice, forward: ImpliedForward, {spot, dividends}: CarryOptions): Slice => {
  const n = slice.strike.length
  if (!isAmerican(slice) || n === 0) return slice
  const rootT = Math.sqrt(slice.ttmYears)
  const volatility = new Float64Array(n)
  let low = Number.POSITIVE_INFINITY
  let high = 0
  for (let i = 0; i < n; i++) {
    // Both of a pair at one volatility: the out-of-the-money one's, which exercise hardly touches.
    const sigma =
      impliedTotalVolatility(
        otmMid(slice, i, forward.forward) / forward.discount,
        forward.forward,
        slice.strike[i]!,
        slice.strike[i]! >= forward.forward,
      ) / rootT
    volatility[i] = sigma
    if (!(sigma > 0.01)) continue
    low = Math.min(low, sigma)
    high = Math.max(high, sigma)
  }
  const kernels =
    high > 0
      ? sliceKernels({slice, forward, spot, dividends, low: 0.9 * low, high: 1.05 * high, coarse: true})
      : undefined
  if (kernels === undefined) return slice
  refineVolatility(slice, forward, kernels, volatility)
  const side = (call: boolean): RightColumns => {
    const quoted = call ? slice.call : slice.put
    const bid = quoted.bid.slice()
    const ask = quoted.ask.slice()
    const kernel = (call ? kernels.call : kernels.put).main
    for (let i = 0; i < n; i++) {
      const strike = slice.strike[i]!
      const sigma = volatility[i]!
      if (!(sigma > 0)) {
        bid[i] = Number.NaN
        continue
      }
      kernel.into(premium, strike, sigma, false)
      const model = forward.discount * blackPrice(forward.forward, strike, sigma * rootT, call) + premium.value
      const intrinsic = call ? spot - strike : strike - spot
      // By the model and not by the quote: dropping what is quoted near its exercise value would keep the dear half.
      if (premium.exercised || model <= intrinsic + ask[i]! - bid[i]!) {
        bid[i] = Number.NaN
        continue
      }
      bid[i]! -= premium.value
      ask[i]! -= premium.value
    }
    return {index: quoted.index, bid, ask}
  }
  return {...slice, call: side(true), put: side(false)}
}

/** The volatility of the out-of-the-money mid less its own premium. */
const refineVolatility = (
  slice: Slice,
  {forward, discount}: ImpliedForward,
  kernels: NonNullable<ReturnType<typeof sliceKernels>>,
  volatility: Float64Array,
): void => {
  const rootT = Math.sqrt(slice.ttmYears)
  for (let i = 0; i < volatility.length; i++) {
    if (!(volatility[i]! > 0)) continue
    const strike = slice.strike[i]!
    const call = strike >= forward
    ;(call ? kernels.call : kernels.put).main.into(premium, strike, volatility[i]!, false)
    const mid = otmMid(slice, i, forward) - premium.value
    volatility[i] = impliedTotalVolatility(mid / discount, forward, strike, call) / rootT
  }
}
