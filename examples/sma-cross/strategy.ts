import type {Strategy} from '../../src/strategies/strategy.ts'

/** Tape kinds: 0 quote, 1 trade, 2 bar. Values of a bar row: v0 open, v1 high, v2 low, v3 close, v4 volume. */
const BAR = 2

interface Params {
  readonly fast?: number
  readonly slow?: number
  readonly fraction?: number
}

/** Long while the fast average of closes is above the slow one, short while below; silent until `slow` bars are in. */
export default ({fast = 10, slow = 60, fraction = 0.05}: Params = {}): Strategy => {
  if (!(fast < slow)) throw new RangeError(`fast (${fast}) must be below slow (${slow})`)
  const closes = new Map<number, number[]>()
  const sides = new Map<number, number>()
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
  let crossings = 0
  return {
    name: 'sma-cross',
    onEvent(context, chunk, row) {
      if (chunk.kind[row] !== BAR) return
      const instrument = chunk.instrument[row] as number
      const close = chunk.v3[row] as number
      const window = closes.get(instrument) ?? []
      closes.set(instrument, window)
      window.push(close)
      if (window.length > slow) window.shift()
      if (window.length < slow) return

      const side = mean(window.slice(-fast)) > mean(window) ? 1 : -1
      if (side === sides.get(instrument)) return
      sides.set(instrument, side)
      crossings++
      const {multiplier, priceDecimals, sizeDecimals} = context.instruments.at(instrument)
      const lotMicros = close * multiplier * 10 ** (6 - priceDecimals - sizeDecimals)
      context.target(instrument, side * Math.floor((context.capitalMicros * fraction) / lotMicros))
    },
    report: () => ({crossings}),
  }
}
