// Columns are sized from the instrument table, so `!` cannot miss here.
import {EventKind, type TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {BarInput} from '../features/bar-features.ts'
import {LiveBars} from './live-bars.ts'
import {type OpenBar, OpenBars} from './open-bars.ts'

/**
 * Bars of one period from whatever a run is fed: bars of that period as they are, shorter ones put together, else quotes and
 * trades. Once an instrument has shown a usable bar, only its bars count. A bar made here is handed out when the first event
 * at or after its end arrives, never before; the same rows make the same bars in a back-test and in trading.
 */
export class RunBars {
  readonly #periodUs: number
  readonly #ticks: LiveBars
  readonly #hasBars: Uint8Array
  readonly #open: OpenBars

  constructor(instruments: InstrumentTable, periodUs: number, onBar: (instrument: number, bar: BarInput) => void) {
    this.#periodUs = periodUs
    this.#hasBars = new Uint8Array(instruments.size)
    this.#open = new OpenBars(instruments, onBar)
    this.#ticks = new LiveBars(instruments, periodUs, (i, bar) => {
      if (this.#hasBars[i] === 0) onBar(i, bar)
    })
  }

  onRow(chunk: TapeChunk, row: number): void {
    const atUs = chunk.tsUs[row]!
    // A bar whose last part never came is known to be over once time has passed its end.
    this.#open.finishUntil(atUs - 1)
    const i = chunk.instrument[row]!
    if (chunk.kind[row] === EventKind.bar) this.#onShortBar(i, atUs, chunk, row)
    else if (this.#hasBars[i] === 0) this.#ticks.onRow(chunk, row)
  }

  #onShortBar(i: number, atUs: number, chunk: TapeChunk, row: number): void {
    const length = chunk.v5[row]!
    if (!(length > 0) || this.#periodUs % length !== 0) return
    this.#hasBars[i] = 1
    const bar: OpenBar = {
      endUs: length === this.#periodUs ? atUs : Math.ceil(atUs / this.#periodUs) * this.#periodUs,
      open: chunk.v0[row]!,
      high: chunk.v1[row]!,
      low: chunk.v2[row]!,
      close: chunk.v3[row]!,
      lots: chunk.v4[row]!,
    }
    if (length === this.#periodUs) {
      this.#open.hand(i, bar)
      return
    }
    const open = this.#open.at(i)
    if (open === undefined) this.#open.begin(i, bar)
    else this.#open.extend(open, bar.high, bar.low, bar.close, bar.lots)
    // The short bar that ends with the long one completes it.
    if (atUs === bar.endUs) this.#open.finish(i)
  }
}
