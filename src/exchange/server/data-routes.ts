import type {Asset} from '../assets.ts'
import type {PaperExchange} from '../exchange.ts'
import type {StoredBar} from '../market-store.ts'
import {joined, type PastMarket} from '../past-market.ts'
import {isoDay, newYorkDay, sessionOf} from '../sessions.ts'
import {badParameter, isRefusal, noEndpoint, type Refusal} from '../wire-error.ts'
import {isoUtc} from '../wire-time.ts'
import {parseTimeframe, resample, type Timeframe} from './bar-frames.ts'
import type {BookSides} from './data-hub.ts'
import {dayStart, pageOf, type Stamped} from './data-pages.ts'
import {barJson, priceNumber, quoteJson, sizeNumber, tradeJson} from './data-shapes.ts'
import {routeOptionData} from './option-routes.ts'
import {limitParameter, listParameter, ok, timeParameter, type WireRequest, type WireResponse} from './request.ts'
import {routeScreener} from './screener.ts'

type Json = Record<string, unknown>
type Element = 'bars' | 'trades' | 'quotes' | 'auctions'
const ELEMENTS: readonly string[] = ['bars', 'trades', 'quotes']
const FEEDS = new Set(['sip', 'iex', 'boats', 'otc', 'delayed_sip', 'overnight'])
const ADJUSTMENTS = new Set(['raw', 'split', 'dividend', 'spin-off', 'all'])
const LOCATIONS = new Set(['us', 'us-1', 'us-2', 'eu-1', 'bs-1'])
const PAIR = /^[A-Z]+x?\/[A-Z]+$/

/** Paths of the data host: `/v2/stocks/…`, `/v1beta3/crypto/{loc}/…`, and the empty shelves beside them. */
export const routeData = (
  exchange: PaperExchange,
  request: WireRequest,
  sidesOf: (instrument: number) => BookSides | undefined,
): WireResponse => {
  const [version, resource, ...rest] = request.segments
  if (request.method !== 'GET') return noEndpoint
  if (version === 'v2' && resource === 'stocks') return routeStocks(exchange, request.query, rest)
  if (version === 'v1beta3' && resource === 'crypto') return routeCrypto(exchange, request.query, rest, sidesOf)
  if (version === 'v1beta1' && resource === 'options') return routeOptionData(exchange, request.query, rest)
  if (version === 'v1beta1' && resource === 'screener') return routeScreener(exchange, request.query, rest)
  if (version === 'v1beta1' && resource === 'news' && rest.length === 0)
    return empty(limitParameter(request.query, 10, 50), {news: []})
  if ((version === 'v1' || version === 'v1beta1') && resource === 'corporate-actions' && rest.length === 0)
    return empty(limitParameter(request.query, 100, 1_000), {corporate_actions: {}})
  return noEndpoint
}

/** Nobody writes about this market, and its shares neither pay nor split. */
const empty = (limit: number | Refusal, body: Json): WireResponse =>
  isRefusal(limit) ? limit : ok({...body, next_page_token: null})

/** Prices are in dollars only; an answer names its currency when it was asked for one. */
const routeStocks = (exchange: PaperExchange, query: URLSearchParams, rest: readonly string[]): WireResponse => {
  const currency = query.get('currency')
  if (currency !== null && currency !== 'USD') return badParameter(`invalid currency: ${currency}`)
  const answer = stocksAnswer(exchange, query, rest)
  // Snapshots are a map of symbols: there is no room for another key.
  const isNamed = currency !== null && answer.status === 200 && rest[0] !== 'snapshots' && rest[0] !== 'meta'
  return isNamed ? ok({...(answer.body as Json), currency}) : answer
}

const stocksAnswer = (exchange: PaperExchange, query: URLSearchParams, rest: readonly string[]): WireResponse => {
  const feed = query.get('feed')
  if (feed !== null && !FEEDS.has(feed)) return badParameter(`invalid feed: ${feed}`)
  const adjustment = listParameter(query, 'adjustment').find(name => !ADJUSTMENTS.has(name))
  if (adjustment !== undefined) return badParameter(`invalid adjustment: ${adjustment}`)
  const [first = '', second, third] = rest
  if (first === 'meta') return stockMeta(rest)
  const shares = (symbols: readonly string[]): Asset[] => known(exchange, symbols, false)
  if (first === 'snapshots' && rest.length === 1)
    return ok(byName(shares(listParameter(query, 'symbols')), asset => snapshot(exchange, asset)))
  if (ELEMENTS.includes(first) || first === 'auctions') {
    const symbols = listParameter(query, 'symbols')
    if (symbols.length === 0) return badParameter('symbols is required')
    if (second === 'latest' && rest.length === 2 && first !== 'auctions')
      return ok({[first]: latestOf(exchange, shares(symbols), first as Element)})
    return rest.length === 1 ? history(exchange, query, shares(symbols), first as Element, false) : noEndpoint
  }
  if (second === undefined) return noEndpoint
  const [asset] = shares([first])
  if (second === 'snapshot' && rest.length === 2)
    return asset === undefined ? noData(first) : ok({symbol: first, ...snapshot(exchange, asset)})
  if (!ELEMENTS.includes(second) && second !== 'auctions') return noEndpoint
  if (third === 'latest' && rest.length === 3 && second !== 'auctions') {
    const value = asset === undefined ? undefined : latest(exchange, asset, second as Element)
    return value === undefined ? noData(first) : ok({symbol: first, [second.slice(0, -1)]: value})
  }
  if (rest.length !== 2) return noEndpoint
  const page = history(exchange, query, asset === undefined ? [] : [asset], second as Element, false)
  if (page.status !== 200) return page
  const body = page.body as Json
  return ok({[second]: (body[second] as Json)[first] ?? null, symbol: first, next_page_token: body['next_page_token']})
}

const noData = (symbol: string): WireResponse => ({status: 404, body: {message: `no data found for ${symbol}`}})

const routeCrypto = (
  exchange: PaperExchange,
  query: URLSearchParams,
  rest: readonly string[],
  sidesOf: (instrument: number) => BookSides | undefined,
): WireResponse => {
  const [location = '', first = '', second] = rest
  if (!LOCATIONS.has(location)) return badParameter(`invalid location: ${location}`)
  const symbols = listParameter(query, 'symbols')
  const bad = symbols.find(symbol => !PAIR.test(symbol))
  if (bad !== undefined)
    return badParameter(`invalid symbol: ${bad} does not match ${PAIR.source.replaceAll('\\', '')}`)
  const pairs = known(exchange, symbols, true)
  if (first === 'snapshots' && rest.length === 2)
    return ok({snapshots: byName(pairs, asset => snapshot(exchange, asset))})
  if (first === 'latest' && rest.length === 3) {
    if (second === 'orderbooks')
      return ok({orderbooks: byName(pairs, asset => bookJson(exchange, asset, sidesOf(exchange.indexOf(asset))))})
    return ELEMENTS.includes(second ?? '')
      ? ok({[second as string]: latestOf(exchange, pairs, second as Element)})
      : noEndpoint
  }
  if (!ELEMENTS.includes(first) || rest.length !== 2) return noEndpoint
  if (symbols.length === 0) return badParameter('symbols is required')
  return history(exchange, query, pairs, first as Element, true)
}

/** Listed assets of the class; unknown symbols are left out of an answer, as the service does. */
const known = (exchange: PaperExchange, symbols: readonly string[], coin: boolean): Asset[] =>
  symbols.flatMap(symbol => {
    const asset = exchange.assetOf(symbol)
    const kind = asset?.instrument.kind
    return asset?.instrument.symbol === symbol && kind !== 'option' && (kind === 'crypto') === coin ? [asset] : []
  })

const byName = (assets: readonly Asset[], of: (asset: Asset) => Json | undefined): Json => {
  const result: Json = {}
  for (const asset of assets) {
    const value = of(asset)
    if (value !== undefined) result[asset.instrument.symbol] = value
  }
  return result
}

const latestOf = (exchange: PaperExchange, assets: readonly Asset[], element: Element): Json =>
  byName(assets, asset => latest(exchange, asset, element))

const latest = (exchange: PaperExchange, asset: Asset, element: Element): Json | undefined => {
  const i = exchange.indexOf(asset)
  const {store} = exchange
  if (element === 'quotes') {
    const quote = store.lastQuote(i)
    return quote === undefined ? undefined : quoteJson(asset, quote)
  }
  if (element === 'trades') {
    const trade = store.lastTrade(i)
    return trade === undefined ? undefined : tradeJson(asset, trade)
  }
  const bar = store.lastMinute(i) ?? exchange.past?.minutes(i).at(-1)
  return bar === undefined ? undefined : barJson(asset, bar)
}

const snapshot = (exchange: PaperExchange, asset: Asset): Json => {
  const i = exchange.indexOf(asset)
  const days = joined(exchange.past?.days(i) ?? [], exchange.store.days(i))
  const today = days.at(-1)
  const before = days.at(-2)
  const parts: Json = {
    latestTrade: latest(exchange, asset, 'trades'),
    latestQuote: latest(exchange, asset, 'quotes'),
    minuteBar: latest(exchange, asset, 'bars'),
    dailyBar: today === undefined ? undefined : barJson(asset, today),
    prevDailyBar: before === undefined ? undefined : barJson(asset, before),
  }
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined))
}

/** Best bid and offer only where the market gives no depth: the simulated one quotes no further levels. */
const bookJson = (exchange: PaperExchange, asset: Asset, sides: BookSides | undefined): Json | undefined => {
  const quote = exchange.store.lastQuote(exchange.indexOf(asset))
  if (quote === undefined) return undefined
  const [bids, asks] = sides ?? [[[quote.bidTicks, quote.bidLots]], [[quote.askTicks, quote.askLots]]]
  const levels = (side: readonly (readonly [number, number])[]) =>
    side
      .filter(([, lots]) => lots > 0)
      .map(([ticks, lots]) => ({p: priceNumber(asset, ticks), s: sizeNumber(asset, lots)}))
  return {t: isoUtc(quote.atUs), b: levels(bids), a: levels(asks)}
}

const history = (
  exchange: PaperExchange,
  query: URLSearchParams,
  assets: readonly Asset[],
  element: Element,
  coin: boolean,
): WireResponse => {
  let frame: Timeframe | undefined
  if (element === 'bars') {
    const text = query.get('timeframe') ?? '1Min'
    frame = parseTimeframe(text)
    if (frame === undefined) return badParameter(`invalid timeframe: ${text}`)
  }
  const bySymbol = new Map(assets.map(asset => [asset.instrument.symbol, asset]))
  // Who asks from a day on that began before the market did sees its past too.
  const start = timeParameter(query, 'start')
  const fromUs = typeof start === 'number' ? start : dayStart(exchange.nowUs, coin)
  const past = fromUs < exchange.startUs ? exchange.past : undefined
  const page = pageOf({
    query,
    symbols: [...bySymbol.keys()],
    nowUs: exchange.nowUs,
    coin,
    rowsOf: symbol => rowsOf(exchange, bySymbol.get(symbol) as Asset, element, frame, past),
  })
  return isRefusal(page)
    ? (page satisfies Refusal)
    : ok({[element]: Object.fromEntries(page.rows), next_page_token: page.nextPageToken})
}

const rowsOf = (
  exchange: PaperExchange,
  asset: Asset,
  element: Element,
  frame: Timeframe | undefined,
  past: PastMarket | undefined,
): readonly Stamped[] => {
  const i = exchange.indexOf(asset)
  const {store} = exchange
  if (element === 'quotes')
    return store.quotes(i).map(quote => ({atUs: quote.atUs, json: () => quoteJson(asset, quote)}))
  if (element === 'trades')
    return store.trades(i).map(trade => ({atUs: trade.atUs, json: () => tradeJson(asset, trade)}))
  if (element === 'auctions')
    return joined(past?.days(i) ?? [], store.days(i)).map(day => ({
      atUs: day.startUs,
      json: () => auctionJson(asset, day, exchange.nowUs),
    }))
  const {unit, count} = frame as Timeframe
  const coin = asset.instrument.kind === 'crypto'
  const fine =
    unit === 'minute' || unit === 'hour'
      ? joined(past?.minutes(i) ?? [], store.minutes(i))
      : joined(past?.days(i) ?? [], store.days(i))
  const bars = unit === 'minute' && count === 1 ? fine : resample(fine, frame as Timeframe, coin)
  return bars.map(bar => ({atUs: bar.startUs, json: () => barJson(asset, bar)}))
}

/** The day's first and last price, as the listing market would print its auctions; the close once there was one. */
const auctionJson = (asset: Asset, day: StoredBar, nowUs: number): Json => {
  const session = sessionOf(newYorkDay(day.startUs))
  const print = (atUs: number, ticks: number, c: string) => ({
    t: isoUtc(atUs),
    x: asset.participant,
    p: priceNumber(asset, ticks),
    c,
  })
  if (session === undefined) return {d: isoDay(newYorkDay(day.startUs)), o: [], c: []}
  return {
    d: isoDay(session.day),
    o: [print(session.openUs, day.open, 'Q')],
    c: nowUs >= session.closeUs ? [print(session.closeUs, day.close, 'M')] : [],
  }
}

const EXCHANGES: Readonly<Record<string, string>> = {
  A: 'NYSE American (AMEX)',
  B: 'NASDAQ OMX BX',
  K: 'Cboe EDGX',
  N: 'New York Stock Exchange',
  P: 'NYSE Arca',
  Q: 'NASDAQ',
  V: 'IEX',
  Z: 'Cboe BZX',
}

const stockMeta = ([, kind, which]: readonly string[]): WireResponse => {
  if (kind === 'exchanges') return ok(EXCHANGES)
  if (kind !== 'conditions') return noEndpoint
  if (which === 'trade') return ok({'@': 'Regular Sale', ' ': 'Regular Sale', I: 'Odd Lot Trade'})
  return which === 'quote' ? ok({R: 'Regular Market Maker Open'}) : noEndpoint
}
