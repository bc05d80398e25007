import {EventKind, emptyChunk} from '../../src/data/tape.ts'
import {InstrumentTable, instrumentOf, priceToTicks, sizeToLots} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {listedInstrument} from '../../src/exchange/assets.ts'
import {PaperExchange} from '../../src/exchange/exchange.ts'
import type {TradeUpdate} from '../../src/exchange/order-desk.ts'
import {routeData} from '../../src/exchange/server/data-routes.ts'
import {segmentsOf, type WireResponse} from '../../src/exchange/server/request.ts'
import {routeTrading} from '../../src/exchange/server/trading-routes.ts'
import {parseTime} from '../../src/exchange/wire-time.ts'

// biome-ignore lint/suspicious/noExplicitAny: answers of the wire are read field by field.
export type Json = any

export const at = (text: string): number => {
  const us = parseTime(text)
  if (us === undefined) throw new RangeError(text)
  return us
}
/** Monday 2 June 2025, 10:00 in New York: the session is open. */
export const OPEN = at('2025-06-02T14:00:00Z')

export interface Answer {
  readonly status: number
  readonly body: Json
}

/** An exchange whose market is written by hand and whose requests need no socket. */
export const exchangeRig = (
  options: {
    startUs?: number
    symbols?: string[]
    cash?: number
    partialFillProbability?: number
    seed?: number
    keptOrders?: number
  } = {},
) => {
  const startUs = options.startUs ?? OPEN
  const symbols = options.symbols ?? ['AAPL', 'SPY', 'BTC/USD', 'ETH/USD', 'ETH/BTC']
  const instruments = InstrumentTable.of(symbols.map(symbol => listedInstrument(instrumentOf(symbol))))
  const exchange = new PaperExchange({
    instruments,
    rng: createRng(options.seed ?? 1, 'rig'),
    startUs,
    ...(options.keptOrders === undefined ? {} : {keptOrders: options.keptOrders}),
    ...(options.cash === undefined ? {} : {startingCash: options.cash}),
    ...(options.partialFillProbability === undefined ? {} : {partialFillProbability: options.partialFillProbability}),
  })
  const updates: TradeUpdate[] = []
  exchange.listen({onUpdate: update => updates.push(structuredClone(update))})
  let nowUs = startUs
  const chunk = emptyChunk(1)
  chunk.count = 1

  const row = (kind: number, symbol: string, values: number[], flags = 0): void => {
    nowUs = Math.max(nowUs + 1, exchange.nowUs)
    chunk.tsUs[0] = nowUs
    chunk.kind[0] = kind
    chunk.instrument[0] = instruments.indexOf(symbol) as number
    chunk.flags[0] = flags
    ;[chunk.v0, chunk.v1, chunk.v2, chunk.v3, chunk.v4, chunk.v5].forEach((column, i) => {
      column[0] = values[i] ?? 0
    })
    exchange.onRow(chunk, 0)
  }
  const instrument = (symbol: string) => instruments.at(instruments.indexOf(symbol) as number)
  const quote = (symbol: string, bid: number, ask: number, size = 1_000): void => {
    const of = instrument(symbol)
    row(EventKind.quote, symbol, [
      priceToTicks(of, bid),
      priceToTicks(of, ask),
      sizeToLots(of, size),
      sizeToLots(of, size),
    ])
  }
  const trade = (symbol: string, price: number, size = 100, flags = 1): void => {
    const of = instrument(symbol)
    row(EventKind.trade, symbol, [priceToTicks(of, price), sizeToLots(of, size)], flags)
  }
  const request = (method: string, target: string, body?: unknown): Answer => {
    const url = new URL(target, 'http://exchange')
    const wire = {method, segments: segmentsOf(url.pathname) as string[], query: url.searchParams, body}
    const isData = /^\/(v2\/stocks|v1beta|v1\/)/.test(url.pathname)
    const answer: WireResponse = isData ? routeData(exchange, wire, () => undefined) : routeTrading(exchange, wire)
    return {
      status: answer.status,
      body: answer.body === undefined ? undefined : JSON.parse(JSON.stringify(answer.body)),
    }
  }
  const advance = (toUs: number): void => {
    exchange.advanceTo(toUs)
    nowUs = toUs
  }
  if (symbols.includes('AAPL')) quote('AAPL', 149.99, 150.01)
  if (symbols.includes('SPY')) quote('SPY', 599.99, 600.01)
  if (symbols.includes('BTC/USD')) quote('BTC/USD', 99_990, 100_010, 5)
  if (symbols.includes('ETH/USD')) quote('ETH/USD', 3_999, 4_001, 50)
  if (symbols.includes('ETH/BTC')) quote('ETH/BTC', 0.03999, 0.04001, 50)

  return {
    exchange,
    updates,
    quote,
    trade,
    request,
    advance,
    order: (body: Json): Answer => request('POST', '/v2/orders', {time_in_force: 'day', type: 'market', ...body}),
    get: (target: string): Json => request('GET', target).body,
    account: (): Json => request('GET', '/v2/account').body,
    events: (): string[] => updates.map(update => `${update.event} ${update.order['symbol']}`),
  }
}
