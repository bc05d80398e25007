// Numeric kernel: columns are indexed with `!` below their length.
import type {Chain, Slice} from './chain.ts'
import type {ImpliedForward} from './forward.ts'

export type ViolationType = 'parity' | 'vertical' | 'butterfly' | 'calendar' | 'box'

export interface ViolationLeg {
  readonly contract: string
  readonly side: 'buy' | 'sell'
  readonly quantity: number
  /** Executable now: the ask where bought, the bid where sold. */
  readonly price: number
}

/**
 * `violation` record: quotes that can be traded against each other at a profit that no later price can take away. Parity, box
 * and the dear vertical are loans: their edge holds at the discount factor that the chain itself implies.
 */
export interface Violation {
  readonly kind: 'violation'
  readonly type: ViolationType
  readonly symbol: string
  readonly tsUs: number
  readonly expiry: string
  readonly legs: readonly ViolationLeg[]
  /** Dollars for the legs as listed, at bid and ask: least payoff at expiry, discounted, plus what is received now. */
  readonly edge: number
  /** After fees on every leg. */
  readonly edgeAfterCosts: number
  /** Sets of the legs that the displayed sizes allow; absent where a size is not known. */
  readonly capacity?: number
  /** A short leg may be exercised before expiry: the edge holds for who then exercises the long one. */
  readonly assignable?: true
}

export interface ViolationOptions {
  /** Dollars a contract and side; about 0.65 commission and 0.04 exchange and regulatory fees. */
  readonly feePerContract?: number
  /** Shares a contract. */
  readonly multiplier?: number
  /** Least edge after costs to report, dollars. */
  readonly minEdge?: number
}

const DEFAULTS = {feePerContract: 0.69, multiplier: 100, minEdge: 0}

/**
 * Static arbitrage between quotes, scored as executable money. What may be exercised against us loosens some of it: the
 * European relations are equalities of payoffs at expiry, the American ones (R. C. Merton, "Theory of rational option pricing",
 * 1973, section 4) bounds that hold whenever the short legs are exercised, for rates that are not negative.
 * Butterflies are sought among neighbouring strikes that have both a bid and an ask.
 *  vertical   buy low call, sell high call (mirror for puts) for less than nothing, or sell it for more than D·(K₂ − K₁);
 *             American: more than K₂ − K₁, which may be due today
 *  butterfly  buy the wings, sell the body for less than nothing
 *  box        long and short synthetic forwards at two strikes for less than their fixed payoff D·(K₂ − K₁), or the reverse;
 *             American: only the former, for who holds the box is paid K₂ − K₁ at expiry or before
 *  parity     one strike's synthetic forward against the best synthetic of the other strikes, through the discount: the
 *             cheapest against the dearest strike of the slice (one a slice), so no underlying is needed; American: the sold
 *             one at C − P + D·K, the bought one at C − P + K + what the underlying pays before expiry (its present value as the
 *             forward implies it)
 *  calendar   sell the nearer, buy the farther option of equal forward moneyness for less than nothing; strikes are matched
 *             where K₂/F₂ = K₁/F₁ within half a strike in our favour, carried as self-financing in the forward; American: the
 *             farther of the same class and strike is worth at least the nearer
 */
export const findViolations = (
  chain: Chain,
  forwards: readonly ImpliedForward[],
  options: ViolationOptions = {},
): Violation[] => {
  const settings = {...DEFAULTS, ...options}
  const found: Violation[] = []
  chain.slices.forEach((slice, s) => {
    if (!(slice.ttmYears > 0)) return
    const context: Context = {chain, slice, discount: forwards[s]!.discount, settings, found}
    verticals(context, true)
    verticals(context, false)
    butterflies(context, true)
    butterflies(context, false)
    boxes(context)
    parity(context, payoutOf(chain, forwards[s]!))
  })
  calendars(chain, forwards, settings, found)
  americanCalendars(chain, settings, found)
  return found.sort((a, b) => b.edgeAfterCosts - a.edgeAfterCosts)
}

type Settings = Required<ViolationOptions>
interface Context {
  readonly chain: Chain
  readonly slice: Slice
  readonly discount: number
  readonly settings: Settings
  readonly found: Violation[]
}

interface Leg {
  readonly slice: Slice
  readonly call: boolean
  readonly at: number
  /** Positive bought, negative sold. */
  readonly quantity: number
}

const bidOf = (slice: Slice, call: boolean, i: number): number => (call ? slice.call : slice.put).bid[i]!
const askOf = (slice: Slice, call: boolean, i: number): number => (call ? slice.call : slice.put).ask[i]!
/** Something can be bought at the ask only when there is one; sold at the bid only when it is above zero; never when crossed. */
const canBuy = (slice: Slice, call: boolean, i: number): boolean =>
  askOf(slice, call, i) > 0 && !(bidOf(slice, call, i) > askOf(slice, call, i))
const canSell = (slice: Slice, call: boolean, i: number): boolean =>
  bidOf(slice, call, i) > 0 && !(bidOf(slice, call, i) > askOf(slice, call, i))

/** Neighbouring tradable strikes suffice: a violation between far strikes shows between some neighbours or costs more spread. */
const verticals = (context: Context, call: boolean): void => {
  const {slice, discount} = context
  let before = -1
  for (let i = 0; i < slice.strike.length; i++) {
    if (!canBuy(slice, call, i) && !canSell(slice, call, i)) continue
    if (before >= 0) {
      // The dearer option by payoff: the lower call, the higher put.
      const rich = call ? before : i
      const poor = call ? i : before
      const width = slice.strike[i]! - slice.strike[before]!
      if (canBuy(slice, call, rich) && canSell(slice, call, poor)) {
        const edge = bidOf(slice, call, poor) - askOf(slice, call, rich)
        if (edge > 0) report(context, 'vertical', edge, [leg(slice, call, rich, 1), leg(slice, call, poor, -1)])
      }
      if (canSell(slice, call, rich) && canBuy(slice, call, poor)) {
        const due = slice.style === 'european' ? discount * width : width
        const edge = bidOf(slice, call, rich) - askOf(slice, call, poor) - due
        if (edge > 0) report(context, 'vertical', edge, [leg(slice, call, rich, -1), leg(slice, call, poor, 1)])
      }
    }
    before = i
  }
}

const butterflies = (context: Context, call: boolean): void => {
  const {slice} = context
  const strikes: number[] = []
  for (let i = 0; i < slice.strike.length; i++) if (canBuy(slice, call, i) && canSell(slice, call, i)) strikes.push(i)
  for (let j = 1; j + 1 < strikes.length; j++) {
    const low = strikes[j - 1]!
    const body = strikes[j]!
    const high = strikes[j + 1]!
    const left = slice.strike[body]! - slice.strike[low]!
    const right = slice.strike[high]! - slice.strike[body]!
    // Whole contracts: (right, −(left + right), left) over their greatest common divisor.
    const unit = divisor(Math.round(left * 1000), Math.round(right * 1000)) / 1000
    const nLow = Math.round(right / unit)
    const nHigh = Math.round(left / unit)
    if (nLow + nHigh > MAX_RATIO) continue
    const edge =
      (nLow + nHigh) * bidOf(slice, call, body) - nLow * askOf(slice, call, low) - nHigh * askOf(slice, call, high)
    if (edge > 0)
      report(context, 'butterfly', edge, [
        leg(slice, call, low, nLow),
        leg(slice, call, body, -(nLow + nHigh)),
        leg(slice, call, high, nHigh),
      ])
  }
}
const MAX_RATIO = 20

/** Buying synthetic forwards low, selling high, or the reverse, between neighbouring strikes. */
const boxes = (context: Context): void => {
  const {slice, discount} = context
  const strikes = pairedStrikes(slice)
  for (let j = 1; j < strikes.length; j++) {
    const low = strikes[j - 1]!
    const high = strikes[j]!
    const fixed = discount * (slice.strike[high]! - slice.strike[low]!)
    const cost =
      askOf(slice, true, low) - bidOf(slice, false, low) - bidOf(slice, true, high) + askOf(slice, false, high)
    const proceeds =
      bidOf(slice, true, low) - askOf(slice, false, low) - askOf(slice, true, high) + bidOf(slice, false, high)
    if (fixed - cost > 0)
      report(context, 'box', fixed - cost, synthetic(slice, low, 1).concat(synthetic(slice, high, -1)))
    if (proceeds - fixed > 0 && slice.style === 'european')
      report(context, 'box', proceeds - fixed, synthetic(slice, low, -1).concat(synthetic(slice, high, 1)))
  }
}

/** Present value of what the underlying pays before expiry, by the forward; 0 where the chain names no underlying. */
const payoutOf = ({underlying}: Chain, {forward, discount}: ImpliedForward): number =>
  underlying === undefined ? 0 : Math.max(underlying - forward * discount, 0)

/** The cheapest synthetic forward against the dearest: C − P + D·K at ask and at bid. One a slice. */
const parity = (context: Context, payout: number): void => {
  const {slice, discount} = context
  const isAmerican = slice.style === 'american'
  let cheapest = -1
  let dearest = -1
  let ask = Number.POSITIVE_INFINITY
  let bid = Number.NEGATIVE_INFINITY
  for (const i of pairedStrikes(slice)) {
    const carry = discount * slice.strike[i]!
    const owed = isAmerican ? slice.strike[i]! + payout : carry
    const buy = askOf(slice, true, i) - bidOf(slice, false, i) + owed
    const sell = bidOf(slice, true, i) - askOf(slice, false, i) + carry
    if (buy < ask) {
      ask = buy
      cheapest = i
    }
    if (sell > bid) {
      bid = sell
      dearest = i
    }
  }
  if (cheapest >= 0 && dearest >= 0 && cheapest !== dearest && bid > ask)
    report(context, 'parity', bid - ask, synthetic(slice, cheapest, 1).concat(synthetic(slice, dearest, -1)))
}

const pairedStrikes = (slice: Slice): number[] => {
  const strikes: number[] = []
  for (let i = 0; i < slice.strike.length; i++)
    if (canBuy(slice, true, i) && canSell(slice, true, i) && canBuy(slice, false, i) && canSell(slice, false, i))
      strikes.push(i)
  return strikes
}

const synthetic = (slice: Slice, i: number, direction: 1 | -1): Leg[] => [
  leg(slice, true, i, direction),
  leg(slice, false, i, -direction),
]

const leg = (slice: Slice, call: boolean, at: number, quantity: number): Leg => ({slice, call, at, quantity})

/**
 * Consecutive European expiries of one underlying: sell the nearer call at K₁, buy the farther at the greatest
 * K₂ ≤ K₁·F₂/F₁ (for puts the least K₂ ≥). In forward units the farther is worth at least the nearer (Jensen), so
 * D₁F₁ of the one may be compared with D₂F₂ of the other. Holds for a proportional carry between the expiries; the hedge at
 * the nearer expiry is a position in the forward.
 */
const calendars = (chain: Chain, forwards: readonly ImpliedForward[], settings: Settings, found: Violation[]): void => {
  const usable = chain.slices
    .map((slice, s) => ({slice, forward: forwards[s]!}))
    .filter(({slice, forward}) => slice.style === 'european' && slice.ttmYears > 0 && forward.method === 'parity')
  for (let s = 0; s + 1 < usable.length; s++) {
    const near = usable[s]!
    const far = usable[s + 1]!
    if (far.slice.expiryUs === near.slice.expiryUs) continue
    const ratio = far.forward.forward / near.forward.forward
    const context: Context = {chain, slice: far.slice, discount: far.forward.discount, settings, found}
    // Quantity of far options a near one: D₁F₁/(D₂F₂) is within a few tenths of a percent of 1; whole contracts are traded.
    const scale = (near.forward.discount / far.forward.discount) * (1 / ratio)
    for (const call of [true, false])
      for (let i = 0; i < near.slice.strike.length; i++) {
        if (!canSell(near.slice, call, i)) continue
        const target = near.slice.strike[i]! * ratio
        const j = matchStrike(far.slice.strike, target, call)
        if (j < 0 || !canBuy(far.slice, call, j)) continue
        const edge = bidOf(near.slice, call, i) - Math.max(scale, 1) * askOf(far.slice, call, j)
        if (edge > 0) report(context, 'calendar', edge, [leg(near.slice, call, i, -1), leg(far.slice, call, j, 1)])
      }
  }
}

/** Of each class and strike, consecutive expiries that quote it: sell the nearer, buy the farther. */
const americanCalendars = (chain: Chain, settings: Settings, found: Violation[]): void => {
  const nearest = new Map<string, {readonly slice: Slice; readonly at: number}>()
  for (const slice of chain.slices) {
    if (slice.style !== 'american' || !(slice.ttmYears > 0)) continue
    const context: Context = {chain, slice, discount: 1, settings, found}
    for (const call of [true, false])
      for (let at = 0; at < slice.strike.length; at++) {
        if (!canBuy(slice, call, at) && !canSell(slice, call, at)) continue
        const key = `${slice.root}/${call ? 'C' : 'P'}${slice.strike[at]!}`
        const near = nearest.get(key)
        nearest.set(key, {slice, at})
        if (near === undefined || !canSell(near.slice, call, near.at) || !canBuy(slice, call, at)) continue
        const edge = bidOf(near.slice, call, near.at) - askOf(slice, call, at)
        if (edge > 0) report(context, 'calendar', edge, [leg(near.slice, call, near.at, -1), leg(slice, call, at, 1)])
      }
  }
}

/** Nearest strike on the favourable side: at or below for a call, at or above for a put; −1 when none lies within 1 %. */
const matchStrike = (strikes: Float64Array, target: number, call: boolean): number => {
  let low = 0
  let high = strikes.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (strikes[middle]! < target) low = middle + 1
    else high = middle
  }
  const j = call ? (strikes[low] === target ? low : low - 1) : low
  return j >= 0 && j < strikes.length && Math.abs(strikes[j]! / target - 1) < 0.01 ? j : -1
}

const report = (context: Context, type: ViolationType, edgePerShare: number, legs: readonly Leg[]): void => {
  const {chain, slice, settings, found} = context
  const edge = edgePerShare * settings.multiplier
  let contracts = 0
  let capacity = Number.POSITIVE_INFINITY
  const listed = legs.map((one): ViolationLeg => {
    const side = one.call ? one.slice.call : one.slice.put
    const quote = chain.quotes[side.index[one.at]!]!
    const quantity = Math.abs(one.quantity)
    const size = one.quantity > 0 ? quote.askSize : quote.bidSize
    contracts += quantity
    capacity = Math.min(capacity, size === undefined ? Number.NaN : Math.floor(size / quantity))
    return {
      contract: quote.contract,
      side: one.quantity > 0 ? 'buy' : 'sell',
      quantity,
      price: one.quantity > 0 ? side.ask[one.at]! : side.bid[one.at]!,
    }
  })
  const edgeAfterCosts = edge - contracts * settings.feePerContract
  if (edgeAfterCosts < settings.minEdge) return
  found.push({
    kind: 'violation',
    type,
    symbol: chain.symbol,
    tsUs: chain.tsUs,
    expiry: slice.expiry,
    legs: listed,
    edge,
    edgeAfterCosts,
    ...(Number.isNaN(capacity) ? {} : {capacity}),
    ...(slice.style === 'american' ? {assignable: true as const} : {}),
  })
}

const divisor = (a: number, b: number): number => {
  let x = a
  let y = b
  while (y > 0) {
    const rest = x % y
    x = y
    y = rest
  }
  return x
}
