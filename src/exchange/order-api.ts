import {queuedFromUs} from '../domain/auction-hours.ts'
import {isHalfDay} from '../domain/calendar.ts'
import {assetClass, positionSymbol} from './assets.ts'
import {type Decimal, fits, formatDecimal, ONE, parseDecimal} from './decimal.ts'
import type {PaperExchange} from './exchange.ts'
import {replaceMultiLeg, submitMultiLeg} from './multi-leg-api.ts'
import {expiryOf, newOrder} from './new-order.ts'
import {inferIntent} from './options/option-checks.ts'
import {checkAccount} from './order-checks.ts'
import {ratchet} from './order-desk.ts'
import {isFinal, type OrderRecord, type OrderRole, orderJson} from './order-record.ts'
import {type OrderRequest, readOrderRequest} from './order-request.ts'
import {newYorkDay} from './sessions.ts'
import {isUuid} from './uuid.ts'
import {forbidden, isRefusal, malformed, notFound, type Refusal, unprocessable} from './wire-error.ts'

type Json = Record<string, unknown>

/** `POST /v2/orders`: the order object as it stands before the market has had its say, or the refusal. */
export const submitOrder = (exchange: PaperExchange, body: unknown): Json | Refusal => {
  if (isMultiLeg(body)) return submitMultiLeg(exchange, body)
  const request = readOrderRequest(body, {
    assetOf: symbol => exchange.assetOf(symbol),
    priceOf: asset => exchange.valuation.lastPrice(asset),
  })
  if (isRefusal(request)) return request
  if (request.clientOrderId !== undefined && exchange.desk.byClientId(request.clientOrderId) !== undefined)
    return malformed('client_order_id must be unique')
  const refused = auctionWindow(exchange, request) ?? checkAccount(request, exchange.checkContext())
  if (refused !== undefined) return refused
  const order = openOrder(
    exchange,
    request.asset.instrument.kind === 'option'
      ? {
          ...request,
          positionIntent: inferIntent(request.side, exchange.ledger.qtyOf(request.asset.instrument.symbol)),
        }
      : request,
  )
  exchange.desk.add(order)
  const working = mayWork(exchange, order)
  if (order.type === 'trailing_stop' && working) order.status = 'new'
  const answer = orderJson(order)
  if (order.type === 'trailing_stop' && working) exchange.desk.announce(order, 'new')
  else exchange.desk.announce(order, order.status, null)
  if (working) exchange.desk.release(order)
  return answer
}

const isMultiLeg = (body: unknown): body is Json =>
  typeof body === 'object' && body !== null && 'order_class' in body && body.order_class === 'mleg'

/** opg is refused from 09:28 to 19:00, cls from ten minutes before the close to 19:00, New York. */
const auctionWindow = (exchange: PaperExchange, {timeInForce}: OrderRequest): Refusal | undefined => {
  if (timeInForce !== 'opg' && timeInForce !== 'cls') return undefined
  if (queuedFromUs(timeInForce, exchange.nowUs) === 0) return undefined
  if (timeInForce === 'opg') return forbidden('opg orders must be submitted after 7:00pm and before 9:28am')
  const cutOff = isHalfDay(newYorkDay(exchange.nowUs)) ? '12:50pm' : '3:50pm'
  return forbidden(`cls orders must be submitted after 7:00pm and before ${cutOff}`)
}

const mayWork = (exchange: PaperExchange, order: OrderRecord): boolean =>
  order.timeInForce !== 'opg' && order.timeInForce !== 'cls' && exchange.isOpen(order.asset, order.extendedHours)

const openOrder = (exchange: PaperExchange, request: OrderRequest): OrderRecord => {
  const {orderClass, takeProfit, stopLoss, qty} = request
  const inMarket =
    request.timeInForce !== 'opg' &&
    request.timeInForce !== 'cls' &&
    exchange.isOpen(request.asset, request.extendedHours)
  const role: OrderRole = orderClass === 'oco' ? 'takeProfit' : 'entry'
  const entry = newOrder(
    exchange,
    {...request, role, status: inMarket ? 'pending_new' : 'accepted'},
    expiryOf(exchange, request),
  )
  if (entry.type === 'trailing_stop') {
    const price = exchange.valuation.lastPrice(request.asset)
    if (price !== undefined) ratchet(entry, price)
  }
  const exitSide = orderClass === 'oco' ? request.side : request.side === 'buy' ? 'sell' : 'buy'
  const exit = (part: Pick<OrderRequest, 'type' | 'limitPrice' | 'stopPrice'>, exitRole: OrderRole): void => {
    const leg = newOrder(
      exchange,
      {...request, ...part, side: exitSide, qty, clientOrderId: undefined, role: exitRole, status: 'held'},
      entry.expiresUs,
    )
    leg.parent = entry
    entry.legs.push(leg)
  }
  if (takeProfit !== undefined && orderClass !== 'oco')
    exit({type: 'limit', limitPrice: takeProfit.limitPrice, stopPrice: undefined}, 'takeProfit')
  if (stopLoss !== undefined && orderClass !== '')
    exit(
      {
        type: stopLoss.limitPrice === undefined ? 'stop' : 'stop_limit',
        limitPrice: stopLoss.limitPrice,
        stopPrice: stopLoss.stopPrice,
      },
      'stopLoss',
    )
  return entry
}

const findOrder = (exchange: PaperExchange, id: string): OrderRecord | Refusal => {
  if (!isUuid(id)) return malformed('order_id is missing')
  return exchange.desk.get(id.toLowerCase()) ?? notFound(`order not found for ${id}`)
}

export const getOrder = (exchange: PaperExchange, id: string, nested: boolean): Json | Refusal => {
  const order = findOrder(exchange, id)
  return isRefusal(order) ? order : orderJson(order, nested)
}

export const getOrderByClientId = (exchange: PaperExchange, clientOrderId: string): Json | Refusal => {
  const order = exchange.desk.byClientId(clientOrderId)
  return order === undefined ? notFound(`order not found for ${clientOrderId}`) : orderJson(order)
}

/** `DELETE /v2/orders/{id}`; undefined is success. */
export const cancelOrder = (exchange: PaperExchange, id: string): Refusal | undefined => {
  const order = findOrder(exchange, id)
  if (isRefusal(order)) return order
  if (isFinal(order.status)) return unprocessable(`order is already in "${order.status}" state`)
  exchange.desk.cancel(order)
  return undefined
}

export const cancelAllOrders = (exchange: PaperExchange): Json[] => {
  const answers: Json[] = []
  for (const order of exchange.desk.open()) {
    if (isFinal(order.status)) continue
    exchange.desk.cancel(order)
    answers.push({id: order.id, status: 200})
  }
  return answers
}

export interface OrderQuery {
  readonly status: 'open' | 'closed' | 'all'
  readonly limit: number
  readonly afterUs: number | undefined
  readonly untilUs: number | undefined
  readonly direction: 'asc' | 'desc'
  readonly nested: boolean
  readonly symbols: readonly string[]
  readonly side: string | undefined
  readonly assetClasses: readonly string[]
  readonly beforeOrderId: string | undefined
  readonly afterOrderId: string | undefined
}

export const listOrders = (exchange: PaperExchange, query: OrderQuery): Json[] => {
  const bound = (id: string | undefined): number | undefined =>
    id === undefined ? undefined : exchange.desk.get(id)?.sequence
  const before = bound(query.beforeOrderId)
  const after = bound(query.afterOrderId)
  const symbols = new Set(query.symbols)
  const candidates = query.status === 'open' ? [...exchange.desk.open()] : exchange.desk.all()
  const found = candidates.filter(
    order =>
      (query.status === 'all' || isFinal(order.status) === (query.status === 'closed')) &&
      (!query.nested || !isShownByParent(order, query.status)) &&
      (query.afterUs === undefined || order.submittedUs > query.afterUs) &&
      (query.untilUs === undefined || order.submittedUs < query.untilUs) &&
      (symbols.size === 0 || namesOf(order).some(name => symbols.has(name))) &&
      (query.side === undefined || (order.role !== 'combination' && order.side === query.side)) &&
      (query.assetClasses.length === 0 || query.assetClasses.includes(assetClass(order.asset))) &&
      (before === undefined || order.sequence < before) &&
      (after === undefined || order.sequence > after),
  )
  found.sort((a, b) => (query.direction === 'asc' ? a.sequence - b.sequence : b.sequence - a.sequence))
  return found.slice(0, query.limit).map(order => orderJson(order, query.nested))
}

/** By which an order can be asked for: its symbol in both spellings, its asset's id, a contract's underlying; those of all legs. */
const namesOf = ({asset, legs, role}: OrderRecord): string[] => {
  const {symbol, option} = asset.instrument
  const own = [symbol, positionSymbol(symbol), asset.id, ...(option === undefined ? [] : [option.underlying])]
  return role === 'combination' ? legs.flatMap(namesOf) : own
}

/** Exits go under their entry, unless the entry itself is not part of the answer. */
const isShownByParent = ({parent}: OrderRecord, status: OrderQuery['status']): boolean =>
  parent !== undefined && (status !== 'open' || !isFinal(parent.status))

const REPLACEABLE = new Set(['new', 'partially_filled', 'held'])

/** `PATCH /v2/orders/{id}`: a new order takes the place of the old one. */
export const replaceOrder = (exchange: PaperExchange, id: string, body: unknown): Json | Refusal => {
  const order = findOrder(exchange, id)
  if (isRefusal(order)) return order
  if (typeof body !== 'object' || body === null) return malformed('request body must be an object')
  const fields = body as Json
  if (order.status === 'replaced') return unprocessable('order already replaced')
  if (isFinal(order.status)) return malformed('only open orders can be replaced')
  if (!REPLACEABLE.has(order.status)) return unprocessable(`cannot replace order in ${order.status} status`)
  if (order.role === 'leg') return unprocessable('legs of a mleg order cannot be replaced')
  if (order.role === 'combination') return replaceMultiLeg(exchange, order, fields)
  const change = readChange(exchange, order, fields)
  return isRefusal(change) ? change : applyChange(exchange, order, change)
}

interface Change {
  readonly qty: Decimal | undefined
  readonly limitPrice: Decimal | undefined
  readonly stopPrice: Decimal | undefined
  readonly trail: Decimal | undefined
  readonly timeInForce: OrderRecord['timeInForce']
  readonly clientOrderId: string | undefined
}

const readChange = (exchange: PaperExchange, order: OrderRecord, fields: Json): Change | Refusal => {
  const read = (key: string): Decimal | undefined | Refusal =>
    fields[key] === undefined || fields[key] === null
      ? undefined
      : (parseDecimal(fields[key]) ?? malformed(`invalid ${key}: ${String(fields[key])}`))
  const qty = read('qty')
  const limitPrice = read('limit_price')
  const stopPrice = read('stop_price')
  const trail = read('trail')
  for (const value of [qty, limitPrice, stopPrice, trail]) if (isRefusal(value)) return value
  const change = {
    qty: qty as Decimal | undefined,
    limitPrice: limitPrice as Decimal | undefined,
    stopPrice: stopPrice as Decimal | undefined,
    trail: trail as Decimal | undefined,
    timeInForce: (fields['time_in_force'] as OrderRecord['timeInForce'] | undefined) ?? order.timeInForce,
    clientOrderId: typeof fields['client_order_id'] === 'string' ? fields['client_order_id'] : undefined,
  }
  if (order.notional !== undefined) return unprocessable('notional orders cannot be replaced')
  if (change.qty !== undefined && change.qty <= order.filledQty)
    return unprocessable('unable to replace order, qty must be > filled_qty')
  if (
    change.qty !== undefined &&
    change.qty !== order.qty &&
    !fits(change.qty, 0) &&
    order.asset.instrument.kind !== 'crypto'
  )
    return unprocessable('fractional orders cannot be replaced')
  if (change.timeInForce !== 'day' && change.timeInForce !== 'gtc' && change.timeInForce !== order.timeInForce)
    return malformed('invalid time_in_force')
  if (change.limitPrice !== undefined && order.limitPrice === undefined)
    return malformed(`${order.type} orders require no limit price`)
  if (change.stopPrice !== undefined && (order.stopPrice === undefined || order.type === 'trailing_stop'))
    return malformed(`${order.type} orders require no stop price`)
  if (change.trail !== undefined && order.type !== 'trailing_stop')
    return malformed('trail is for trailing stop orders')
  for (const [name, price] of [
    ['limit_price', change.limitPrice],
    ['stop_price', change.stopPrice],
  ] as const) {
    if (price === undefined) continue
    if (price <= 0n) return malformed(`${name.replace('_', ' ')} must be > 0`)
    if (order.asset.instrument.kind !== 'crypto' && !fits(price, price >= ONE ? 2 : 4))
      return unprocessable(
        `invalid ${name} ${formatDecimal(price)}. sub-penny increment does not fulfill minimum pricing criteria`,
      )
  }
  if (change.clientOrderId !== undefined && exchange.desk.byClientId(change.clientOrderId) !== undefined)
    return malformed('client_order_id must be unique')
  const same =
    (change.qty === undefined || change.qty === order.qty) &&
    (change.limitPrice === undefined || change.limitPrice === order.limitPrice) &&
    (change.stopPrice === undefined || change.stopPrice === order.stopPrice) &&
    (change.trail === undefined || change.trail === (order.trailPrice ?? order.trailPercent)) &&
    change.timeInForce === order.timeInForce
  return same ? unprocessable('order parameters are not changed') : change
}

const applyChange = (exchange: PaperExchange, order: OrderRecord, change: Change): Json | Refusal => {
  const context = exchange.checkContext()
  const request: OrderRequest = {
    ...order,
    clientOrderId: undefined,
    timeInForce: change.timeInForce,
    qty: (change.qty ?? order.qty ?? 0n) - order.filledQty,
    limitPrice: change.limitPrice ?? order.limitPrice,
    stopPrice: change.stopPrice ?? order.stopPrice,
    takeProfit: undefined,
    stopLoss: undefined,
  }
  // The old order gives way, so it neither holds shares nor money back while the new one is checked.
  const others = context.open.filter(other => other !== order && other.parent !== order)
  if (order.role === 'entry') {
    const rest = {...context, open: others, margin: marginWithout(exchange, order)}
    const refused = checkAccount(request, rest)
    if (refused !== undefined) return refused
  }
  const next: OrderRecord = {
    ...newOrder(
      exchange,
      {...request, clientOrderId: change.clientOrderId, role: order.role, status: 'accepted'},
      order.expiresUs,
    ),
    createdUs: order.createdUs,
    replaces: order.id,
    qty: change.qty ?? order.qty,
    trailPrice: order.trailPrice === undefined ? undefined : (change.trail ?? order.trailPrice),
    trailPercent: order.trailPercent === undefined ? undefined : (change.trail ?? order.trailPercent),
    highWater: order.highWater,
    filledQty: order.filledQty,
    filledValue: order.filledValue,
    status: order.status === 'held' ? 'held' : exchange.desk.isWorking(order) ? 'pending_new' : order.status,
  }
  if (next.type === 'trailing_stop' && next.highWater !== undefined) ratchet(next, next.highWater)
  const answer = {...orderJson(next), status: next.status === 'pending_new' ? 'new' : next.status}
  exchange.desk.replace(order, next)
  if (change.qty !== undefined && order.role === 'entry') for (const leg of next.legs) leg.qty = change.qty
  return answer
}

const marginWithout = (exchange: PaperExchange, order: OrderRecord) => {
  const margin = exchange.margin()
  const price = order.limitPrice ?? exchange.valuation.farPrice(order.asset, order.side) ?? 0n
  const freed = (((order.qty ?? 0n) - order.filledQty) * price) / ONE
  return {
    ...margin,
    buyingPower: margin.buyingPower + freed,
    nonMarginableBuyingPower: margin.nonMarginableBuyingPower + freed,
  }
}
