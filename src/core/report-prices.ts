// Numeric kernel: columns are sized from the instrument table and rows run below a chunk's count, so `!` cannot miss here.
import {EventKind, type TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {US_PER_DAY} from '../domain/units.ts'
import {dayStartOf} from '../evaluation/returns.ts'

const MOST_PRICES = 4_096

export interface PriceSeries {
  readonly tsUs: readonly number[]
  /** Decimal. */
  readonly price: readonly number[]
}

/**
 * Prices and volume of every instrument as a tape passes by: bounded, thinned by halves, keeping each stretch's last
 * price, and never losing the last price of a day, which daily returns are between. Without quotes, trades or bars there is
 * no price: a tape of depth alone has none here.
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
  /** Of the price that is pending. */
  readonly #lastUs: Float64Array
  /** When the day ends that the instrument was last seen on. */
  readonly #dayEndUs: Float64Array
  /** Last price of each day that is over, in ticks, and its time. */
  readonly #closeUs: number[][]
  readonly #closeTicks: number[][]

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
    this.#lastUs = new Float64Array(n)
    this.#dayEndUs = new Float64Array(n).fill(Number.NEGATIVE_INFINITY)
    this.#closeUs = instruments.all().map(() => [])
    this.#closeTicks = instruments.all().map(() => [])
  }

  series(instrument: number): PriceSeries {
    this.#settle(instrument)
    const [times, prices] = [this.#tsUs[instrument] ?? [], this.#price[instrument] ?? []]
    const [closeUs, closeTicks] = [this.#closeUs[instrument] ?? [], this.#closeTicks[instrument] ?? []]
    if (closeUs.length === 0) return {tsUs: times, price: prices}
    const scale = 10 ** this.#instruments.at(instrument).priceDecimals
    const tsUs: number[] = []
    const price: number[] = []
    const add = (at: number, decimal: number): void => {
      tsUs.push(at)
      price.push(decimal)
    }
    let close = 0
    const addClosesBefore = (at: number): void => {
      for (; close < closeUs.length && closeUs[close]! < at; close++) add(closeUs[close]!, closeTicks[close]! / scale)
    }
    for (const [k, at] of times.entries()) {
      addClosesBefore(at)
      add(at, prices[k]!)
    }
    // Days that ended within the last stretch, then where it stands.
    addClosesBefore(Number.POSITIVE_INFINITY)
    if (this.#lastUs[instrument]! > tsUs.at(-1)!)
      add(this.#lastUs[instrument]!, this.#pendingTicks[instrument]! / scale)
    return {tsUs, price}
  }

  /** Mean lots that changed hands on a day on which the instrument was seen; 0 where the tape has no volume. */
  dailyLots(instrument: number): number {
    // Bars and trades of one instrument say the same thing twice.
    const lots = Math.max(this.#tradedLots[instrument]!, this.#barLots[instrument]!)
    return lots / (this.#closeUs[instrument]!.length + 1)
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
      if (at >= this.#dayEndUs[i]!) this.#endDay(i, at)
      if (at - this.#sinceUs[i]! >= this.#stepUs[i]!) this.#begin(i, at)
      this.#pendingTicks[i] = ticks
      this.#lastUs[i] = at
    }
  }

  #endDay(i: number, at: number): void {
    if (this.#lastUs[i]! > 0) {
      this.#closeUs[i]!.push(this.#lastUs[i]!)
      this.#closeTicks[i]!.push(this.#pendingTicks[i]!)
    }
    const startUs = dayStartOf(this.#instruments.at(i).kind === 'crypto' ? 'continuous' : 'us-equity')
    this.#dayEndUs[i] = (Math.floor((at - startUs) / US_PER_DAY) + 1) * US_PER_DAY + startUs
  }

  #begin(i: number, at: number): void {
    this.#settle(i)
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
