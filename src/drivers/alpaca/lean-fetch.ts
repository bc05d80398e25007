import http from 'node:http'
import https from 'node:https'

/** What `init` may hold besides: the request is made ready, and leaves only when this resolves. */
export interface HeldInit {
  readonly gate?: Promise<unknown>
}

/** Another `fetch`, that knows nothing of gates, behind one. */
export const gatedFetch =
  (through: typeof fetch): typeof fetch =>
  async (input, init) => {
    const {gate, ...rest} = (init ?? {}) as RequestInit & HeldInit
    await gate
    return through(input, rest)
  }

/** Connections that may be open to one host at a time. */
const SOCKETS = 16

/**
 * The part of `fetch` that the SDK uses, on `node:http`: an order costs a third of the processor time that it costs through
 * web streams, and the first ones do not wait for those to be compiled. Redirects are not followed, bodies come whole,
 * nothing is ever sent twice.
 */
export const leanFetch = ({
  onWritten,
}: {
  /** Told of each request with a body when all of it is with the system. */
  readonly onWritten?: (method: string, body: string) => void
} = {}): typeof fetch => {
  const agents = {
    http: new http.Agent({keepAlive: true, maxSockets: SOCKETS}),
    https: new https.Agent({keepAlive: true, maxSockets: SOCKETS}),
  }
  return (input, init = {}) => {
    const url = typeof input === 'string' || input instanceof URL ? new URL(input) : new URL(input.url)
    const secure = url.protocol === 'https:'
    const {signal} = init
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const body = typeof init.body === 'string' ? Buffer.from(init.body) : undefined
      if (init.body !== undefined && init.body !== null && body === undefined)
        throw new TypeError('only text bodies are sent')
      const request = (secure ? https : http).request(url, {
        agent: secure ? agents.https : agents.http,
        method: init.method ?? 'GET',
        headers: {
          accept: '*/*',
          ...(init.headers as Record<string, string> | undefined),
          // A request without a body says so, as browsers and the SDK's own transport do.
          ...(body !== undefined
            ? {'content-length': body.length}
            : init.method === 'POST' || init.method === 'PATCH'
              ? {'content-length': 0}
              : {}),
        },
      })
      const onAbort = (): void => void request.destroy(signal?.reason as Error)
      signal?.addEventListener('abort', onAbort, {once: true})
      const settle = (): void => signal?.removeEventListener('abort', onAbort)
      request.on('error', error => {
        settle()
        reject(new TypeError('fetch failed', {cause: error}))
      })
      request.on('response', message => {
        const chunks: Buffer[] = []
        message.on('data', chunk => chunks.push(chunk as Buffer))
        message.on('error', error => {
          settle()
          reject(new TypeError('fetch failed', {cause: error}))
        })
        message.on('end', () => {
          settle()
          const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
          resolve(new WholeResponse(message, whole) as unknown as Response)
        })
      })
      if (onWritten !== undefined && typeof init.body === 'string') {
        const text = init.body
        request.once('finish', () => onWritten(init.method ?? 'GET', text))
      }
      const {gate} = init as HeldInit
      if (gate === undefined) request.end(body)
      else
        gate.then(
          () => {
            if (!request.destroyed) request.end(body)
          },
          (error: Error) => request.destroy(error),
        )
    })
  }
}

/** What a `Response` looks like to the SDK, over a body that is all there. */
class WholeResponse {
  readonly status: number
  readonly statusText: string
  readonly ok: boolean
  readonly headers: {readonly get: (name: string) => string | null; readonly has: (name: string) => boolean}
  readonly body: {readonly getReader: () => Reader; readonly cancel: () => Promise<void>}
  readonly #message: http.IncomingMessage
  readonly #whole: Buffer

  constructor(message: http.IncomingMessage, whole: Buffer) {
    this.#message = message
    this.#whole = whole
    this.status = message.statusCode ?? 0
    this.statusText = message.statusMessage ?? ''
    this.ok = this.status >= 200 && this.status < 300
    this.headers = {
      get: name => {
        const value = message.headers[name.toLowerCase()]
        return value === undefined ? null : String(value)
      },
      has: name => message.headers[name.toLowerCase()] !== undefined,
    }
    this.body = {getReader: () => readerOf(whole), cancel: async () => {}}
  }

  clone(): WholeResponse {
    return new WholeResponse(this.#message, this.#whole)
  }
  async text(): Promise<string> {
    return this.#whole.toString('utf8')
  }
  async json(): Promise<unknown> {
    return JSON.parse(this.#whole.toString('utf8'))
  }
  async arrayBuffer(): Promise<ArrayBuffer> {
    return new Uint8Array(this.#whole).buffer
  }
  async blob(): Promise<Blob> {
    return new Blob([new Uint8Array(this.#whole)])
  }
  async formData(): Promise<never> {
    throw new TypeError('the answer is no form')
  }
}

interface Reader {
  readonly read: () => Promise<{readonly done: boolean; readonly value?: Uint8Array}>
  readonly cancel: () => Promise<void>
  readonly releaseLock: () => void
}
const readerOf = (whole: Uint8Array): Reader => {
  let isRead = whole.length === 0
  return {
    async read() {
      if (isRead) return {done: true}
      isRead = true
      return {done: false, value: whole}
    },
    async cancel() {},
    releaseLock() {},
  }
}
