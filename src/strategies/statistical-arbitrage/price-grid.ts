// Columns are indexed by instruments of the run's table and rows modulo the capacity, so `!` cannot miss here.

/**
 * Log prices of all instruments on one time grid, newest last, in a ring of fixed length. A row is closed when every
 * instrument that took part in the previous row has reported, or when a later time shows that no more will come; prices
 * that did not change are carried forward.
 */
export class PriceGrid {
  readonly instruments: number
  readonly capacity: number
  /** Rows closed so far. */
  rows = 0
  readonly #values: Float64Array
  readonly #current: Float64Array
  readonly #seen: Uint8Array
  #seenCount = 0
  #expected = Number.POSITIVE_INFINITY
  #rowUs = -1
  /** Time of the newest closed row and how many instruments it had, late ones included. */
  #closedUs = -1
  #closedCount = 0

  constructor(instruments: number, capacity: number) {
    this.instruments = instruments
    this.capacity = capacity
    this.#values = new Float64Array(instruments * capacity).fill(Number.NaN)
    this.#current = new Float64Array(instruments).fill(Number.NaN)
    this.#seen = new Uint8Array(instruments)
  }

  /** Takes a price known at `atUs`; returns how many rows were closed by it (0, 1 or 2). */
  onPrice(instrument: number, price: number, atUs: number): number {
    if (atUs === this.#closedUs) {
      this.#takeLate(instrument, Math.log(price))
      return 0
    }
    let closed = 0
    if (this.#rowUs >= 0 && atUs > this.#rowUs && this.#seenCount > 0) {
      this.#close()
      closed++
    }
    this.#rowUs = atUs
    this.#current[instrument] = Math.log(price)
    if (this.#seen[instrument] === 0) {
      this.#seen[instrument] = 1
      this.#seenCount++
    }
    if (this.#seenCount >= this.#expected) {
      this.#close()
      closed++
    }
    return closed
  }

  /** Closes a row of prices given all at once; NaN carries forward. */
  onSample(logPrices: Float64Array): void {
    for (let i = 0; i < this.instruments; i++) if (!Number.isNaN(logPrices[i]!)) this.#current[i] = logPrices[i]!
    this.#append()
  }

  /** Log price `back` rows ago (0 the newest). */
  at(instrument: number, back: number): number {
    return this.#values[((this.rows - 1 - back) % this.capacity) * this.instruments + instrument]!
  }

  /** The last `length` log prices, oldest first; undefined where one is missing. */
  window(instrument: number, length: number): Float64Array | undefined {
    if (length > Math.min(this.rows, this.capacity)) return undefined
    const out = new Float64Array(length)
    for (let i = 0; i < length; i++) {
      const value = this.at(instrument, length - 1 - i)
      if (Number.isNaN(value)) return undefined
      out[i] = value
    }
    return out
  }

  /** One more instrument of a row that was taken for complete: it belongs to that row and is waited for from now on. */
  #takeLate(instrument: number, logPrice: number): void {
    this.#current[instrument] = logPrice
    this.#values[((this.rows - 1) % this.capacity) * this.instruments + instrument] = logPrice
    this.#closedCount++
    this.#expected = Math.max(this.#expected, this.#closedCount)
  }

  #close(): void {
    // Falls by one a row at most, so one silent instrument does not split the rows of the others.
    this.#expected = Number.isFinite(this.#expected) ? Math.max(this.#seenCount, this.#expected - 1) : this.#seenCount
    this.#closedUs = this.#rowUs
    this.#closedCount = this.#seenCount
    this.#seen.fill(0)
    this.#seenCount = 0
    this.#append()
  }

  #append(): void {
    this.#values.set(this.#current, (this.rows % this.capacity) * this.instruments)
    this.rows++
  }
}
