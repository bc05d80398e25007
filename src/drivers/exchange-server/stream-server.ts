import type {IncomingMessage, Server} from 'node:http'
import type {Duplex} from 'node:stream'
import {decode} from '@msgpack/msgpack'
import {type RawData, WebSocket, WebSocketServer} from 'ws'
import type {Rng} from '../../domain/rng.ts'
import type {Scheduler} from '../../domain/time.ts'
import {US_PER_SECOND} from '../../domain/units.ts'
import type {Asset} from '../../exchange/assets.ts'
import type {PaperExchange} from '../../exchange/exchange.ts'
import {authenticate, type Credentials} from '../../exchange/server/credentials.ts'
import {DataHub} from '../../exchange/server/data-hub.ts'
import {CRYPTO, DataStreamSession, NEWS, OPTIONS, STOCKS, type StreamKind} from '../../exchange/server/data-stream.ts'
import {TEST_SYMBOL, TestFeed} from '../../exchange/server/test-feed.ts'
import {type StreamSocket, TradingStreamSession} from '../../exchange/server/trading-stream.ts'

const AUTH_TIMEOUT_US = 10 * US_PER_SECOND

export interface StreamOptions {
  readonly exchange: PaperExchange
  readonly credentials: Credentials
  /** Wall-clock timers. */
  readonly scheduler: Scheduler
  readonly symbolLimit: number
  /** Moves the prices of the test feed. */
  readonly rng: Rng
}

/** The endpoint a path belongs to: the trading stream, or one of the data feeds. */
const kindOf = (pathname: string): 'trading' | StreamKind | undefined => {
  if (pathname === '/stream') return 'trading'
  if (/^\/v2\/(?:iex|sip|delayed_sip|test)$/.test(pathname) || /^\/v1beta1\/(?:boats|overnight)$/.test(pathname))
    return STOCKS
  if (/^\/v1beta1\/(?:indicative|opra)$/.test(pathname)) return OPTIONS
  if (pathname === '/v1beta1/news') return NEWS
  return /^\/v1beta3\/crypto\/[a-z]+(?:-\d)?$/.test(pathname) ? CRYPTO : undefined
}

/** WebSocket side of the exchange: sockets in, sessions out. */
export class StreamServer {
  readonly hub: DataHub
  readonly #options: StreamOptions
  readonly #sockets = new WebSocketServer({noServer: true, perMessageDeflate: false, maxPayload: 4 * 1024 * 1024})
  readonly #trading = new Set<TradingStreamSession>()
  /** The one authenticated session of each data endpoint. */
  readonly #holders = new Map<string, DataStreamSession>()
  readonly #open = new Set<WebSocket>()
  readonly #data = new Set<WebSocket>()
  readonly #test: TestFeed
  #cancelTestTick: (() => void) | undefined

  constructor(server: Server, options: StreamOptions) {
    this.#options = options
    this.hub = new DataHub(options.exchange)
    this.#test = new TestFeed(options.rng, this.hub.writer)
    options.exchange.listen({
      onUpdate: update => {
        for (const session of this.#trading) session.onUpdate(update)
      },
      onRow: (chunk, row) => this.hub.onRow(chunk, row),
      onMinute: (instrument, minute, day) => this.hub.onMinute(instrument, minute, day),
    })
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
  }

  get connections(): number {
    return this.#open.size
  }

  /** Most bytes that any data client has yet to take. */
  buffered(): number {
    let most = 0
    for (const socket of this.#data) most = Math.max(most, socket.bufferedAmount)
    return most
  }

  /** Ends every connection, politely. */
  close(): void {
    this.#cancelTestTick?.()
    for (const socket of this.#open) socket.close(1001)
    this.#sockets.close()
  }
  /** Cuts every connection without a close frame, as a network fault would. */
  dropAll(): void {
    for (const socket of this.#open) socket.terminate()
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const {pathname} = new URL(request.url ?? '/', 'http://exchange')
    const kind = kindOf(pathname)
    if (kind === undefined) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    this.#sockets.handleUpgrade(request, socket, head, client => {
      this.#open.add(client)
      client.on('close', () => this.#open.delete(client))
      // A broken frame or a reset peer ends that connection only.
      client.on('error', () => client.terminate())
      if (kind === 'trading') this.#serveTrading(client, request)
      else this.#serveData(client, request, kind, pathname)
    })
  }

  #serveTrading(client: WebSocket, request: IncomingMessage): void {
    const codec = codecOf(request)
    const writer = codec === 'msgpack' ? this.hub.writer : undefined
    const session = new TradingStreamSession(socketOf(client), this.#options.credentials, writer)
    this.#trading.add(session)
    client.on('message', data => session.onMessage(decodeMessage(data, codec)))
    client.on('close', () => this.#trading.delete(session))
  }

  #serveData(client: WebSocket, request: IncomingMessage, kind: StreamKind, endpoint: string): void {
    const {exchange, credentials, scheduler, symbolLimit} = this.#options
    const codec = codecOf(request)
    const isTest = endpoint === TEST_ENDPOINT
    const session: DataStreamSession = new DataStreamSession({
      kind,
      socket: socketOf(client),
      codec,
      credentials,
      writer: this.hub.writer,
      symbols: isTest
        ? [TEST_SYMBOL]
        : exchange.assets.map(asset => (streamOf(asset) === kind ? asset.instrument.symbol : '')),
      symbolLimit,
      claim: claimant => {
        if (this.#holders.has(endpoint)) return false
        this.#holders.set(endpoint, claimant)
        return true
      },
      onBooks: (claimant, instruments) => this.hub.sendBooks(claimant, instruments),
    })
    if (isTest) this.#addTest(session)
    else this.hub.add(session)
    this.#data.add(client)
    const cancelTimeout = scheduler.after(AUTH_TIMEOUT_US, () => session.onAuthTimeout())
    client.on('message', data => session.onMessage(decodeMessage(data, codec)))
    client.on('close', () => {
      cancelTimeout()
      this.#data.delete(client)
      if (isTest) this.#removeTest(session)
      else this.hub.remove(session)
      if (this.#holders.get(endpoint) === session) this.#holders.delete(endpoint)
    })
    const identity = authenticate(request.headers, credentials)
    if (identity !== 'missing') session.authenticateByHeaders(identity === 'authorized')
  }

  /** The test feed ticks by the wall while anybody listens. */
  #addTest(session: DataStreamSession): void {
    this.#test.sessions.add(session)
    const tick = (): void => {
      this.#test.tick(this.#options.exchange.nowUs)
      this.#cancelTestTick = this.#options.scheduler.after(TEST_TICK_US, tick)
    }
    this.#cancelTestTick ??= this.#options.scheduler.after(TEST_TICK_US, tick)
  }
  #removeTest(session: DataStreamSession): void {
    session.markClosed()
    this.#test.sessions.delete(session)
    if (this.#test.sessions.size > 0) return
    this.#cancelTestTick?.()
    this.#cancelTestTick = undefined
  }
}

const TEST_ENDPOINT = '/v2/test'
const TEST_TICK_US = US_PER_SECOND

const streamOf = ({instrument: {kind}}: Asset): StreamKind =>
  kind === 'crypto' ? CRYPTO : kind === 'option' ? OPTIONS : STOCKS

const codecOf = (request: IncomingMessage): 'msgpack' | 'json' =>
  request.headers['content-type'] === 'application/msgpack' ? 'msgpack' : 'json'

const socketOf = (client: WebSocket): StreamSocket => ({
  send: data => {
    if (client.readyState === WebSocket.OPEN) client.send(data)
  },
  close: () => client.close(),
  terminate: () => client.terminate(),
  buffered: () => client.bufferedAmount,
})

const bufferOf = (data: RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data
/** Undefined for anything that cannot be read. Text is JSON on a msgpack connection too: some clients mix them. */
const decodeMessage = (data: RawData, codec: 'msgpack' | 'json'): unknown => {
  const buffer = bufferOf(data)
  try {
    return codec === 'msgpack' && buffer[0] !== 0x7b ? decode(buffer) : JSON.parse(buffer.toString('utf8'))
  } catch {
    return undefined
  }
}
