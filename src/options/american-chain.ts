// Numeric kernel: columns are indexed with `!` below their length.
import {STATUS} from './batch.ts'
import {blackPrice} from './black.ts'
import type {Chain, Slice} from './chain.ts'
import {atTheMoneyTotal, type ChainGreeks, chainGreeks} from './chain-greeks.ts'
import {type ForwardOptions, type ImpliedForward, impliedForwards, median} from './forward.ts'
import {GREEK, GREEK_COUNT, greeksInto} from './greeks.ts'
import {impliedTotalVolatility} from './implied-volatility.ts'
import type {QuoteStatus} from './option-quote.ts'
import {
  contractPremium,
  firstPoint,
  interpolatePremium,
  type PremiumTable,
  premiumSlope,
  premiumTable,
} from './premium-table.ts'

const MAX_ROUNDS = 20
/** Least time of the expiries that tell the rate: a cent in a price is too much of a rate before. */
const RATE_YEARS = 0.25
const FORWARD_PASSES = 2
const RATE_SLICES = 5
const RATE_REACH = 2.5
/** Pairs that tell the forward, in σ√T about it: further out one of the two is worth its exercise. */
const NEAR = 1.25

/**
 * As `chainGreeks`, for slices whose contracts may be exercised early. The implied volatility is that of the de-Americanised
 * price: the mid less the early-exercise premium at that same volatility, under the continuous yield that the forward
 * implies (cash dividends are smeared over the life). One rate for the chain, given or the median that parity of
 * de-Americanised mids implies at expiries beyond three months; forwards from near-the-money pairs. Delta and vega include
 * the premium; gamma, theta and rho are those of the European twin. A mid at or below immediate exercise is
 * `below-intrinsic`. In a chain without American slices this is `chainGreeks`.
 */
export const americanChainGreeks = (chain: Chain, options: ForwardOptions = {}): ChainGreeks => {
  const given = {underlying: chain.underlying, ...options}
  let forwards = impliedForwards(chain.slices, given)
  if (!chain.slices.some(isLiveAmerican)) return chainGreeks(chain, given, forwards)
  const spot = chain.underlying ?? spotOf(forwards)
  const rate = options.rate ?? chainRate(chain, forwards, given, spot)
  let analysis = chainGreeks(chain, given, forwards)
  forwards = impliedForwards(chain.slices.map(nearOnly(analysis, forwards)), {...given, rate})
  analysis = chainGreeks(chain, given, forwards)
  const scrap = [...analysis.status] // statuses of a pass that is not the last are of no interest
  for (let pass = 0; pass < FORWARD_PASSES; pass++) {
    const bare = chain.slices.map((slice, s) => {
      if (!isLiveAmerican(slice)) return slice
      const table = tableOf(analysis, slice, forwards[s]!, spot)
      if (table === undefined) return slice
      deAmericanise(analysis, slice, forwards[s]!, spot, table, scrap, NEAR)
      return europeanised(analysis, slice, forwards[s]!, spot, table, NEAR)
    })
    forwards = impliedForwards(bare, {...given, rate})
    analysis = chainGreeks(chain, given, forwards)
  }
  const status = [...analysis.status]
  chain.slices.forEach((slice, s) => {
    const table = isLiveAmerican(slice) ? tableOf(analysis, slice, forwards[s]!, spot) : undefined
    if (table !== undefined) deAmericanise(analysis, slice, forwards[s]!, spot, table, status, Number.POSITIVE_INFINITY)
  })
  return {...analysis, status}
}

/**
 * The rate r at which the mids, de-Americanised under r, imply r by parity: the median over the best quoted long expiries,
 * found by secants, since the premium that is taken off depends on the rate that is sought. Not negative.
 */
const chainRate = (chain: Chain, forwards: readonly ImpliedForward[], given: ForwardOptions, spot: number): number => {
  const live = chain.slices.map((_, s) => s).filter(s => forwards[s]!.method === 'parity' && forwards[s]!.pairs >= 8)
  const long = live.filter(s => chain.slices[s]!.ttmYears >= RATE_YEARS)
  const used = (long.length > 0 ? long : live)
    .sort((a, b) => forwards[b]!.pairs - forwards[a]!.pairs)
    .slice(0, RATE_SLICES)
  if (used.length === 0) return 0
  const slices = used.map(s => chain.slices[s]!)
  const part: Chain = {...chain, slices}
  const implied = (rate: number): number => {
    let near = impliedForwards(slices, {...given, rate})
    let bare: Slice[] = slices
    for (let pass = 0; pass < FORWARD_PASSES; pass++) {
      const analysis = chainGreeks(part, given, near)
      const scrap = [...analysis.status]
      bare = slices.map((slice, i) => {
        if (!isLiveAmerican(slice)) return slice
        const table = tableOf(analysis, slice, near[i]!, spot)
        if (table === undefined) return slice
        deAmericanise(analysis, slice, near[i]!, spot, table, scrap, RATE_REACH)
        return europeanised(analysis, slice, near[i]!, spot, table, RATE_REACH)
      })
      near = impliedForwards(bare, {...given, rate})
    }
    return Math.max(median(Float64Array.from(impliedForwards(bare, given), f => f.rate)), 0)
  }
  let before = Math.max(median(Float64Array.from(used, s => forwards[s]!.rate)), 0.01)
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

const nearOnly =
  (analysis: ChainGreeks, forwards: readonly ImpliedForward[]) =>
  (slice: Slice, s: number): Slice => {
    if (!isLiveAmerican(slice)) return slice
    const {forward} = forwards[s]!
    const total = atTheMoneyTotal(analysis, slice, forward)
    const call = {...slice.call, bid: slice.call.bid.slice()}
    for (let i = 0; i < slice.strike.length; i++)
      if (Math.abs(Math.log(slice.strike[i]! / forward)) > NEAR * total) call.bid[i] = Number.NaN
    return {...slice, call}
  }

const isLiveAmerican = (slice: Slice): boolean => slice.style === 'american' && slice.ttmYears > 0

const spotOf = (forwards: readonly ImpliedForward[]): number => {
  const first = forwards.find(f => f.method === 'parity') ?? forwards[0]
  return first === undefined ? Number.NaN : first.forward * first.discount
}

/** The slice within `reach`·σ√T, bids and asks less the premium of their contract; sides worth their exercise drop out. */
const europeanised = (
  analysis: ChainGreeks,
  slice: Slice,
  forward: ImpliedForward,
  spot: number,
  table: PremiumTable,
  reach: number,
): Slice => {
  const total = atTheMoneyTotal(analysis, slice, forward.forward)
  const {columns} = analysis
  const side = (call: boolean): Slice['call'] => {
    const quoted = call ? slice.call : slice.put
    const bid = quoted.bid.slice()
    const ask = quoted.ask.slice()
    for (let i = 0; i < slice.strike.length; i++) {
      const strike = slice.strike[i]!
      const row = quoted.index[i]!
      if (row < 0) continue
      if (columns.status[row] !== STATUS.ok || Math.abs(Math.log(strike / forward.forward)) > reach * total) {
        bid[i] = Number.NaN
        continue
      }
      const intrinsic = call ? spot - strike : strike - spot
      // Both of a pair at one volatility: the out-of-the-money one's, which exercise hardly touches.
      const otm = (strike >= forward.forward ? slice.call : slice.put).index[i]!
      const volatility = otm < 0 ? Number.NaN : columns.impliedVolatility[otm]!
      if (!(volatility > 0)) {
        bid[i] = Number.NaN
        continue
      }
      const {first, value} = contractPremium(table, firstPoint(table, volatility), spot, strike, call)
      const premium = Math.max(interpolatePremium(table, first, value, volatility), 0)
      const model =
        forward.discount * blackPrice(forward.forward, strike, volatility * Math.sqrt(slice.ttmYears), call) + premium
      // By the model and not by the quote: dropping what is quoted near its exercise value would keep the dear half.
      if (model <= intrinsic + ask[i]! - bid[i]!) {
        bid[i] = Number.NaN
        continue
      }
      bid[i]! -= premium
      ask[i]! -= premium
    }
    return {index: quoted.index, bid, ask}
  }
  return {...slice, call: side(true), put: side(false)}
}

/** Overwrites volatility, greeks and status of an American slice's rows within `reach`·σ√T. */
const deAmericanise = (
  analysis: ChainGreeks,
  slice: Slice,
  forward: ImpliedForward,
  spot: number,
  table: PremiumTable,
  status: QuoteStatus[],
  reach: number,
): void => {
  const limit = reach === Number.POSITIVE_INFINITY ? reach : reach * atTheMoneyTotal(analysis, slice, forward.forward)
  const {columns, mid} = analysis
  for (const call of [true, false]) {
    const quoted = call ? slice.call : slice.put
    for (let i = 0; i < slice.strike.length; i++) {
      const row = quoted.index[i]!
      const strike = slice.strike[i]!
      if (row < 0 || Number.isNaN(mid[row]!) || Math.abs(Math.log(strike / forward.forward)) > limit) continue
      const intrinsic = call ? spot - strike : strike - spot
      const solved = mid[row]! <= intrinsic ? undefined : solve(table, mid[row]!, spot, strike, slice, forward, call)
      if (solved === undefined) {
        status[row] = columns.status[row] === STATUS.aboveBound ? 'above-bound' : 'below-intrinsic'
        columns.status[row] = STATUS.belowIntrinsic
        for (const column of [
          columns.impliedVolatility,
          columns.delta,
          columns.gamma,
          columns.vega,
          columns.theta,
          columns.rho,
        ])
          column[row] = Number.NaN
        continue
      }
      status[row] = 'ok'
      columns.status[row] = STATUS.ok
      columns.impliedVolatility[row] = solved.volatility
      writeRow(analysis, row, solved)
    }
  }
}

interface Solved {
  readonly volatility: number
  readonly premium: number
  readonly premiumSlope: number
  readonly premiumVega: number
}

/** σ with Black(σ) + premium(σ) = mid: fixed point on the premium, which is small against the price. */
const solve = (
  table: PremiumTable,
  mid: number,
  spot: number,
  strike: number,
  slice: Slice,
  {forward, discount}: ImpliedForward,
  call: boolean,
): Solved | undefined => {
  const rootT = Math.sqrt(slice.ttmYears)
  const bare = (premium: number): number =>
    impliedTotalVolatility((mid - premium) / discount, forward, strike, call) / rootT
  let volatility = bare(0)
  if (!(volatility > 0)) volatility = Math.exp(table.logVolatility[table.logVolatility.length >> 1]!)
  let contract = contractPremium(table, firstPoint(table, volatility), spot, strike, call)
  let premium = 0
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const first = firstPoint(table, volatility)
    if (first !== contract.first) contract = contractPremium(table, first, spot, strike, call)
    premium = Math.max(interpolatePremium(table, first, contract.value, volatility), 0)
    const next = bare(premium)
    // The premium at this volatility leaves less than European intrinsic value: exercise is worth more than waiting here.
    if (!(next > 0)) return undefined
    const moved = Math.abs(next - volatility)
    volatility = round < 6 ? next : 0.5 * (volatility + next)
    if (moved < 1e-7 * volatility) break
  }
  const up = interpolatePremium(table, contract.first, contract.value, volatility * 1.001)
  return {
    volatility,
    premium,
    premiumSlope: premiumSlope(table, volatility, spot, strike, call),
    premiumVega: (up - premium) / (0.001 * volatility),
  }
}

const scratch = new Float64Array(GREEK_COUNT)

/** Greeks of the European twin at the de-Americanised volatility, with the premium's share of delta and vega. */
const writeRow = ({columns, options}: ChainGreeks, row: number, solved: Solved): void => {
  const {strike, forward, discount, ttmYears, spot, call} = options
  greeksInto(
    scratch,
    0,
    forward[row]!,
    strike[row]!,
    ttmYears[row]!,
    solved.volatility,
    discount[row]!,
    spot[row]!,
    call[row]! === 1,
  )
  columns.delta[row] = scratch[GREEK.delta]! + solved.premiumSlope
  columns.gamma[row] = scratch[GREEK.gamma]!
  columns.vega[row] = scratch[GREEK.vega]! + solved.premiumVega
  columns.theta[row] = scratch[GREEK.theta]!
  columns.rho[row] = scratch[GREEK.rho]!
}

const tableOf = (
  analysis: ChainGreeks,
  slice: Slice,
  {forward, rate}: ImpliedForward,
  spot: number,
): PremiumTable | undefined => {
  let low = Number.POSITIVE_INFINITY
  let high = 0
  for (const side of [slice.call, slice.put])
    for (const row of side.index) {
      const volatility = row < 0 ? Number.NaN : analysis.columns.impliedVolatility[row]!
      if (!(volatility > 0.01 && volatility < 5)) continue
      low = Math.min(low, volatility)
      high = Math.max(high, volatility)
    }
  if (!(high > 0 && spot > 0)) return undefined
  const yieldRate = rate - Math.log(forward / spot) / slice.ttmYears
  return premiumTable(slice.ttmYears, rate, yieldRate, 0.8 * low, 1.25 * high)
}
