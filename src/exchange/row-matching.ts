import {aggressorOfExecution, type MarketState} from '../data/market-state.ts'
import {Aggressor, Depth, EventKind, OrderAction, type TapeChunk} from '../data/tape.ts'
import {matchBar} from './bar-path.ts'
import type {Execution, Outcome} from './execution.ts'
import type {OrderLists} from './order-lists.ts'
import {passTrade, seeLevel} from './queue.ts'
import type {ShownMarket} from './shown-market.ts'
import type {BarMatching, VenueOptions} from './venue.ts'
import type {WorkingOrder} from './working-order.ts'

// A matching kernel: columns are indexed by instrument numbers that the table has handed out, so they are read under `!`.

const DEFAULT_BARS: BarMatching = {participation: 0.1, halfSpreadBps: 1}

export interface RowHooks {
  /** Elects the stop if the market has reached it. */
  readonly electStop: (working: WorkingOrder, atUs: number) => void
  readonly end: (working: WorkingOrder, outcome: Outcome, atUs: number) => void
}

export interface RowMatchingParts {
  readonly options: VenueOptions
  readonly lists: OrderLists
  readonly shown: ShownMarket
  readonly execution: Execution
  readonly hooks: RowHooks
}

/** What each kind of market row does to the orders that wait for it. */
export class RowMatching {
  readonly #options: VenueOptions
  readonly #market: MarketState
  readonly #bars: BarMatching
  readonly #lists: OrderLists
  readonly #shown: ShownMarket
  readonly #execution: Execution
  readonly #hooks: RowHooks
  readonly #hasVolume: Uint8Array

  constructor({options, lists, shown, execution, hooks}: RowMatchingParts) {
    this.#options = options
    this.#market = options.market
    this.#bars = options.bars ?? DEFAULT_BARS
    this.#lists = lists
    this.#shown = shown
    this.#execution = execution
    this.#hooks = hooks
    this.#hasVolume = new Uint8Array(options.instruments.size)
  }

  /** A bar of an instrument said how much was traded, so no volume means none. */
  sawVolume(i: number): void {
    this.#hasVolume[i] = 1
  }

  onRow(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const atUs = chunk.tsUs[row]!
    const flags = chunk.flags[row]!
    switch (chunk.kind[row]!) {
      case EventKind.quote:
      case EventKind.option:
        this.#onQuote(i, atUs)
        return
      case EventKind.depth:
        if ((flags & Depth.last) !== 0) this.#onQuote(i, atUs)
        return
      case EventKind.trade:
        // Where single orders are known, their executions are the trades: a print would be the same trade again.
        if (this.#market.books[i]?.hasOrders === true) return
        this.#onTrade(i, chunk.v0[row]!, chunk.v1[row]!, flags, atUs)
        return
      case EventKind.order:
        this.#onBookOrder(i, chunk, row, atUs)
        return
      case EventKind.bar:
        this.#onBar(i, chunk, row, atUs)
        return
      default:
        return
    }
  }

  #onQuote(i: number, atUs: number): void {
    this.#shown.refresh(i, atUs)
    if (this.#market.books[i]?.halted === true) return
    for (const working of this.#lists.snapshot(i)) {
      if (working.state === 'stopped' && this.#market.lastTicks[i] === 0) this.#hooks.electStop(working, atUs)
      if (working.state !== 'live') continue
      if (Number.isFinite(working.limitTicks)) {
        seeLevel(working, this.#options.queue, this.#shown.shownAt(i, !working.isBuy, working.limitTicks))
        if (this.#shown.wouldTake(working)) this.#execution.meetCrossing(working, atUs)
      } else this.#execution.take(working, atUs)
      this.#expireOpening(working, atUs)
    }
  }

  /** A print: it elects stops, and reaches resting orders that it traded through or that were first in their queue. */
  #onTrade(i: number, ticks: number, lots: number, flags: number, atUs: number): void {
    if (this.#market.books[i]?.halted === true) return
    const side = flags === Aggressor.none ? this.#inferAggressor(i, ticks) : flags
    const unquoted = this.#market.quotedUs[i] === 0
    let left = this.#options.respectSize ? Math.floor(lots) : Infinity
    left -= this.#meetClose(i, ticks, left, Number.NEGATIVE_INFINITY, atUs)
    for (const working of this.#lists.snapshot(i)) {
      if (working.state === 'stopped') this.#hooks.electStop(working, atUs)
      if (working.state !== 'live' || left <= 0) continue
      if (Number.isFinite(working.limitTicks)) left -= this.#meetTrade(working, ticks, left, side, atUs)
      // Where no quote was ever seen, prints are the only liquidity there is.
      else if (unquoted) left -= this.#execution.fillTaker(working, Math.min(left, working.leavesLots), ticks, atUs)
      this.#expireOpening(working, atUs)
    }
  }

  #meetTrade(working: WorkingOrder, ticks: number, lots: number, side: number, atUs: number): number {
    // Alpaca's paper engine looks at quotes only.
    if (!this.#options.respectSize && this.#market.quotedUs[working.instrument]! > 0) return 0
    const through = working.isBuy ? ticks < working.limitTicks : ticks > working.limitTicks
    if (through)
      return this.#execution.fill(working, Math.min(lots, working.leavesLots), working.limitTicks, 'maker', atUs)
    if (ticks !== working.limitTicks || this.#options.queue === 'fifo-l3') return 0
    if (side !== (working.isBuy ? Aggressor.sell : Aggressor.buy)) return 0
    const reached = this.#options.queue === 'none' ? lots : passTrade(working, lots)
    return reached > 0 ? this.#execution.fill(working, Math.min(reached, working.leavesLots), ticks, 'maker', atUs) : 0
  }

  /** Level 3: who was touched says exactly who stood before us. */
  #onBookOrder(i: number, chunk: TapeChunk, row: number, atUs: number): void {
    const flags = chunk.flags[row]!
    const action = flags >> 1
    const ask = (flags & 1) !== 0
    const lots = chunk.v1[row]!
    const touched = this.#market.books[i]?.touched
    const ticks = touched?.ticks ?? chunk.v0[row]!
    if (this.#options.queue === 'fifo-l3' && action !== OrderAction.add && action !== OrderAction.halt) {
      for (const working of this.#lists.snapshot(i)) {
        if (working.state !== 'live' || working.isBuy === ask || working.limitTicks !== ticks) continue
        const wasAhead = touched === undefined || touched.arrival < working.bookArrival
        if (wasAhead && action !== OrderAction.hiddenExecute) working.aheadLots = Math.max(0, working.aheadLots - lots)
        else if (action === OrderAction.execute && working.aheadLots === 0)
          this.#execution.fill(working, Math.min(Math.floor(lots), working.leavesLots), ticks, 'maker', atUs)
      }
    }
    if (action === OrderAction.execute || action === OrderAction.hiddenExecute)
      this.#onTrade(i, chunk.v0[row]!, lots, aggressorOfExecution(flags), atUs)
    this.#onQuote(i, atUs)
  }

  #onBar(i: number, chunk: TapeChunk, row: number, atUs: number): void {
    const close = chunk.v3[row]!
    const volume = chunk.v4[row]!
    const limited = this.#options.respectSize && (volume > 0 || this.#hasVolume[i] === 1)
    let budgetLots = limited ? Math.floor(volume * this.#bars.participation) : Infinity
    const startUs = atUs - chunk.v5[row]!
    budgetLots -= this.#meetClose(i, close, budgetLots, startUs, atUs)
    if (this.#market.quotedUs[i]! > 0) {
      for (const working of this.#lists.snapshot(i))
        if (working.state === 'stopped') this.#hooks.electStop(working, atUs)
      return
    }
    matchBar({
      orders: () => this.#presentAt(i, atUs),
      bar: {
        open: chunk.v0[row]!,
        high: chunk.v1[row]!,
        low: chunk.v2[row]!,
        close,
        startUs,
        periodUs: chunk.v5[row]!,
      },
      budgetLots,
      halfSpreadBps: this.#bars.halfSpreadBps,
      touchFills: this.#options.queue === 'none',
      elect: working => {
        working.state = 'live'
      },
      fill: (working, lots, ticks, liquidity) =>
        liquidity === 'taker'
          ? this.#execution.fillTaker(working, lots, ticks, atUs)
          : this.#execution.fill(working, lots, ticks, 'maker', atUs),
    })
    for (const working of this.#presentAt(i, atUs)) this.#expireOpening(working, atUs)
  }
  /** Orders that a bar can meet: one that ends with the opening is of before it. */
  #presentAt(i: number, endUs: number): readonly WorkingOrder[] {
    const orders = this.#lists.snapshot(i)
    for (const {auctionUs} of orders) if (endUs <= auctionUs) return orders.filter(one => !(endUs <= one.auctionUs))
    return orders
  }

  /**
   * The first print at or after the close, or the bar that ends with or spans it, is what the close was made at: orders for
   * the close trade there in priority, and the rest of them expires. Returns the lots that they used.
   */
  #meetClose(i: number, ticks: number, lots: number, startUs: number, atUs: number): number {
    let used = 0
    for (const working of this.#lists.snapshot(i)) {
      if (working.state !== 'closing' || atUs < working.auctionUs || startUs >= working.auctionUs) continue
      used += this.#fillAtClose(working, ticks, lots - used, atUs)
      if ((working.state as WorkingOrder['state']) !== 'done') this.#hooks.end(working, {kind: 'expired'}, atUs)
    }
    return used
  }
  #fillAtClose(working: WorkingOrder, ticks: number, lots: number, atUs: number): number {
    const isWithin = working.isBuy ? ticks <= working.limitTicks : ticks >= working.limitTicks
    return isWithin ? this.#execution.fillTaker(working, Math.min(lots, working.leavesLots), ticks, atUs) : 0
  }

  /** An order for the open has had its row. */
  #expireOpening(working: WorkingOrder, atUs: number): void {
    if (working.order.timeInForce === 'opg' && working.state === 'live')
      this.#hooks.end(working, {kind: 'expired'}, atUs)
  }

  #inferAggressor(i: number, ticks: number): number {
    if (this.#market.bidLots[i]! > 0 && ticks <= this.#market.bidTicks[i]!) return Aggressor.sell
    if (this.#market.askLots[i]! > 0 && ticks >= this.#market.askTicks[i]!) return Aggressor.buy
    return Aggressor.none
  }
}
