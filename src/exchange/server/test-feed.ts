import type {Rng} from '../../domain/rng.ts'
import {US_PER_MINUTE} from '../../domain/units.ts'
import type {DataStreamSession} from './data-stream.ts'
import {marketMessage} from './market-messages.ts'
import {type MsgpackWriter, Timestamp} from './msgpack.ts'

/** The one symbol of `/v2/test`, and its place in a session's symbols. */
export const TEST_SYMBOL = 'FAKEPACA'
const ONLY = 0
const FIRST_CENTS = 13_300

/** The service's stream for trying a client out: a share that is not traded anywhere ticks at any hour. */
export class TestFeed {
  readonly sessions = new Set<DataStreamSession>()
  readonly #rng: Rng
  readonly #writer: MsgpackWriter
  #cents = FIRST_CENTS
  #trades = 0
  #bar:
    | {startUs: number; o: number; h: number; l: number; c: number; v: number; n: number; turnover: number}
    | undefined

  constructor(rng: Rng, writer: MsgpackWriter) {
    this.#rng = rng
    this.#writer = writer
  }

  /** One trade and one quote at `atUs`, and the bar of a minute that has ended. */
  tick(atUs: number): void {
    this.#cents = Math.max(100, this.#cents + this.#rng.below(5) - 2)
    const price = this.#cents / 100
    const size = 1 + this.#rng.below(200)
    const t = new Timestamp(atUs)
    const head = {S: TEST_SYMBOL, z: 'N', t}
    this.#send('bars', this.#ended(atUs))
    this.#count(atUs, price, size)
    this.#send('trades', {T: 't', ...head, i: ++this.#trades, x: 'N', p: price, s: size, c: ['@']})
    const quote = {bx: 'N', bp: (this.#cents - 1) / 100, bs: 100, ax: 'N', ap: (this.#cents + 1) / 100, as: 100}
    this.#send('quotes', {T: 'q', ...head, ...quote, c: ['R']})
    for (const session of this.sessions) session.flush()
  }

  #send(channel: 'trades' | 'quotes' | 'bars', fields: Record<string, unknown> | undefined): void {
    if (fields === undefined) return
    const message = marketMessage(fields, this.#writer)
    for (const session of this.sessions) if (session.wants(channel, ONLY)) session.push(message)
  }

  #ended(atUs: number): Record<string, unknown> | undefined {
    const bar = this.#bar
    if (bar === undefined || atUs < bar.startUs + US_PER_MINUTE) return undefined
    this.#bar = undefined
    const {startUs, turnover, ...numbers} = bar
    const vw = Number((turnover / bar.v).toFixed(6))
    return {T: 'b', S: TEST_SYMBOL, ...numbers, vw, t: new Timestamp(startUs)}
  }

  #count(atUs: number, price: number, size: number): void {
    const bar = this.#bar
    if (bar === undefined) {
      const startUs = Math.floor(atUs / US_PER_MINUTE) * US_PER_MINUTE
      this.#bar = {startUs, o: price, h: price, l: price, c: price, v: size, n: 1, turnover: price * size}
      return
    }
    bar.h = Math.max(bar.h, price)
    bar.l = Math.min(bar.l, price)
    bar.c = price
    bar.v += size
    bar.n++
    bar.turnover += price * size
  }
}
