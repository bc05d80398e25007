import type {OrderType} from '../domain/order.ts'
import type {Side} from '../domain/units.ts'
import {type Decimal, formatDecimal} from './decimal.ts'
import {isFinal, type OrderRecord} from './order-record.ts'
import {forbidden, type Refusal} from './wire-error.ts'

export interface WashCandidate {
  readonly symbol: string
  readonly side: Side
  readonly type: OrderType
  readonly limitPrice: Decimal | undefined
  /** Members of bracket, OCO and OTO orders and trailing stops are exempt. */
  readonly exempt: boolean
}

const isExempt = (order: OrderRecord): boolean => order.orderClass !== '' || order.type === 'trailing_stop'
const isLimit = (type: OrderType): boolean => type === 'limit' || type === 'stop_limit'

/** Refuses an order that could execute against an open order of the same account on the other side. */
export const washTrade = (candidate: WashCandidate, open: Iterable<OrderRecord>): Refusal | undefined => {
  if (candidate.exempt || candidate.type === 'trailing_stop') return undefined
  for (const order of open) {
    if (isFinal(order.status) || order.asset.instrument.symbol !== candidate.symbol) continue
    if (order.side === candidate.side || isExempt(order)) continue
    const reason = conflict(candidate, order)
    if (reason !== undefined)
      return forbidden('potential wash trade detected. use complex orders', {
        existing_order_id: order.id,
        reject_reason: reason,
      })
  }
  return undefined
}

const conflict = (candidate: WashCandidate, order: OrderRecord): string | undefined => {
  if (isLimit(candidate.type) && isLimit(order.type)) {
    const buy = candidate.side === 'buy' ? candidate.limitPrice : order.limitPrice
    const sell = candidate.side === 'buy' ? order.limitPrice : candidate.limitPrice
    if (buy === undefined || sell === undefined || buy < sell) return undefined
    return candidate.side === 'buy'
      ? `sell order exists, buy limit price should be less than existing sell limit price ${formatDecimal(sell)}`
      : `buy order exists, sell limit price should be greater than existing buy limit price ${formatDecimal(buy)}`
  }
  return `opposite side ${isLimit(order.type) ? 'limit' : order.type} order exists`
}
