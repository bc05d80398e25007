// Numeric kernel: columns are sized from the instrument table and rows run below a chunk's count, so `!` cannot miss here.
import {EventKind, type TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {US_PER_DAY} from '../domain/units.ts'

const MOST_PRICES = 4_096

export interface PriceSeries {
  readonly tsUs: readonly number[]
  /** Decimal. */
  readonly price: readonly number[]
}

/**
 * Prices and volume of every instrument as a tape passes by: bounded, thinned by halves, keeping each stretch's last
 * price. Without quotes, trades or bars there is no price: a tape of depth alone has none here.
 */
export class PriceRecorder {
  readonly #instruments: InstrumentTable
  readonly #stepUs: Float64Array
  /** Start of the stretch whose last price is still to come, and that price in ticks; 0 for none. */
  readonly #sinceUs: Float64Array
  readonly #pendingTicks: Float64Array
  readonly #tsUs: number[][]
  readonly #price: number[][]
  readonly #tradedLots: Float64Array
  readonly #barLots: Float64Array
  readonly #day: Float64Array
  readonly #days: Int32Array

  constructor(instruments: InstrumentTable) {
    const n = instruments.size
    this.#instruments = instruments
    this.#stepUs = new Float64Array(n).fill(1_000_000)
    this.#sinceUs = new Float64Array(n).fill(Number.NEGATIVE_INFINITY)
    this.#pendingTicks = new Float64Array(n)
    this.#tsUs = instruments.all().map(() => [])
    this.#price = instruments.all().map(() => [])
    this.#tradedLots = new Float64Array(n)
    this.#barLots = new Float64Array(n)
    this.#day = new Float64Array(n)
    this.#days = new Int32Array(n)
  }

  series(instrument: number): PriceSeries {
    this.#settle(instrument)
    return {tsUs: this.#tsUs[instrument] ?? [], price: this.#price[instrument] ?? []}
  }

  /** Mean lots that changed hands on a day on which the instrument was seen; 0 where the tape has no volume. */
  dailyLots(instrument: number): number {
    // Bars and trades of one instrument say the same thing twice.
    const lots = Math.max(this.#tradedLots[instrument]!, this.#barLots[instrument]!)
    return lots / Math.max(1, this.#days[instrument]!)
  }

  note({count, kind, instrument, tsUs, v0, v1, v2, v3, v4}: TapeChunk): void {
    for (let row = 0; row < count; row++) {
      const i = instrument[row]!
      const at = tsUs[row]!
      let ticks = 0
      switch (kind[row]) {
        case EventKind.quote:
          if (v2[row]! > 0 && v3[row]! > 0) ticks = (v0[row]! + v1[row]!) / 2
          break
        case EventKind.trade:
          ticks = v0[row]!
          this.#tradedLots[i]! += v1[row]!
          break
        case EventKind.bar:
          ticks = v3[row]!
          this.#barLots[i]! += v4[row]!
          break
        default:
      }
      if (!(ticks > 0)) continue
      if (at - this.#sinceUs[i]! >= this.#stepUs[i]!) this.#begin(i, at)
      this.#pendingTicks[i] = ticks
    }
  }

  #begin(i: number, at: number): void {
    this.#settle(i)
    const day = Math.floor(at / US_PER_DAY)
    if (day !== this.#day[i]) {
      this.#day[i] = day
      this.#days[i]!++
    }
    this.#sinceUs[i] = at
    const times = this.#tsUs[i]!
    const prices = this.#price[i]!
    times.push(at)
    prices.push(0)
    if (times.length > MOST_PRICES) this.#halve(i, times, prices)
  }

  /** The stretch's last price takes its place. */
  #settle(i: number): void {
    const prices = this.#price[i]
    if (prices === undefined || prices.length === 0) return
    prices[prices.length - 1] = this.#pendingTicks[i]! / 10 ** this.#instruments.at(i).priceDecimals
  }

  #halve(i: number, times: number[], prices: number[]): void {
    this.#stepUs[i]! *= 2
    // The newest stays last: its price is still to come.
    const kept = Math.ceil(times.length / 2)
    for (let k = 0; k < kept; k++) {
      const from = times.length - 1 - 2 * (kept - 1 - k)
      times[k] = times[from]!
      prices[k] = prices[from]!
    }
    times.length = kept
    prices.length = kept
  }
}
