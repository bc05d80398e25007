import http from 'node:http'
import https from 'node:https'
import {
  type KillVenue,
  type OpenOrder,
  type OpenPosition,
  VenueRefused,
  VenueThrottled,
  VenueUnreachable,
} from './kill-venue.ts'

export interface HttpVenueOptions {
  readonly name: string
  readonly baseUrl: string
  readonly keyId: string
  readonly secret: string
  /** Time allowed to one request. */
  readonly timeoutMs: number
}

/**
 * Alpaca's trading interface by plain `node:http`: a kill must not wait for an SDK to load. One warm connection; a
 * request that gets no answer in time is abandoned and its effect found out by asking.
 */
export const httpKillVenue = ({name, baseUrl, keyId, secret, timeoutMs}: HttpVenueOptions): KillVenue => {
  const base = new URL(baseUrl)
  const client = base.protocol === 'https:' ? https : http
  const agent = new client.Agent({keepAlive: true, maxSockets: 4})
  const headers = {'APCA-API-KEY-ID': keyId, 'APCA-API-SECRET-KEY': secret, accept: 'application/json'}

  const call = (method: string, path: string, onSent?: () => void): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = client.request(new URL(path, base), {method, headers, agent, timeout: timeoutMs}, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk as Buffer))
        response.on('error', reject)
        response.on('end', () =>
          resolve({status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8')}),
        )
      })
      request.on('finish', () => onSent?.())
      request.on('timeout', () => request.destroy(new Error(`${name} did not answer in ${timeoutMs} ms`)))
      request.on('error', error => reject(isRefusal(error) ? new VenueUnreachable(name, {cause: error}) : error))
      request.end()
    })

  const json = async (method: string, path: string, onSent?: () => void): Promise<{status: number; body: unknown}> => {
    const {status, text} = await call(method, path, onSent)
    if (status === 401 || status === 403)
      if (!path.startsWith('/v2/positions/'))
        throw new VenueRefused(`${name} answered ${status}: ${text.slice(0, 200)}`)
    if (status === 429) throw new VenueThrottled(`${name} answered 429: its limit of requests a minute is used up`)
    if (status >= 500) throw new Error(`${name} answered ${status}: ${text.slice(0, 200)}`)
    return {status, body: text === '' ? undefined : JSON.parse(text)}
  }

  return {
    name,
    async cancelAll(onSent) {
      const {body} = await json('DELETE', '/v2/orders', onSent)
      return list(body).flatMap(item => (item['status'] === 200 || item['status'] === 204 ? [String(item['id'])] : []))
    },
    async cancel(orderId) {
      await json('DELETE', `/v2/orders/${encodeURIComponent(orderId)}`)
    },
    async openOrders() {
      const {body} = await json('GET', '/v2/orders?status=open&limit=500&nested=false')
      return list(body).map((item): OpenOrder => ({id: String(item['id']), symbol: String(item['symbol'])}))
    },
    async positions() {
      const {body} = await json('GET', '/v2/positions')
      return list(body)
        .map((item): OpenPosition => ({symbol: String(item['symbol']), quantity: signedQuantity(item)}))
        .filter(({quantity}) => quantity !== 0)
    },
    async closePosition(symbol) {
      const {status, body} = await json('DELETE', `/v2/positions/${encodeURIComponent(symbol)}`)
      if (status === 404) return undefined
      const id = (body as {id?: unknown} | undefined)?.id
      if (status >= 300 || id === undefined)
        throw new Error(`${name} would not close ${symbol}: ${status} ${JSON.stringify(body)}`)
      return String(id)
    },
  }
}

interface Answer {
  readonly status: number
  readonly text: string
}

const list = (body: unknown): readonly Record<string, unknown>[] => {
  if (!Array.isArray(body)) throw new Error(`a list was expected, was ${JSON.stringify(body)?.slice(0, 200)}`)
  return body as Record<string, unknown>[]
}

/** Some answers carry the sign in `qty`, all carry `side`. */
const signedQuantity = (item: Record<string, unknown>): number => {
  const quantity = Number(item['qty'])
  return item['side'] === 'short' ? -Math.abs(quantity) : quantity
}

const isRefusal = (error: NodeJS.ErrnoException): boolean =>
  ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'].includes(error.code ?? '')
