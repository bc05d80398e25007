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

/** Three conversions that start and end in a dollar currency. */
export interface Triangle {
  readonly name: string
  readonly legs: readonly [Leg, Leg, Leg]
}

const isDollar = (currency: string): boolean => /^(USD|USDT|USDC)$/.test(currency)

/** Every closed loop of three coin pairs through a dollar currency, both ways round. */
export const findTriangles = (instruments: InstrumentTable): Triangle[] => {
  const legs: Leg[] = instruments.all().flatMap((instrument, index): Leg[] => {
    if (instrument.kind !== 'crypto') return []
    const {base, quote, priceDecimals, sizeDecimals} = instrument
    const scales = {instrument: index, ticksPerUnit: 10 ** priceDecimals, lotsPerUnit: 10 ** sizeDecimals}
    return [
      {...scales, side: 'buy', from: quote, to: base},
      {...scales, side: 'sell', from: base, to: quote},
    ]
  })
  const found: Triangle[] = []
  for (const first of legs) {
    if (!isDollar(first.from) || isDollar(first.to)) continue
    for (const second of legs) {
      if (second.from !== first.to || second.instrument === first.instrument || isDollar(second.to)) continue
      for (const third of legs)
        if (third.from === second.to && third.to === first.from)
          found.push({name: `${first.from}>${first.to}>${second.to}`, legs: [first, second, third]})
    }
  }
  return found
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
  /** Dollars the three touches can take. */
  readonly capacity: number
}

/** The loop at the present touches: the product of the three executable rates, and the smallest size of the three. */
export const evaluate = (triangle: Triangle, market: MarketState, feeFraction: number): Opportunity | undefined => {
  const rate = grossRate(triangle, market)
  if (rate === 0) return undefined
  const [first, second, third] = triangle.legs
  const toSecond = rateOf(first, market)
  const toThird = toSecond * rateOf(second, market)
  const capacity = Math.min(
    capacityOf(first, market),
    capacityOf(second, market) / toSecond,
    capacityOf(third, market) / toThird,
  )
  return {grossEdge: rate - 1, netEdge: rate * (1 - feeFraction) ** 3 - 1, capacity}
}

/** Dollars back for one dollar in, before fees; 0 when a side is empty. */
export const grossRate = ({legs}: Triangle, market: MarketState): number =>
  rateOf(legs[0], market) * rateOf(legs[1], market) * rateOf(legs[2], market)
