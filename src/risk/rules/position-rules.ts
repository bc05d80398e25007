// Columns are indexed by an instrument of the table they were sized from, so `!` cannot miss here.
import type {OrderIntent} from '../../domain/order.ts'
import type {RuleName} from '../denials.ts'
import {isReducing, orderTicks, reducibleLots, within, worstLots} from '../exposure.ts'
import type {RiskLimits} from '../limits.ts'
import {accept, type RiskRule, type RiskSnapshot, type Verdict} from '../risk.ts'

/** Position value with every working order of the order's side filled stays within the dollar limit. */
export const maxPosition =
  ({maxPositionMicros}: RiskLimits): RiskRule =>
  (order, s) =>
    limitPosition(order, s, maxPositionMicros, 'max-position')

export const maxPositionFraction =
  ({maxPositionFraction: fraction}: RiskLimits): RiskRule =>
  (order, s) =>
    limitPosition(order, s, fraction * s.equityMicros, 'max-position-fraction')

const limitPosition = (order: OrderIntent, s: RiskSnapshot, limitMicros: number, rule: RuleName): Verdict => {
  if (isReducing(order, s)) return accept
  const perLot = orderTicks(order, s) * s.microsPerTickLot[order.instrument]!
  if (!(perLot > 0)) return accept
  const held = s.positionLots[order.instrument]!
  const before =
    order.side === 'buy' ? held + s.workingBuyLots[order.instrument]! : -held + s.workingSellLots[order.instrument]!
  const room = Math.max(limitMicros / perLot - before, reducibleLots(order, s))
  return within(
    order,
    s,
    room,
    rule,
    () => `heldAndWorking=${before} order=${order.lots} limitLots=${Math.floor(limitMicros / perLot)}`,
  )
}

/** A sale may pass zero only where shorting is allowed and the lots can be borrowed. */
export const shortSale =
  ({allowShort}: RiskLimits): RiskRule =>
  (order, s) => {
    if (order.side === 'buy' || worstLots(order, s) >= 0) return accept
    const available = allowShort ? s.shortableLots[order.instrument]! : 0
    const room = s.positionLots[order.instrument]! - s.workingSellLots[order.instrument]! + available
    return within(
      order,
      s,
      room,
      'short-sale',
      () => `held=${s.positionLots[order.instrument]} order=${order.lots} borrowable=${available}`,
    )
  }
