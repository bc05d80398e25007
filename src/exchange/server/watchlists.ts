import {type Asset, assetJson} from '../assets.ts'
import type {PaperExchange} from '../exchange.ts'
import {isUuid, uuid} from '../uuid.ts'
import {malformed, noEndpoint, notFound, type Refusal} from '../wire-error.ts'
import {isoUtc} from '../wire-time.ts'
import {noContent, ok, type WireRequest, type WireResponse} from './request.ts'

interface Watchlist {
  readonly id: string
  readonly createdUs: number
  updatedUs: number
  name: string
  assets: Asset[]
}

const lists = new WeakMap<PaperExchange, Map<string, Watchlist>>()
const listsOf = (exchange: PaperExchange): Map<string, Watchlist> => {
  let known = lists.get(exchange)
  if (known === undefined) {
    known = new Map()
    lists.set(exchange, known)
  }
  return known
}

const view = (exchange: PaperExchange, list: Watchlist, withAssets: boolean): Record<string, unknown> => ({
  id: list.id,
  account_id: exchange.accountId,
  name: list.name,
  created_at: isoUtc(list.createdUs),
  updated_at: isoUtc(list.updatedUs),
  ...(withAssets ? {assets: list.assets.map(asset => assetJson(asset))} : {}),
})

/** `/v2/watchlists`, by id and, as `/v2/watchlists:by_name?name=`, by name. */
export const routeWatchlists = (exchange: PaperExchange, request: WireRequest, byName: boolean): WireResponse => {
  const [, , id, symbol] = request.segments
  const all = listsOf(exchange)
  if (!byName && id === undefined) return routeAll(exchange, all, request)
  const list = byName ? findByName(all, request.query.get('name')) : findById(all, id as string)
  if (!('assets' in list)) return list
  const rest = byName ? id : symbol
  if (rest !== undefined) return request.method === 'DELETE' ? removeSymbol(exchange, list, rest) : noEndpoint
  switch (request.method) {
    case 'GET':
      return ok(view(exchange, list, true))
    case 'DELETE':
      all.delete(list.id)
      return noContent
    case 'PUT':
      return update(exchange, list, request.body) ?? ok(view(exchange, list, true))
    case 'POST':
      return addSymbol(exchange, list, request.body) ?? ok(view(exchange, list, true))
    default:
      return noEndpoint
  }
}

const routeAll = (exchange: PaperExchange, all: Map<string, Watchlist>, {method, body}: WireRequest): WireResponse => {
  if (method === 'GET') return ok([...all.values()].map(list => view(exchange, list, false)))
  if (method !== 'POST') return noEndpoint
  const list: Watchlist = {
    id: uuid(exchange.rng),
    createdUs: exchange.nowUs,
    updatedUs: exchange.nowUs,
    name: '',
    assets: [],
  }
  const refused = update(exchange, list, body)
  if (refused !== undefined) return refused
  if (list.name === '') return malformed('name is required')
  if ([...all.values()].some(({name}) => name === list.name)) return malformed('watchlist name must be unique')
  all.set(list.id, list)
  return ok(view(exchange, list, true))
}

const findById = (all: ReadonlyMap<string, Watchlist>, id: string): Watchlist | Refusal =>
  isUuid(id) ? (all.get(id) ?? notFound(`watchlist not found: ${id}`)) : malformed('watchlist is required')

const findByName = (all: ReadonlyMap<string, Watchlist>, name: string | null): Watchlist | Refusal =>
  [...all.values()].find(list => list.name === name) ?? notFound(`watchlist not found: ${name}`)

const update = (exchange: PaperExchange, list: Watchlist, body: unknown): Refusal | undefined => {
  const {name, symbols} = (body ?? {}) as {readonly name?: unknown; readonly symbols?: unknown}
  if (name !== undefined && (typeof name !== 'string' || name.length > 64))
    return malformed('name must be no more than 64 characters')
  const assets: Asset[] = []
  if (Array.isArray(symbols))
    for (const symbol of symbols) {
      const asset = exchange.assetOf(String(symbol))
      if (asset === undefined) return notFound(`asset not found for ${symbol}`)
      if (!assets.includes(asset)) assets.push(asset)
    }
  if (name !== undefined) list.name = name
  if (Array.isArray(symbols)) list.assets = assets
  list.updatedUs = exchange.nowUs
  return undefined
}

const addSymbol = (exchange: PaperExchange, list: Watchlist, body: unknown): Refusal | undefined => {
  const {symbol} = (body ?? {}) as {readonly symbol?: unknown}
  const asset = exchange.assetOf(String(symbol))
  if (asset === undefined) return notFound(`asset not found for ${symbol}`)
  if (!list.assets.includes(asset)) list.assets.push(asset)
  list.updatedUs = exchange.nowUs
  return undefined
}

const removeSymbol = (exchange: PaperExchange, list: Watchlist, symbol: string): WireResponse => {
  const asset = exchange.assetOf(symbol)
  if (asset === undefined || !list.assets.includes(asset)) return notFound(`asset not found for ${symbol}`)
  list.assets = list.assets.filter(other => other !== asset)
  list.updatedUs = exchange.nowUs
  return ok(view(exchange, list, true))
}
