import type {MarketState} from '../data/market-state.ts'
import type {Instrument} from '../domain/instrument.ts'
import type {Side} from '../domain/units.ts'

// Columns are indexed by instrument numbers of the run's table, so they are read under `!`.

/** The multiple of the increment that is no worse for us than the price wanted. */
export const onIncrement = ({incrementTicks, priceDecimals}: Instrument, ticks: number, side: Side): number => {
  const step = ticks >= 10 ** priceDecimals ? incrementTicks : 1
  return side === 'buy' ? Math.floor(ticks / step) * step : Math.ceil(ticks / step) * step
}

/** A quote must not take: one that the market has come to since it was wanted slides behind the far side. */
export const behindFarTouch = (
  instrument: Instrument,
  {bidTicks, bidLots, askTicks, askLots}: MarketState,
  i: number,
  ticks: number,
  side: Side,
): number => {
  if (side === 'buy')
    return askLots[i]! > 0 && ticks >= askTicks[i]! ? onIncrement(instrument, askTicks[i]! - 1, side) : ticks
  return bidLots[i]! > 0 && ticks <= bidTicks[i]! ? onIncrement(instrument, bidTicks[i]! + 1, side) : ticks
}
