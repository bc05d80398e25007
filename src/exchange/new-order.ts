import type {PaperExchange} from './exchange.ts'
import type {OrderClass, OrderRecord, OrderRole} from './order-record.ts'
import type {OrderRequest} from './order-request.ts'
import {currentOrNextSession, newYorkDay, newYorkTime, nextTradingDay, sessionOf} from './sessions.ts'
import {uuid} from './uuid.ts'

export type Draft = Omit<OrderRequest, 'takeProfit' | 'stopLoss' | 'orderClass'> & {
  readonly orderClass: OrderClass
  readonly role: OrderRole
  readonly status: OrderRecord['status']
  readonly ratio?: number
}

/** A record of this moment, under ids of its own; nobody knows of it yet. */
export const newOrder = (exchange: PaperExchange, draft: Draft, expiresUs: number | undefined): OrderRecord => {
  const now = exchange.nowUs
  return {
    id: uuid(exchange.rng),
    sequence: exchange.nextSequence(),
    clientOrderId: draft.clientOrderId ?? uuid(exchange.rng),
    asset: draft.asset,
    side: draft.side,
    type: draft.type,
    orderClass: draft.orderClass,
    role: draft.role,
    extendedHours: draft.extendedHours,
    createdUs: now,
    submittedUs: now,
    replaces: null,
    timeInForce: draft.timeInForce,
    qty: draft.qty,
    notional: draft.notional,
    limitPrice: draft.limitPrice,
    stopPrice: draft.stopPrice,
    trailPrice: draft.trailPrice,
    trailPercent: draft.trailPercent,
    highWater: undefined,
    status: draft.status,
    updatedUs: now,
    filledQty: 0n,
    filledValue: 0n,
    filledUs: undefined,
    expiredUs: undefined,
    expiresUs,
    canceledUs: undefined,
    failedUs: undefined,
    replacedUs: undefined,
    replacedBy: null,
    parent: undefined,
    legs: [],
    ...(draft.positionIntent === undefined ? {} : {positionIntent: draft.positionIntent}),
    ...(draft.ratio === undefined ? {} : {ratio: draft.ratio}),
  }
}

/** Day orders last to the end of the session they work in, gtc to 16:15 New York 90 days on. */
export const expiryOf = (
  exchange: PaperExchange,
  {asset, timeInForce, extendedHours}: Pick<OrderRequest, 'asset' | 'timeInForce' | 'extendedHours'>,
): number | undefined => {
  if (timeInForce === 'ioc' || timeInForce === 'fok') return undefined
  if (timeInForce === 'gtc') return newYorkTime(newYorkDay(exchange.nowUs) + 90, 975)
  if (asset.instrument.kind === 'crypto') return undefined
  const session = currentOrNextSession(exchange.nowUs)
  if (!extendedHours) {
    // An order for the open that comes after it is one for the next day.
    if (timeInForce !== 'opg' || exchange.nowUs < session.openUs) return session.closeUs
    return sessionOf(nextTradingDay(session.day))?.closeUs
  }
  return session.postCloseUs
}
