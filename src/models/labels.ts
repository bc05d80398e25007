// Columns are indexed inside their bounds, hence the `!`.
import {Label} from './dataset.ts'

export interface LabelColumns {
  readonly labels: Int8Array
  readonly holding: Float32Array
  readonly move: Float32Array
  readonly labelEnd: Int32Array
}

const emptyLabels = (rows: number): LabelColumns => ({
  labels: new Int8Array(rows).fill(Label.unknown),
  holding: new Float32Array(rows),
  move: new Float32Array(rows),
  labelEnd: new Int32Array(rows),
})

export interface BarColumns {
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly session: Int32Array
  /** Deviation of log returns a bar, known at the close of the row. */
  readonly deviation: Float64Array
}

export interface TripleBarrierOptions {
  /** Bars after which a position closes whatever the price. */
  readonly horizon: number
  /** Distance of both price barriers, in deviations over the whole horizon. */
  readonly barrier: number
  /** Cost of a round trip: barriers are never nearer, so a win is a win after costs. */
  readonly costBps: number
}

/**
 * Triple-barrier labels (López de Prado 2018, ch. 3). A decision at the close of a bar enters at the next bar's open;
 * up or down is the barrier touched first, flat is neither in time, or both in one bar (which of them came first is not
 * known). A row whose horizon leaves its session has no label.
 */
export const tripleBarrier = (bars: BarColumns, {horizon, barrier, costBps}: TripleBarrierOptions): LabelColumns => {
  const rows = bars.close.length
  const out = emptyLabels(rows)
  for (let row = 0; row + horizon < rows; row++) {
    if (bars.session[row + horizon] !== bars.session[row]) continue
    const entry = bars.open[row + 1]!
    const deviation = bars.deviation[row]! * Math.sqrt(horizon)
    const distance = Math.max(barrier * deviation, costBps * 1e-4)
    const [upper, lower] = [entry * Math.exp(distance), entry * Math.exp(-distance)]
    let label: number = Label.flat
    let exit = row + horizon
    for (let at = row + 1; at <= row + horizon; at++) {
      const [up, down] = [bars.high[at]! >= upper, bars.low[at]! <= lower]
      if (!up && !down) continue
      label = up && down ? Label.flat : up ? Label.up : Label.down
      exit = at
      break
    }
    const price = label === Label.up ? upper : label === Label.down ? lower : bars.close[exit]!
    out.labels[row] = label
    out.holding[row] = (exit - row) / horizon
    out.move[row] = Math.max(-5, Math.min(5, Math.log(price / entry) / deviation))
    out.labelEnd[row] = exit
  }
  return out
}

export interface MidColumns {
  readonly mid: Float64Array
  readonly spread: Float64Array
  readonly session: Int32Array
}

export interface DirectionOptions {
  /** Books ahead. */
  readonly horizon: number
  /** A move counts when it is more than this many current spreads: half a spread pays for crossing once. */
  readonly spreads: number
}

/**
 * Cost-aware direction of the raw mid price `horizon` books ahead, against the current mid: no smoothing on either
 * side, which would leak (Lee 2024).
 */
export const costAwareDirection = (
  {mid, spread, session}: MidColumns,
  {horizon, spreads}: DirectionOptions,
): LabelColumns => {
  const rows = mid.length
  const out = emptyLabels(rows)
  for (let row = 0; row + horizon < rows; row++) {
    if (session[row + horizon] !== session[row]) continue
    const threshold = spreads * spread[row]!
    let exit = row + horizon
    for (let at = row + 1; at <= row + horizon; at++) {
      if (Math.abs(mid[at]! - mid[row]!) <= threshold) continue
      exit = at
      break
    }
    const change = mid[row + horizon]! - mid[row]!
    out.labels[row] = change > threshold ? Label.up : change < -threshold ? Label.down : Label.flat
    out.holding[row] = (exit - row) / horizon
    out.move[row] = Math.max(-5, Math.min(5, change / spread[row]!))
    out.labelEnd[row] = row + horizon
  }
  return out
}
