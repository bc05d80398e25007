// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import type {MarketState} from '../../data/market-state.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'

/** One conversion: `buy` turns the pair's quote currency into its base, `sell` the other way. */
export interface Leg {
  readonly instrument: number
  readonly side: 'buy' | 'sell'
  readonly from: string
  readonly to: string
}

/** Three conversions that start and end in a dollar currency. */
export interface Triangle {
  readonly name: string
  readonly legs: readonly [Leg, Leg, Leg]
}

const isDollar = (currency: string): boolean => /^(USD|USDT|USDC)$/.test(currency)

/** Every closed loop of three coin pairs through a dollar currency, both ways round. */
export const findTriangles = (instruments: InstrumentTable): Triangle[] => {
  const legs: Leg[] = instruments.all().flatMap((instrument, index): Leg[] =>
    instrument.kind !== 'crypto'
      ? []
      : [
          {instrument: index, side: 'buy', from: instrument.quote, to: instrument.base},
          {instrument: index, side: 'sell', from: instrument.base, to: instrument.quote},
        ],
  )
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

export interface Conversion {
  /** Units of `to` for one unit of `from` at the touch, before fees. */
  readonly rate: number
  /** Units of `from` that the touch can take. */
  readonly capacity: number
}

/** What a leg gives at the far side of its quote; undefined when that side is empty. */
export const convert = (leg: Leg, market: MarketState, instruments: InstrumentTable): Conversion | undefined => {
  const {priceDecimals, sizeDecimals} = instruments.at(leg.instrument)
  const isBuy = leg.side === 'buy'
  const lots = isBuy ? market.askLots[leg.instrument]! : market.bidLots[leg.instrument]!
  const ticks = isBuy ? market.askTicks[leg.instrument]! : market.bidTicks[leg.instrument]!
  if (!(lots > 0 && ticks > 0)) return undefined
  const price = ticks / 10 ** priceDecimals
  const size = lots / 10 ** sizeDecimals
  return isBuy ? {rate: 1 / price, capacity: size * price} : {rate: price, capacity: size}
}

export interface Opportunity {
  /** Dollars back for one dollar in, less one, before and after fees. */
  readonly grossEdge: number
  readonly netEdge: number
  /** Dollars the three touches can take. */
  readonly capacity: number
}

/** The loop at the present touches: the product of the three executable rates, and the smallest size of the three. */
export const evaluate = (
  triangle: Triangle,
  market: MarketState,
  instruments: InstrumentTable,
  feeFraction: number,
): Opportunity | undefined => {
  let [rate, capacity] = [1, Number.POSITIVE_INFINITY]
  for (const leg of triangle.legs) {
    const step = convert(leg, market, instruments)
    if (step === undefined) return undefined
    capacity = Math.min(capacity, step.capacity / rate)
    rate *= step.rate
  }
  return {grossEdge: rate - 1, netEdge: rate * (1 - feeFraction) ** 3 - 1, capacity}
}
