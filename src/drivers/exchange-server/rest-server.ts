import type {IncomingMessage, ServerResponse} from 'node:http'
import type {Rng} from '../../domain/rng.ts'
import type {Clock} from '../../domain/time.ts'
import type {PaperExchange} from '../../exchange/exchange.ts'
import {authenticate, type Credentials, UNAUTHORIZED_PAGE} from '../../exchange/server/credentials.ts'
import type {BookSides} from '../../exchange/server/data-hub.ts'
import {routeData} from '../../exchange/server/data-routes.ts'
import {rangeOf} from '../../exchange/server/event-log.ts'
import {segmentsOf, type WireRequest, type WireResponse} from '../../exchange/server/request.ts'
import {routeTrading} from '../../exchange/server/trading-routes.ts'
import {uuid} from '../../exchange/uuid.ts'
import {badJson, internalError, isRefusal, noEndpoint, rateLimited} from '../../exchange/wire-error.ts'
import {type EventServer, topicOf} from './event-server.ts'
import {RateWindow} from './rate-window.ts'

const MAX_BODY_BYTES = 1024 * 1024

export interface RestOptions {
  readonly exchange: PaperExchange
  readonly credentials: Credentials
  readonly clock: Clock
  readonly rng: Rng
  readonly requestsPerMinute: number
  /** Brings the market up to the present before a request is answered. */
  readonly catchUp: () => void
  /** Held back for the order latency of a scenario; calls back on the market's clock. */
  readonly delay: (run: () => void) => void
  readonly events: EventServer
  /** The order book of an instrument whose market gives its depth. */
  readonly sidesOf: (instrument: number) => BookSides | undefined
  readonly onRequest: (method: string, path: string, status: number) => void
  readonly onBug: (error: unknown) => void
}

/** Trading and data REST on one port: their paths never collide. */
export const restHandler = (options: RestOptions): ((request: IncomingMessage, response: ServerResponse) => void) => {
  const trading = new RateWindow(options.clock, options.requestsPerMinute)
  const data = new RateWindow(options.clock, options.requestsPerMinute)
  return (request, response) => {
    const url = new URL(request.url ?? '/', 'http://exchange')
    const isData = isDataPath(url.pathname)
    const window = isData ? data : trading
    const method = request.method ?? 'GET'
    const send = (answer: WireResponse, raw?: {readonly type: string; readonly text: string}): void => {
      options.onRequest(method, url.pathname, answer.status)
      response.writeHead(answer.status, {
        'X-Request-ID': uuid(options.rng).replaceAll('-', ''),
        ...window.headers(),
        ...answer.headers,
        ...(raw !== undefined
          ? {'Content-Type': raw.type}
          : answer.body === undefined
            ? {}
            : {'Content-Type': 'application/json; charset=UTF-8'}),
      })
      response.end(raw?.text ?? (answer.body === undefined ? undefined : JSON.stringify(answer.body)))
    }
    const identity = authenticate(request.headers, options.credentials)
    // Crypto data is free for anyone, but not for someone with a wrong key.
    const free = isData && url.pathname.startsWith('/v1beta3/crypto/')
    if (identity === 'missing' && !free) return send({status: 401}, {type: 'text/html', text: UNAUTHORIZED_PAGE})
    if (identity === 'unauthorized')
      return send({status: 401}, {type: 'application/json; charset=UTF-8', text: '{"message": "unauthorized."}'})
    const topic = method === 'GET' ? topicOf(url.pathname) : undefined
    if (!window.take()) return send(isData ? {status: 429, body: {message: 'too many requests.'}} : rateLimited)
    if (topic !== undefined) {
      options.catchUp()
      const range = rangeOf(url.searchParams)
      if (isRefusal(range)) return send(range)
      options.onRequest(method, url.pathname, 200)
      response.writeHead(200, {'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', ...window.headers()})
      options.events.serve(topic, range, response)
      return
    }
    readBody(request, text => {
      const body = parseBody(text)
      const segments = segmentsOf(url.pathname)
      if (body === INVALID) return send(badJson)
      if (segments === undefined) return send(noEndpoint)
      const wire: WireRequest = {method, segments, query: url.searchParams, body}
      const handle = (): void => {
        try {
          options.catchUp()
          send(isData ? routeData(options.exchange, wire, options.sidesOf) : routeTrading(options.exchange, wire))
        } catch (error) {
          options.onBug(error)
          send(internalError)
        }
      }
      if (method === 'GET') handle()
      else options.delay(handle)
    })
  }
}

const isDataPath = (pathname: string): boolean =>
  /^\/(?:v2\/stocks|v1beta3\/crypto|v1beta1\/|v1\/corporate-actions)/.test(pathname)

const INVALID = Symbol('invalid')
const parseBody = (text: string): unknown => {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return INVALID
  }
}

const readBody = (request: IncomingMessage, done: (text: string) => void): void => {
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) request.destroy()
    else chunks.push(chunk)
  })
  request.on('end', () => done(Buffer.concat(chunks).toString('utf8')))
}
