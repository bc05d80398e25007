import type {MarketState} from '../data/market-state.ts'
import {ConsumedLiquidity} from './liquidity.ts'
import type {ImpactModel} from './venue.ts'
import type {WorkingOrder} from './working-order.ts'

// Columns are indexed by instrument numbers that the table has handed out, so they are read under `!`.

/** A level that an order may take. */
export interface ShownLevel {
  readonly ticks: number
  readonly shown: number
  available: number
}

/** What the market shows an order, less what our own orders have taken from it. */
export class ShownMarket {
  readonly market: MarketState
  readonly #respectSize: boolean
  readonly #impact: ImpactModel | undefined
  readonly #consumed: ConsumedLiquidity[]

  constructor(market: MarketState, instruments: number, respectSize: boolean, impact?: ImpactModel) {
    this.market = market
    this.#respectSize = respectSize
    this.#impact = impact
    this.#consumed = Array.from({length: instruments}, () => new ConsumedLiquidity())
  }

  /** Lots the market shows at a price; NaN where it cannot be seen (deeper than a top-of-book quote). */
  shownAt(i: number, ask: boolean, ticks: number): number {
    const book = this.market.books[i]
    if (book !== undefined) return book.lotsAt(ask, ticks)
    const lots = ask ? this.market.askLots[i]! : this.market.bidLots[i]!
    if (!(lots > 0)) return this.market.quotedUs[i]! > 0 ? 0 : Number.NaN
    const best = ask ? this.market.askTicks[i]! : this.market.bidTicks[i]!
    if (ticks === best) return lots
    return (ask ? ticks < best : ticks > best) ? 0 : Number.NaN
  }

  /** Whether the venue lets an execution happen at the price: trading goes on, and no limit up or down is passed. */
  isAllowed(i: number, isBuy: boolean, ticks: number): boolean {
    const {halted, lowerTicks, upperTicks} = this.market
    if (halted[i] !== 0) return false
    return isBuy ? !(upperTicks[i]! > 0 && ticks > upperTicks[i]!) : !(lowerTicks[i]! > 0 && ticks < lowerTicks[i]!)
  }

  wouldTake(working: WorkingOrder): boolean {
    const {instrument: i, isBuy, limitTicks} = working
    if (isBuy) return this.market.askLots[i]! > 0 && this.market.askTicks[i]! <= limitTicks
    return this.market.bidLots[i]! > 0 && this.market.bidTicks[i]! >= limitTicks
  }

  /** Lots within the limit right now. */
  takeable(working: WorkingOrder, atUs: number): number {
    let total = 0
    this.walk(working, atUs, (_ticks, available) => {
      total += available
      return total < working.leavesLots
    })
    return total
  }

  /** Lots of the order's side that are shown and yet not there, because our earlier orders moved the market. */
  missingLots({instrument, isBuy}: WorkingOrder, atUs: number): number {
    return this.#respectSize ? (this.#impact?.missingLots?.(instrument, isBuy, atUs) ?? 0) : 0
  }

  /** Visits the levels that the order may take, best first, until `visit` returns false. */
  walk(
    working: WorkingOrder,
    atUs: number,
    visit: (ticks: number, available: number, shown: number) => boolean,
    missingLots = this.missingLots(working, atUs),
  ): void {
    const {instrument: i, isBuy, limitTicks} = working
    let missing = missingLots
    const {market} = this
    const book = market.books[i]
    if (market.halted[i] !== 0 || (book !== undefined && (book.halted || book.isCrossed()))) return
    const consumed = this.#consumed[i]!
    const levels = book === undefined ? 1 : isBuy ? book.askLevels() : book.bidLevels()
    for (let level = 0; level < levels; level++) {
      const ticks =
        book === undefined
          ? isBuy
            ? market.askTicks[i]!
            : market.bidTicks[i]!
          : isBuy
            ? book.askTicks(level)
            : book.bidTicks(level)
      const shown =
        book === undefined
          ? isBuy
            ? market.askLots[i]!
            : market.bidLots[i]!
          : isBuy
            ? book.askLots(level)
            : book.bidLots(level)
      if (!(shown > 0) || (isBuy ? ticks > limitTicks : ticks < limitTicks)) return
      if (!this.isAllowed(i, isBuy, ticks)) return
      const there = Math.max(0, shown - missing)
      missing = Math.max(0, missing - shown)
      const available = this.#respectSize
        ? Math.floor(Math.min(there, consumed.available(isBuy, ticks, shown)))
        : Infinity
      if (available > 0 && !visit(ticks, available, shown)) return
    }
  }

  /** The levels that the order may take, best first. */
  levels(working: WorkingOrder, atUs: number, missingLots?: number): ShownLevel[] {
    const levels: ShownLevel[] = []
    const visit = (ticks: number, available: number, shown: number): boolean => {
      levels.push({ticks, available, shown})
      return true
    }
    this.walk(working, atUs, visit, missingLots)
    return levels
  }

  /** Our orders took these lots of a level. */
  consume(working: WorkingOrder, ticks: number, shown: number, lots: number): void {
    this.#consumed[working.instrument]!.take(working, ticks, shown, lots)
  }
  /** The market of an instrument changed. */
  refresh(i: number, atUs: number): void {
    const consumed = this.#consumed[i]!
    if (!consumed.isEmpty()) consumed.refresh(atUs, (ask, ticks) => this.shownAt(i, ask, ticks))
  }
  isUntouched(i: number): boolean {
    return this.#consumed[i]!.isEmpty()
  }
}
