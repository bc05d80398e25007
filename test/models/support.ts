import {createRng} from '../../src/domain/rng.ts'
import {type BarDataset, type BarSource, barDataset, type SymbolBars} from '../../src/models/bar-dataset.ts'

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

export const sourceOf = (bars: readonly SymbolBars[]): BarSource => ({
  session: 'us-equity',
  periodUs: 5 * MINUTE,
  async *symbols() {
    yield* bars
  },
})

export const toyDataset = (days = 10, symbols = ['AAA', 'BBB'], horizon = 4): Promise<BarDataset> =>
  barDataset(sourceOf(symbols.map((symbol, i) => leaningBars(symbol, days, i))), {horizon, barrier: 0.6, costBps: 1})
