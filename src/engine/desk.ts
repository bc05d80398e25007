import type {Journal} from '../broker/journal.ts'
import type {KillLatch} from '../broker/kill-latch.ts'
import {type MarketState, midTicks} from '../data/market-state.ts'
import {type Auction, barredUntilUs, hasAuctions, queuedFromUs, type VenueHours} from '../domain/auction-hours.ts'
import {type InstrumentTable, LEAST_COIN_ORDER_MICROS} from '../domain/instrument.ts'
import type {ExecutionReport, Fill, OrderIntent, OrderLeg, TimeInForce} from '../domain/order.ts'
import {type Side, tsUs as toTsUs} from '../domain/units.ts'
import type {RiskGate} from '../risk/gate.ts'
import {Session, type Verdict} from '../risk/risk.ts'
import {FillBooking} from './fill-booking.ts'
import type {FillEffect, Ledger} from './ledger.ts'
import type {LiveOrder, OrderPurpose, QuoteSlot} from './live-order.ts'
import {OptionCover} from './option-cover.ts'
import type {Delivery} from './option-settlement.ts'
import {OrderGateway} from './order-gateway.ts'
import {OrderRegister} from './order-register.ts'
import type {Outbox} from './ports.ts'
import {behindFarTouch, onIncrement} from './quote-price.ts'
import type {RunRecord} from './run-record.ts'
import {settlementFill, settlementOrder, settlementOwner} from './settlement-fill.ts'
import {Wishes} from './wishes.ts'

// Columns are sized `strategies * instruments` and indexed by slots made from valid numbers, so they are read under `!`.

/** Who hears what the desk does; all of it is also in the journal. */
export interface DeskListener {
  readonly onOrder?: (order: LiveOrder, nowUs: number, reason?: string) => void
  readonly onFill?: (fill: Fill, order: LiveOrder | undefined, effect: FillEffect, nowUs: number) => void
  readonly onVerdict?: (intent: OrderIntent, verdict: Exclude<Verdict, {kind: 'accept'}>, nowUs: number) => void
  /** The latch was found closed; told once. */
  readonly onLatched?: (reason: string, nowUs: number) => void
}

export interface DeskOptions {
  readonly runId: string
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly strategies: readonly string[]
  readonly ledger: Ledger
  readonly risk: RiskGate
  readonly journal: Journal
  readonly latch: KillLatch
  readonly outbox: Outbox
  readonly record: RunRecord
  readonly listener?: DeskListener
  /** `broker` by default. */
  readonly venueHours?: VenueHours
  /** See `Broker.separatesSides`. */
  readonly separatesSides?: boolean
  /** Market time before an order that was refused is tried again; 1 s by default. */
  readonly retryUs?: number
}

/** Slots looked at in one instant: more means that sending and refusing chase each other. */
const MAX_SETTLE = 100_000

/**
 * Turns what strategies want into orders and what venues say into positions. One strategy has at most one order on its
 * way to a target in an instrument, and one on each side of a quote: a change is a cancel first and a new order when the
 * cancel is confirmed, so no race can fill both.
 */
export class OrderDesk {
  readonly orders: ReadonlyMap<string, LiveOrder>
  readonly wishes: Wishes
  /** What may be sent: anything, only orders that close positions by force, or nothing. Cancels always may. */
  admits: 'all' | 'exits' | 'none' = 'all'
  readonly #o: DeskOptions
  readonly #n: number
  readonly #retryUs: number
  readonly #register: OrderRegister
  readonly #booking: FillBooking
  readonly #gateway: OrderGateway
  readonly #cover: OptionCover
  #settling = false

  constructor(options: DeskOptions) {
    const n = options.instruments.size
    this.#o = options
    this.#n = n
    this.#retryUs = options.retryUs ?? 1_000_000
    this.wishes = new Wishes(n, options.strategies.length)
    this.#cover = new OptionCover(options.instruments, i => options.ledger.account.lots[i]!)
    this.#register = new OrderRegister(options)
    this.orders = this.#register.live
    this.#booking = new FillBooking(options)
    this.#gateway = new OrderGateway({
      ...options,
      register: this.#register,
      attach: order => this.wishes.attach(order),
      onLatched: (reason, nowUs) => {
        this.admits = 'none'
        options.listener?.onLatched?.(reason, nowUs)
      },
    })
  }

  /** The instrument is no more: wishes for it are dropped, its orders cancelled. */
  retire(i: number, nowUs: number): void {
    this.wishes.retire(i)
    for (const order of this.orders.values()) if (order.intent.instrument === i) this.#cancel(order, nowUs)
  }

  /** Sends an order of several legs now; its id, or undefined when it was refused. */
  multiLeg(
    strategy: number,
    legs: readonly OrderLeg[],
    units: number,
    {limitTicks, timeInForce}: {readonly limitTicks?: number; readonly timeInForce?: TimeInForce},
    nowUs: number,
  ): string | undefined {
    const [first] = legs
    if (first === undefined || this.admits !== 'all') return undefined
    if (legs.some(leg => this.wishes.isRetired(leg.instrument))) return undefined
    const {instrument, side} = first
    const slot = strategy * this.#n + instrument
    const request = {slot, purpose: 'multi-leg' as const, side, lots: units, limitTicks, legs, timeInForce}
    return this.#gateway.send(request, nowUs) === 'refused' ? undefined : this.#gateway.lastId
  }
  /** Asks for the cancellation of an order of this strategy that was sent on request. */
  cancelMultiLeg(strategy: number, clientOrderId: string, nowUs: number): void {
    const order = this.orders.get(clientOrderId)
    if (order?.strategy === strategy && order.purpose === 'multi-leg') this.#cancel(order, nowUs)
  }

  // --- from wishes to orders -----------------------------------------------------------------------------------

  hasWork(): boolean {
    return this.wishes.dirty.length > 0
  }

  /** Sends what the wishes of this instant need. */
  settle(nowUs: number): void {
    if (this.#settling) return
    this.#settling = true
    try {
      if (this.wishes.dirty.length > 1) this.#crossInside(nowUs)
      for (let k = 0; k < this.wishes.dirty.length; k++) {
        const slot = this.wishes.dirty[k]!
        if (k > MAX_SETTLE)
          throw new Error(`the orders of ${this.#o.strategies[Math.floor(slot / this.#n)]} do not settle`)
        this.wishes.looked(slot)
        this.#settleSlot(slot, nowUs)
      }
      this.wishes.dirty.length = 0
    } finally {
      this.#settling = false
    }
  }

  /** Looks again at everything that is wanted and not there: refusals may have passed, answers may have been lost. */
  retry(nowUs: number): void {
    this.wishes.markAllEngaged()
    this.settle(nowUs)
  }

  cancelAll(nowUs: number): void {
    this.wishes.withdrawQuotes()
    for (const order of this.orders.values()) this.#cancel(order, nowUs)
  }

  #settleSlot(slot: number, nowUs: number): void {
    const quote = this.wishes.quotes[slot]
    if (quote !== undefined) {
      this.#settleSide(quote, quote.bid, 'bid', quote.bidTicks, quote.bidLots, nowUs)
      this.#settleSide(quote, quote.ask, 'ask', quote.askTicks, quote.askLots, nowUs)
    }
    if (this.wishes.hasTarget[slot] === 1) this.#settleTarget(slot, nowUs)
    else {
      const order = this.wishes.taker[slot]
      if (order !== undefined) this.#cancel(order, nowUs)
    }
    if (this.wishes.forced[slot] === 1 && this.#isQuiet(slot)) this.wishes.forced[slot] = 0
  }

  /** Flat, with nothing of its own in the market. */
  #isQuiet(slot: number): boolean {
    const quote = this.wishes.quotes[slot]
    return (
      this.#o.ledger.tradedLots[slot] === 0 &&
      this.wishes.taker[slot] === undefined &&
      quote?.bid === undefined &&
      quote?.ask === undefined
    )
  }

  #settleTarget(slot: number, nowUs: number): void {
    const i = slot % this.#n
    const need = this.wishes.wantedLots[slot]! - this.#o.ledger.tradedLots[slot]!
    const limit = this.wishes.limitTicks[slot]!
    const auction = this.wishes.auction[slot]
    const order = this.wishes.taker[slot]
    if (order !== undefined) {
      const coming = order.intent.side === 'buy' ? order.leavesLots : -order.leavesLots
      const samePrice = Number.isNaN(limit)
        ? order.intent.type === 'market'
        : order.intent.limitTicks === onIncrement(this.#o.instruments.at(i), limit, order.intent.side)
      // On its way in the right direction and not too much: the rest follows when it is done.
      // A restored order for the open does not know whether it was asked for.
      const sameAuction = auction === undefined ? order.auction === undefined : order.intent.timeInForce === auction
      if (samePrice && sameAuction && coming * need > 0 && Math.abs(coming) <= Math.abs(need)) return
      this.#cancel(order, nowUs)
      return
    }
    if (this.admits === 'none' || (this.admits === 'exits' && this.wishes.forced[slot] === 0)) return
    const instrument = this.#o.instruments.at(i)
    if (Math.abs(need) < instrument.minLots) return
    // Tried again when what was written has been bought back, and with every retry.
    if (this.wishes.forced[slot] === 1 && need < 0 && this.#cover.isNeeded(i)) return
    if (nowUs < this.wishes.blockedUs[slot]! && this.wishes.forced[slot] === 0) {
      this.wishes.retryLater(i, this.wishes.blockedUs[slot]!)
      return
    }
    if (this.#isDust(i, slot, need)) return
    const queuedUs = this.#queuedFromUs(i, auction, Number.isNaN(limit), nowUs)
    if (queuedUs > 0) {
      this.#block(slot, i, queuedUs)
      return
    }
    const side: Side = need > 0 ? 'buy' : 'sell'
    const lots = this.#withoutFlip(i, need)
    const purpose: OrderPurpose = this.wishes.forced[slot] === 1 ? 'exit' : 'target'
    const priced = Number.isNaN(limit) ? undefined : onIncrement(instrument, limit, side)
    if (this.#send(slot, purpose, side, lots, priced, nowUs, auction)) return
    // One refusal an auction is enough: what came too late for it is meant for the next.
    const barredUs = auction === undefined ? 0 : barredUntilUs(auction, nowUs)
    this.#block(slot, i, Math.max(barredUs, nowUs + this.#retryUs))
  }
  #block(slot: number, i: number, untilUs: number): void {
    this.wishes.blockedUs[slot] = untilUs
    this.wishes.retryLater(i, untilUs)
  }

  /** When the venue takes the order for an auction that this would be, where it does not do so yet; else 0. */
  #queuedFromUs(i: number, auction: Auction | undefined, isMarket: boolean, nowUs: number): number {
    if (this.#o.venueHours === 'exchange' || !hasAuctions(this.#o.instruments.at(i))) return 0
    if (auction !== undefined) return queuedFromUs(auction, nowUs)
    // A market order outside the session is one for its opening; just before it, it waits for the session itself.
    if (!isMarket || this.#o.risk.snapshot.session[i] !== Session.closed) return 0
    return barredUntilUs('opg', nowUs) || queuedFromUs('opg', nowUs)
  }

  /**
   * A fee taken in coin leaves a buy a little short of its target; what is missing is worth less than a venue takes, and
   * buying it would leave the next, smaller rest.
   */
  #isDust(i: number, slot: number, need: number): boolean {
    const held = this.#o.ledger.tradedLots[slot]!
    if (held === 0 || need < 0 === held > 0 || this.#o.instruments.at(i).kind !== 'crypto') return false
    const {microsPerTickLot} = this.#o.risk.snapshot
    return Math.abs(need) * midTicks(this.#o.market, i) * microsPerTickLot[i]! < LEAST_COIN_ORDER_MICROS
  }

  /** Opening and closing may not be one order: what would pass zero stops at zero first. */
  #withoutFlip(i: number, need: number): number {
    const held = this.#o.ledger.account.lots[this.#o.ledger.settlement.home[i]!]!
    const size = Math.abs(need)
    return held !== 0 && held > 0 !== need > 0 && size > Math.abs(held) ? Math.abs(held) : size
  }

  #settleSide(
    quote: QuoteSlot,
    resting: LiveOrder | undefined,
    side: 'bid' | 'ask',
    ticks: number,
    lots: number,
    nowUs: number,
  ): void {
    const i = quote.slot % this.#n
    const instrument = this.#o.instruments.at(i)
    const orderSide: Side = side === 'bid' ? 'buy' : 'sell'
    const room = this.#admissible(i, orderSide, lots, resting?.leavesLots ?? 0)
    const wanted = lots > 0 ? onIncrement(instrument, ticks, orderSide) : 0
    const price = lots > 0 ? behindFarTouch(instrument, this.#o.market, i, wanted, orderSide) : 0
    if (resting !== undefined) {
      const {limitTicks} = resting.intent
      // Its place in the queue is worth more than a few lots.
      const keeps =
        room > 0 &&
        (limitTicks === wanted || limitTicks === price) &&
        resting.leavesLots <= room &&
        resting.leavesLots * 2 >= room
      if (!keeps) this.#cancel(resting, nowUs)
      return
    }
    if (this.admits !== 'all') return
    const at = quote.slot * 2 + (side === 'bid' ? 0 : 1)
    if (room < instrument.minLots || room <= 0) return
    if (nowUs < this.wishes.quoteBlockedUs[at]!) {
      this.wishes.retryLater(i, this.wishes.quoteBlockedUs[at]!)
      return
    }
    if (this.#send(quote.slot, side, orderSide, room, price, nowUs)) return
    this.wishes.quoteBlockedUs[at] = nowUs + this.#retryUs
    this.wishes.retryLater(i, this.wishes.quoteBlockedUs[at]!)
  }

  /**
   * Lots of a quote that a venue which keeps the sides apart lets rest: what closes the position, or, with none to close,
   * all of it unless an order of the other side is working. `own` lots are already resting in this very quote.
   */
  #admissible(i: number, side: Side, lots: number, own: number): number {
    if (this.#o.separatesSides !== true || this.#o.instruments.at(i).kind === 'crypto') return lots
    const {workingBuyLots, workingSellLots} = this.#o.risk.snapshot
    const held = this.#o.ledger.account.lots[this.#o.ledger.settlement.home[i]!]!
    const [same, other] = side === 'buy' ? [workingBuyLots, workingSellLots] : [workingSellLots, workingBuyLots]
    const closable = side === 'buy' ? -held : held
    if (closable > 0) return Math.max(0, Math.min(lots, closable - (same[i]! - own)))
    return other[i]! > 0 ? 0 : lots
  }

  /** Strategies that want opposite things of one instrument trade with each other at the mid; only the rest goes out. */
  #crossInside(nowUs: number): void {
    const {ledger, market} = this.#o
    for (let a = 0; a < this.wishes.dirty.length; a++) {
      for (let b = a + 1; b < this.wishes.dirty.length; b++) {
        const first = this.wishes.dirty[a]!
        const second = this.wishes.dirty[b]!
        const i = first % this.#n
        if (second % this.#n !== i || !this.#isFree(first) || !this.#isFree(second)) continue
        const needA = this.wishes.wantedLots[first]! - ledger.tradedLots[first]!
        const needB = this.wishes.wantedLots[second]! - ledger.tradedLots[second]!
        const price = Math.round(midTicks(market, i))
        if (needA * needB >= 0 || price <= 0 || ledger.settlement.quoteHome[i] !== -1) continue
        const lots = Math.min(Math.abs(needA), Math.abs(needB))
        const [buyer, seller] = needA > 0 ? [first, second] : [second, first]
        this.#cross(i, lots, price, Math.floor(buyer / this.#n), Math.floor(seller / this.#n), nowUs)
      }
    }
  }
  #isFree(slot: number): boolean {
    return (
      this.wishes.hasTarget[slot] === 1 &&
      this.wishes.forced[slot] === 0 &&
      this.wishes.taker[slot] === undefined &&
      this.wishes.auction[slot] === undefined &&
      Number.isNaN(this.wishes.limitTicks[slot]!)
    )
  }
  #cross(instrument: number, lots: number, priceTicks: number, buyer: number, seller: number, nowUs: number): void {
    const {strategies, journal, instruments} = this.#o
    journal.append({
      kind: 'cross',
      tsUs: toTsUs(nowUs),
      symbol: instruments.at(instrument).symbol,
      instrument,
      lots,
      priceTicks,
      buyer: strategies[buyer]!,
      seller: strategies[seller]!,
    })
    this.#booking.cross(instrument, lots, priceTicks, buyer, seller, nowUs)
  }

  // --- sending -------------------------------------------------------------------------------------------------

  #send(
    slot: number,
    purpose: OrderPurpose,
    side: Side,
    lots: number,
    limitTicks: number | undefined,
    nowUs: number,
    auction?: Auction,
  ): boolean {
    const sent = this.#gateway.send({slot, purpose, side, lots, limitTicks, auction}, nowUs)
    if (sent === 'resized' && purpose === 'target') this.wishes.blockedUs[slot] = nowUs + this.#retryUs
    return sent !== 'refused'
  }

  #cancel(order: LiveOrder, nowUs: number): void {
    // Asked again after a while: the first request or its answer may have been lost.
    if (order.cancelSentUs > 0 && nowUs - order.cancelSentUs < 5 * this.#retryUs) return
    this.wishes.retryLater(order.intent.instrument, nowUs + 5 * this.#retryUs)
    this.#gateway.cancel(order, nowUs)
  }

  /** The latch is closed: nothing more is sent. Journaled and told once. */
  onLatched(reason: string, nowUs: number): void {
    this.#gateway.onLatched(reason, nowUs)
  }
  get latched(): boolean {
    return this.#gateway.latched
  }
  get sent(): number {
    return this.#gateway.sent
  }
  get rejected(): number {
    return this.#gateway.rejected
  }

  // --- reports -------------------------------------------------------------------------------------------------

  /**
   * Takes what the venue says, journals it, and returns the fill with its strategy when there is a new one. Reports may
   * come twice or late: a fill counts once by its id, an ended order stays ended.
   */
  onReport(report: ExecutionReport, nowUs: number): {readonly fill: Fill; readonly strategy: number} | undefined {
    if (report.kind === 'fill') {
      if (this.#o.ledger.has(report.fill.fillId)) return undefined
      // Somebody else trades on the account: theirs is not ours to book; reconciliation shows it.
      if (!report.fill.clientOrderId.startsWith(`${this.#o.runId}-`)) return undefined
    } else if (!this.orders.has(report.clientOrderId)) return undefined
    this.#o.journal.append({kind: 'report', tsUs: toTsUs(nowUs), report})
    return this.applyReport(report, nowUs)
  }

  /** Lots that change hands without an order, booked like a fill; `strategy` -1 is nobody's. */
  deliver(delivery: Delivery, feeMicros: number, nowUs: number): Fill {
    const {instrument, reason, contract} = delivery
    const {instruments, strategies, runId} = this.#o
    const strategy = Math.max(-1, delivery.strategy)
    const fill = settlementFill(delivery, runId, instruments.at(contract).symbol, feeMicros, nowUs)
    const {tsUs} = fill
    this.#o.journal.append({
      kind: 'report',
      tsUs,
      report: {kind: 'fill', fill, venueOrderId: reason, leavesLots: 0, tsUs},
    })
    const effect = this.#booking.book(fill, strategy, undefined, nowUs)
    if (effect === undefined) return fill
    const order = settlementOrder(fill, strategy, strategies[strategy] ?? '', instruments, this.#n)
    this.#o.listener?.onFill?.(fill, order, effect, nowUs)
    const slot = strategy * this.#n + instrument
    // A contract that was taken away is not bought or written again unasked.
    if (strategy >= 0 && instrument === contract) this.wishes.hasTarget[slot] = 0
    if (strategy >= 0) this.wishes.markEngaged(slot)
    return fill
  }

  /** The same without the journal: for replay. */
  applyReport(report: ExecutionReport, nowUs: number): {readonly fill: Fill; readonly strategy: number} | undefined {
    if (report.kind === 'fill') return this.#applyFill(report, nowUs)
    const order = this.orders.get(report.clientOrderId)
    if (order === undefined) return undefined
    switch (report.kind) {
      case 'accepted':
        order.venueOrderId = report.venueOrderId
        if (order.status === 'submitted') order.status = 'accepted'
        this.#o.listener?.onOrder?.(order, nowUs)
        return undefined
      case 'cancelled':
      case 'expired':
        this.#end(order, report.kind, nowUs, report.kind === 'cancelled' ? report.reason : undefined)
        return undefined
      case 'rejected':
        this.#gateway.rejected++
        this.wishes.block(order, nowUs + this.#retryUs)
        this.#end(order, 'rejected', nowUs, `${report.code}: ${report.reason}`)
        return undefined
      case 'cancelRejected':
        return undefined
      case 'adjusted':
        this.#register.adjust(order, report)
        if (order.slot >= 0) this.wishes.mark(order.slot)
        this.#o.listener?.onOrder?.(order, nowUs, report.reason)
        return undefined
      case 'replaced':
        // The engine never replaces; somebody else did, and what they made is not ours.
        this.#end(order, 'replaced', nowUs)
        return undefined
      default:
        report satisfies never
        return undefined
    }
  }

  #applyFill(
    {fill, venueOrderId, leavesLots}: Extract<ExecutionReport, {kind: 'fill'}>,
    nowUs: number,
  ): {readonly fill: Fill; readonly strategy: number} | undefined {
    const {listener} = this.#o
    const {clientOrderId} = fill
    const live = this.orders.get(clientOrderId)
    const order = live ?? this.#register.find(clientOrderId)
    const strategy = order?.strategy ?? settlementOwner(clientOrderId)
    const effect = this.#booking.book(fill, strategy, order, nowUs)
    if (effect === undefined) return undefined
    if (order !== undefined) {
      order.venueOrderId ??= venueOrderId
      this.#register.fill(order, fill, leavesLots)
      if (order.leavesLots > 0 && live !== undefined) order.status = 'partiallyFilled'
      if (order.slot >= 0) this.wishes.mark(order.slot)
    }
    for (const i of this.#cover.relatedTo(fill.instrument))
      for (let at = i; at < this.wishes.wantedLots.length; at += this.#n)
        if (this.wishes.forced[at] === 1) this.wishes.mark(at)
    listener?.onFill?.(fill, order, effect, nowUs)
    if (live !== undefined && live.leavesLots === 0 && this.orders.has(clientOrderId)) this.#end(live, 'filled', nowUs)
    return {fill, strategy}
  }

  #end(order: LiveOrder, status: LiveOrder['status'], nowUs: number, reason?: string): void {
    const {clientOrderId} = order.intent
    this.#register.end(order)
    order.status = status
    this.#o.risk.orderDone(clientOrderId)
    this.wishes.detach(order)
    this.#o.listener?.onOrder?.(order, nowUs, reason)
  }

  // --- replay --------------------------------------------------------------------------------------------------

  /** An order the journal says was about to be sent; what became of it follows, or reconciliation asks. */
  restoreIntent(intent: OrderIntent, nowUs: number): void {
    const strategy = this.#o.strategies.indexOf(intent.strategy)
    const slot = strategy < 0 ? -1 : strategy * this.#n + intent.instrument
    const purpose: OrderPurpose =
      intent.legs !== undefined
        ? 'multi-leg'
        : intent.postOnly === true
          ? intent.side === 'buy'
            ? 'bid'
            : 'ask'
          : intent.reduceOnly === true
            ? 'exit'
            : 'target'
    this.#register.add(intent, slot, purpose, nowUs, intent.timeInForce === 'cls' ? 'cls' : undefined)
    this.#gateway.sent++
    this.#register.passSequence(intent.clientOrderId)
  }
  restoreVerdict(clientOrderId: string, verdict: 'accept' | 'resize' | 'reject'): void {
    if (verdict === 'reject') this.#gateway.rejected++
    this.#register.passSequence(clientOrderId)
  }
  restoreCross(
    instrument: number,
    lots: number,
    priceTicks: number,
    buyer: string,
    seller: string,
    nowUs: number,
  ): void {
    const {strategies} = this.#o
    this.#booking.cross(instrument, lots, priceTicks, strategies.indexOf(buyer), strategies.indexOf(seller), nowUs)
  }
}
