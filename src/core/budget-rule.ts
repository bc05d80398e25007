import type {RequestUse} from '../broker/broker.ts'
import {accept, type RiskRule} from '../risk/risk.ts'

/**
 * Refuses orders that the venue would not take this minute, before they are journaled. What brings a position nearer to
 * zero passes: the broker keeps requests for it.
 */
export const requestBudget =
  (use: () => RequestUse): RiskRule =>
  (order, {positionLots}) => {
    const held = positionLots[order.instrument] ?? 0
    const closes = order.side === 'buy' ? -held : held
    if (order.reduceOnly === true || closes >= order.lots) return accept
    const {available, perMinute, lastMinute} = use()
    if (available >= 1) return accept
    return {kind: 'reject', rule: 'request-budget', detail: `lastMinute=${lastMinute} perMinute=${perMinute}`}
  }
