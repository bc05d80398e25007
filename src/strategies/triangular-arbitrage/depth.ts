// Levels are asked for below a book's counts and legs by index, so `!` cannot miss here.
import type {MarketState} from '../../data/market-state.ts'
import type {Leg, Loop} from './triangles.ts'

/** One side of one book, walked from the touch: what is left of the level it stands on. */
class Side {
  /** Units of `to` for one of `from` on this level; 0 when the book is used up. */
  rate = 0
  /** Units of `from` that the level still takes. */
  left = 0
  /** Price of the last level that was used. */
  worstTicks = 0
  #level = -1
  readonly #leg: Leg
  readonly #market: MarketState

  constructor(leg: Leg, market: MarketState) {
    this.#leg = leg
    this.#market = market
    this.#next()
  }

  /** Takes units of `from` off the level; answers units of `to`. The next level follows when it is used up. */
  take(amount: number): number {
    const got = amount * this.rate
    this.worstTicks = this.#ticks()
    this.left -= amount
    if (this.left <= this.#sizeFrom() * 1e-12) this.#next()
    return got
  }

  #next(): void {
    this.#level++
    const ticks = this.#ticks()
    const {side, ticksPerUnit} = this.#leg
    this.rate = ticks > 0 ? (side === 'buy' ? ticksPerUnit / ticks : ticks / ticksPerUnit) : 0
    this.left = this.rate > 0 ? this.#sizeFrom() : 0
    if (this.left <= 0) this.rate = 0
  }

  #sizeFrom(): number {
    const {side, lotsPerUnit, ticksPerUnit} = this.#leg
    const units = this.#lots() / lotsPerUnit
    return side === 'buy' ? (units * this.#ticks()) / ticksPerUnit : units
  }

  /** Without a book of levels, the touch of the quote is all there is. */
  #ticks(): number {
    const {books, askTicks, bidTicks} = this.#market
    const {instrument, side} = this.#leg
    const book = books[instrument]
    if (book === undefined) return this.#level === 0 ? (side === 'buy' ? askTicks : bidTicks)[instrument]! : 0
    return side === 'buy' ? book.askTicks(this.#level) : book.bidTicks(this.#level)
  }
  #lots(): number {
    const {books, askLots, bidLots} = this.#market
    const {instrument, side} = this.#leg
    const book = books[instrument]
    if (book === undefined) return this.#level === 0 ? (side === 'buy' ? askLots : bidLots)[instrument]! : 0
    return side === 'buy' ? book.askLots(this.#level) : book.bidLots(this.#level)
  }
}

export interface LoopWalk {
  /** Dollars in and out, fees taken off; out − in is the whole profit that the books hold at the edge asked for. */
  readonly dollarsIn: number
  readonly dollarsOut: number
  /** Worst price of each leg. */
  readonly worstTicks: readonly number[]
}

/**
 * The profitable size of a loop through the depth of its books: goes down the levels as long as one more dollar brings back
 * more than `1 + minEdge` after a fee of `feeFraction` of what each leg gives, and at most `maxDollars`. Each book's rate
 * only falls, so no other size earns more at that marginal edge.
 */
export const walkLoop = (
  {legs}: Loop,
  market: MarketState,
  feeFraction: number,
  {minEdge, maxDollars}: {readonly minEdge: number; readonly maxDollars: number},
): LoopWalk => {
  const sides = legs.map(leg => new Side(leg, market))
  let [dollarsIn, dollarsOut] = [0, 0]
  for (;;) {
    let [marginal, most] = [1, maxDollars - dollarsIn]
    for (const side of sides) {
      if (side.rate > 0) most = Math.min(most, side.left / marginal)
      marginal *= side.rate * (1 - feeFraction)
    }
    if (!(marginal > 1 + minEdge) || !(most > 0)) break
    let amount = most
    // The side that bound the step is used up exactly, whatever the rounding of the product says.
    for (const side of sides) amount = side.take(Math.min(amount, side.left)) * (1 - feeFraction)
    dollarsIn += most
    dollarsOut += amount
  }
  return {dollarsIn, dollarsOut, worstTicks: sides.map(({worstTicks}) => worstTicks)}
}

/** Units of `to` for `amount` of `from` through one book, how much of the amount it took, and its worst price. */
export const walkLeg = (
  leg: Leg,
  market: MarketState,
  amount: number,
): {readonly taken: number; readonly got: number; readonly worstTicks: number} => {
  const side = new Side(leg, market)
  let [left, got] = [amount, 0]
  while (left > amount * 1e-12 && side.rate > 0) {
    const part = Math.min(left, side.left)
    got += side.take(part)
    left -= part
  }
  return {taken: amount - left, got, worstTicks: side.worstTicks}
}
