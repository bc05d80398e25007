import {Depth} from './tape.ts'

// Numeric kernel: level arrays are indexed below their common length, hence the `as number`.

/**
 * Turns successive pictures of a book's visible levels into the changes between them. A level that is no longer visible
 * is taken out, so the book that follows the changes shows exactly the picture.
 */
export class LevelDiffer {
  readonly #prices: [Float64Array, Float64Array]
  readonly #sizes: [Float64Array, Float64Array]
  readonly #counts: [number, number] = [0, 0]
  readonly #changed: {isAsk: boolean; price: number; size: number}[] = []
  #isFirst = true

  constructor(levels: number) {
    this.#prices = [new Float64Array(levels), new Float64Array(levels)]
    this.#sizes = [new Float64Array(levels), new Float64Array(levels)]
  }

  /**
   * Compares with the picture before and calls `emit(price, size, flags)` for every change, the last one marked. Bids
   * fall and asks rise from the touch; a size of 0 ends a side.
   */
  next(
    bidPrices: Float64Array,
    bidSizes: Float64Array,
    askPrices: Float64Array,
    askSizes: Float64Array,
    emit: (price: number, size: number, flags: number) => void,
  ): void {
    this.#changed.length = 0
    this.#side(0, bidPrices, bidSizes)
    this.#side(1, askPrices, askSizes)
    const changes = this.#changed
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i] as {isAsk: boolean; price: number; size: number}
      const first = this.#isFirst && i === 0 ? Depth.clear : 0
      const last = i === changes.length - 1 ? Depth.last : 0
      emit(change.price, change.size, (change.isAsk ? Depth.ask : 0) | first | last)
    }
    if (changes.length > 0) this.#isFirst = false
  }

  #side(side: 0 | 1, prices: Float64Array, sizes: Float64Array): void {
    const oldPrices = this.#prices[side]
    const oldSizes = this.#sizes[side]
    const oldCount = this.#counts[side]
    const isAsk = side === 1
    const order = isAsk ? 1 : -1
    let count = 0
    while (count < sizes.length && (sizes[count] as number) > 0) count++
    let i = 0
    let j = 0
    while (i < oldCount || j < count) {
      const old = i < oldCount ? (oldPrices[i] as number) : Number.NaN
      const now = j < count ? (prices[j] as number) : Number.NaN
      if (old === now) {
        if (oldSizes[i] !== sizes[j]) this.#changed.push({isAsk, price: now, size: sizes[j] as number})
        i++
        j++
      } else if (Number.isNaN(now) || (old - now) * order < 0) {
        this.#changed.push({isAsk, price: old, size: 0})
        i++
      } else {
        this.#changed.push({isAsk, price: now, size: sizes[j] as number})
        j++
      }
    }
    for (let k = 0; k < count; k++) {
      oldPrices[k] = prices[k] as number
      oldSizes[k] = sizes[k] as number
    }
    this.#counts[side] = count
  }
}
