import type {VenueOrder} from './venue.ts'

/**
 * One order inside the matching core.
 * `held` waits for its group's entry; `scheduled` for the auction; `closing` for what the close was made at; `stopped` for its
 * trigger; `live` may trade.
 */
export type WorkingState = 'held' | 'scheduled' | 'closing' | 'stopped' | 'live' | 'done'

export interface WorkingOrder {
  order: VenueOrder
  clientOrderId: string
  readonly venueOrderId: string
  readonly isBuy: boolean
  readonly instrument: number
  state: WorkingState
  leavesLots: number
  filledLots: number
  fills: number
  /** Worst acceptable price in ticks; `Infinity` for a market buy, `-Infinity` for a market sell. */
  limitTicks: number
  stopTicks: number
  /** Best price since acceptance, for a trailing stop; NaN before the first. */
  highWater: number
  /** When it reached the matching engine. */
  arrivedUs: number
  /** Time priority among our own orders. */
  seq: number
  /** Next thing that time alone does to it: auction, close, expiry. */
  wakeUs: number
  expiresUs: number
  /** Opening or close that it is for; NaN for every other order. */
  auctionUs: number
  /** Lots that stand before it at its price; Infinity while the level has not been seen. */
  aheadLots: number
  /** Size of its level when last seen, and traded since then; NaN while unknown. */
  levelLots: number
  tradedLots: number
  /** Number of market orders that were in the level-3 book when it joined. */
  bookArrival: number
  partialDrawn: boolean
}

export const createWorkingOrder = (
  order: VenueOrder,
  venueOrderId: string,
  seq: number,
  atUs: number,
): WorkingOrder => {
  const isBuy = order.side === 'buy'
  const hasLimit = order.type === 'limit' || order.type === 'stop_limit'
  return {
    order,
    clientOrderId: order.clientOrderId,
    venueOrderId,
    isBuy,
    instrument: order.instrument,
    state: 'live',
    leavesLots: order.lots,
    filledLots: 0,
    fills: 0,
    limitTicks: hasLimit && order.limitTicks !== undefined ? order.limitTicks : isBuy ? Infinity : -Infinity,
    stopTicks: order.stopTicks ?? Number.NaN,
    highWater: Number.NaN,
    arrivedUs: atUs,
    seq,
    wakeUs: Infinity,
    expiresUs: Infinity,
    auctionUs: Number.NaN,
    aheadLots: Infinity,
    levelLots: Number.NaN,
    tradedLots: 0,
    bookArrival: 0,
    partialDrawn: false,
  }
}

/** Price priority first, then time; buys and sells never compete. */
export const byPriority = (a: WorkingOrder, b: WorkingOrder): number => {
  if (a.isBuy !== b.isBuy) return a.isBuy ? -1 : 1
  if (a.limitTicks !== b.limitTicks) return a.isBuy ? b.limitTicks - a.limitTicks : a.limitTicks - b.limitTicks
  return a.seq - b.seq
}

/** Why a venue would refuse the order on its face; undefined when it would not. */
export const faultOf = (
  order: VenueOrder,
  minLots: number,
  incrementTicks: number,
  ticksPerUnit: number,
): {readonly code: string; readonly reason: string} | undefined => {
  const fault = (code: string, reason: string) => ({code, reason})
  if (!(order.lots > 0)) return fault('invalid_size', `lots must be positive, were ${order.lots}`)
  if (order.lots < minLots) return fault('below_minimum', `lots must be at least ${minLots}, were ${order.lots}`)
  const needsLimit = order.type === 'limit' || order.type === 'stop_limit'
  const needsStop = order.type === 'stop' || order.type === 'stop_limit'
  if (needsLimit && order.limitTicks === undefined) return fault('invalid_order', `a ${order.type} order needs a limit`)
  if (needsStop && order.stopTicks === undefined) return fault('invalid_order', `a ${order.type} order needs a stop`)
  if (order.type === 'trailing_stop' && (order.trailTicks === undefined) === (order.trailBps === undefined))
    return fault('invalid_order', 'a trailing stop needs exactly one of trailTicks and trailBps')
  if (order.postOnly === true && order.type !== 'limit')
    return fault('invalid_order', `a post-only order must be a limit order, was ${order.type}`)
  const immediate = order.timeInForce === 'ioc' || order.timeInForce === 'fok'
  if (immediate && order.type !== 'market' && order.type !== 'limit')
    return fault('invalid_order', `${order.timeInForce} must not be combined with ${order.type}`)
  if (order.postOnly === true && immediate)
    return fault('invalid_order', `post-only must not be combined with ${order.timeInForce}`)
  for (const price of [order.limitTicks, order.stopTicks])
    if (price !== undefined && price >= ticksPerUnit && price % incrementTicks !== 0)
      return fault('sub_penny', `a price must be a multiple of ${incrementTicks} ticks, was ${price}`)
  return undefined
}
