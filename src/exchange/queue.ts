import type {QueueModelName} from './venue.ts'
import type {WorkingOrder} from './working-order.ts'

/**
 * Where a resting order stands among those who came before it at the same price. All models move forward on trades at
 * the price and never stand behind more than the level shows; they differ in what a shrinking level means.
 * Source: hftbacktest, docs/order_fill.rst; Rigtorp, "Estimating order queue position" (2013).
 */

/** The order joins its level now, behind all that is shown; `Infinity` ahead while the level's size is unknown. */
export const joinQueue = (order: WorkingOrder, model: QueueModelName, levelLots: number, bookArrival: number): void => {
  order.levelLots = levelLots
  order.tradedLots = 0
  order.bookArrival = bookArrival
  order.aheadLots = model === 'none' ? 0 : Number.isNaN(levelLots) ? Infinity : levelLots
}

/** Its level now shows `levelLots` (NaN when it cannot be seen). */
export const seeLevel = (order: WorkingOrder, model: QueueModelName, levelLots: number): void => {
  if (Number.isNaN(levelLots) || order.aheadLots === 0) return
  if (model === 'probabilistic' && !Number.isNaN(order.levelLots) && order.aheadLots !== Infinity) {
    // A trade is seen twice, as a print and as a smaller level: only the rest was cancelled.
    const cancelled = order.levelLots - levelLots - order.tradedLots
    if (cancelled > 0) order.aheadLots = Math.max(0, order.aheadLots - cancelled * shareAhead(order, levelLots))
  }
  order.tradedLots = 0
  order.levelLots = levelLots
  if (order.aheadLots > levelLots) order.aheadLots = levelLots
}

/** Probability that a cancellation was ahead: f(front) / (f(front) + f(back)) with f(x) = log(1 + x). */
const shareAhead = (order: WorkingOrder, levelLots: number): number => {
  const front = Math.log1p(order.aheadLots)
  const back = Math.log1p(Math.max(0, levelLots - order.aheadLots))
  return front + back === 0 ? 1 : front / (front + back)
}

/** `lots` traded at its price against its side; returns how many of them reach the order. */
export const passTrade = (order: WorkingOrder, lots: number): number => {
  order.tradedLots += lots
  if (order.aheadLots >= lots) {
    order.aheadLots -= lots
    return 0
  }
  const reached = lots - order.aheadLots
  order.aheadLots = 0
  return Math.floor(reached)
}
