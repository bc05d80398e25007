import {positionJson} from './account-json.ts'
import {positionSymbol, unitSize} from './assets.ts'
import {absolute, type Decimal, formatDecimal, fromUnits, parseDecimal, quotient, times, toUnits} from './decimal.ts'
import type {PaperExchange} from './exchange.ts'
import {holdingKey} from './holdings.ts'
import type {Position} from './ledger.ts'
import {cancelAllOrders, submitOrder} from './order-api.ts'
import {orderJson} from './order-record.ts'
import {forbidden, isRefusal, malformed, notFound, type Refusal} from './wire-error.ts'

type Json = Record<string, unknown>

const view = (exchange: PaperExchange, position: Position): Json =>
  positionJson(
    position,
    {
      current: quotient(exchange.priceOf(position), unitSize(position.asset)),
      lastDay: exchange.lastDayPrice(position.asset),
    },
    exchange.available(position),
  )

export const listPositions = (exchange: PaperExchange): Json[] =>
  exchange.ledger.positions().map(position => view(exchange, position))

/** By symbol, pair with or without the slash, or asset id. */
const findPosition = (exchange: PaperExchange, symbolOrId: string): Position | undefined => {
  const asset = exchange.assetOf(symbolOrId)
  return asset === undefined ? undefined : exchange.ledger.position(holdingKey(asset.instrument))
}

export const getPosition = (exchange: PaperExchange, symbolOrId: string): Json | Refusal => {
  if (exchange.assetOf(symbolOrId) === undefined) return notFound(`symbol not found: ${symbolOrId}`)
  const position = findPosition(exchange, symbolOrId)
  return position === undefined ? notFound('position does not exist') : view(exchange, position)
}

/** `DELETE /v2/positions/{symbol}`: a market order for all, a quantity or a percentage of what is held. */
export const closePosition = (
  exchange: PaperExchange,
  symbolOrId: string,
  part: {readonly qty?: string | undefined; readonly percentage?: string | undefined} = {},
): Json | Refusal => {
  const position = findPosition(exchange, symbolOrId)
  if (position === undefined) return notFound('position does not exist')
  const size = absolute(position.qty)
  let qty: Decimal | undefined = size
  if (part.qty !== undefined) qty = parseDecimal(part.qty)
  else if (part.percentage !== undefined) {
    const percent = parseDecimal(part.percentage)
    if (percent === undefined || percent <= 0n || percent > fromUnits(100, 0)) return malformed('invalid percentage')
    // Whole shares stay whole: only a fractional position is closed in fractions.
    const whole = position.asset.instrument.kind !== 'crypto' && size % fromUnits(1, 0) === 0n
    const decimals = whole ? 0 : position.asset.instrument.sizeDecimals
    qty = fromUnits(toUnits(times(size, percent / 100n), decimals), decimals)
  }
  if (qty === undefined || qty <= 0n) return malformed('qty must be > 0')
  if (qty > size)
    return forbidden(
      `insufficient qty available for order (requested: ${formatDecimal(qty)}, available: ${formatDecimal(size)})`,
      {available: formatDecimal(size), existing_qty: formatDecimal(size), held_for_orders: '0', symbol: symbolOrId},
    )
  return submitOrder(exchange, {
    symbol: position.asset.instrument.symbol,
    qty: formatDecimal(qty),
    side: position.qty > 0n ? 'sell' : 'buy',
    type: 'market',
    time_in_force: position.asset.instrument.kind === 'crypto' ? 'gtc' : 'day',
  })
}

/** `DELETE /v2/positions`. With `cancelOrders` the cancelled orders are listed too, their ids under `symbol`. */
export const closeAllPositions = (exchange: PaperExchange, cancelOrders: boolean): Json[] => {
  const answers: Json[] = []
  if (cancelOrders)
    for (const {id} of cancelAllOrders(exchange)) {
      const order = exchange.desk.get(String(id))
      if (order !== undefined) answers.push({symbol: order.id, status: 200, body: orderJson(order)})
    }
  // What was written is bought back before what covers it is sold.
  const isWritten = ({asset, qty}: Position): boolean => asset.instrument.kind === 'option' && qty < 0n
  const held = exchange.ledger.positions()
  for (const position of [...held.filter(isWritten), ...held.filter(other => !isWritten(other))]) {
    const {symbol} = position.asset.instrument
    const outcome = closePosition(exchange, symbol)
    answers.push(
      isRefusal(outcome)
        ? {symbol: positionSymbol(symbol), status: outcome.status, body: outcome.body}
        : {symbol: positionSymbol(symbol), status: 200, body: outcome},
    )
  }
  return answers
}
