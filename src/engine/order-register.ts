import {type MarketState, midTicks} from '../data/market-state.ts'
import type {Auction} from '../domain/auction-hours.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {ExecutionReport, Fill, OrderIntent} from '../domain/order.ts'
import {type Side, lots as toLots} from '../domain/units.ts'
import type {RiskGate} from '../risk/gate.ts'
import type {LiveOrder, OrderPurpose} from './live-order.ts'

// Columns are sized from the run's instruments and strategies, so they are read under `!`.

export interface OrderRegisterOptions {
  readonly runId: string
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly strategies: readonly string[]
  readonly risk: RiskGate
}

/** The orders of a run: those not known to be done, those done lately, and the ids that were given. */
export class OrderRegister {
  readonly live = new Map<string, LiveOrder>()
  readonly #o: OrderRegisterOptions
  readonly #n: number
  readonly #sequence: Float64Array
  /** Orders that ended lately: a fill may still come. */
  #done = new Map<string, LiveOrder>()
  #doneBefore = new Map<string, LiveOrder>()

  constructor(options: OrderRegisterOptions) {
    this.#o = options
    this.#n = options.instruments.size
    this.#sequence = new Float64Array(options.strategies.length + 1)
  }

  /** The order while anything about it may still be said. */
  find(clientOrderId: string): LiveOrder | undefined {
    return this.live.get(clientOrderId) ?? this.#done.get(clientOrderId) ?? this.#doneBefore.get(clientOrderId)
  }
  /** The venue changed the order: a split, a dividend. */
  adjust(order: LiveOrder, change: Extract<ExecutionReport, {kind: 'adjusted'}>): void {
    const {limitTicks, stopTicks, leavesLots, filledLots} = change
    this.addWorking(order, leavesLots - order.leavesLots)
    order.leavesLots = leavesLots
    order.filledLots = filledLots
    order.intent = {
      ...order.intent,
      lots: toLots(leavesLots + filledLots),
      ...(limitTicks === undefined ? {} : {limitTicks}),
      ...(stopTicks === undefined ? {} : {stopTicks}),
    }
  }
  /** The order has ended; what was open of it is not working any more. */
  end(order: LiveOrder): void {
    this.live.delete(order.intent.clientOrderId)
    this.addWorking(order, -order.leavesLots)
    this.#remember(order)
  }

  /** Takes an order that is about to be sent, or that the journal says was. */
  add(intent: OrderIntent, slot: number, purpose: OrderPurpose, nowUs: number, auction?: Auction): LiveOrder {
    const i = intent.instrument
    const {mid, hoped} = this.#prices(i, intent.side)
    const order: LiveOrder = {
      intent,
      symbol: this.#o.instruments.at(i).symbol,
      strategy: slot < 0 ? -1 : Math.floor(slot / this.#n),
      slot,
      purpose,
      ...(auction === undefined ? {} : {auction}),
      sentUs: nowUs,
      decidedMid: mid,
      hopedTicks: intent.limitTicks ?? hoped,
      venueOrderId: undefined,
      status: 'submitted',
      leavesLots: intent.lots,
      filledLots: 0,
      cancelSentUs: 0,
      ...(intent.legs === undefined ? {} : {legPrices: intent.legs.map(leg => this.#prices(leg.instrument, leg.side))}),
    }
    this.live.set(intent.clientOrderId, order)
    this.addWorking(order, intent.lots)
    return order
  }

  /** The mid, and the far touch or, without one, the mid. */
  #prices(i: number, side: Side): {readonly mid: number; readonly hoped: number} {
    const {market} = this.#o
    const far = side === 'buy' ? market.askTicks[i]! : market.bidTicks[i]!
    const farLots = side === 'buy' ? market.askLots[i]! : market.bidLots[i]!
    const mid = midTicks(market, i)
    return {mid, hoped: farLots > 0 ? far : mid}
  }

  /** A pure function of run, strategy and count, so that a restart finds its own orders. */
  nextId(strategy: number): string {
    const next = this.#sequence[strategy]! + 1
    this.#sequence[strategy] = next
    return `${this.#o.runId}-${strategy.toString(36)}-${next.toString(36)}`
  }

  /** Lots (units, of several legs) that still may fill come or go. */
  addWorking({intent}: LiveOrder, lots: number): void {
    if (intent.legs === undefined) this.#addLots(intent.instrument, intent.side, lots)
    else for (const {instrument, side, ratio} of intent.legs) this.#addLots(instrument, side, lots * ratio)
  }
  /** A fill of the order: `leavesLots` are what the venue has left of it. */
  fill(order: LiveOrder, fill: Fill, leavesLots: number): void {
    // Units of several legs count when their last leg is told.
    const isUnits = order.intent.legs !== undefined
    const done = isUnits ? order.leavesLots - Math.min(leavesLots, order.leavesLots) : fill.lots
    const closed = Math.min(done, order.leavesLots)
    if (this.live.has(order.intent.clientOrderId)) this.addWorking(order, -closed)
    order.leavesLots -= closed
    order.filledLots += done
  }

  #addLots(instrument: number, side: Side, lots: number): void {
    const {workingBuyLots, workingSellLots} = this.#o.risk.snapshot
    const column = side === 'buy' ? workingBuyLots : workingSellLots
    column[instrument]! += lots
  }

  #remember(order: LiveOrder): void {
    this.#done.set(order.intent.clientOrderId, order)
    if (this.#done.size < 2_048) return
    this.#doneBefore = this.#done
    this.#done = new Map()
  }

  /** Ids of a former life are never given again, whichever strategy has their number now. */
  passSequence(clientOrderId: string): void {
    const match = /-([0-9a-z]+)-([0-9a-z]+)$/.exec(clientOrderId)
    const strategy = Number.parseInt(match?.[1] ?? '', 36)
    const sequence = Number.parseInt(match?.[2] ?? '0', 36)
    if (strategy < this.#sequence.length) this.#sequence[strategy] = Math.max(this.#sequence[strategy]!, sequence)
  }
}
