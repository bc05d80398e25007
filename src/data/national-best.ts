// Numeric kernel: arrays are indexed by venue and checked by their length, hence the `as number`.

/**
 * The national best bid and offer from each venue's own quotes: the last of every venue counts, sizes at the best price
 * add up. Venues may not lock or cross each other (Regulation NMS, rule 610), so a quote that a newer one of another
 * venue does is stale, and left out until its venue quotes again.
 */
export class NationalBestBuilder {
  readonly #bid: Float64Array
  readonly #bidSize: Float64Array
  readonly #ask: Float64Array
  readonly #askSize: Float64Array
  bid = 0
  bidSize = 0
  ask = 0
  askSize = 0
  /** Quotes taken out because a newer one locked or crossed them. */
  stale = 0

  constructor(venues: number) {
    this.#bid = new Float64Array(venues)
    this.#bidSize = new Float64Array(venues)
    this.#ask = new Float64Array(venues)
    this.#askSize = new Float64Array(venues)
  }

  /** Takes a venue's new bid (price or size 0 or NaN: none). */
  setBid(venue: number, price: number, size: number): void {
    const isThere = price > 0 && size > 0
    this.#bid[venue] = isThere ? price : 0
    this.#bidSize[venue] = isThere ? size : 0
    if (!isThere) return
    for (let v = 0; v < this.#ask.length; v++) {
      if (v === venue || (this.#askSize[v] as number) === 0 || (this.#ask[v] as number) > price) continue
      this.#askSize[v] = 0
      this.#ask[v] = 0
      this.stale++
    }
  }

  setAsk(venue: number, price: number, size: number): void {
    const isThere = price > 0 && size > 0
    this.#ask[venue] = isThere ? price : 0
    this.#askSize[venue] = isThere ? size : 0
    if (!isThere) return
    for (let v = 0; v < this.#bid.length; v++) {
      if (v === venue || (this.#bidSize[v] as number) === 0 || (this.#bid[v] as number) < price) continue
      this.#bidSize[v] = 0
      this.#bid[v] = 0
      this.stale++
    }
  }

  /** Recomputes the best; true when it changed. */
  update(): boolean {
    let bid = 0
    let bidSize = 0
    let ask = 0
    let askSize = 0
    for (let v = 0; v < this.#bid.length; v++) {
      const b = this.#bid[v] as number
      const a = this.#ask[v] as number
      if (b > bid) {
        bid = b
        bidSize = this.#bidSize[v] as number
      } else if (b > 0 && b === bid) bidSize += this.#bidSize[v] as number
      if (a > 0 && (ask === 0 || a < ask)) {
        ask = a
        askSize = this.#askSize[v] as number
      } else if (a > 0 && a === ask) askSize += this.#askSize[v] as number
    }
    if (bid === this.bid && ask === this.ask && bidSize === this.bidSize && askSize === this.askSize) return false
    this.bid = bid
    this.ask = ask
    this.bidSize = bidSize
    this.askSize = askSize
    return true
  }
}
