import type {Asset} from '../assets.ts'
import type {StoredBar, StoredQuote, StoredTrade} from '../market-store.ts'
import {isoUtc} from '../wire-time.ts'

type Json = Record<string, unknown>

/** Decimal places to factors; a price or a size of the wire is an integer over its power of ten. */
const scaleOf = (decimals: number): number => 10 ** decimals
export const priceNumber = (asset: Asset, ticks: number): number => ticks / scaleOf(asset.instrument.priceDecimals)
export const sizeNumber = (asset: Asset, lots: number): number => lots / scaleOf(asset.instrument.sizeDecimals)
const isCoin = (asset: Asset): boolean => asset.instrument.kind === 'crypto'

export const quoteJson = (asset: Asset, quote: StoredQuote): Json => {
  const prices = {bp: priceNumber(asset, quote.bidTicks), bs: sizeNumber(asset, quote.bidLots)}
  const asks = {ap: priceNumber(asset, quote.askTicks), as: sizeNumber(asset, quote.askLots)}
  const t = isoUtc(quote.atUs)
  if (isCoin(asset)) return {t, ...prices, ...asks}
  // A side that nobody quotes has price and size 0 and a blank exchange.
  return {
    t,
    bx: quote.bidLots > 0 ? asset.participant : ' ',
    ...prices,
    ax: quote.askLots > 0 ? asset.participant : ' ',
    ...asks,
    c: ['R'],
    z: asset.tape,
  }
}

export const takerSide = (aggressor: number): string => (aggressor === 2 ? 'S' : 'B')

export const tradeJson = (asset: Asset, trade: StoredTrade): Json => {
  const t = isoUtc(trade.atUs)
  const p = priceNumber(asset, trade.ticks)
  const s = sizeNumber(asset, trade.lots)
  return isCoin(asset)
    ? {t, p, s, i: trade.id, tks: takerSide(trade.aggressor)}
    : {t, x: asset.participant, p, s, c: ['@'], i: trade.id, z: asset.tape}
}

export const barNumbers = (asset: Asset, bar: StoredBar) => ({
  o: priceNumber(asset, bar.open),
  h: priceNumber(asset, bar.high),
  l: priceNumber(asset, bar.low),
  c: priceNumber(asset, bar.close),
  v: isCoin(asset) ? sizeNumber(asset, bar.lots) : Math.round(sizeNumber(asset, bar.lots)),
  n: bar.count,
  vw:
    bar.lots === 0
      ? 0
      : Number((bar.turnover / bar.lots / scaleOf(asset.instrument.priceDecimals)).toFixed(isCoin(asset) ? 10 : 6)),
})

export const barJson = (asset: Asset, bar: StoredBar): Json => ({t: isoUtc(bar.startUs), ...barNumbers(asset, bar)})
