// Indices run below the length read in the same function, so `!` cannot miss here.

export interface Drawdown {
  readonly peakUs: number
  readonly troughUs: number
  /** When equity was back at its peak; undefined while it is not. */
  readonly recoveredUs: number | undefined
  /** Fall from the peak, a fraction. */
  readonly depth: number
}

/** Largest fall from a running peak, a fraction of it. */
export const maxDrawdown = (equity: ArrayLike<number>): number => {
  let peak = Number.NEGATIVE_INFINITY
  let worst = 0
  for (let i = 0; i < equity.length; i++) {
    peak = Math.max(peak, equity[i]!)
    worst = Math.max(worst, 1 - equity[i]! / peak)
  }
  return worst
}

/** The deepest falls, each from its peak to its recovery, deepest first. */
export const drawdownTable = (tsUs: ArrayLike<number>, equity: ArrayLike<number>, count = 10): Drawdown[] => {
  const found: Drawdown[] = []
  let [peak, peakUs, trough, troughUs] = [Number.NEGATIVE_INFINITY, 0, Number.POSITIVE_INFINITY, 0]
  const close = (recoveredUs: number | undefined) => {
    if (trough < peak) found.push({peakUs, troughUs, recoveredUs, depth: 1 - trough / peak})
  }
  for (let i = 0; i < equity.length; i++) {
    const value = equity[i]!
    if (value >= peak) {
      close(tsUs[i]!)
      peak = value
      peakUs = tsUs[i]!
      trough = value
      troughUs = tsUs[i]!
    } else if (value < trough) {
      trough = value
      troughUs = tsUs[i]!
    }
  }
  close(undefined)
  return found.sort((a, b) => b.depth - a.depth || a.peakUs - b.peakUs).slice(0, count)
}
