import type {Alpaca, streaming} from '@alpacahq/alpaca-trade-api'
import {WebSocket} from 'ws'
import {UserError} from '../../domain/errors.ts'
import {US_PER_SECOND} from '../../domain/units.ts'
import {gatedFetch, leanFetch} from './lean-fetch.ts'
import type {RateHeaders} from './request-budget.ts'

/**
 * Where orders go. `local` is the exchange on this machine; `paper` and `live` are Alpaca's hosts. `live` is refused
 * unless the caller says that real money is meant.
 */
export type AlpacaTarget =
  | {
      readonly kind: 'local'
      /** `http://127.0.0.1:PORT` and `ws://127.0.0.1:PORT`. */
      readonly url: string
      readonly streamUrl: string
      readonly keyId: string
      readonly secret: string
    }
  | {readonly kind: 'paper'; readonly keyId: string; readonly secret: string}
  | {readonly kind: 'live'; readonly keyId: string; readonly secret: string; readonly realMoney: true}

export interface StreamTuning {
  /** First delay before reconnecting, doubling up to 64 s with 20 % jitter. 1,000 by default. */
  readonly initialReconnectMs?: number
  /** Told of each message as it comes off the socket, before it is read. */
  readonly onMessage?: () => void
}

/** The official SDK, pointed at one place. Nothing it opens can reach another host. */
export interface AlpacaClient {
  readonly target: AlpacaTarget
  readonly alpaca: Alpaca
  /** Told of the count that each trading answer carries, where it carries one. */
  readonly onRate: (listener: (rate: RateHeaders) => void) => void
  /** Told of each order whose request has been handed to the system; not where `fetch` is replaced. */
  readonly onOrderWritten: (listener: (clientOrderId: string) => void) => void
  readonly tradingStream: (tuning?: StreamTuning) => streaming.TradingStream
  readonly stockStream: (tuning?: StreamTuning) => streaming.StockDataStream
  readonly cryptoStream: (tuning?: StreamTuning) => streaming.CryptoDataStream
  readonly optionStream: (tuning?: StreamTuning) => streaming.OptionDataStream
}

export interface AlpacaClientSettings {
  /** Free plans get `iex`. */
  readonly feed?: 'iex' | 'sip'
  readonly timeoutMs?: number
  /** Stands in for `fetch`: fault tests bend the wire here. */
  readonly fetch?: typeof fetch
}

const TRADING_ORIGINS = new Set(['https://paper-api.alpaca.markets', 'https://api.alpaca.markets'])
const DATA_ORIGINS = new Set(['https://data.alpaca.markets'])

/**
 * The SDK has no option for its hosts, so requests are rewritten on their way out; an origin that is not known is
 * refused rather than reached.
 */
export const loopbackFetch =
  (base: string, through: typeof fetch = fetch): typeof fetch =>
  (input, init) => {
    const url = new URL(typeof input === 'string' ? input : input instanceof URL ? input.href : input.url)
    if (!TRADING_ORIGINS.has(url.origin) && !DATA_ORIGINS.has(url.origin))
      return Promise.reject(new Error(`refused: ${url.origin} is not mapped to the local exchange`))
    return through(new URL(url.pathname + url.search, base), init)
  }

/** Reads the rate headers of trading answers on their way in; data has a limit of its own. */
const countedFetch =
  (through: typeof fetch, tell: (rate: RateHeaders) => void): typeof fetch =>
  async (input, init) => {
    const response = await through(input, init)
    const limit = Number(response.headers.get('X-RateLimit-Limit') ?? Number.NaN)
    const remaining = Number(response.headers.get('X-RateLimit-Remaining') ?? Number.NaN)
    const reset = Number(response.headers.get('X-RateLimit-Reset') ?? Number.NaN)
    if (limit > 0 && remaining >= 0 && reset > 0 && isTrading(input))
      tell({limit, remaining, resetUs: reset * US_PER_SECOND})
    return response
  }
const isTrading = (input: Parameters<typeof fetch>[0]): boolean =>
  !/^https?:\/\/[^/]+\/(?:v2\/stocks|v1beta\d\/|v1\/corporate-actions)/.test(
    typeof input === 'string' ? input : input instanceof URL ? input.href : input.url,
  )

/** The only place that makes an SDK client. Loads the SDK on first use: 125 ms and 60 MB that no other command pays. */
export const createAlpacaClient = async (
  target: AlpacaTarget,
  settings: AlpacaClientSettings = {},
): Promise<AlpacaClient> => {
  refuseEmptyKeys(target)
  const {Alpaca: Sdk} = await import('@alpacahq/alpaca-trade-api')
  const local = target.kind === 'local'
  if (local) requireLoopback(target.url, target.streamUrl)
  const rateListeners: ((rate: RateHeaders) => void)[] = []
  const writtenListeners: ((clientOrderId: string) => void)[] = []
  const onWritten = (method: string, body: string): void => {
    const id = method === 'POST' ? CLIENT_ORDER_ID.exec(body)?.[1] : undefined
    if (id !== undefined) for (const listener of writtenListeners) listener(id)
  }
  const wire = countedFetch(
    settings.fetch === undefined ? leanFetch({onWritten}) : gatedFetch(settings.fetch),
    rate => {
      for (const listener of rateListeners) listener(rate)
    },
  )
  const alpaca = new Sdk({
    keyId: target.keyId,
    secret: target.secret,
    paper: target.kind !== 'live',
    timeoutMs: settings.timeoutMs ?? 10_000,
    // The broker keeps the request budget itself, so that a cancel never waits behind a query.
    rateLimit: false,
    fetchApi: local ? loopbackFetch(target.url, wire) : wire,
  })
  const reconnect = ({initialReconnectMs = 1_000, onMessage}: StreamTuning = {}) => ({
    ...(onMessage === undefined ? {} : {wsFactory: heardSocket(onMessage)}),
    reconnect: true,
    maxReconnectAttempts: -1,
    initialReconnectMs,
  })
  const feed = settings.feed ?? 'iex'
  // Who pays for the consolidated tape of shares has that of options too.
  const optionFeed = feed === 'sip' ? 'opra' : 'indicative'
  return {
    target,
    alpaca,
    onRate: listener => rateListeners.push(listener),
    onOrderWritten: listener => writtenListeners.push(listener),
    tradingStream: tuning =>
      alpaca.trading.stream({...reconnect(tuning), ...(local ? {url: `${target.streamUrl}/stream`} : {})}),
    stockStream: tuning =>
      alpaca.marketData.stockStream({
        ...reconnect(tuning),
        feed,
        ...(local ? {url: `${target.streamUrl}/v2/${feed}`} : {}),
      }),
    optionStream: tuning =>
      alpaca.marketData.optionStream({
        ...reconnect(tuning),
        feed: optionFeed,
        ...(local ? {url: `${target.streamUrl}/v1beta1/${optionFeed}`} : {}),
      }),
    cryptoStream: tuning =>
      alpaca.marketData.cryptoStream({
        ...reconnect(tuning),
        ...(local ? {url: `${target.streamUrl}/v1beta3/crypto/us`} : {}),
      }),
  }
}

const CLIENT_ORDER_ID = /"client_order_id":"([^"]+)"/

/** The SDK's own socket, with a listener before the SDK's. */
const heardSocket =
  (onMessage: () => void): streaming.WebSocketFactory =>
  (url, codec) => {
    const headers = codec === 'msgpack' ? {'Content-Type': 'application/msgpack'} : {}
    // A message a turn of the loop: a backlog does not keep orders and timers waiting.
    const socket = new WebSocket(url, {perMessageDeflate: false, headers, allowSynchronousEvents: false})
    socket.on('message', onMessage)
    return socket as unknown as streaming.WebSocketLike
  }

const refuseEmptyKeys = ({kind, keyId, secret}: AlpacaTarget): void => {
  if (keyId !== '' && secret !== '') return
  throw new UserError('ALPACA_KEYS_MISSING', `no keys for Alpaca ${kind}`, {
    hints: [
      'set APCA_API_KEY_ID and APCA_API_SECRET_KEY',
      'or trade at the local exchange, which needs none: gpi trade --paper',
    ],
  })
}

const requireLoopback = (...urls: readonly string[]): void => {
  for (const url of urls) {
    const {hostname} = new URL(url)
    if (hostname !== '127.0.0.1' && hostname !== 'localhost' && hostname !== '[::1]')
      throw new UserError('EXCHANGE_NOT_LOCAL', `the local exchange must be on this machine, was ${url}`)
  }
}
