// Numeric kernel: slices are indexed below their length, so `!` cannot miss here.
import {type InstrumentTable, priceToTicks} from '../../domain/instrument.ts'
import type {Chain} from '../../options/chain.ts'
import type {ImpliedForward} from '../../options/forward.ts'
import {findViolations, type Violation} from '../../options/violations.ts'
import type {Bundle} from './bundles.ts'

export interface OptionArbitrageOptions {
  /** Kinds of violation worth trading; `conversion` and `reversal` need the underlying in the data. */
  readonly kinds: ReadonlySet<string>
  readonly feePerContract: number
  /** Dollars after costs asked of one set. */
  readonly minEdge: number
  /** Dollars that one bundle may tie up. */
  readonly maxDollars: number
  readonly participation: number
}

export interface SpotQuote {
  readonly instrument: number
  readonly bid: number
  readonly ask: number
  readonly bidShares: number
  readonly askShares: number
}

const SHARES = 100
/** Legs of an order that US venues take. */
const MOST_LEGS = 4

export interface OptionBundles {
  /** Best first. */
  readonly bundles: readonly Bundle[]
  /** Edges at the quotes shown, by kind, before any fee; and those of them that pay the fees and the edge asked for. */
  readonly beforeCosts: ReadonlyMap<string, number>
  readonly afterCosts: ReadonlyMap<string, number>
}

/**
 * Bundles of a chain that lock a profit in at the quotes shown, best first: static arbitrage between options
 * (`findViolations`) and, where the underlying trades, between it and its synthetic. Held to expiry; sizes are what is shown.
 */
export const optionBundles = (
  chain: Chain,
  forwards: readonly ImpliedForward[],
  spot: SpotQuote | undefined,
  instruments: InstrumentTable,
  options: OptionArbitrageOptions,
): OptionBundles => {
  const {feePerContract, minEdge, kinds} = options
  const shown = [
    // An edge that needs us to exercise early, once a sold leg is assigned, is not one to hold to expiry.
    ...findViolations(chain, forwards, {feePerContract: 0, minEdge: 0}).filter(({assignable}) => assignable !== true),
    ...(spot === undefined ? [] : conversions(chain, forwards, spot)),
  ].filter(({type, edge}) => kinds.has(type) && edge > 0)
  const paying = shown
    .map(one => ({...one, edgeAfterCosts: one.edge - feePerContract * contractsOf(one)}))
    .filter(({edgeAfterCosts}) => edgeAfterCosts > 0 && edgeAfterCosts >= minEdge)
  return {
    bundles: paying
      .toSorted((a, b) => b.edgeAfterCosts - a.edgeAfterCosts)
      .flatMap(violation => bundleOf(violation, spot, instruments, options) ?? []),
    beforeCosts: countByType(shown),
    afterCosts: countByType(paying),
  }
}

const contractsOf = ({legs}: Arbitrage): number => legs.reduce((sum, {quantity}) => sum + quantity, 0)

const countByType = (found: readonly Arbitrage[]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const {type} of found) counts.set(type, (counts.get(type) ?? 0) + 1)
  return counts
}

/** Like a violation, with shares of the underlying beside its option legs. */
type Arbitrage = Omit<Violation, 'type'> & {readonly type: string; readonly shares?: number}

/**
 * Conversion: buy the stock and the put, sell the call: strike dollars at expiry, or earlier when the call is exercised, for
 * less than their present value. Dividends only add to it. Reversal is its mirror, for European options only: an American put
 * may be exercised against us, and dividends on the short stock are ours to pay.
 */
const conversions = (chain: Chain, forwards: readonly ImpliedForward[], spot: SpotQuote): Arbitrage[] => {
  const found: Arbitrage[] = []
  chain.slices.forEach((slice, s) => {
    if (!(slice.ttmYears > 0)) return
    // A discount above one would be a negative rate: money that nobody is sure to get.
    const discount = Math.min(1, forwards[s]!.discount)
    for (let k = 0; k < slice.strike.length; k++) {
      const [callBid, callAsk] = [slice.call.bid[k]!, slice.call.ask[k]!]
      const [putBid, putAsk] = [slice.put.bid[k]!, slice.put.ask[k]!]
      const present = discount * slice.strike[k]!
      const add = (type: string, edge: number, direction: 1 | -1): void => {
        if (!(edge > 0)) return
        const [call, put] = [chain.quotes[slice.call.index[k]!]!, chain.quotes[slice.put.index[k]!]!]
        const callSize = direction > 0 ? call.bidSize : call.askSize
        const putSize = direction > 0 ? put.askSize : put.bidSize
        const shares = direction > 0 ? spot.askShares : spot.bidShares
        found.push({
          kind: 'violation',
          type,
          symbol: chain.symbol,
          tsUs: chain.tsUs,
          expiry: slice.expiry,
          legs: [
            {
              contract: put.contract,
              side: direction > 0 ? 'buy' : 'sell',
              quantity: 1,
              price: direction > 0 ? putAsk : putBid,
            },
            {
              contract: call.contract,
              side: direction > 0 ? 'sell' : 'buy',
              quantity: 1,
              price: direction > 0 ? callBid : callAsk,
            },
          ],
          edge: SHARES * edge,
          edgeAfterCosts: SHARES * edge,
          capacity: Math.min(callSize ?? 0, putSize ?? 0, Math.floor(shares / SHARES)),
          shares: direction * SHARES,
        })
      }
      if (spot.ask > 0 && putAsk > 0 && putBid <= putAsk && callBid > 0 && callBid <= callAsk)
        add('conversion', present - (spot.ask + putAsk - callBid), 1)
      if (
        slice.style === 'european' &&
        spot.bid > 0 &&
        callAsk > 0 &&
        callBid <= callAsk &&
        putBid > 0 &&
        putBid <= putAsk
      )
        add('reversal', spot.bid + putBid - callAsk - present, -1)
    }
  })
  return found
}

const bundleOf = (
  {type, symbol, expiry, legs, edgeAfterCosts, capacity = 0, shares = 0}: Arbitrage,
  spot: SpotQuote | undefined,
  instruments: InstrumentTable,
  {maxDollars, participation}: OptionArbitrageOptions,
): Bundle | undefined => {
  const listed: Bundle['legs'][number][] = []
  let dollars = 0
  for (const {contract, side, quantity, price} of legs) {
    const instrument = instruments.indexOf(contract)
    if (instrument === undefined) return undefined
    // What a sold leg may cost is covered by the bought ones; what ties capital up is what is paid, or a strike's width.
    dollars += SHARES * quantity * price
    const limitTicks = priceToTicks(instruments.at(instrument), price)
    listed.push({instrument, lots: side === 'buy' ? quantity : -quantity, limitTicks})
  }
  if (shares !== 0 && spot !== undefined) {
    const price = shares > 0 ? spot.ask : spot.bid
    dollars += Math.abs(shares) * price
    const limitTicks = priceToTicks(instruments.at(spot.instrument), price)
    listed.unshift({instrument: spot.instrument, lots: shares, limitTicks})
  }
  const sets = Math.min(Math.max(1, Math.floor(participation * capacity)), Math.floor(maxDollars / dollars), capacity)
  return sets < 1
    ? undefined
    : {
        kind: type,
        name: `${symbol} ${expiry}`,
        legs: listed,
        sets,
        legging: shares === 0 && listed.length <= MOST_LEGS ? 'one-order' : 'buys-first',
        edgeMicros: Math.round(edgeAfterCosts * 1e6),
      }
}
