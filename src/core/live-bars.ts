// Columns are sized from the instrument table, so `!` cannot miss here.
import {type MarketState, midTicks} from '../data/market-state.ts'
import {EventKind, type TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {BarInput} from '../features/bar-features.ts'
import {type OpenBar, OpenBars} from './open-bars.ts'

/**
 * Bars of one period from quotes and trades as they arrive: prices are trades, or mids where an instrument does not
 * trade in the period; volume is what traded. A bar is handed out when the first event after its end arrives, never
 * before.
 */
export class LiveBars {
  readonly #periodUs: number
  readonly #open: OpenBars<DrawnBar>

  constructor(instruments: InstrumentTable, periodUs: number, onBar: (instrument: number, bar: BarInput) => void) {
    this.#periodUs = periodUs
    this.#open = new OpenBars(instruments, onBar)
  }

  onRow(chunk: TapeChunk, row: number): void {
    const atUs = chunk.tsUs[row]!
    this.#open.finishUntil(atUs)
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
    const bar = this.#open.at(i)
    if (bar === undefined) {
      const endUs = (Math.floor(atUs / this.#periodUs) + 1) * this.#periodUs
      this.#open.begin(i, {endUs, open: ticks, high: ticks, low: ticks, close: ticks, lots, traded: lots > 0})
      return
    }
    // The first trade replaces what quotes drew: a traded bar is made of trades alone.
    if (lots > 0 && !bar.traded) Object.assign(bar, {open: ticks, high: ticks, low: ticks, close: ticks, traded: true})
    if (lots > 0 || !bar.traded) this.#open.extend(bar, ticks, ticks, ticks, lots)
  }
}

/** A bar that quotes may have drawn. */
interface DrawnBar extends OpenBar {
  traded: boolean
}
