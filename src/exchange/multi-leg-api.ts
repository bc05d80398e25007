import {type Decimal, fits, formatDecimal, greatest, parseDecimal} from './decimal.ts'
import type {PaperExchange} from './exchange.ts'
import {netValue} from './holdings.ts'
import {expiryOf, newOrder} from './new-order.ts'
import {checkMultiLegAccount} from './options/multi-leg-checks.ts'
import {type LegRequest, type MultiLegRequest, readMultiLeg, readNetPrice} from './options/multi-leg-request.ts'
import {MOST_CONTRACTS} from './options/option-checks.ts'
import {legHoldings, legsCost} from './options/option-margin.ts'
import type {CheckContext} from './order-checks.ts'
import {type OrderRecord, orderJson, type WireStatus} from './order-record.ts'
import {isRefusal, malformed, type Refusal, unprocessable} from './wire-error.ts'

type Json = Record<string, unknown>

/** `POST /v2/orders` of class `mleg`: parent and legs as they stand before the market has had its say, or the refusal. */
export const submitMultiLeg = (exchange: PaperExchange, body: Json): Json | Refusal => {
  const request = readMultiLeg(body, {
    assetOf: symbol => exchange.assetOf(symbol),
    priceOf: asset => exchange.valuation.lastPrice(asset),
  })
  if (isRefusal(request)) return request
  if (request.clientOrderId !== undefined && exchange.desk.byClientId(request.clientOrderId) !== undefined)
    return malformed('client_order_id must be unique')
  const refused = checkMultiLegAccount(request, exchange.checkContext())
  if (refused !== undefined) return refused
  const first = (request.legs[0] as LegRequest).asset
  const working = exchange.isOpen(first)
  const expiresUs = expiryOf(exchange, {asset: first, timeInForce: 'day', extendedHours: false})
  const order = openMultiLeg(exchange, request, working ? 'pending_new' : 'accepted', expiresUs)
  exchange.desk.add(order)
  const answer = orderJson(order)
  exchange.desk.announce(order, order.status, null)
  if (working) exchange.desk.release(order)
  return answer
}

const openMultiLeg = (
  exchange: PaperExchange,
  {clientOrderId, type, qty, limitPrice, legs}: MultiLegRequest,
  status: WireStatus,
  expiresUs: number | undefined,
): OrderRecord => {
  const common = {
    type,
    timeInForce: 'day' as const,
    orderClass: 'mleg' as const,
    extendedHours: false,
    notional: undefined,
    stopPrice: undefined,
    trailPrice: undefined,
    trailPercent: undefined,
    status,
  }
  const first = legs[0] as LegRequest
  const parent = newOrder(
    exchange,
    {...common, clientOrderId, asset: first.asset, side: first.side, qty, limitPrice, role: 'combination'},
    expiresUs,
  )
  for (const {asset, side, ratio, positionIntent} of legs) {
    const leg = newOrder(
      exchange,
      {
        ...common,
        clientOrderId: undefined,
        asset,
        side,
        qty: qty * BigInt(ratio),
        limitPrice: undefined,
        role: 'leg',
        positionIntent,
        ratio,
      },
      expiresUs,
    )
    leg.parent = parent
    parent.legs.push(leg)
  }
  return parent
}

/** `PATCH /v2/orders/{id}` of an order of several legs: units, net limit and client id; the legs stay what they are. */
export const replaceMultiLeg = (exchange: PaperExchange, order: OrderRecord, fields: Json): Json | Refusal => {
  const change = readChange(exchange, order, fields)
  if (isRefusal(change)) return change
  const qty = change.qty ?? (order.qty as Decimal)
  const limitPrice = change.limitPrice ?? order.limitPrice
  const legs = order.legs.map(
    ({asset, side, ratio = 1, positionIntent}): LegRequest => ({
      asset,
      side,
      ratio,
      positionIntent: positionIntent as LegRequest['positionIntent'],
    }),
  )
  const request: MultiLegRequest = {
    clientOrderId: change.clientOrderId,
    type: order.type as MultiLegRequest['type'],
    qty,
    limitPrice,
    legs,
  }
  const refused = checkMultiLegAccount({...request, qty: qty - order.filledQty}, withoutOrder(exchange, order), order)
  if (refused !== undefined) return refused
  const status = exchange.desk.isWorking(order) ? 'pending_new' : order.status
  const draft = openMultiLeg(exchange, request, status, order.expiresUs)
  const next = carriedOver(draft, order)
  for (const [k, leg] of draft.legs.entries()) {
    const carried = carriedOver(leg, order.legs[k] as OrderRecord)
    carried.parent = next
    next.legs.push(carried)
  }
  const answer = {...orderJson(next), status: status === 'pending_new' ? 'new' : status}
  exchange.desk.replace(order, next)
  return answer
}

/** A new order in the place of an old one: what was filled stays filled. */
const carriedOver = (next: OrderRecord, old: OrderRecord): OrderRecord => ({
  ...next,
  createdUs: old.createdUs,
  replaces: old.id,
  filledQty: old.filledQty,
  filledValue: old.filledValue,
  legs: [],
})

interface Change {
  readonly qty: Decimal | undefined
  readonly limitPrice: Decimal | undefined
  readonly clientOrderId: string | undefined
}

const readChange = (exchange: PaperExchange, order: OrderRecord, fields: Json): Change | Refusal => {
  const {qty: qtyField, limit_price: limitField, client_order_id: idField, time_in_force: timeField} = fields
  const qty = qtyField == null ? undefined : parseDecimal(qtyField)
  if (qtyField != null && qty === undefined) return malformed(`invalid qty: ${String(qtyField)}`)
  if (qty !== undefined && qty <= order.filledQty)
    return unprocessable('unable to replace order, qty must be > filled_qty')
  if (qty !== undefined && !fits(qty, 0)) return unprocessable('qty must be integer for options trading')
  if (qty !== undefined && order.legs.some(({ratio = 1}) => qty * BigInt(ratio) > MOST_CONTRACTS))
    return unprocessable(`options order qty must be <= ${formatDecimal(MOST_CONTRACTS)}`)
  const limitPrice = limitField == null ? undefined : readNetPrice(limitField, order.type as 'market' | 'limit')
  if (isRefusal(limitPrice)) return limitPrice
  if (timeField != null && timeField !== 'day')
    return unprocessable('order_time_in_force provided not supported for options trading')
  if (fields['stop_price'] != null || fields['trail'] != null)
    return malformed(`${order.type} orders require no stop price`)
  const clientOrderId = typeof idField === 'string' ? idField : undefined
  if (clientOrderId !== undefined && exchange.desk.byClientId(clientOrderId) !== undefined)
    return malformed('client_order_id must be unique')
  const same = (qty === undefined || qty === order.qty) && (limitPrice === undefined || limitPrice === order.limitPrice)
  return same ? unprocessable('order parameters are not changed') : {qty, limitPrice, clientOrderId}
}

/** The account as if the order were not there: it gives way to the one that is checked. */
const withoutOrder = (exchange: PaperExchange, order: OrderRecord): CheckContext => {
  const context = exchange.checkContext()
  const {ledger, open, margin, valuation} = context
  const freed = greatest(legsCost(legHoldings(order), netValue(order, valuation), {ledger, open}).cash, 0n)
  return {...context, margin: {...margin, optionsBuyingPower: margin.optionsBuyingPower + freed}}
}
