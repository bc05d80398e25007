import type {TradeUpdate} from '../order-desk.ts'
import type {Credentials} from './credentials.ts'
import type {MsgpackWriter} from './msgpack.ts'

/** What a stream session needs of the socket under it. */
export interface StreamSocket {
  readonly send: (data: string | Buffer) => void
  /** Closes with a close frame. */
  readonly close: () => void
  /** Drops the connection without one. */
  readonly terminate: () => void
  /** Bytes accepted but not yet taken by the network. */
  readonly buffered: () => number
}

/** A client that does not read: what it has not taken is dropped with it. */
export const SLOW_CLIENT_BYTES = 8 * 1024 * 1024

type Message = Readonly<Record<string, unknown>>

/**
 * One connection to `/stream`. JSON in binary frames, as the paper host sends it. `listen` replaces the whole list of
 * streams and is always acknowledged; names the exchange does not know are left out of the answer.
 */
export class TradingStreamSession {
  readonly #socket: StreamSocket
  readonly #credentials: Credentials
  readonly #writer: MsgpackWriter | undefined
  #authorized = false
  #listens = false

  /** With a writer the session speaks msgpack. */
  constructor(socket: StreamSocket, credentials: Credentials, writer?: MsgpackWriter) {
    this.#socket = socket
    this.#credentials = credentials
    this.#writer = writer
  }

  /** Anything but an object is malformed. */
  onMessage(message: unknown): void {
    this.#send(this.#reply(isObject(message) ? message : undefined))
  }

  onUpdate(update: TradeUpdate): void {
    if (!this.#listens) return
    if (this.#socket.buffered() > SLOW_CLIENT_BYTES) this.#socket.terminate()
    else this.#send({stream: 'trade_updates', data: update})
  }

  #reply(message: Message | undefined): Message {
    switch (message?.['action']) {
      case 'authenticate': {
        const data = (message['data'] ?? {}) as Message
        return this.#authenticate(data['key_id'], data['secret_key'])
      }
      case 'auth':
        return this.#authenticate(message['key'], message['secret'])
      case 'listen':
        return this.#listen(message['data'])
      default:
        return complaint(message === undefined ? 'invalid message' : `unknown action: ${String(message['action'])}`)
    }
  }

  #authenticate(key: unknown, secret: unknown): Message {
    this.#authorized = key === this.#credentials.keyId && secret === this.#credentials.secret
    const status = this.#authorized ? 'authorized' : 'unauthorized'
    return {stream: 'authorization', data: {status, action: 'authenticate'}}
  }

  #listen(data: unknown): Message {
    if (!this.#authorized) return {stream: 'authorization', data: {status: 'unauthorized', action: 'listen'}}
    const streams = (data as Message | undefined)?.['streams']
    if (!Array.isArray(streams)) return complaint('streams must be a list')
    this.#listens = streams.includes('trade_updates')
    return {stream: 'listening', data: {streams: this.#listens ? ['trade_updates'] : []}}
  }

  #send(message: unknown): void {
    this.#socket.send(this.#writer?.encode(message) ?? Buffer.from(JSON.stringify(message)))
  }
}

const complaint = (text: string): Message => ({action: 'error', data: {error_message: text}})

const isObject = (value: unknown): value is Message =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
