// Columns are indexed inside their bounds, hence the `!`.
import {EventKind} from '../data/tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {lotsToSize, ticksToPrice} from '../domain/instrument.ts'
import type {SessionClock} from '../features/session-clock.ts'
import type {BarSource, SymbolBars} from './bar-dataset.ts'

class GrowingColumns {
  readonly columns: Float64Array[]
  #length = 0
  constructor(count: number) {
    this.columns = Array.from({length: count}, () => new Float64Array(1024))
  }
  push(values: readonly number[]): void {
    if (this.#length === this.columns[0]!.length) {
      for (const [i, column] of this.columns.entries()) {
        const grown = new Float64Array(column.length * 2)
        grown.set(column)
        this.columns[i] = grown
      }
    }
    for (const [i, value] of values.entries()) this.columns[i]![this.#length] = value
    this.#length++
  }
  finish(): Float64Array[] {
    return this.columns.map(column => column.slice(0, this.#length))
  }
}

/** The bars of a tape, by symbol. Only bars of `periodUs` count. Holds 48 bytes a bar. */
export const tapeBarSource = (tape: TapeSource, session: SessionClock['name'], periodUs: number): BarSource => ({
  session,
  periodUs,
  async *symbols() {
    const columns = new Map<number, GrowingColumns>()
    for await (const chunk of tape.chunks()) {
      for (let i = 0; i < chunk.count; i++) {
        if (chunk.kind[i] !== EventKind.bar || chunk.v5[i] !== periodUs) continue
        const index = chunk.instrument[i]!
        const instrument = tape.instruments.at(index)
        const known = columns.get(index) ?? new GrowingColumns(6)
        columns.set(index, known)
        const price = (ticks: number): number => ticksToPrice(instrument, ticks)
        known.push([
          chunk.tsUs[i]!,
          price(chunk.v0[i]!),
          price(chunk.v1[i]!),
          price(chunk.v2[i]!),
          price(chunk.v3[i]!),
          lotsToSize(instrument, chunk.v4[i]!),
        ])
      }
    }
    const bySymbol = [...columns].map(([index, grown]) => [tape.instruments.at(index).symbol, grown] as const)
    for (const [symbol, grown] of bySymbol.sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [tsUs, open, high, low, close, volume] = grown.finish()
      yield {symbol, tsUs, open, high, low, close, volume} as SymbolBars
    }
  },
})
