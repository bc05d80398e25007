import {createRng} from '../../src/domain/rng.ts'
import {type BarDataset, type BarSource, barDataset} from '../../src/models/bar-dataset.ts'
import type {RowField, RowReader} from '../../src/models/row-store.ts'

/** One symbol's bars as columns, stamped at their close, in time order. */
export interface SymbolBars {
  readonly symbol: string
  readonly tsUs: Float64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly volume: Float64Array
}

/** A whole column of a dataset, for looking at. */
export const columnOf = ({rows}: {readonly rows: RowReader}, name: RowField): number[] =>
  Array.from({length: rows.length}, (_, row) => rows.field(row, name))

/** All features of a dataset, row by row. */
export const featuresOf = ({rows}: {readonly rows: RowReader}): Float32Array => {
  const out = new Float32Array(rows.length * rows.width)
  rows.features(0, rows.length, out)
  return out
}

const MINUTE = 60_000_000
const OPEN = Date.UTC(2025, 5, 2, 13, 30) * 1000

/** Five-minute bars of a symbol whose next return leans on the last one: something small to learn. */
export const leaningBars = (symbol: string, days: number, seed: number, lean = 0.6): SymbolBars => {
  const rng = createRng(seed, symbol)
  const rows = days * 78
  const [tsUs, open, high, low, close, volume] = Array.from(
    {length: 6},
    () => new Float64Array(rows),
  ) as Float64Array[] as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array]
  let price = 100
  let last = 0
  for (let row = 0; row < rows; row++) {
    last = lean * last + 0.002 * rng.normal()
    tsUs[row] = OPEN + Math.floor(row / 78) * 1440 * MINUTE + ((row % 78) + 1) * 5 * MINUTE
    open[row] = price
    price *= Math.exp(last)
    close[row] = price
    high[row] = Math.max(open[row] as number, price) * (1 + 0.0005 * rng.uniform())
    low[row] = Math.min(open[row] as number, price) * (1 - 0.0005 * rng.uniform())
    volume[row] = 1000 + rng.below(1000)
  }
  return {symbol, tsUs, open, high, low, close, volume}
}

export const barAt = ({tsUs, open, high, low, close, volume}: SymbolBars, row: number) => ({
  tsUs: tsUs[row] as number,
  open: open[row] as number,
  high: high[row] as number,
  low: low[row] as number,
  close: close[row] as number,
  volume: volume[row] as number,
})

export const sourceOf = (bars: readonly SymbolBars[]): BarSource => ({
  session: 'us-equity',
  periodUs: 5 * MINUTE,
  histories: bars.map(each => ({
    symbol: each.symbol,
    sha256: `of ${each.symbol}`,
    read: async sink => {
      for (let row = 0; row < each.tsUs.length; row++) sink.onBar(barAt(each, row))
    },
  })),
})

export const toyDataset = (days = 10, symbols = ['AAA', 'BBB'], horizon = 4): Promise<BarDataset> =>
  barDataset(sourceOf(symbols.map((symbol, i) => leaningBars(symbol, days, i))), {horizon, barrier: 0.6, costBps: 1})
