import {type InstrumentTable, lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import type {BarInput} from '../features/bar-features.ts'

/** A bar under way, in ticks and lots. */
export interface OpenBar {
  readonly endUs: number
  open: number
  high: number
  low: number
  close: number
  lots: number
}

/** The bars under way of a run, one an instrument at most, and how they are handed out: as prices and sizes, when they are over. */
export class OpenBars<B extends OpenBar = OpenBar> {
  readonly #instruments: InstrumentTable
  readonly #onBar: (instrument: number, bar: BarInput) => void
  readonly #open: (B | undefined)[] = []
  /** End of the earliest one; no later than that after some were handed out. */
  #nextEndUs = Number.POSITIVE_INFINITY

  constructor(instruments: InstrumentTable, onBar: (instrument: number, bar: BarInput) => void) {
    this.#instruments = instruments
    this.#onBar = onBar
  }

  at(i: number): B | undefined {
    return this.#open[i]
  }
  begin(i: number, bar: B): void {
    this.#open[i] = bar
    this.#nextEndUs = Math.min(this.#nextEndUs, bar.endUs)
  }
  /** Takes more of the same bar in. */
  extend(bar: B, high: number, low: number, close: number, lots: number): void {
    bar.high = Math.max(bar.high, high)
    bar.low = Math.min(bar.low, low)
    bar.close = close
    bar.lots += lots
  }
  /** The bar is complete before its time has passed. */
  finish(i: number): void {
    const bar = this.#open[i]
    this.#open[i] = undefined
    if (bar !== undefined) this.hand(i, bar)
  }

  /** Hands out every bar that ends at this time or before. */
  finishUntil(endUs: number): void {
    if (endUs < this.#nextEndUs) return
    this.#nextEndUs = Number.POSITIVE_INFINITY
    for (const [i, bar] of this.#open.entries()) {
      if (bar === undefined) continue
      if (bar.endUs <= endUs) this.finish(i)
      else this.#nextEndUs = Math.min(this.#nextEndUs, bar.endUs)
    }
  }

  hand(i: number, bar: OpenBar): void {
    const instrument = this.#instruments.at(i)
    const price = (ticks: number): number => ticksToPrice(instrument, ticks)
    this.#onBar(i, {
      tsUs: bar.endUs,
      open: price(bar.open),
      high: price(bar.high),
      low: price(bar.low),
      close: price(bar.close),
      volume: lotsToSize(instrument, bar.lots),
    })
  }
}
