// Columns are sized from the instrument table, so `!` cannot miss here.
import {type MarketState, midTicks} from '../data/market-state.ts'
import {EventKind, type TapeChunk} from '../data/tape.ts'
import {type InstrumentTable, lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import type {BarInput} from '../features/bar-features.ts'

/**
 * Bars of one period from quotes and trades as they arrive: prices are trades, or mids where an instrument does not
 * trade in the period; volume is what traded. A bar is handed out when the first event after its end arrives, never
 * before.
 */
export class LiveBars {
  readonly #instruments: InstrumentTable
  readonly #periodUs: number
  readonly #onBar: (instrument: number, bar: BarInput) => void
  readonly #open: (Building | undefined)[] = []
  /** End of the earliest bar under way. */
  #nextEndUs = Number.POSITIVE_INFINITY

  constructor(instruments: InstrumentTable, periodUs: number, onBar: (instrument: number, bar: BarInput) => void) {
    this.#instruments = instruments
    this.#periodUs = periodUs
    this.#onBar = onBar
  }

  onRow(chunk: TapeChunk, row: number): void {
    const atUs = chunk.tsUs[row]!
    if (atUs >= this.#nextEndUs) this.#finish(atUs)
    const kind = chunk.kind[row]
    if (kind === EventKind.trade) this.#add(chunk.instrument[row]!, atUs, chunk.v0[row]!, chunk.v1[row]!)
    else if (kind === EventKind.quote && chunk.v2[row]! > 0 && chunk.v3[row]! > 0)
      this.#add(chunk.instrument[row]!, atUs, (chunk.v0[row]! + chunk.v1[row]!) / 2, 0)
  }

  /** The mid of a book that has just changed; the market already holds the change. */
  onMid(i: number, atUs: number, market: MarketState): void {
    const mid = midTicks(market, i)
    if (mid > 0) this.#add(i, atUs, mid, 0)
  }

  #add(i: number, atUs: number, ticks: number, lots: number): void {
    const bar = this.#open[i]
    if (bar === undefined) {
      const endUs = (Math.floor(atUs / this.#periodUs) + 1) * this.#periodUs
      this.#open[i] = {endUs, open: ticks, high: ticks, low: ticks, close: ticks, lots, traded: lots > 0}
      this.#nextEndUs = Math.min(this.#nextEndUs, endUs)
      return
    }
    // The first trade replaces what quotes drew: a traded bar is made of trades alone.
    if (lots > 0 && !bar.traded) Object.assign(bar, {open: ticks, high: ticks, low: ticks, close: ticks, traded: true})
    if (lots === 0 && bar.traded) return
    bar.high = Math.max(bar.high, ticks)
    bar.low = Math.min(bar.low, ticks)
    bar.close = ticks
    bar.lots += lots
  }

  #finish(nowUs: number): void {
    this.#nextEndUs = Number.POSITIVE_INFINITY
    for (const [i, bar] of this.#open.entries()) {
      if (bar === undefined) continue
      if (bar.endUs > nowUs) {
        this.#nextEndUs = Math.min(this.#nextEndUs, bar.endUs)
        continue
      }
      this.#open[i] = undefined
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
}

interface Building {
  readonly endUs: number
  open: number
  high: number
  low: number
  close: number
  lots: number
  traded: boolean
}
