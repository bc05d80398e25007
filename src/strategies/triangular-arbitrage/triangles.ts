// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import type {MarketState} from '../../data/market-state.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'

/** One conversion: `buy` turns the pair's quote currency into its base, `sell` the other way. */
export interface Leg {
  readonly instrument: number
  readonly side: 'buy' | 'sell'
  readonly from: string
  readonly to: string
  /** Ticks of a price of 1 and lots of a size of 1. */
  readonly ticksPerUnit: number
  readonly lotsPerUnit: number
}

/** Conversions, each from what the one before gave, that start and end in one dollar currency. */
export interface Loop {
  readonly name: string
  readonly legs: readonly Leg[]
}

const isDollar = (currency: string): boolean => /^(USD|USDT|USDC)$/.test(currency)

/**
 * Every closed loop of three to `maxLegs` coin pairs through a dollar currency and coins that are not, both ways round. With
 * `throughDollars` also those whose coins in between are dollar coins: a loop that asks whether two dollars are one.
 */
export const findLoops = (instruments: InstrumentTable, maxLegs: number, throughDollars = false): Loop[] => {
  const legs: Leg[] = instruments.all().flatMap((instrument, index): Leg[] => {
    if (instrument.kind !== 'crypto') return []
    const {base, quote, priceDecimals, sizeDecimals} = instrument
    const scales = {instrument: index, ticksPerUnit: 10 ** priceDecimals, lotsPerUnit: 10 ** sizeDecimals}
    return [
      {...scales, side: 'buy', from: quote, to: base},
      {...scales, side: 'sell', from: base, to: quote},
    ]
  })
  const from = Map.groupBy(legs, leg => leg.from)
  const found: Loop[] = []
  const extend = (path: readonly Leg[], start: string): void => {
    const last = path.at(-1)
    for (const next of from.get(last?.to ?? start) ?? []) {
      if (path.some(({instrument}) => instrument === next.instrument)) continue
      if (next.to === start && path.length >= 2)
        found.push({name: [start, ...path.map(({to}) => to)].join('>'), legs: [...path, next]})
      else if (
        (throughDollars || !isDollar(next.to)) &&
        next.to !== start &&
        path.length + 1 < maxLegs &&
        !path.some(({to}) => to === next.to)
      )
        extend([...path, next], start)
    }
  }
  for (const start of new Set(legs.map(leg => leg.from).filter(isDollar))) extend([], start)
  return found.toSorted((a, b) => a.legs.length - b.legs.length)
}

/** Units of `to` for one unit of `from` at the far touch, before fees; 0 when that side is empty. */
export const rateOf = (leg: Leg, market: MarketState): number => {
  const i = leg.instrument
  if (leg.side === 'buy')
    return market.askLots[i]! > 0 && market.askTicks[i]! > 0 ? leg.ticksPerUnit / market.askTicks[i]! : 0
  return market.bidLots[i]! > 0 ? market.bidTicks[i]! / leg.ticksPerUnit : 0
}

/** Units of `from` that the far touch can take. */
const capacityOf = (leg: Leg, market: MarketState): number => {
  const i = leg.instrument
  return leg.side === 'buy'
    ? ((market.askLots[i]! / leg.lotsPerUnit) * market.askTicks[i]!) / leg.ticksPerUnit
    : market.bidLots[i]! / leg.lotsPerUnit
}

export interface Opportunity {
  /** Dollars back for one dollar in, less one, before and after fees. */
  readonly grossEdge: number
  readonly netEdge: number
  /** Dollars the touches can take. */
  readonly capacity: number
}

/** The loop at the present touches: the product of the executable rates, and the smallest of the touches' sizes. */
export const evaluate = (loop: Loop, market: MarketState, feeFraction: number): Opportunity | undefined => {
  const rate = grossRate(loop, market)
  if (rate === 0) return undefined
  let [capacity, reached] = [Number.POSITIVE_INFINITY, 1]
  for (const leg of loop.legs) {
    capacity = Math.min(capacity, capacityOf(leg, market) / reached)
    reached *= rateOf(leg, market)
  }
  return {grossEdge: rate - 1, netEdge: rate * (1 - feeFraction) ** loop.legs.length - 1, capacity}
}

/** Dollars back for one dollar in, before fees; 0 when a side is empty. */
export const grossRate = ({legs}: Loop, market: MarketState): number => {
  let rate = 1
  for (let k = 0; k < legs.length; k++) rate *= rateOf(legs[k]!, market)
  return rate
}
