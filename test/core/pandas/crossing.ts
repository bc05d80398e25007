/** Holds 100 shares while the fast mean of closes is above the slow one, nothing otherwise or before `slow` bars. */
export default ({fast = 10, slow = 60}: {readonly fast?: number; readonly slow?: number} = {}) => {
  const closes: number[] = []
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
  return {
    name: 'crossing',
    onEvent(
      context: {readonly target: (instrument: number, lots: number) => void},
      chunk: {readonly kind: Uint8Array; readonly instrument: Uint16Array; readonly v3: Float64Array},
      row: number,
    ) {
      if (chunk.kind[row] !== 2) return
      closes.push(chunk.v3[row] as number)
      if (closes.length > slow) closes.shift()
      if (closes.length < slow) return
      // Closes are integer ticks, so equal means are exactly equal.
      context.target(chunk.instrument[row] as number, mean(closes.slice(-fast)) > mean(closes) ? 100 : 0)
    },
  }
}
