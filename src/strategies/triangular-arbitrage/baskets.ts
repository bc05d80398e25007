// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import type {MarketState} from '../../data/market-state.ts'
import {type InstrumentTable, lotsToSize, ticksToPrice} from '../../domain/instrument.ts'
import type {Bundle} from './bundles.ts'

/** One fund and what a share of it stands for: units of each member, and cash in its currency. */
export interface BasketSpec {
  readonly etf: string
  readonly members: Readonly<Record<string, number>>
  readonly cash?: number | undefined
}

export interface Basket {
  readonly spec: BasketSpec
  readonly etf: number
  readonly members: readonly {readonly instrument: number; readonly units: number}[]
}

/** Baskets whose fund and members are all in the data. */
export const findBaskets = (specs: readonly BasketSpec[], instruments: InstrumentTable): Basket[] =>
  specs.flatMap((spec): Basket[] => {
    const etf = instruments.indexOf(spec.etf)
    const members = Object.entries(spec.members).map(([symbol, units]) => ({
      instrument: instruments.indexOf(symbol),
      units,
    }))
    const known = members.flatMap(({instrument, units}) => (instrument === undefined ? [] : [{instrument, units}]))
    return etf === undefined || known.length < members.length ? [] : [{spec, etf, members: known}]
  })

export interface BasketQuote {
  /** Dollars a share of the fund: what it costs and brings, and what its members cost and bring, cash included. */
  readonly etfBid: number
  readonly etfAsk: number
  readonly navBid: number
  readonly navAsk: number
}

/** Executable values at the touches; undefined where a side is missing or a quote is older than `oldestUs`. */
export const quoteBasket = (
  {etf, members, spec}: Basket,
  market: MarketState,
  instruments: InstrumentTable,
  oldestUs: number,
): BasketQuote | undefined => {
  const isLive = (i: number): boolean =>
    market.bidLots[i]! > 0 && market.askLots[i]! > 0 && market.quotedUs[i]! >= oldestUs
  if (!isLive(etf) || !members.every(({instrument}) => isLive(instrument))) return undefined
  const bid = (i: number): number => ticksToPrice(instruments.at(i), market.bidTicks[i]!)
  const ask = (i: number): number => ticksToPrice(instruments.at(i), market.askTicks[i]!)
  let [navBid, navAsk] = [spec.cash ?? 0, spec.cash ?? 0]
  for (const {instrument, units} of members) {
    navBid += units * bid(instrument)
    navAsk += units * ask(instrument)
  }
  return {etfBid: bid(etf), etfAsk: ask(etf), navBid, navAsk}
}

/**
 * The bundle that sells the dear side and buys the cheap one, when the difference pays `costBps` of the fund's price; one set
 * is `setShares` shares of the fund, chosen so that members come in whole lots. Undefined without an edge.
 */
export const basketBundle = (
  basket: Basket,
  quote: BasketQuote,
  market: MarketState,
  instruments: InstrumentTable,
  {costBps, setShares, maxDollars}: {readonly costBps: number; readonly setShares: number; readonly maxDollars: number},
): Bundle | undefined => {
  const {etf, members, spec} = basket
  const rich = quote.etfBid - quote.navAsk
  const cheap = quote.navBid - quote.etfAsk
  const direction = rich >= cheap ? -1 : 1
  const edge = Math.max(rich, cheap) - (costBps / 1e4) * quote.etfAsk
  if (!(edge > 0)) return undefined
  const legs = [
    legOf(etf, direction * setShares, market, instruments),
    ...members.map(({instrument, units}) => legOf(instrument, -direction * units * setShares, market, instruments)),
  ]
  let sets = Math.floor(maxDollars / (quote.etfAsk * setShares))
  for (const {instrument, lots} of legs) {
    if (lots === 0) return undefined
    const shown = lots > 0 ? market.askLots[instrument]! : market.bidLots[instrument]!
    sets = Math.min(sets, Math.floor(shown / Math.abs(lots)))
  }
  if (sets < 1) return undefined
  return {kind: 'basket', name: spec.etf, legs, sets, edgeMicros: Math.round(edge * setShares * 1e6)}
}

const legOf = (i: number, units: number, {askTicks, bidTicks}: MarketState, instruments: InstrumentTable) => ({
  instrument: i,
  lots: Math.round(units / lotsToSize(instruments.at(i), 1)),
  limitTicks: units > 0 ? askTicks[i]! : bidTicks[i]!,
})
