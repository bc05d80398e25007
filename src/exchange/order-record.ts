import type {OrderType, TimeInForce} from '../domain/order.ts'
import type {Side} from '../domain/units.ts'
import {type Asset, assetClass} from './assets.ts'
import {type Decimal, formatDecimal, quotient} from './decimal.ts'
import type {PositionIntent} from './order-request.ts'
import {isoUtc} from './wire-time.ts'

/** The states of Alpaca's order life cycle that this exchange uses. */
export type WireStatus =
  | 'accepted'
  | 'pending_new'
  | 'new'
  | 'partially_filled'
  | 'filled'
  | 'held'
  | 'canceled'
  | 'expired'
  | 'replaced'
  | 'rejected'

const FINAL: ReadonlySet<WireStatus> = new Set(['filled', 'canceled', 'expired', 'replaced', 'rejected'])
export const isFinal = (status: WireStatus): boolean => FINAL.has(status)

export type OrderClass = '' | 'bracket' | 'oco' | 'oto' | 'mleg'
/**
 * Which part of a complex order this is; a plain order is its own entry. An order of several legs is a `combination`: its
 * `asset` and `side` are the first leg's, its quantity counts units, and its legs trade with it, never alone.
 */
export type OrderRole = 'entry' | 'takeProfit' | 'stopLoss' | 'combination' | 'leg'

/** One order of the account: the truth behind every JSON view of it. */
export interface OrderRecord {
  readonly id: string
  readonly sequence: number
  readonly clientOrderId: string
  readonly asset: Asset
  readonly side: Side
  readonly type: OrderType
  readonly orderClass: OrderClass
  readonly role: OrderRole
  readonly extendedHours: boolean
  readonly createdUs: number
  readonly submittedUs: number
  readonly replaces: string | null
  readonly timeInForce: TimeInForce
  qty: Decimal | undefined
  readonly notional: Decimal | undefined
  readonly limitPrice: Decimal | undefined
  stopPrice: Decimal | undefined
  readonly trailPrice: Decimal | undefined
  readonly trailPercent: Decimal | undefined
  highWater: Decimal | undefined
  status: WireStatus
  updatedUs: number
  filledQty: Decimal
  /** Sum of quantity times price over the executions. */
  filledValue: Decimal
  filledUs: number | undefined
  expiredUs: number | undefined
  expiresUs: number | undefined
  canceledUs: number | undefined
  failedUs: number | undefined
  replacedUs: number | undefined
  replacedBy: string | null
  parent: OrderRecord | undefined
  readonly legs: OrderRecord[]
  /** Of option orders. */
  readonly positionIntent?: PositionIntent
  /** Contracts of a leg in one unit of its order. */
  readonly ratio?: number
}

const price = (value: Decimal | undefined): string | null => (value === undefined ? null : formatDecimal(value))
const time = (value: number | undefined): string | null => (value === undefined ? null : isoUtc(value))

/** What is left to execute; 0 for a notional order whose quantity is not fixed yet. */
export const leavesOf = (order: OrderRecord): Decimal => (order.qty === undefined ? 0n : order.qty - order.filledQty)

/** The order object of the wire. `nested` puts the children under the parent's `legs`. */
export const orderJson = (order: OrderRecord, nested = true): Record<string, unknown> => ({
  ...plainJson(order, nested),
  ...(order.role === 'combination' ? COMBINATION : {}),
  ...(order.role === 'leg' ? {...LEG, ratio_qty: String(order.ratio)} : {}),
})

/** An order of several legs has no instrument of its own, and its legs have neither type nor price. */
const COMBINATION = {asset_id: '', symbol: '', asset_class: '', side: '', order_class: 'mleg'}
const LEG = {order_class: 'mleg', order_type: '', type: '', limit_price: null}

const plainJson = (order: OrderRecord, nested: boolean): Record<string, unknown> => ({
  id: order.id,
  client_order_id: order.clientOrderId,
  created_at: isoUtc(order.createdUs),
  updated_at: isoUtc(order.updatedUs),
  submitted_at: isoUtc(order.submittedUs),
  filled_at: time(order.filledUs),
  expired_at: time(order.expiredUs),
  expires_at: time(order.expiresUs),
  canceled_at: time(order.canceledUs),
  failed_at: time(order.failedUs),
  replaced_at: time(order.replacedUs),
  replaced_by: order.replacedBy,
  replaces: order.replaces,
  asset_id: order.asset.id,
  symbol: order.asset.instrument.symbol,
  asset_class: assetClass(order.asset),
  notional: price(order.notional),
  qty: order.notional === undefined ? price(order.qty) : null,
  filled_qty: formatDecimal(order.filledQty),
  filled_avg_price: order.filledQty === 0n ? null : formatDecimal(quotient(order.filledValue, order.filledQty)),
  order_class: order.asset.instrument.kind === 'option' ? 'simple' : order.orderClass,
  order_type: order.type,
  type: order.type,
  side: order.side,
  ...(order.positionIntent === undefined ? {} : {position_intent: order.positionIntent}),
  time_in_force: order.timeInForce,
  limit_price: price(order.limitPrice),
  stop_price: price(order.stopPrice),
  status: order.status,
  extended_hours: order.extendedHours,
  legs: nested && order.legs.length > 0 ? order.legs.map(leg => orderJson(leg, false)) : null,
  trail_percent: price(order.trailPercent),
  trail_price: price(order.trailPrice),
  hwm: price(order.highWater),
  subtag: null,
  source: null,
})
