// Columns are sized from the instrument table, so `!` cannot miss here.
import {EventKind, type TapeChunk} from '../data/tape.ts'
import {type InstrumentTable, lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import type {BarInput} from '../features/bar-features.ts'
import {LiveBars} from './live-bars.ts'

/**
 * Bars of one period from whatever a run is fed: bars of that period as they are, shorter ones put together, else quotes and
 * trades. Once an instrument has shown a usable bar, only its bars count. A bar made here is handed out when the first event
 * at or after its end arrives, never before; the same rows make the same bars in a back-test and in trading.
 */
export class RunBars {
  readonly #instruments: InstrumentTable
  readonly #periodUs: number
  readonly #onBar: (instrument: number, bar: BarInput) => void
  readonly #ticks: LiveBars
  readonly #hasBars: Uint8Array
  readonly #open: (Building | undefined)[] = []
  #nextEndUs = Number.POSITIVE_INFINITY

  constructor(instruments: InstrumentTable, periodUs: number, onBar: (instrument: number, bar: BarInput) => void) {
    this.#instruments = instruments
    this.#periodUs = periodUs
    this.#onBar = onBar
    this.#hasBars = new Uint8Array(instruments.size)
    this.#ticks = new LiveBars(instruments, periodUs, (i, bar) => {
      if (this.#hasBars[i] === 0) onBar(i, bar)
    })
  }

  onRow(chunk: TapeChunk, row: number): void {
    const atUs = chunk.tsUs[row]!
    if (atUs > this.#nextEndUs) this.#finish(atUs)
    const i = chunk.instrument[row]!
    if (chunk.kind[row] === EventKind.bar) this.#onShortBar(i, atUs, chunk, row)
    else if (this.#hasBars[i] === 0) this.#ticks.onRow(chunk, row)
  }

  #onShortBar(i: number, atUs: number, chunk: TapeChunk, row: number): void {
    const length = chunk.v5[row]!
    if (!(length > 0) || this.#periodUs % length !== 0) return
    this.#hasBars[i] = 1
    const bar: Building = {
      endUs: Math.ceil(atUs / this.#periodUs) * this.#periodUs,
      open: chunk.v0[row]!,
      high: chunk.v1[row]!,
      low: chunk.v2[row]!,
      close: chunk.v3[row]!,
      lots: chunk.v4[row]!,
    }
    if (length === this.#periodUs) {
      this.#hand(i, {...bar, endUs: atUs})
      return
    }
    const open = this.#open[i]
    if (open === undefined) this.#open[i] = bar
    else {
      open.high = Math.max(open.high, bar.high)
      open.low = Math.min(open.low, bar.low)
      open.close = bar.close
      open.lots += bar.lots
    }
    // The short bar that ends with the long one completes it.
    if (atUs === bar.endUs) {
      const whole = this.#open[i]!
      this.#open[i] = undefined
      this.#hand(i, whole)
    } else this.#nextEndUs = Math.min(this.#nextEndUs, bar.endUs)
  }

  /** Bars whose last part never came: known to be over once time has passed their end. */
  #finish(nowUs: number): void {
    this.#nextEndUs = Number.POSITIVE_INFINITY
    for (const [i, bar] of this.#open.entries()) {
      if (bar === undefined) continue
      if (bar.endUs < nowUs) {
        this.#open[i] = undefined
        this.#hand(i, bar)
      } else this.#nextEndUs = Math.min(this.#nextEndUs, bar.endUs)
    }
  }

  #hand(i: number, bar: Building): void {
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

interface Building {
  readonly endUs: number
  readonly open: number
  high: number
  low: number
  close: number
  lots: number
}
