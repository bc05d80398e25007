import {midTicks} from '../data/market-state.ts'
import type {StrategyContext} from './strategy.ts'

/** Whole lots of `fraction` of the strategy's capital at the mid; 0 without a price. */
export const lotsOfCapital = (context: StrategyContext, instrument: number, fraction: number): number => {
  const {multiplier, priceDecimals, sizeDecimals} = context.instruments.at(instrument)
  const perLot = midTicks(context.market, instrument) * multiplier * 10 ** (6 - priceDecimals - sizeDecimals)
  return perLot > 0 ? Math.floor((context.capitalMicros * fraction) / perLot) : 0
}
