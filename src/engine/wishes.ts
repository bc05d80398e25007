import type {Auction} from '../domain/auction-hours.ts'
import type {LiveOrder, QuoteSlot} from './live-order.ts'

// Columns are sized `strategies * instruments` and indexed by slots made from valid numbers, so they are read under `!`.

/**
 * What strategies want, slot by slot (`strategy * instruments + instrument`): a target, quotes, or, by force, nothing; the
 * orders that are on their way to it; and which slots have to be looked at again. It sends nothing.
 */
export class Wishes {
  /** By instrument: market time from which a row of it is worth another look at what could not be sent. */
  readonly retryAtUs: Float64Array
  readonly wantedLots: Float64Array
  /** NaN where any price will do. */
  readonly limitTicks: Float64Array
  readonly hasTarget: Uint8Array
  /** The auction that a target is to be reached in; undefined for as soon as possible. */
  readonly auction: (Auction | undefined)[]
  /** 1 where a position is closed whatever its strategy wants. */
  readonly forced: Uint8Array
  readonly blockedUs: Float64Array
  /** By slot and side, the bid first. */
  readonly quoteBlockedUs: Float64Array
  /** The order on its way to the target. */
  readonly taker: (LiveOrder | undefined)[]
  readonly quotes: (QuoteSlot | undefined)[]
  /** Slots to look at, in the order in which they asked for it. */
  readonly dirty: number[] = []
  readonly #n: number
  readonly #isDirty: Uint8Array
  /** Slots that anything was ever wanted of. */
  readonly #engaged = new Set<number>()
  /** 1 where nothing may be wanted any more: an option that has expired. */
  readonly #retired: Uint8Array

  constructor(instruments: number, strategies: number) {
    const slots = instruments * strategies
    this.#n = instruments
    this.wantedLots = new Float64Array(slots)
    this.limitTicks = new Float64Array(slots).fill(Number.NaN)
    this.hasTarget = new Uint8Array(slots)
    this.auction = new Array<Auction | undefined>(slots).fill(undefined)
    this.forced = new Uint8Array(slots)
    this.retryAtUs = new Float64Array(instruments).fill(Infinity)
    this.#retired = new Uint8Array(instruments)
    this.blockedUs = new Float64Array(slots)
    this.quoteBlockedUs = new Float64Array(2 * slots)
    this.taker = new Array<LiveOrder | undefined>(slots).fill(undefined)
    this.quotes = new Array<QuoteSlot | undefined>(slots).fill(undefined)
    this.#isDirty = new Uint8Array(slots)
  }

  target(slot: number, lots: number, limitTicks: number, auction?: Auction): void {
    if (this.forced[slot] === 1 || this.#retired[slot % this.#n] === 1) return
    const same =
      this.hasTarget[slot] === 1 &&
      this.wantedLots[slot] === lots &&
      Object.is(this.limitTicks[slot], limitTicks) &&
      this.auction[slot] === auction
    if (same) return
    // A wait for the next auction holds up nothing else.
    if (this.auction[slot] !== auction) this.blockedUs[slot] = 0
    this.auction[slot] = auction
    this.hasTarget[slot] = 1
    this.wantedLots[slot] = lots
    this.limitTicks[slot] = limitTicks
    this.#engaged.add(slot)
    this.mark(slot)
  }

  quote(slot: number, bidTicks: number, bidLots: number, askTicks: number, askLots: number): void {
    if (this.#retired[slot % this.#n] === 1) return
    let quote = this.quotes[slot]
    if (quote === undefined) {
      if (bidLots <= 0 && askLots <= 0) return
      quote = {slot, bidTicks: 0, bidLots: 0, askTicks: 0, askLots: 0, bid: undefined, ask: undefined}
      this.quotes[slot] = quote
      this.#engaged.add(slot)
    }
    if (this.forced[slot] === 1) return
    const same =
      quote.bidTicks === bidTicks &&
      quote.bidLots === bidLots &&
      quote.askTicks === askTicks &&
      quote.askLots === askLots
    if (same) return
    quote.bidTicks = bidTicks
    quote.bidLots = bidLots
    quote.askTicks = askTicks
    quote.askLots = askLots
    // A quoted instrument is held at whatever the quotes bring.
    if (bidLots > 0 || askLots > 0) this.hasTarget[slot] = 0
    this.mark(slot)
  }

  /** Closes a position whatever its strategy wants, which is not listened to until it is flat. */
  forceFlat(slot: number): void {
    if (this.#retired[slot % this.#n] === 1) return
    this.#withdraw(slot)
    this.hasTarget[slot] = 1
    this.wantedLots[slot] = 0
    this.limitTicks[slot] = Number.NaN
    this.auction[slot] = undefined
    this.forced[slot] = 1
    this.#engaged.add(slot)
    this.mark(slot)
  }
  /** New shares for old ones: targets follow, towards zero, quotes are gone until they are wanted again. */
  split(i: number, numerator: number, denominator: number): void {
    for (let slot = i; slot < this.wantedLots.length; slot += this.#n) {
      this.wantedLots[slot] = Math.trunc((this.wantedLots[slot]! * numerator) / denominator) + 0
      this.limitTicks[slot] = (this.limitTicks[slot]! * denominator) / numerator
      this.#withdraw(slot)
      this.markEngaged(slot)
    }
  }
  /** The instrument is no more: wishes for it are dropped, and none are taken. */
  retire(i: number): void {
    this.#retired[i] = 1
    for (let slot = i; slot < this.wantedLots.length; slot += this.#n) {
      this.hasTarget[slot] = 0
      this.forced[slot] = 0
      this.quotes[slot] = undefined
      this.#engaged.delete(slot)
    }
  }
  isRetired(i: number): boolean {
    return this.#retired[i] === 1
  }
  withdrawQuotes(): void {
    for (let slot = 0; slot < this.quotes.length; slot++) this.#withdraw(slot)
  }
  #withdraw(slot: number): void {
    const quote = this.quotes[slot]
    if (quote === undefined) return
    quote.bidLots = 0
    quote.askLots = 0
  }

  // --- slots to look at ----------------------------------------------------------------------------------------

  mark(slot: number): void {
    if (this.#isDirty[slot] === 1) return
    this.#isDirty[slot] = 1
    this.dirty.push(slot)
  }
  /** The same, where anything was ever wanted. */
  markEngaged(slot: number): void {
    if (this.#engaged.has(slot)) this.mark(slot)
  }
  markAllEngaged(): void {
    for (const slot of this.#engaged) this.mark(slot)
  }
  looked(slot: number): void {
    this.#isDirty[slot] = 0
  }
  /** Looks again at one instrument, whose price is fresh. */
  retryInstrument(i: number): void {
    this.retryAtUs[i] = Infinity
    for (let slot = i; slot < this.wantedLots.length; slot += this.#n) this.markEngaged(slot)
  }
  retryLater(i: number, untilUs: number): void {
    this.retryAtUs[i] = Math.min(this.retryAtUs[i]!, untilUs)
  }

  // --- orders on their way -------------------------------------------------------------------------------------

  attach(order: LiveOrder): void {
    if (order.purpose === 'multi-leg') return
    const quote = this.quotes[order.slot]
    if (order.purpose === 'bid' && quote !== undefined) quote.bid = order
    else if (order.purpose === 'ask' && quote !== undefined) quote.ask = order
    else this.taker[order.slot] = order
  }
  /** The order has ended. */
  detach(order: LiveOrder): void {
    if (order.slot < 0) return
    if (this.taker[order.slot] === order) this.taker[order.slot] = undefined
    const quote = this.quotes[order.slot]
    if (quote?.bid === order) quote.bid = undefined
    if (quote?.ask === order) quote.ask = undefined
    this.mark(order.slot)
  }
  /** Nothing like this order is sent before then. */
  block({slot, purpose}: LiveOrder, untilUs: number): void {
    if (slot < 0) return
    if (purpose === 'bid') this.quoteBlockedUs[slot * 2] = untilUs
    else if (purpose === 'ask') this.quoteBlockedUs[slot * 2 + 1] = untilUs
    else if (purpose !== 'multi-leg') this.blockedUs[slot] = untilUs
  }
}
