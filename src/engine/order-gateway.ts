import type {Journal} from '../broker/journal.ts'
import type {KillLatch} from '../broker/kill-latch.ts'
import type {Auction} from '../domain/auction-hours.ts'
import type {Instrument, InstrumentTable} from '../domain/instrument.ts'
import type {OrderIntent, OrderLeg, TimeInForce} from '../domain/order.ts'
import {type Side, lots as toLots, ticks as toTicks, tsUs as toTsUs} from '../domain/units.ts'
import type {RiskGate} from '../risk/gate.ts'
import {Session, type Verdict} from '../risk/risk.ts'
import type {LiveOrder, OrderPurpose} from './live-order.ts'
import type {OrderRegister} from './order-register.ts'
import type {Outbox} from './ports.ts'

export interface OrderGatewayOptions {
  readonly instruments: InstrumentTable
  readonly strategies: readonly string[]
  readonly risk: RiskGate
  readonly journal: Journal
  readonly latch: KillLatch
  readonly outbox: Outbox
  readonly register: OrderRegister
  readonly listener?: {
    readonly onOrder?: (order: LiveOrder, nowUs: number, reason?: string) => void
    readonly onVerdict?: (intent: OrderIntent, verdict: Exclude<Verdict, {kind: 'accept'}>, nowUs: number) => void
  }
  /** Puts the order in its place before it leaves: a broker may answer at once. */
  readonly attach: (order: LiveOrder) => void
  readonly onLatched: (reason: string, nowUs: number) => void
}

/** An order that something in the engine has decided on. */
export interface OrderRequest {
  readonly slot: number
  readonly purpose: OrderPurpose
  readonly side: Side
  readonly lots: number
  /** Undefined for a market order. */
  readonly limitTicks: number | undefined
  readonly legs?: readonly OrderLeg[]
  /** What suits the session when absent. */
  readonly timeInForce?: TimeInForce | undefined
  /** The auction that the order is for. */
  readonly auction?: Auction | undefined
}

/** The only way out: latch, risk, journal, outbox, in this order. */
export class OrderGateway {
  sent = 0
  rejected = 0
  latched = false
  /** Id of the order that left last. */
  lastId = ''
  readonly #o: OrderGatewayOptions
  readonly #n: number

  constructor(options: OrderGatewayOptions) {
    this.#o = options
    this.#n = options.instruments.size
  }

  /** Whether it left, whole or smaller than asked for. */
  send(
    {slot, purpose, side, lots, limitTicks, legs, timeInForce, auction}: OrderRequest,
    nowUs: number,
  ): 'sent' | 'resized' | 'refused' {
    const {risk, latch, journal, outbox, listener, instruments, strategies, register} = this.#o
    const state = latch.check()
    if (state.latched) {
      this.onLatched(state.reason, nowUs)
      return 'refused'
    }
    const strategy = Math.floor(slot / this.#n)
    const i = slot % this.#n
    const instrument = instruments.at(i)
    const intent: OrderIntent = {
      clientOrderId: register.nextId(strategy),
      strategy: strategies[strategy] as string,
      instrument: i,
      side,
      type: limitTicks === undefined ? 'market' : 'limit',
      timeInForce: timeInForce ?? auction ?? this.#timeInForce(instrument, i, limitTicks === undefined),
      lots: toLots(lots),
      ...(limitTicks === undefined ? {} : {limitTicks: toTicks(limitTicks)}),
      ...(purpose === 'bid' || purpose === 'ask' ? {postOnly: true} : {}),
      ...(purpose === 'exit' ? {reduceOnly: true} : {}),
      ...(legs === undefined ? {} : {legs}),
      decidedUs: toTsUs(nowUs),
    }
    risk.snapshot.nowUs = nowUs
    const outcome = risk.check(intent)
    if (outcome.kind === 'refused') {
      this.rejected++
      this.#journalVerdict(intent.clientOrderId, outcome.by, nowUs)
      listener?.onVerdict?.(intent, outcome.by, nowUs)
      return 'refused'
    }
    for (const note of outcome.notes) {
      this.#journalVerdict(intent.clientOrderId, note, nowUs)
      listener?.onVerdict?.(intent, note, nowUs)
    }
    journal.append({kind: 'intent', tsUs: toTsUs(nowUs), symbol: instrument.symbol, intent: outcome.order})
    const order = register.add(outcome.order, slot, purpose, nowUs, auction)
    listener?.onOrder?.(order, nowUs)
    this.sent++
    this.lastId = intent.clientOrderId
    this.#o.attach(order)
    outbox.submit(outcome.order, nowUs)
    return outcome.notes.length > 0 ? 'resized' : 'sent'
  }

  cancel(order: LiveOrder, nowUs: number): void {
    order.cancelSentUs = nowUs
    const {clientOrderId} = order.intent
    this.#o.journal.append({kind: 'cancel', tsUs: toTsUs(nowUs), clientOrderId})
    this.#o.outbox.cancel(clientOrderId, nowUs)
  }

  onLatched(reason: string, nowUs: number): void {
    if (this.latched) return
    this.latched = true
    this.#o.journal.append({kind: 'latch', tsUs: toTsUs(nowUs), latched: true, reason})
    this.#o.onLatched(reason, nowUs)
  }

  #timeInForce(instrument: Instrument, i: number, isMarket: boolean): TimeInForce {
    if (instrument.kind === 'crypto') return 'gtc'
    if (this.#o.risk.snapshot.session[i] === Session.open) return 'day'
    return isMarket ? 'opg' : 'gtc'
  }

  #journalVerdict(clientOrderId: string, verdict: Exclude<Verdict, {kind: 'accept'}>, nowUs: number): void {
    const {kind, rule, detail} = verdict
    this.#o.journal.append({kind: 'verdict', tsUs: toTsUs(nowUs), clientOrderId, verdict: kind, rule, detail})
  }
}
