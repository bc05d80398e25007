import {calendarYears} from '../../options/expiry-time.ts'
import {greeks} from '../../options/greeks.ts'
import {impliedVolatility} from '../../options/implied-volatility.ts'
import type {Asset} from '../assets.ts'
import {type Decimal, formatDecimal, parseDecimal} from '../decimal.ts'
import type {PaperExchange} from '../exchange.ts'
import {type ContractTerms, contractJson, isOption, termsOf} from '../options/contract.ts'
import {RATE} from '../options/option-quotes.ts'
import {isoDay, newYorkDay} from '../sessions.ts'
import {badParameter, isRefusal, malformed, noEndpoint, notFound} from '../wire-error.ts'
import {isoUtc} from '../wire-time.ts'
import {barJson, priceNumber, sizeNumber} from './data-shapes.ts'
import {isTrue, limitParameter, listParameter, ok, type WireResponse} from './request.ts'

type Json = Record<string, unknown>

const MOST_SYMBOLS = 100

const contracts = (exchange: PaperExchange): readonly Asset[] => exchange.assets.filter(isOption)

interface Filter {
  readonly keeps: (asset: Asset) => boolean
}

/** The filters that contracts, chains and snapshots share; undefined when one of them cannot be read. */
const filterOf = (query: URLSearchParams): Filter | undefined => {
  const strike = (name: string): Decimal | undefined | null => {
    const text = query.get(name)
    return text === null ? undefined : (parseDecimal(text) ?? null)
  }
  const [least, most] = [strike('strike_price_gte'), strike('strike_price_lte')]
  const type = query.get('type')
  const root = query.get('root_symbol')
  const day = (name: string): string | undefined => query.get(name)?.slice(0, 10)
  const [on, from, until] = [day('expiration_date'), day('expiration_date_gte'), day('expiration_date_lte')]
  if (least === null || most === null || (type !== null && type !== 'call' && type !== 'put')) return undefined
  return {
    keeps: asset => {
      const terms = termsOf(asset) as ContractTerms
      return (
        (least === undefined || terms.strike >= least) &&
        (most === undefined || terms.strike <= most) &&
        (type === null || terms.right === type) &&
        (root === null || terms.underlying === root) &&
        (on === undefined || terms.expiry === on) &&
        (from === undefined || terms.expiry >= from) &&
        (until === undefined || terms.expiry <= until)
      )
    },
  }
}

interface Page {
  readonly assets: readonly Asset[]
  readonly next: string | null
}

/** A page of contracts in OCC order; the token is the position of the next one. */
const pageOf = (assets: readonly Asset[], query: URLSearchParams, normal: number, most: number): Page | undefined => {
  const limit = limitParameter(query, normal, most)
  if (isRefusal(limit)) return undefined
  const token = query.get('page_token')
  const from = token === null || token === '' ? 0 : Number(Buffer.from(token, 'base64').toString('utf8'))
  if (!Number.isInteger(from) || from < 0) return undefined
  const sorted = assets.toSorted((a, b) => (a.instrument.symbol < b.instrument.symbol ? -1 : 1))
  const end = from + limit
  return {
    assets: sorted.slice(from, end),
    next: end < sorted.length ? Buffer.from(String(end)).toString('base64') : null,
  }
}

/** `/v2/options/contracts` and `/v2/options/contracts/{symbol or id}`. */
export const routeContracts = (
  exchange: PaperExchange,
  query: URLSearchParams,
  rest: readonly string[],
): WireResponse => {
  if (rest[0] !== 'contracts' || rest.length > 2) return noEndpoint
  const deliverables = isTrue(query, 'show_deliverables')
  if (rest.length === 2) {
    const asset = exchange.assetOf(rest[1] as string)
    return asset === undefined || !isOption(asset)
      ? notFound(`option contract not found for ${rest[1]}`)
      : ok(contractJson(exchange, asset, deliverables))
  }
  const filter = filterOf(query)
  const status = query.get('status') ?? 'active'
  if (filter === undefined) return malformed('invalid option contract filter')
  const underlyings = listParameter(query, 'underlying_symbols')
  // Without an upper bound the service shows what expires by the next weekend.
  const isBounded = ['expiration_date', 'expiration_date_lte', 'expiration_date_gte'].some(name => query.has(name))
  const today = newYorkDay(exchange.nowUs)
  const weekend = isoDay(today + 7 - ((((today + 4) % 7) + 7) % 7))
  const found = contracts(exchange).filter(asset => {
    const terms = termsOf(asset) as ContractTerms
    return (
      filter.keeps(asset) &&
      (isBounded || terms.expiry <= weekend) &&
      (underlyings.length === 0 || underlyings.includes(terms.underlying)) &&
      (status === 'inactive') === exchange.nowUs >= terms.lastUs
    )
  })
  const page = pageOf(found, query, 100, 10_000)
  return page === undefined
    ? malformed('invalid limit or page_token')
    : ok({
        option_contracts: page.assets.map(asset => contractJson(exchange, asset, deliverables)),
        next_page_token: page.next,
      })
}

/** `/v1beta1/options/…` of the data host. */
export const routeOptionData = (
  exchange: PaperExchange,
  query: URLSearchParams,
  rest: readonly string[],
): WireResponse => {
  const [first = '', second] = rest
  const feed = query.get('feed')
  if (feed !== null && feed !== 'opra' && feed !== 'indicative') return badParameter(`invalid feed: ${feed}`)
  if (first === 'meta' && second === 'exchanges')
    return ok({C: 'Cboe', A: 'NYSE American', N: 'NYSE Arca', X: 'Nasdaq PHLX'})
  if (first === 'meta' && second === 'conditions') return ok({' ': 'Regular'})
  if (first === 'snapshots' && rest.length === 2) return chain(exchange, query, second as string)
  const symbols = listParameter(query, 'symbols')
  if (symbols.length === 0) return badParameter('symbols is required')
  if (symbols.length > MOST_SYMBOLS) return badParameter(`too many symbols: at most ${MOST_SYMBOLS}`)
  const assets = symbols.flatMap(symbol => {
    const asset = exchange.assetOf(symbol)
    return asset !== undefined && isOption(asset) ? [asset] : []
  })
  if (first === 'snapshots' && rest.length === 1)
    return ok({snapshots: byName(assets, asset => snapshot(exchange, asset)), next_page_token: null})
  if (second === 'latest' && rest.length === 2) {
    if (first === 'quotes') return ok({quotes: byName(assets, asset => latestQuote(exchange, asset))})
    if (first === 'trades') return ok({trades: byName(assets, asset => latestTrade(exchange, asset))})
  }
  if (rest.length !== 1 || (first !== 'bars' && first !== 'trades')) return noEndpoint
  // Nobody but the account trades contracts here, and its own fills are no prints: the history is empty.
  return ok({[first]: {}, next_page_token: null})
}

const chain = (exchange: PaperExchange, query: URLSearchParams, underlying: string): WireResponse => {
  const filter = filterOf(query)
  if (filter === undefined) return badParameter('invalid option chain filter')
  const found = contracts(exchange).filter(
    asset =>
      termsOf(asset)?.underlying === underlying &&
      (termsOf(asset)?.lastUs ?? 0) > exchange.nowUs &&
      filter.keeps(asset),
  )
  const page = pageOf(found, query, 100, 1_000)
  if (page === undefined) return badParameter('invalid limit or page_token')
  return ok({snapshots: byName(page.assets, asset => snapshot(exchange, asset)), next_page_token: page.next})
}

const byName = (assets: readonly Asset[], of: (asset: Asset) => Json | undefined): Json =>
  Object.fromEntries(
    assets.flatMap(asset => {
      const value = of(asset)
      return value === undefined ? [] : [[asset.instrument.symbol, value]]
    }),
  )

const latestQuote = (exchange: PaperExchange, asset: Asset): Json | undefined => {
  const quote = exchange.store.lastQuote(exchange.indexOf(asset))
  return quote === undefined
    ? undefined
    : {
        t: isoUtc(quote.atUs),
        bx: quote.bidLots > 0 ? asset.participant : ' ',
        bp: priceNumber(asset, quote.bidTicks),
        bs: sizeNumber(asset, quote.bidLots),
        ax: quote.askLots > 0 ? asset.participant : ' ',
        ap: priceNumber(asset, quote.askTicks),
        as: sizeNumber(asset, quote.askLots),
        c: ' ',
      }
}

const latestTrade = (exchange: PaperExchange, asset: Asset): Json | undefined => {
  const trade = exchange.store.lastTrade(exchange.indexOf(asset))
  return trade === undefined
    ? undefined
    : {
        t: isoUtc(trade.atUs),
        x: asset.participant,
        p: priceNumber(asset, trade.ticks),
        s: sizeNumber(asset, trade.lots),
        c: ' ',
      }
}

const snapshot = (exchange: PaperExchange, asset: Asset): Json => {
  const i = exchange.indexOf(asset)
  const bar = exchange.store.lastMinute(i)
  const day = exchange.store.days(i).at(-1)
  const parts: Json = {
    latestTrade: latestTrade(exchange, asset),
    latestQuote: latestQuote(exchange, asset),
    minuteBar: bar === undefined ? undefined : barJson(asset, bar),
    dailyBar: day === undefined ? undefined : barJson(asset, day),
    ...sensitivities(exchange, asset),
  }
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined))
}

/** From the middle of the quote; left out, as the service does, where no volatility gives that price. */
const sensitivities = (exchange: PaperExchange, asset: Asset): Json => {
  const {right, strike, underlying, lastUs} = termsOf(asset) as ContractTerms
  const spotAsset = exchange.assetOf(underlying)
  const spotPrice = spotAsset === undefined ? undefined : exchange.valuation.lastPrice(spotAsset)
  const quote = exchange.store.lastQuote(exchange.indexOf(asset))
  const ttmYears = calendarYears(exchange.nowUs, lastUs)
  if (spotPrice === undefined || quote === undefined || quote.bidLots === 0 || !(ttmYears > 0)) return {}
  const dollars = (value: Decimal): number => Number(formatDecimal(value))
  const [spot, level] = [dollars(spotPrice), dollars(strike)]
  const discount = Math.exp(-RATE * ttmYears)
  const forward = spot / discount
  const price = priceNumber(asset, (quote.bidTicks + quote.askTicks) / 2) / discount
  const implied = impliedVolatility({price, forward, strike: level, ttmYears, right})
  if (implied.status !== 'ok' || !(implied.volatility > 0)) return {}
  const {volatility} = implied
  const {delta, gamma, theta, vega, rho} = greeks({forward, strike: level, ttmYears, volatility, discount, right, spot})
  const round = (value: number): number => Number(value.toFixed(4))
  return {
    impliedVolatility: round(volatility),
    // A day of time, a percent of volatility and of rate, as traders quote them.
    greeks: {
      delta: round(delta),
      gamma: round(gamma),
      theta: round(theta / 365),
      vega: round(vega / 100),
      rho: round(rho / 100),
    },
  }
}
