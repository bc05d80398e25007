import type {Asset} from '../assets.ts'
import {toNumber} from '../decimal.ts'
import type {PaperExchange} from '../exchange.ts'
import {badParameter, noEndpoint} from '../wire-error.ts'
import {isoUtc} from '../wire-time.ts'
import {priceNumber, sizeNumber} from './data-shapes.ts'
import {ok, type WireResponse} from './request.ts'

/** `/v1beta1/screener/…`: the day so far of what is listed. */
export const routeScreener = (
  exchange: PaperExchange,
  query: URLSearchParams,
  rest: readonly string[],
): WireResponse => {
  const [market, view] = rest
  if (rest.length !== 2 || (market !== 'stocks' && market !== 'crypto')) return noEndpoint
  const assets = exchange.assets.filter(asset => (asset.instrument.kind === 'crypto') === (market === 'crypto'))
  const top = Number(query.get('top') ?? 10)
  if (!Number.isInteger(top) || top < 1 || top > 100) return badParameter(`invalid top: ${query.get('top')}`)
  const updated = {last_updated: isoUtc(exchange.nowUs)}
  if (view === 'movers') {
    const moves = assets.flatMap(asset => moveOf(exchange, asset))
    const by = (direction: 1 | -1) =>
      moves
        .filter(({change}) => change * direction > 0)
        .sort((a, b) => direction * (b.percent_change - a.percent_change))
        .slice(0, top)
    return ok({gainers: by(1), losers: by(-1), market_type: market, ...updated})
  }
  if (view !== 'most-actives' || market !== 'stocks') return noEndpoint
  const key = query.get('by') === 'trades' ? 'trade_count' : 'volume'
  const actives = assets
    .map(asset => activityOf(exchange, asset))
    .sort((a, b) => b[key] - a[key])
    .slice(0, top)
  return ok({most_actives: actives, ...updated})
}

const activityOf = (exchange: PaperExchange, asset: Asset) => {
  const day = exchange.store.days(exchange.indexOf(asset)).at(-1)
  return {
    symbol: asset.instrument.symbol,
    volume: Math.round(sizeNumber(asset, day?.lots ?? 0)),
    trade_count: day?.count ?? 0,
  }
}

const moveOf = (exchange: PaperExchange, asset: Asset) => {
  const last = exchange.store.lastTrade(exchange.indexOf(asset))
  const before = toNumber(exchange.lastDayPrice(asset))
  if (last === undefined || before === 0) return []
  const price = priceNumber(asset, last.ticks)
  const change = Number((price - before).toFixed(asset.instrument.priceDecimals))
  return [
    {symbol: asset.instrument.symbol, percent_change: Number(((change / before) * 100).toFixed(2)), change, price},
  ]
}
