// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import type {RunSeries} from './metrics.ts'

/**
 * Runs of consecutive windows, each started with the same capital, as one: equity goes on from where the window before
 * ended, and no further once all is lost. Trades and turnover are summed as they were, in each window's own capital. Throws
 * RangeError without a run.
 */
export const chainSeries = (runs: readonly RunSeries[]): RunSeries => {
  const first = runs[0]
  if (first === undefined) throw new RangeError('there is no run to chain')
  const tsUs: number[] = []
  const equity: number[] = []
  const gross: number[] = []
  let factor = 1
  for (const run of runs) {
    const n = run.equityMicros.length
    const start = run.equityMicros[0] ?? 1
    const left = factor > 0 ? undefined : equity.at(-1)!
    for (let k = 0; k < n; k++) {
      // A window's first sample may be the last of the one before.
      if (tsUs.length > 0 && run.tsUs[k]! <= tsUs.at(-1)!) continue
      tsUs.push(run.tsUs[k]!)
      equity.push(left ?? run.equityMicros[k]! * factor)
      gross.push(left === undefined ? (run.grossMicros?.[k] ?? 0) * factor : 0)
    }
    if (n > 0 && factor > 0) factor *= run.equityMicros[n - 1]! / start
  }
  return {
    tsUs,
    equityMicros: equity,
    grossMicros: gross,
    trips: runs.flatMap(({trips}) => trips),
    tradedMicros: runs.reduce((sum, {tradedMicros}) => sum + tradedMicros, 0),
    calendar: first.calendar,
  }
}
