import type {Side} from '../../domain/units.ts'
import type {Asset} from '../assets.ts'
import {type Decimal, fits, formatDecimal, fromUnits, parseDecimal, toUnits} from '../decimal.ts'
import type {PositionIntent, RequestContext} from '../order-request.ts'
import {isRefusal, malformed, type Refusal, unprocessable} from '../wire-error.ts'
import {MOST_CONTRACTS} from './option-checks.ts'

export interface LegRequest {
  readonly asset: Asset
  readonly side: Side
  /** Contracts in one unit. */
  readonly ratio: number
  readonly positionIntent: PositionIntent
}

/** A well-formed order of several legs; the account has not been asked yet. */
export interface MultiLegRequest {
  readonly clientOrderId: string | undefined
  readonly type: 'market' | 'limit'
  /** Units. */
  readonly qty: Decimal
  /** Most that a unit may cost a share; negative is the least to be received. */
  readonly limitPrice: Decimal | undefined
  readonly legs: readonly LegRequest[]
}

type Body = Readonly<Record<string, unknown>>
const INTENTS: readonly string[] = ['buy_to_open', 'buy_to_close', 'sell_to_open', 'sell_to_close']
const absent = (value: unknown): boolean => value === undefined || value === null || value === ''
const record = (value: unknown): Body =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : {}

/** Reads a POST body of class `mleg`. Where Alpaca's own words are not known (ratios, sides), the text is ours. */
export const readMultiLeg = (body: Body, context: RequestContext): MultiLegRequest | Refusal => {
  if (!absent(body['symbol'])) return malformed('symbol is not allowed for mleg order')
  if (!absent(body['notional'])) return unprocessable('notional orders are not supported for options trading')
  const {type, time_in_force: timeInForce, client_order_id: clientOrderId} = body
  if (absent(type)) return malformed('type is required')
  if (type !== 'market' && type !== 'limit') return unprocessable('invalid option(s) order_type')
  if (absent(timeInForce)) return malformed('time_in_force is required')
  if (timeInForce !== 'day') return unprocessable('order_time_in_force provided not supported for options trading')
  if (!absent(clientOrderId) && (typeof clientOrderId !== 'string' || clientOrderId.length > 128))
    return malformed('client_order_id must be no more than 128 characters')
  if (body['extended_hours'] === true) return unprocessable('extended hours is not supported for options trading')
  if (!absent(body['take_profit']) || !absent(body['stop_loss']))
    return unprocessable('complex orders not supported for options trading')
  if (!absent(body['stop_price']) || !absent(body['trail_price']) || !absent(body['trail_percent']))
    return unprocessable('invalid option(s) order_type')
  const legs = readLegs(body['legs'], context)
  if (isRefusal(legs)) return legs
  const qty = readUnits(body['qty'], legs)
  if (isRefusal(qty)) return qty
  const limitPrice = readNetPrice(body['limit_price'], type)
  if (isRefusal(limitPrice)) return limitPrice
  return {
    clientOrderId: absent(clientOrderId) ? undefined : (clientOrderId as string),
    type,
    qty,
    limitPrice,
    legs,
  }
}

const readLegs = (input: unknown, context: RequestContext): readonly LegRequest[] | Refusal => {
  const given = Array.isArray(input) ? input.map(record) : []
  if (given.length < 2 || given.length > 4)
    return unprocessable('mleg orders must have at least 2 legs and at most 4 legs')
  const legs: LegRequest[] = []
  for (const [i, body] of given.entries()) {
    const leg = readLeg(i, body, context)
    if (isRefusal(leg)) return leg
    legs.push(leg)
  }
  const [first] = legs
  if (legs.some(({asset}) => asset.instrument.option?.underlying !== first?.asset.instrument.option?.underlying))
    return unprocessable('underlying asset mismatch')
  if (new Set(legs.map(({asset}) => asset)).size < legs.length)
    return unprocessable('mleg orders must have distinct symbols')
  if (legs.reduce((common, {ratio}) => greatestCommonDivisor(common, ratio), 0) > 1)
    return unprocessable('leg ratio quantities must be in their simplest form')
  return legs
}

const readLeg = (i: number, body: Body, context: RequestContext): LegRequest | Refusal => {
  const {position_intent: intent, ratio_qty: ratioQty} = body
  if (absent(intent)) return unprocessable(`leg.${i} position intent is required`)
  if (!INTENTS.includes(String(intent))) return malformed(`leg.${i} invalid position_intent`)
  // The intent implies the side, which some clients therefore leave out.
  const side = String(intent).startsWith('buy') ? 'buy' : 'sell'
  if (!absent(body['side']) && body['side'] !== side) {
    const isSide = body['side'] === 'buy' || body['side'] === 'sell'
    return isSide
      ? unprocessable(`leg.${i} side ${body['side']} does not match position intent ${String(intent)}`)
      : malformed(`leg.${i} invalid side`)
  }
  const symbol = String(body['symbol'] ?? '')
  const asset = context.assetOf(symbol)
  if (asset?.instrument.kind !== 'option') return unprocessable(`asset not found for ${symbol}`)
  if (absent(ratioQty)) return malformed(`leg.${i} ratio_qty is required`)
  const ratio = parseDecimal(ratioQty)
  if (ratio === undefined || ratio <= 0n || !fits(ratio, 0) || ratio > MOST_CONTRACTS)
    return unprocessable(`leg.${i} ratio_qty must be a positive integer`)
  return {asset, side, ratio: Number(toUnits(ratio, 0)), positionIntent: intent as PositionIntent}
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b))

const readUnits = (input: unknown, legs: readonly LegRequest[]): Decimal | Refusal => {
  if (absent(input)) return malformed('qty is required')
  const qty = parseDecimal(input)
  if (qty === undefined) return malformed(`invalid qty: ${String(input)}`)
  if (qty <= 0n) return malformed('qty must be > 0')
  if (!fits(qty, 0)) return unprocessable('qty must be integer for options trading')
  const most = Math.max(...legs.map(({ratio}) => ratio))
  if (qty * BigInt(most) > MOST_CONTRACTS)
    return unprocessable(`options order qty must be <= ${formatDecimal(MOST_CONTRACTS)}`)
  return qty
}

/** The net price of a unit: positive is paid, negative received, zero even. */
export const readNetPrice = (input: unknown, type: 'market' | 'limit'): Decimal | undefined | Refusal => {
  if (absent(input)) return type === 'limit' ? unprocessable('limit price is required for limit orders') : undefined
  if (type === 'market') return unprocessable('limit price is only valid for limit orders')
  const price = parseDecimal(input)
  if (price === undefined) return unprocessable('invalid limit price')
  if (price % CENT !== 0n)
    return unprocessable(
      `invalid limit_price ${formatDecimal(price)}. sub-penny increment does not fulfill minimum pricing criteria`,
    )
  return price
}
const CENT = fromUnits(1, 2)
