import {assetClass, assetJson} from '../assets.ts'
import type {PaperExchange} from '../exchange.ts'
import {doNotExercise, exercise} from '../options/settlement.ts'
import {
  cancelAllOrders,
  cancelOrder,
  getOrder,
  getOrderByClientId,
  listOrders,
  replaceOrder,
  submitOrder,
} from '../order-api.ts'
import type {AccountConfiguration} from '../order-checks.ts'
import {closeAllPositions, closePosition, getPosition, listPositions} from '../position-api.ts'
import {isRefusal, malformed, noEndpoint, notFound, type Refusal} from '../wire-error.ts'
import {listActivities} from './activity-routes.ts'
import {calendarV2, calendarV3, clockV2, clockV3} from './clock-routes.ts'
import {routeContracts} from './option-routes.ts'
import {portfolioHistory} from './portfolio-history.ts'
import {
  isTrue,
  listParameter,
  multiStatus,
  noContent,
  ok,
  timeParameter,
  type WireRequest,
  type WireResponse,
} from './request.ts'
import {routeWatchlists} from './watchlists.ts'

const answer = (value: unknown | Refusal): WireResponse => (isRefusal(value) ? value : ok(value))

/** Paths of the trading host, below `/v2` and `/v3`. */
export const routeTrading = (exchange: PaperExchange, request: WireRequest): WireResponse => {
  const [version, resource, ...rest] = request.segments
  if (version === 'v3') return routeVersion3(exchange, request, resource, rest)
  switch (resource) {
    case 'account':
      return routeAccount(exchange, request, rest)
    case 'clock':
      return request.method === 'GET' && rest.length === 0 ? ok(clockV2(exchange.nowUs)) : noEndpoint
    case 'calendar':
      return request.method === 'GET' && rest.length === 0 ? answer(calendarV2(request.query)) : noEndpoint
    case 'assets':
      return request.method === 'GET' ? routeAssets(exchange, request, rest) : noEndpoint
    case 'orders':
      return routeOrders(exchange, request, rest)
    case 'orders:by_client_order_id':
      return request.method === 'GET'
        ? answer(getOrderByClientId(exchange, request.query.get('client_order_id') ?? ''))
        : noEndpoint
    case 'watchlists':
      return routeWatchlists(exchange, request, false)
    case 'watchlists:by_name':
      return routeWatchlists(exchange, request, true)
    case 'positions':
      return routePositions(exchange, request, rest)
    case 'corporate_actions':
      return request.method === 'GET' ? routeAnnouncements(request, rest) : noEndpoint
    case 'options':
      return request.method === 'GET' ? routeContracts(exchange, request.query, rest) : noEndpoint
    default:
      return noEndpoint
  }
}

const routeVersion3 = (
  exchange: PaperExchange,
  {method, query}: WireRequest,
  resource: string | undefined,
  rest: readonly string[],
): WireResponse => {
  if (method !== 'GET') return noEndpoint
  if (resource === 'clock' && rest.length === 0) return answer(clockV3(exchange.nowUs, query))
  if (resource === 'calendar' && rest.length === 1) return answer(calendarV3(exchange.nowUs, rest[0] as string, query))
  return noEndpoint
}

const routeAccount = (exchange: PaperExchange, request: WireRequest, rest: readonly string[]): WireResponse => {
  const {method, query, body} = request
  if (rest.length === 0) return method === 'GET' ? ok(exchange.accountJson()) : noEndpoint
  if (rest[0] === 'configurations' && rest.length === 1) {
    if (method === 'GET') return ok(exchange.configuration)
    return method === 'PATCH' ? answer(patchConfiguration(exchange, body)) : noEndpoint
  }
  if (method !== 'GET') return noEndpoint
  if (rest[0] === 'activities' && rest.length <= 2) return answer(listActivities(exchange, rest[1], query))
  if (rest[0] === 'portfolio' && rest[1] === 'history') return answer(portfolioHistory(exchange, query))
  return noEndpoint
}

const CONFIGURATION: Readonly<Record<keyof AccountConfiguration, (value: unknown) => boolean>> = {
  fractional_trading: value => typeof value === 'boolean',
  max_margin_multiplier: value => value === '1' || value === '2' || value === '4',
  max_options_trading_level: value =>
    value === null || (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 3),
  no_shorting: value => typeof value === 'boolean',
  ptp_no_exception_entry: value => typeof value === 'boolean',
  suspend_trade: value => typeof value === 'boolean',
  trade_confirm_email: value => value === 'all' || value === 'none',
  disable_overnight_trading: value => typeof value === 'boolean',
}

const patchConfiguration = (exchange: PaperExchange, body: unknown): AccountConfiguration | Refusal => {
  if (typeof body !== 'object' || body === null) return malformed('request body must be an object')
  const change: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(body)) {
    const isValid = CONFIGURATION[key as keyof AccountConfiguration]
    // Keys that Alpaca has dropped, such as pdt_check, are ignored.
    if (isValid === undefined) continue
    if (!isValid(value)) return malformed(`invalid ${key}: ${String(value)}`)
    change[key] = value
  }
  exchange.configuration = {...exchange.configuration, ...change}
  return exchange.configuration
}

/** Some clients leave the slash of a pair as it is. */
const nameOf = (rest: readonly string[]): string => rest.join('/')

const routeAssets = (exchange: PaperExchange, {query}: WireRequest, rest: readonly string[]): WireResponse => {
  if (rest.length > 2) return noEndpoint
  if (rest.length > 0) {
    const asset = exchange.assetOf(nameOf(rest))
    return asset === undefined
      ? notFound(`asset not found for ${nameOf(rest)}`)
      : ok(assetJson(asset, exchange.hasOptions(asset)))
  }
  const classes = listParameter(query, 'asset_class')
  const wanted = classes.length === 0 ? ['us_equity'] : classes
  const status = query.get('status')
  const venue = query.get('exchange')
  const attributes = listParameter(query, 'attributes')
  return ok(
    exchange.assets
      .filter(asset => wanted.includes(assetClass(asset)))
      .filter(asset => venue === null || asset.exchange === venue)
      .map(asset => assetJson(asset, exchange.hasOptions(asset)))
      .filter(json => status === null || status === 'all' || json['status'] === status)
      .filter(
        json => attributes.length === 0 || attributes.some(name => (json['attributes'] as string[]).includes(name)),
      ),
  )
}

/** What the market announces is nothing: its shares neither pay nor split. */
const routeAnnouncements = ({query}: WireRequest, rest: readonly string[]): WireResponse => {
  if (rest[0] !== 'announcements' || rest.length > 2) return noEndpoint
  if (rest.length === 2) return notFound(`announcement not found for ${rest[1]}`)
  const missing = ['ca_types', 'since', 'until'].find(name => !query.get(name))
  return missing === undefined ? ok([]) : malformed(`${missing} is required`)
}

const routeOrders = (exchange: PaperExchange, request: WireRequest, rest: readonly string[]): WireResponse => {
  const {method, query, body} = request
  if (rest.length === 0) {
    if (method === 'POST') return answer(submitOrder(exchange, body))
    if (method === 'DELETE') return multiStatus(cancelAllOrders(exchange))
    return method === 'GET' ? queryOrders(exchange, query) : noEndpoint
  }
  if (rest.length > 1) return noEndpoint
  const id = rest[0] as string
  switch (method) {
    case 'GET':
      return answer(getOrder(exchange, id, query.get('nested') !== 'false'))
    case 'PATCH':
      return answer(replaceOrder(exchange, id, body))
    case 'DELETE':
      return cancelOrder(exchange, id) ?? noContent
    default:
      return noEndpoint
  }
}

const queryOrders = (exchange: PaperExchange, query: URLSearchParams): WireResponse => {
  const status = query.get('status') ?? 'open'
  if (status !== 'open' && status !== 'closed' && status !== 'all') return malformed(`invalid status: ${status}`)
  const limit = Number(query.get('limit') ?? 50)
  if (!Number.isInteger(limit) || limit < 1 || limit > 500) return malformed('limit must be between 1 and 500')
  const afterUs = timeParameter(query, 'after')
  const untilUs = timeParameter(query, 'until')
  if (isRefusal(afterUs) || isRefusal(untilUs)) return malformed('invalid after or until')
  const direction = query.get('direction') ?? 'desc'
  if (direction !== 'asc' && direction !== 'desc') return malformed(`invalid direction: ${direction}`)
  const beforeOrderId = query.get('before_order_id') ?? undefined
  const afterOrderId = query.get('after_order_id') ?? undefined
  if (beforeOrderId !== undefined && afterOrderId !== undefined)
    return malformed('before_order_id and after_order_id are mutually exclusive')
  if ((beforeOrderId ?? afterOrderId) !== undefined && (afterUs !== undefined || untilUs !== undefined))
    return malformed('before_order_id and after_order_id cannot be used with after or until')
  return ok(
    listOrders(exchange, {
      status,
      limit,
      afterUs,
      untilUs,
      direction,
      nested: isTrue(query, 'nested'),
      symbols: listParameter(query, 'symbols'),
      side: query.get('side') ?? undefined,
      assetClasses: listParameter(query, 'asset_class'),
      beforeOrderId,
      afterOrderId,
    }),
  )
}

const routePositions = (
  exchange: PaperExchange,
  {method, query}: WireRequest,
  rest: readonly string[],
): WireResponse => {
  if (rest.length === 0) {
    if (method === 'GET') return ok(listPositions(exchange))
    return method === 'DELETE' ? multiStatus(closeAllPositions(exchange, isTrue(query, 'cancel_orders'))) : noEndpoint
  }
  if (rest.length === 2 && method === 'POST') {
    const [contract = '', action] = rest
    if (action === 'exercise') return exercise(exchange, contract) ?? ok({})
    return action === 'do-not-exercise' ? (doNotExercise(exchange, contract) ?? ok({})) : noEndpoint
  }
  if (rest.length > 2) return noEndpoint
  const symbol = nameOf(rest)
  if (method === 'GET') return answer(getPosition(exchange, symbol))
  if (method !== 'DELETE') return noEndpoint
  return answer(
    closePosition(exchange, symbol, {
      qty: query.get('qty') ?? undefined,
      percentage: query.get('percentage') ?? undefined,
    }),
  )
}
