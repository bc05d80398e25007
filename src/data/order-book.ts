import {Depth, OrderAction, type TapeChunk} from './tape.ts'

// A numeric kernel: indices are in range by construction, so columns are read under `!`.

/**
 * One side of a book as two columns sorted so that the touch is last: changes near the touch, which are most changes,
 * move few elements.
 */
class BookSide {
  /** Prices times this are ascending towards the touch: 1 for bids, -1 for asks. */
  readonly #direction: 1 | -1
  prices = new Float64Array(64)
  lots = new Float64Array(64)
  count = 0

  constructor(direction: 1 | -1) {
    this.#direction = direction
  }

  /** Sets the total at a price; 0 removes the level. */
  set(priceTicks: number, totalLots: number): void {
    const at = this.#find(priceTicks)
    const known = at < this.count && this.prices[at] === priceTicks
    if (totalLots > 0) {
      if (!known) this.#open(at, priceTicks)
      this.lots[at] = totalLots
    } else if (known) this.#close(at)
  }
  add(priceTicks: number, lots: number): void {
    this.set(priceTicks, Math.max(0, this.lotsAt(priceTicks) + lots))
  }
  lotsAt(priceTicks: number): number {
    const at = this.#find(priceTicks)
    return at < this.count && this.prices[at] === priceTicks ? this.lots[at]! : 0
  }
  /** Removes every level that a price of the other side has crossed or locked; returns how many. */
  dropThrough(otherTicks: number): number {
    let dropped = 0
    while (this.count > 0 && (this.prices[this.count - 1]! - otherTicks) * this.#direction >= 0) {
      this.count--
      dropped++
    }
    return dropped
  }

  /** Removes every level nearer to the touch than a price; returns how many. */
  dropBetter(priceTicks: number): number {
    let dropped = 0
    while (this.count > 0 && (this.prices[this.count - 1]! - priceTicks) * this.#direction > 0) {
      this.count--
      dropped++
    }
    return dropped
  }

  /** First index whose price is not further from the touch than the one asked for: linear near the touch, then bisection. */
  #find(priceTicks: number): number {
    const {prices} = this
    const direction = this.#direction
    const key = priceTicks * direction
    let high = this.count
    for (let step = 0; step < 8 && high > 0; step++) {
      if (prices[high - 1]! * direction < key) return high
      high--
    }
    let low = 0
    while (low < high) {
      const middle = (low + high) >>> 1
      if (prices[middle]! * direction < key) low = middle + 1
      else high = middle
    }
    return low
  }
  #open(at: number, priceTicks: number): void {
    if (this.count === this.prices.length) {
      this.prices = grown(this.prices)
      this.lots = grown(this.lots)
    }
    if (at < this.count) {
      this.prices.copyWithin(at + 1, at, this.count)
      this.lots.copyWithin(at + 1, at, this.count)
    }
    this.prices[at] = priceTicks
    this.count++
  }
  #close(at: number): void {
    if (at < this.count - 1) {
      this.prices.copyWithin(at, at + 1, this.count)
      this.lots.copyWithin(at, at + 1, this.count)
    }
    this.count--
  }
}

/** How long order rows may leave a book crossed. */
const CROSSED_US = 100_000

const grown = (column: Float64Array): Float64Array<ArrayBuffer> => {
  const next = new Float64Array(column.length * 2)
  next.set(column)
  return next
}

/** A resting order of the market, known from a level-3 feed. */
export interface MarketOrder {
  readonly ask: boolean
  readonly ticks: number
  lots: number
  /** Place in the order of arrival; a level's queue is sorted by it. */
  readonly arrival: number
}

/**
 * The market's book of one instrument from depth rows (absolute totals, level 2) or order rows (single orders, level 3).
 * Where a tape carries both, depth rows are the truth about totals. A depth level that a newer one crosses or locks is stale
 * and is dropped, with a count; order rows may cross for a moment, because venues publish a taker before its executions.
 * Level 0 is the touch.
 */
export class OrderBook {
  readonly #bids = new BookSide(1)
  readonly #asks = new BookSide(-1)
  readonly #orders = new Map<number, MarketOrder>()
  #arrivals = 0
  /** Levels dropped because newer information crossed them. */
  uncrossed = 0
  halted = false
  /** Whether depth rows, order rows have been seen. */
  hasDepth = false
  hasOrders = false
  /** Time since which order rows have left the book crossed; 0 while they have not. */
  #crossedUs = 0
  #newestIsAsk = false
  /** Order taken by the last reduce, delete or execute row; undefined when it was there before the feed began. */
  touched: MarketOrder | undefined

  bidLevels(): number {
    return this.#bids.count
  }
  askLevels(): number {
    return this.#asks.count
  }
  bidTicks(level: number): number {
    return level < this.#bids.count ? this.#bids.prices[this.#bids.count - 1 - level]! : 0
  }
  bidLots(level: number): number {
    return level < this.#bids.count ? this.#bids.lots[this.#bids.count - 1 - level]! : 0
  }
  askTicks(level: number): number {
    return level < this.#asks.count ? this.#asks.prices[this.#asks.count - 1 - level]! : 0
  }
  askLots(level: number): number {
    return level < this.#asks.count ? this.#asks.lots[this.#asks.count - 1 - level]! : 0
  }
  lotsAt(ask: boolean, priceTicks: number): number {
    return (ask ? this.#asks : this.#bids).lotsAt(priceTicks)
  }
  /** Number of order rows seen so far: what arrives now stands behind every order with a smaller `arrival`. */
  arrivals(): number {
    return this.#arrivals
  }

  applyDepth(chunk: TapeChunk, row: number): void {
    const flags = chunk.flags[row]!
    this.hasDepth = true
    if ((flags & Depth.clear) !== 0) this.clear()
    this.#set((flags & Depth.ask) !== 0, chunk.v0[row]!, chunk.v1[row]!)
  }

  applyOrder(chunk: TapeChunk, row: number): void {
    const flags = chunk.flags[row]!
    const ask = (flags & 1) !== 0
    const ticks = chunk.v0[row]!
    const lots = chunk.v1[row]!
    const id = chunk.v2[row]!
    this.touched = undefined
    this.hasOrders = true
    this.#applyAction(flags >> 1, ask, ticks, lots, id)
    if (!this.hasDepth) this.#uncrossOrders(chunk.tsUs[row]!)
  }

  /** Order rows have crossed the book for a moment: nothing in it can be traded with. */
  isCrossed(): boolean {
    return this.#bids.count > 0 && this.#asks.count > 0 && this.bidTicks(0) >= this.askTicks(0)
  }

  #applyAction(action: number, ask: boolean, ticks: number, lots: number, id: number): void {
    switch (action) {
      case OrderAction.add: {
        const arrival = this.#arrivals++
        this.#orders.set(id, {ask, ticks, lots, arrival})
        this.#newestIsAsk = ask
        this.#change(ask, ticks, lots)
        return
      }
      case OrderAction.reduce:
        this.#take(id, ask, ticks, lots)
        return
      case OrderAction.execute:
        this.#take(id, ask, ticks, lots)
        // A better price would have traded first: what stands before an execution is not there any more.
        if (!this.hasDepth) this.uncrossed += (ask ? this.#asks : this.#bids).dropBetter(this.touched?.ticks ?? ticks)
        return
      case OrderAction.delete:
        this.#take(id, ask, ticks, this.#orders.get(id)?.lots ?? lots)
        return
      case OrderAction.halt:
        // LOBSTER: price -1 halts, 0 resumes quoting, 1 resumes trading.
        this.halted = ticks < 1
        return
      default:
        return
    }
  }

  clear(): void {
    this.#bids.count = 0
    this.#asks.count = 0
  }

  #set(ask: boolean, ticks: number, lots: number): void {
    if (ask) {
      this.#asks.set(ticks, lots)
      if (lots > 0) this.uncrossed += this.#bids.dropThrough(ticks)
    } else {
      this.#bids.set(ticks, lots)
      if (lots > 0) this.uncrossed += this.#asks.dropThrough(ticks)
    }
  }
  #take(id: number, ask: boolean, ticks: number, lots: number): void {
    const order = this.#orders.get(id)
    this.touched = order
    if (order !== undefined) {
      order.lots -= lots
      if (order.lots <= 0) this.#orders.delete(id)
    }
    this.#change(ask, order?.ticks ?? ticks, -lots)
  }

  /** Depth rows, where there are any, are the truth about totals. */
  #change(ask: boolean, ticks: number, lots: number): void {
    if (!this.hasDepth) (ask ? this.#asks : this.#bids).add(ticks, lots)
  }

  /**
   * A feed of the top levels does not tell when an order that left them is cancelled, so old orders linger. A taker's own
   * order crosses for an instant only: what is still crossed a moment later is stale on the older side.
   */
  #uncrossOrders(atUs: number): void {
    if (this.#bids.count === 0 || this.#asks.count === 0 || this.bidTicks(0) < this.askTicks(0)) {
      this.#crossedUs = 0
      return
    }
    if (this.#crossedUs === 0) this.#crossedUs = atUs
    if (atUs - this.#crossedUs < CROSSED_US) return
    this.uncrossed += this.#newestIsAsk
      ? this.#bids.dropThrough(this.askTicks(0))
      : this.#asks.dropThrough(this.bidTicks(0))
    this.#crossedUs = 0
  }
}
