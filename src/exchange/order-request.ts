import type {OrderType, TimeInForce} from '../domain/order.ts'
import {opposite, type Side} from '../domain/units.ts'
import type {Asset} from './assets.ts'
import {type Decimal, fits, formatDecimal, fromUnits, ONE, parseDecimal, roundTo, toUnits} from './decimal.ts'
import {checkOptionRequest} from './options/option-checks.ts'
import type {OrderClass} from './order-record.ts'
import {isRefusal, malformed, type Refusal, unprocessable} from './wire-error.ts'

/** A well-formed order that the instrument and its class allow; the account has not been asked yet. */
export interface OrderRequest {
  readonly asset: Asset
  readonly clientOrderId: string | undefined
  readonly side: Side
  readonly type: OrderType
  readonly timeInForce: TimeInForce
  readonly orderClass: OrderClass
  readonly extendedHours: boolean
  readonly qty: Decimal | undefined
  readonly notional: Decimal | undefined
  readonly limitPrice: Decimal | undefined
  readonly stopPrice: Decimal | undefined
  readonly trailPrice: Decimal | undefined
  readonly trailPercent: Decimal | undefined
  /** Of option orders: as given, undefined where it is to be inferred. */
  readonly positionIntent?: PositionIntent
  readonly takeProfit: {readonly limitPrice: Decimal} | undefined
  readonly stopLoss: {readonly stopPrice: Decimal; readonly limitPrice: Decimal | undefined} | undefined
}

export type PositionIntent = 'buy_to_open' | 'buy_to_close' | 'sell_to_open' | 'sell_to_close'
const INTENTS: readonly string[] = ['buy_to_open', 'buy_to_close', 'sell_to_open', 'sell_to_close']

export interface RequestContext {
  readonly assetOf: (symbolOrId: string) => Asset | undefined
  /** Last price, for the checks that need one; undefined before the first quote. */
  readonly priceOf: (asset: Asset) => Decimal | undefined
}

type Body = Readonly<Record<string, unknown>>
const TYPES: readonly string[] = ['market', 'limit', 'stop', 'stop_limit', 'trailing_stop']
const TIMES: readonly string[] = ['day', 'gtc', 'ioc', 'fok', 'opg', 'cls']
const CLASSES: readonly string[] = ['', 'simple', 'bracket', 'oco', 'oto']
const CENT = ONE / 100n

const absent = (value: unknown): boolean => value === undefined || value === null || value === ''
const record = (value: unknown): Body | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : undefined

/** Reads a POST body in the order the checks are catalogued: fields and enums, symbol, amounts, type × time × class. */
export const readOrderRequest = (input: unknown, context: RequestContext): OrderRequest | Refusal => {
  const body = record(input)
  if (body === undefined) return malformed('request body must be an object')
  if (absent(body['symbol'])) return malformed('symbol is required')
  const side = body['side']
  if (side !== 'buy' && side !== 'sell') return malformed(absent(side) ? 'side is required' : 'invalid side')
  const orderClass = body['order_class'] ?? ''
  if (typeof orderClass !== 'string' || !CLASSES.includes(orderClass)) return malformed('invalid order_class')
  const type = body['type'] ?? (orderClass === 'oco' ? 'limit' : undefined)
  if (typeof type !== 'string' || !TYPES.includes(type))
    return malformed(absent(type) ? 'type is required' : 'invalid order type')
  const timeInForce = body['time_in_force']
  if (typeof timeInForce !== 'string' || !TIMES.includes(timeInForce))
    return malformed(absent(timeInForce) ? 'time_in_force is required' : 'invalid time_in_force')
  const clientOrderId = body['client_order_id']
  if (!absent(clientOrderId) && (typeof clientOrderId !== 'string' || clientOrderId.length > 128))
    return malformed('client_order_id must be no more than 128 characters')

  const intent = body['position_intent']
  if (!absent(intent) && !INTENTS.includes(String(intent))) return malformed('invalid position_intent')

  const asset = context.assetOf(String(body['symbol']))
  if (asset === undefined) return unprocessable(`asset "${body['symbol']}" not found`)
  if (!asset.tradable) return unprocessable(`asset "${asset.instrument.symbol}" is not tradable`)

  const amounts = readAmounts(body, asset)
  if (isRefusal(amounts)) return amounts
  const exits = readExits(body)
  if (isRefusal(exits)) return exits
  const request: OrderRequest = {
    asset,
    clientOrderId: absent(clientOrderId) ? undefined : (clientOrderId as string),
    side,
    type: type as OrderType,
    timeInForce: timeInForce as TimeInForce,
    orderClass: (orderClass === 'simple' ? '' : orderClass) as OrderClass,
    extendedHours: body['extended_hours'] === true,
    ...amounts,
    ...exits,
    ...(asset.instrument.kind === 'option' && !absent(intent) ? {positionIntent: intent as PositionIntent} : {}),
    // An OCO may name its limit only inside take_profit (the SDK's form) or at the top as well.
    limitPrice:
      amounts.limitPrice ?? (orderClass === 'oco' && type === 'limit' ? exits.takeProfit?.limitPrice : undefined),
  }
  return checkPrices(request) ?? checkKind(request) ?? checkClass(request, context) ?? request
}

type Amounts = Pick<OrderRequest, 'qty' | 'notional' | 'limitPrice' | 'stopPrice' | 'trailPrice' | 'trailPercent'>

const readAmounts = (body: Body, asset: Asset): Amounts | Refusal => {
  const read = (key: string): Decimal | undefined | Refusal => {
    if (absent(body[key])) return undefined
    return parseDecimal(body[key]) ?? malformed(`invalid ${key}: ${String(body[key])}`)
  }
  const fields = {
    qty: read('qty'),
    notional: read('notional'),
    limitPrice: read('limit_price'),
    stopPrice: read('stop_price'),
    trailPrice: read('trail_price'),
    trailPercent: read('trail_percent'),
  }
  for (const value of Object.values(fields)) if (isRefusal(value)) return value
  const amounts = fields as Amounts
  if (amounts.qty === undefined && amounts.notional === undefined) return malformed('qty or notional is required')
  if (amounts.qty !== undefined && amounts.notional !== undefined)
    return malformed('only one of qty or notional is accepted')
  if (amounts.qty !== undefined && amounts.qty <= 0n) return malformed('qty must be > 0')
  if (amounts.notional !== undefined && amounts.notional <= 0n) return malformed('notional must be > 0')
  if (amounts.notional !== undefined && !fits(amounts.notional, 2))
    return unprocessable('notional value must be limited to 2 decimal places')
  if (amounts.notional !== undefined && amounts.notional < ONE) return unprocessable('notional must be >= 1.00')
  if (amounts.qty === undefined) return amounts
  const {sizeDecimals, kind} = asset.instrument
  if (kind === 'option') return amounts
  // Excess digits of a coin quantity are cut without a word; of a share they are refused.
  if (kind === 'crypto') return {...amounts, qty: fromUnits(toUnits(amounts.qty, sizeDecimals), sizeDecimals)}
  return fits(amounts.qty, sizeDecimals) ? amounts : malformed(`qty must be limited to ${sizeDecimals} decimal places`)
}

const readExits = (body: Body): Pick<OrderRequest, 'takeProfit' | 'stopLoss'> | Refusal => {
  const profit = record(body['take_profit'])
  const loss = record(body['stop_loss'])
  const takeLimit = profit === undefined ? undefined : parseDecimal(profit['limit_price'])
  if (profit !== undefined && takeLimit === undefined) return malformed('take_profit.limit_price is required')
  const stop = loss === undefined ? undefined : parseDecimal(loss['stop_price'])
  if (loss !== undefined && stop === undefined) return malformed('stop_loss.stop_price is required')
  const stopLimit = loss === undefined || absent(loss['limit_price']) ? undefined : parseDecimal(loss['limit_price'])
  return {
    takeProfit: takeLimit === undefined ? undefined : {limitPrice: takeLimit},
    stopLoss: stop === undefined ? undefined : {stopPrice: stop, limitPrice: stopLimit},
  }
}

/** Which prices each type needs, and how fine they may be. */
const checkPrices = (request: OrderRequest): Refusal | undefined => {
  const {type, limitPrice, stopPrice, trailPrice, trailPercent} = request
  if (type === 'market' && (limitPrice !== undefined || stopPrice !== undefined))
    return malformed('market orders require no stop or limit price')
  if (type === 'limit' && limitPrice === undefined) return malformed('limit orders require a limit price')
  if (type === 'limit' && stopPrice !== undefined) return malformed('limit orders require only limit price')
  if (type === 'stop' && stopPrice === undefined) return malformed('stop orders require a stop price')
  if (type === 'stop' && limitPrice !== undefined) return malformed('stop orders require only stop price')
  if (type === 'stop_limit' && (limitPrice === undefined || stopPrice === undefined))
    return malformed('stop limit orders require both stop and limit price')
  if (type === 'trailing_stop') {
    if ((trailPrice === undefined) === (trailPercent === undefined))
      return malformed('trailing stop orders must specify one of trail_price or trail_percent')
    if (trailPercent !== undefined && trailPercent < ONE / 10n) return malformed('trail_percent must be >= 0.1')
    if (trailPrice !== undefined && trailPrice <= 0n) return malformed('trail_price must be > 0')
  }
  const named: readonly (readonly [string, Decimal | undefined])[] = [
    ['limit_price', limitPrice],
    ['stop_price', stopPrice],
    ['take_profit.limit_price', request.takeProfit?.limitPrice],
    ['stop_loss.stop_price', request.stopLoss?.stopPrice],
    ['stop_loss.limit_price', request.stopLoss?.limitPrice],
  ]
  for (const [name, price] of named) {
    if (price === undefined) continue
    if (price <= 0n) return malformed(`${name.replace('_', ' ')} must be > 0`)
    if (!isAllowedPrice(request.asset, price))
      return unprocessable(
        `invalid ${name} ${formatDecimal(price)}. sub-penny increment does not fulfill minimum pricing criteria`,
      )
  }
  return undefined
}

/** Cents from a dollar up, hundredths of a cent below; coins in the instrument's own tick. */
const isAllowedPrice = (asset: Asset, price: Decimal): boolean =>
  asset.instrument.kind === 'crypto'
    ? fits(price, asset.instrument.priceDecimals)
    : price >= ONE
      ? price % CENT === 0n
      : fits(price, 4)

const checkKind = (request: OrderRequest): Refusal | undefined => {
  switch (request.asset.instrument.kind) {
    case 'crypto':
      return checkCrypto(request)
    case 'option':
      return checkOptionRequest(request)
    default:
      return checkEquity(request)
  }
}

const checkCrypto = ({type, timeInForce, orderClass, extendedHours}: OrderRequest): Refusal | undefined => {
  if (type !== 'market' && type !== 'limit' && type !== 'stop_limit')
    return malformed('invalid order type for crypto order')
  if (timeInForce !== 'gtc' && timeInForce !== 'ioc') return unprocessable('invalid crypto time_in_force')
  if (orderClass !== '') return unprocessable('crypto orders must be simple orders')
  return extendedHours ? unprocessable('extended hours is not supported for crypto trading') : undefined
}

const checkEquity = (request: OrderRequest): Refusal | undefined => {
  const {type, timeInForce, orderClass, extendedHours, qty} = request
  const fractional = qty === undefined || !fits(qty, 0)
  if (fractional) {
    if (timeInForce !== 'day') return unprocessable('fractional orders must be DAY orders')
    if (orderClass !== '') return unprocessable('fractional orders must be simple orders')
    if (type === 'trailing_stop')
      return unprocessable('fractional orders must be market, limit, stop or stop limit orders')
  }
  if (extendedHours) {
    if (type === 'stop' || type === 'stop_limit' || type === 'trailing_stop')
      return unprocessable('stop orders are not eligible for extended hours trading')
    if (type !== 'limit' || (timeInForce !== 'day' && timeInForce !== 'gtc') || orderClass !== '')
      return unprocessable('extended hours order must be DAY or GTC limit orders')
  }
  const stops = type === 'stop' || type === 'stop_limit' || type === 'trailing_stop'
  if (stops && timeInForce !== 'day' && timeInForce !== 'gtc')
    return unprocessable(`invalid time_in_force ${timeInForce} for ${type} order`)
  return undefined
}

const checkClass = (request: OrderRequest, context: RequestContext): Refusal | undefined => {
  const {orderClass, type, timeInForce, takeProfit, stopLoss, side} = request
  if (orderClass === '') return stopOnWrongSide(request, context)
  if (timeInForce !== 'day' && timeInForce !== 'gtc')
    return unprocessable(`${orderClass} orders must be day or gtc orders`)
  if (orderClass === 'oco') {
    if (type !== 'limit') return unprocessable('oco orders must be limit orders')
    if (takeProfit === undefined && request.limitPrice === undefined)
      return malformed('oco orders require take_profit.limit_price')
    if (stopLoss === undefined) return malformed('oco orders require stop_loss.stop_price')
    return exitsInOrder(opposite(side), request.limitPrice as Decimal, stopLoss.stopPrice)
  }
  if (type !== 'market' && type !== 'limit') return unprocessable(`${orderClass} orders must be entry orders`)
  if (orderClass === 'bracket' && (takeProfit === undefined || stopLoss === undefined))
    return malformed('bracket orders require take_profit.limit_price and stop_loss.stop_price')
  if (orderClass === 'oto' && (takeProfit === undefined) === (stopLoss === undefined))
    return malformed('oto orders require exactly one of take_profit or stop_loss')
  if (takeProfit !== undefined && stopLoss !== undefined) {
    const wrong = exitsInOrder(side, takeProfit.limitPrice, stopLoss.stopPrice)
    if (wrong !== undefined) return wrong
  }
  return exitsAwayFromBase(request, context)
}

/** For a long entry the profit lies above the loss; mirrored for a short one. */
const exitsInOrder = (entrySide: Side, profit: Decimal, loss: Decimal): Refusal | undefined => {
  const good = entrySide === 'buy' ? profit > loss : profit < loss
  return good
    ? undefined
    : unprocessable(`take_profit.limit_price must be ${entrySide === 'buy' ? '>' : '<'} stop_loss.stop_price`)
}

const exitsAwayFromBase = (request: OrderRequest, context: RequestContext): Refusal | undefined => {
  const current = request.limitPrice ?? context.priceOf(request.asset)
  if (current === undefined) return undefined
  const base = roundTo(current, 2)
  const long = request.side === 'buy'
  const extra = {base_price: formatDecimal(base)}
  const profit = request.takeProfit?.limitPrice
  if (profit !== undefined && (long ? profit < base + CENT : profit > base - CENT))
    return unprocessable(
      `take_profit.limit_price must be ${long ? '>= base_price + 0.01' : '<= base_price - 0.01'}`,
      extra,
    )
  const loss = request.stopLoss?.stopPrice
  if (loss !== undefined && (long ? loss > base - CENT : loss < base + CENT))
    return unprocessable(
      `stop_loss.stop_price must be ${long ? '<= base_price - 0.01' : '>= base_price + 0.01'}`,
      extra,
    )
  return undefined
}

const stopOnWrongSide = (request: OrderRequest, context: RequestContext): Refusal | undefined => {
  if (request.type !== 'stop' || request.stopPrice === undefined) return undefined
  const current = context.priceOf(request.asset)
  if (current === undefined) return undefined
  if (request.side === 'sell' && request.stopPrice >= current)
    return unprocessable('stop price must be less than current price')
  if (request.side === 'buy' && request.stopPrice <= current)
    return unprocessable('stop price must be greater than current price')
  return undefined
}
