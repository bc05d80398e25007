import type {Credentials} from './credentials.ts'
import type {MarketMessage} from './market-messages.ts'
import {arrayHeader, type MsgpackWriter} from './msgpack.ts'
import {SLOW_CLIENT_BYTES, type StreamSocket} from './trading-stream.ts'

export type Channel =
  | 'trades'
  | 'quotes'
  | 'bars'
  | 'updatedBars'
  | 'dailyBars'
  | 'orderbooks'
  | 'statuses'
  | 'lulds'
  | 'imbalances'
  | 'news'

/** Lists of an acknowledgement, in the order of the wire, and those a client may ask for. */
export interface StreamKind {
  readonly name: 'stocks' | 'crypto' | 'options' | 'news'
  readonly channels: readonly Channel[]
  /** Corrections and cancelled trades follow the trades. */
  readonly followers: readonly string[]
}
export const STOCKS: StreamKind = {
  name: 'stocks',
  channels: ['trades', 'quotes', 'bars', 'updatedBars', 'dailyBars', 'statuses', 'lulds', 'imbalances'],
  followers: ['corrections', 'cancelErrors'],
}
export const CRYPTO: StreamKind = {
  name: 'crypto',
  channels: ['trades', 'quotes', 'orderbooks', 'bars', 'updatedBars', 'dailyBars'],
  followers: [],
}

/** Msgpack only, and no star for quotes. */
export const OPTIONS: StreamKind = {name: 'options', channels: ['trades', 'quotes'], followers: []}

/** Nobody writes about this market: who subscribes hears nothing. */
export const NEWS: StreamKind = {name: 'news', channels: ['news'], followers: []}

const MESSAGES: Readonly<Record<number, string>> = {
  400: 'invalid syntax',
  401: 'not authenticated',
  402: 'auth failed',
  403: 'already authenticated',
  404: 'auth timeout',
  405: 'symbol limit exceeded',
  406: 'connection limit exceeded',
  407: 'slow client',
  410: 'invalid subscribe action for this feed',
  412: 'option messages are only available in MsgPack format',
  413: 'star subscription is not allowed for option quotes',
}

export interface DataStreamOptions {
  readonly kind: StreamKind
  readonly socket: StreamSocket
  readonly codec: 'msgpack' | 'json'
  readonly credentials: Credentials
  readonly writer: MsgpackWriter
  /** By instrument; empty where the instrument belongs to another feed. */
  readonly symbols: readonly string[]
  /** Most symbols over trades and quotes; Infinity without a plan's limit. */
  readonly symbolLimit: number
  /** Takes the endpoint's one place; false when another session has it. */
  readonly claim: (session: DataStreamSession) => boolean
  /** Sends the first full book of a pair that was just subscribed. */
  readonly onBooks: (session: DataStreamSession, instruments: readonly number[]) => void
}

type Message = Readonly<Record<string, unknown>>

/** One connection to a market-data stream. Every message it sends is an array; data is batched until `flush`. */
export class DataStreamSession {
  readonly #options: DataStreamOptions
  readonly #lists: Map<Channel, Set<string>>
  /** For each channel, 1 where the instrument is wanted. */
  readonly #wanted: Map<Channel, Uint8Array>
  #state: 'connected' | 'authenticated' | 'refused' | 'closed' = 'connected'
  #pending: MarketMessage[] = []

  constructor(options: DataStreamOptions) {
    this.#options = options
    this.#lists = new Map(options.kind.channels.map(channel => [channel, new Set<string>()]))
    this.#wanted = new Map(options.kind.channels.map(channel => [channel, new Uint8Array(options.symbols.length)]))
    this.#control({T: 'success', msg: 'connected'})
  }

  get isAuthenticated(): boolean {
    return this.#state === 'authenticated'
  }
  markClosed(): void {
    this.#state = 'closed'
  }

  /** Ten seconds have passed since the connection was made. */
  onAuthTimeout(): void {
    if (this.#state === 'refused') {
      this.#options.socket.terminate()
      return
    }
    if (this.#state !== 'connected') return
    this.#fail(404)
    this.#options.socket.close()
  }

  /** Credentials came with the upgrade. */
  authenticateByHeaders(valid: boolean): void {
    this.#admit(valid)
  }

  onMessage(message: unknown): void {
    const fault = this.#handle(message)
    if (fault !== undefined) this.#fail(fault)
  }

  /** Acts on a message; the code of the error to answer with, if any. */
  #handle(message: unknown): number | undefined {
    if (typeof message !== 'object' || message === null || Array.isArray(message)) return 400
    const fields = message as Message
    const {kind, codec, credentials} = this.#options
    if (kind === OPTIONS && codec === 'json') return 412
    const {keyId, secret} = credentials
    switch (fields['action']) {
      case 'auth':
        if (this.#state === 'authenticated') return 403
        this.#admit(fields['key'] === keyId && fields['secret'] === secret)
        return undefined
      case 'subscribe':
      case 'unsubscribe':
        return this.#state === 'authenticated' ? this.#change(fields, fields['action'] === 'subscribe') : 401
      default:
        return 400
    }
  }

  wants(channel: Channel, instrument: number): boolean {
    return this.#wanted.get(channel)?.[instrument] === 1
  }

  push(message: MarketMessage): void {
    this.#pending.push(message)
  }

  /** Sends what has gathered, as one array. */
  flush(): void {
    const pending = this.#pending
    if (pending.length === 0) return
    this.#pending = []
    const {socket, codec} = this.#options
    if (this.#state !== 'authenticated') return
    if (socket.buffered() > SLOW_CLIENT_BYTES) {
      this.#fail(407)
      socket.terminate()
      return
    }
    for (let from = 0; from < pending.length; from += MAX_BATCH) {
      const batch = pending.length <= MAX_BATCH ? pending : pending.slice(from, from + MAX_BATCH)
      socket.send(
        codec === 'msgpack'
          ? Buffer.concat([arrayHeader(batch.length), ...batch.map(message => message.msgpack())])
          : `[${batch.map(message => message.json()).join(',')}]`,
      )
    }
  }

  #admit(valid: boolean): void {
    if (!valid) {
      this.#fail(402)
      this.#options.socket.close()
      return
    }
    if (!this.#options.claim(this)) {
      this.#state = 'refused'
      this.#fail(406)
      return
    }
    this.#state = 'authenticated'
    this.#control({T: 'success', msg: 'authenticated'})
  }

  #change(fields: Message, adding: boolean): number | undefined {
    const {kind, symbolLimit} = this.#options
    const asked = new Map<Channel, readonly string[]>()
    for (const [key, value] of Object.entries(fields)) {
      if (key === 'action' || value === null || value === undefined) continue
      if (!kind.channels.includes(key as Channel)) {
        // Lists of another feed are refused; anything else a client may add is ignored.
        if (ALL_CHANNELS.has(key) && Array.isArray(value) && value.length > 0) return 410
        continue
      }
      if (!Array.isArray(value) || value.some(symbol => typeof symbol !== 'string' || symbol === '')) return 400
      asked.set(key as Channel, value as string[])
    }
    if (adding && kind === OPTIONS && asked.get('quotes')?.includes('*') === true) return 413
    if (adding && this.#countAfter(asked) > symbolLimit) return 405
    const newBooks: number[] = []
    for (const [channel, symbols] of asked) {
      const list = this.#lists.get(channel) as Set<string>
      for (const symbol of symbols) {
        if (adding) list.add(symbol)
        else list.delete(symbol)
      }
      const wanted = this.#wanted.get(channel) as Uint8Array
      this.#options.symbols.forEach((symbol, i) => {
        // Instruments of another feed have no name here.
        const now = symbol !== '' && (list.has('*') || list.has(symbol)) ? 1 : 0
        if (channel === 'orderbooks' && now === 1 && wanted[i] === 0) newBooks.push(i)
        wanted[i] = now
      })
    }
    this.#acknowledge()
    if (newBooks.length > 0) this.#options.onBooks(this, newBooks)
    return undefined
  }

  #countAfter(asked: ReadonlyMap<Channel, readonly string[]>): number {
    let count = 0
    for (const channel of ['trades', 'quotes'] as const) {
      const list = new Set(this.#lists.get(channel))
      for (const symbol of asked.get(channel) ?? []) list.add(symbol)
      count += list.size
    }
    return count
  }

  /** Always the whole state: the SDK replaces its own lists by it. */
  #acknowledge(): void {
    const {channels, followers} = this.#options.kind
    const state: Record<string, unknown> = {T: 'subscription'}
    for (const channel of channels) state[channel] = [...(this.#lists.get(channel) as Set<string>)]
    for (const follower of followers) state[follower] = state['trades']
    this.#control(state)
  }

  #fail(code: number): void {
    this.#control({T: 'error', code, msg: MESSAGES[code]})
  }

  #control(message: Record<string, unknown>): void {
    const {socket, codec, writer} = this.#options
    if (this.#state === 'closed') return
    socket.send(codec === 'msgpack' ? writer.encode([message]) : JSON.stringify([message]))
  }
}

/** Largest array of one frame; the SDK decodes a frame in one go. */
const MAX_BATCH = 256
const ALL_CHANNELS = new Set<string>([...STOCKS.channels, ...CRYPTO.channels, 'news'])
