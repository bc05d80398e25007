// Columns are indexed by an instrument of the table they were sized from, so `!` cannot miss here.
import {midTicks} from '../../data/market-state.ts'
import type {OrderIntent} from '../../domain/order.ts'
import {US_PER_SECOND} from '../../domain/units.ts'
import {isReducing, orderTicks, within} from '../exposure.ts'
import type {RiskLimits} from '../limits.ts'
import {accept, type RiskRule, type Verdict} from '../risk.ts'

/** Well-formed lots and prices for the instrument and the order type. */
export const wellFormed: RiskRule = (order, s) => {
  const instrument = s.instruments.at(order.instrument)
  if (!Number.isSafeInteger(order.lots) || order.lots < instrument.minLots)
    return {kind: 'reject', rule: 'order-size', detail: `lots=${order.lots} minLots=${instrument.minLots}`}
  if (needsLimit(order) && order.limitTicks === undefined) return badPrice('limit', undefined)
  if (needsStop(order) && order.stopTicks === undefined) return badPrice('stop', undefined)
  if (order.limitTicks !== undefined && !onIncrement(order.limitTicks, instrument.incrementTicks))
    return badPrice('limit', order.limitTicks)
  if (order.stopTicks !== undefined && !onIncrement(order.stopTicks, instrument.incrementTicks))
    return badPrice('stop', order.stopTicks)
  return accept
}
const needsLimit = ({type}: OrderIntent): boolean => type === 'limit' || type === 'stop_limit'
const needsStop = ({type}: OrderIntent): boolean => type === 'stop' || type === 'stop_limit'
const onIncrement = (ticks: number, increment: number): boolean =>
  Number.isSafeInteger(ticks) && ticks > 0 && ticks % increment === 0
const badPrice = (which: string, ticks: number | undefined): Verdict => ({
  kind: 'reject',
  rule: 'price-increment',
  detail: `${which}Ticks=${ticks}`,
})

export const duplicateOrder =
  ({duplicateWindowUs}: RiskLimits): RiskRule =>
  (order, s) => {
    if (s.recent.hasId(order.clientOrderId))
      return {kind: 'reject', rule: 'duplicate-id', detail: `clientOrderId=${order.clientOrderId}`}
    if (s.recent.hasWorkingTwin(order, s.nowUs - duplicateWindowUs))
      return {kind: 'reject', rule: 'duplicate-order', detail: `withinUs=${duplicateWindowUs}`}
    return accept
  }

/** Denied, not queued: a queued order would be sent on a price that has moved. */
export const orderRate =
  ({maxOrdersPerSecond}: RiskLimits): RiskRule =>
  (_order, s) => {
    const count = s.recent.countSince(s.nowUs - US_PER_SECOND + 1)
    if (count < maxOrdersPerSecond) return accept
    return {kind: 'reject', rule: 'order-rate', detail: `lastSecond=${count} limit=${maxOrdersPerSecond}`}
  }

/** An opening order needs a price that is there and fresh; a closing one may leave on an old price. */
export const freshQuote =
  ({staleQuoteUs}: RiskLimits): RiskRule =>
  (order, s) => {
    const i = order.instrument
    if (isReducing(order, s)) return accept
    if (!(midTicks(s.market, i) > 0))
      return {kind: 'reject', rule: 'no-market', detail: `symbol=${s.instruments.at(i).symbol}`}
    const ageUs = s.nowUs - s.market.updatedUs[i]!
    if (ageUs <= staleQuoteUs) return accept
    return {kind: 'reject', rule: 'stale-quote', detail: `ageUs=${ageUs} limitUs=${staleQuoteUs}`}
  }

/**
 * Keeps order prices near the market: the aggressive side for every order, the passive side too for an opening one.
 * A market order is held to the far side of the quote, so an empty book cannot fill it at any price.
 */
export const priceCollar =
  ({priceCollar: collar}: RiskLimits): RiskRule =>
  (order, s) => {
    const mid = midTicks(s.market, order.instrument)
    if (!(mid > 0)) return accept
    const away = (orderTicks(order, s) - mid) / mid
    const aggressive = order.side === 'buy' ? away : -away
    const tooFar = aggressive > collar || (-aggressive > collar && order.stopTicks === undefined)
    if (!tooFar || (aggressive < 0 && isReducing(order, s))) return accept
    return {kind: 'reject', rule: 'price-collar', detail: `away=${away.toFixed(4)} limit=${collar}`}
  }

/**
 * The size that is a sum of money: lots so many that they would be worth more than the whole account, while the same
 * number read as dollars would be an ordinary order. Refused whole, never cut to size: the sender meant something else.
 */
export const notionalAsSize =
  ({maxOrderMicros}: RiskLimits): RiskRule =>
  (order, s) => {
    if (isReducing(order, s)) return accept
    const instrument = s.instruments.at(order.instrument)
    const worth = orderTicks(order, s) * s.microsPerTickLot[order.instrument]! * order.lots
    const sizeAsMicros = (order.lots / 10 ** instrument.sizeDecimals) * 1e6
    if (worth <= Math.max(s.equityMicros, 10 * maxOrderMicros) || sizeAsMicros > 2 * maxOrderMicros) return accept
    return {
      kind: 'reject',
      rule: 'notional-as-size',
      detail: `worthMicros=${Math.round(worth)} equityMicros=${s.equityMicros}`,
    }
  }

/** Shrinks an order to the largest value one order may have. Closing orders leave in slices. */
export const maxOrder =
  ({maxOrderMicros}: RiskLimits): RiskRule =>
  (order, s) => {
    const perLot = orderTicks(order, s) * s.microsPerTickLot[order.instrument]!
    if (!(perLot > 0)) return accept
    const room = maxOrderMicros / perLot
    return within(
      order,
      s,
      room,
      'max-order',
      () => `worthMicros=${Math.round(perLot * order.lots)} limitMicros=${maxOrderMicros}`,
    )
  }
