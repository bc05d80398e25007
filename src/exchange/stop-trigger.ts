import type {MarketState} from '../data/market-state.ts'
import type {WorkingOrder} from './working-order.ts'

// Columns are indexed by instrument numbers that the table has handed out, so they are read under `!`.

/**
 * Whether a stop is reached now, a trailing one after its ratchet: by the last trade where the instrument prints trades,
 * else by the quote's near side to the stop.
 */
export const isStopReached = (working: WorkingOrder, market: MarketState): boolean => {
  const {instrument: i, isBuy, order} = working
  const last = market.lastTicks[i]!
  const shown = isBuy ? market.askLots[i]! > 0 : market.bidLots[i]! > 0
  const price = last > 0 ? last : shown ? (isBuy ? market.askTicks[i]! : market.bidTicks[i]!) : Number.NaN
  if (Number.isNaN(price)) return false
  if (order.type === 'trailing_stop') trail(working, price)
  return isBuy ? price >= working.stopTicks : price <= working.stopTicks
}

/** Ratchets a trailing stop towards the market, never away. */
export const trail = (working: WorkingOrder, priceTicks: number): void => {
  const {order, isBuy} = working
  const better = isBuy ? Math.min : Math.max
  working.highWater = Number.isNaN(working.highWater) ? priceTicks : better(working.highWater, priceTicks)
  const distance = order.trailTicks ?? (working.highWater * (order.trailBps ?? 0)) / 10_000
  working.stopTicks = isBuy ? Math.floor(working.highWater + distance) : Math.ceil(working.highWater - distance)
}
