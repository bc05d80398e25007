import {createHash, type Hash} from 'node:crypto'
import type {ExecutionReport, Fill, OrderIntent} from '../domain/order.ts'
import type {JournalEntry} from './journal.ts'

/** A name's place in its list is its code; lists only grow at the end, or old hashes change. */
const ENTRY = ['run', 'intent', 'verdict', 'report', 'cancel', 'latch', 'note', 'cross', 'booking'] as const
const BOOKING = ['split', 'dividend', 'payment', 'borrow'] as const
const REPORT = [
  'accepted',
  'fill',
  'cancelled',
  'expired',
  'rejected',
  'cancelRejected',
  'replaced',
  'adjusted',
] as const
const SIDE = ['buy', 'sell'] as const
const TYPE = ['market', 'limit', 'stop', 'stop_limit', 'trailing_stop'] as const
const TIME_IN_FORCE = ['day', 'gtc', 'ioc', 'fok', 'opg', 'cls'] as const
const VERDICT = ['accept', 'resize', 'reject'] as const

/**
 * SHA-256 over a canonical binary form: one byte for each name, eight for each number, length and UTF-8 for each text, NaN
 * for each absent number. Entries gather in one buffer and are hashed a block at a time, about a microsecond an entry.
 */
export class JournalHash {
  readonly #hash: Hash = createHash('sha256')
  readonly #buffer = Buffer.allocUnsafe(1 << 16)
  #at = 0

  add(entry: JournalEntry): void {
    this.#byte(ENTRY.indexOf(entry.kind))
    this.#number(entry.tsUs)
    switch (entry.kind) {
      case 'run':
        this.#text(entry.runId)
        this.#number(entry.seed)
        this.#text(entry.configHash)
        return
      case 'intent':
        this.#text(entry.symbol)
        this.#intent(entry.intent)
        return
      case 'verdict':
        this.#text(entry.clientOrderId)
        this.#byte(VERDICT.indexOf(entry.verdict))
        this.#text(entry.rule)
        this.#text(entry.detail)
        return
      case 'report':
        this.#report(entry.report)
        return
      case 'cancel':
        this.#text(entry.clientOrderId)
        return
      case 'latch':
        this.#byte(entry.latched ? 1 : 0)
        this.#text(entry.reason)
        return
      case 'note':
        this.#text(entry.text)
        return
      case 'cross':
        this.#text(entry.symbol)
        this.#number(entry.instrument)
        this.#number(entry.lots)
        this.#number(entry.priceTicks)
        this.#text(entry.buyer)
        this.#text(entry.seller)
        return
      case 'booking':
        this.#text(entry.symbol)
        this.#number(entry.instrument)
        this.#byte(BOOKING.indexOf(entry.booking))
        this.#number(entry.values.length)
        for (const value of entry.values) this.#number(value)
        return
      default:
        entry satisfies never
    }
  }

  /** Of all entries so far; more may be added after. */
  digest(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }

  #intent(intent: OrderIntent): void {
    this.#text(intent.clientOrderId)
    this.#text(intent.strategy)
    this.#number(intent.instrument)
    this.#byte(SIDE.indexOf(intent.side))
    this.#byte(TYPE.indexOf(intent.type))
    this.#byte(TIME_IN_FORCE.indexOf(intent.timeInForce))
    this.#number(intent.lots)
    this.#number(intent.limitTicks)
    this.#number(intent.stopTicks)
    this.#number(intent.trailTicks)
    this.#number(intent.trailBps)
    this.#byte(
      (intent.postOnly ? 1 : 0) |
        (intent.reduceOnly ? 2 : 0) |
        (intent.extendedHours ? 4 : 0) |
        (intent.doNotReduce ? 8 : 0),
    )
    this.#number(intent.decidedUs)
    for (const leg of intent.legs ?? []) {
      this.#number(leg.instrument)
      this.#byte(SIDE.indexOf(leg.side))
      this.#number(leg.ratio)
    }
  }

  #report(report: ExecutionReport): void {
    this.#byte(REPORT.indexOf(report.kind))
    this.#number(report.tsUs)
    switch (report.kind) {
      case 'accepted':
        this.#text(report.clientOrderId)
        this.#text(report.venueOrderId)
        return
      case 'fill':
        this.#fill(report.fill)
        this.#text(report.venueOrderId)
        this.#number(report.leavesLots)
        return
      case 'cancelled':
        this.#text(report.clientOrderId)
        this.#text(report.reason)
        return
      case 'expired':
        this.#text(report.clientOrderId)
        return
      case 'rejected':
        this.#text(report.clientOrderId)
        this.#text(report.code)
        this.#text(report.reason)
        return
      case 'cancelRejected':
        this.#text(report.clientOrderId)
        this.#text(report.reason)
        return
      case 'replaced':
        this.#text(report.clientOrderId)
        this.#text(report.newClientOrderId)
        this.#text(report.venueOrderId)
        return
      case 'adjusted':
        this.#text(report.clientOrderId)
        this.#number(report.leavesLots)
        this.#number(report.filledLots)
        this.#number(report.limitTicks)
        this.#number(report.stopTicks)
        this.#text(report.reason)
        return
      default:
        report satisfies never
    }
  }

  #fill(fill: Fill): void {
    this.#text(fill.fillId)
    this.#text(fill.clientOrderId)
    this.#number(fill.instrument)
    this.#byte(SIDE.indexOf(fill.side))
    this.#number(fill.lots)
    this.#number(fill.priceTicks)
    this.#number(fill.feeMicros)
    this.#number(fill.feeLots)
    this.#byte(fill.liquidity === 'maker' ? 0 : 1)
    this.#number(fill.tsUs)
    if (fill.reason !== undefined) this.#text(fill.reason)
  }

  #byte(value: number): void {
    this.#room(1)
    this.#buffer[this.#at++] = value
  }
  #number(value: number | undefined): void {
    this.#room(8)
    this.#at = this.#buffer.writeDoubleLE(value ?? Number.NaN, this.#at)
  }
  #text(value: string | undefined): void {
    const text = value ?? ''
    const long = text.length > 8_000
    this.#room(long ? 4 : 4 + 3 * text.length)
    if (long) {
      // Longer than the buffer may hold: hashed by itself.
      this.#flush()
      this.#hash.update(`${text.length}:${text}`)
      return
    }
    const written = this.#buffer.write(text, this.#at + 4, 'utf8')
    this.#buffer.writeUInt32LE(written, this.#at)
    this.#at += 4 + written
  }
  #room(bytes: number): void {
    if (this.#at + bytes > this.#buffer.length) this.#flush()
  }
  #flush(): void {
    if (this.#at > 0) this.#hash.update(this.#buffer.subarray(0, this.#at))
    this.#at = 0
  }
}
