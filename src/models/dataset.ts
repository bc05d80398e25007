// Columns are indexed inside their bounds, hence the `!`.
import type {FeatureSchema} from '../features/features.ts'

/** Class of a labelled row. */
export const Label = {down: 0, flat: 1, up: 2, unknown: -1} as const
export const CLASSES = 3

/**
 * Labelled feature rows of any market, as columns. Rows of one session are contiguous and in time order; a window, and
 * the stretch that labels it, never leaves its session, so it crosses no day, symbol, gap or file join.
 */
export interface Dataset {
  readonly schema: FeatureSchema
  /** [rows, width], before scaling. */
  readonly features: Float32Array
  readonly session: Int32Array
  readonly symbol: Int32Array
  readonly symbols: readonly string[]
  readonly tsUs: Float64Array
  /** Stretch of time to split on and to cluster errors by: the local day of bars, the quarter hour of books. */
  readonly block: Int32Array
  readonly labels: Int8Array
  /** Share of the horizon until the position closes, 0 to 1. */
  readonly holding: Float32Array
  /** Log return until then in deviations over the horizon. */
  readonly move: Float32Array
  /** Last row that the label has seen. */
  readonly labelEnd: Int32Array
  /** Rows ahead that a label looks at most. */
  readonly horizon: number
  /** SHA-256 over what the rows were made from. */
  readonly dataHash: string
  readonly sources: readonly {readonly name: string; readonly rows: number; readonly sha256: string}[]
}

export const widthOf = (dataset: Dataset): number => dataset.schema.names.length

/** Last rows of every labelled window, in the dataset's order. */
export const windowEnds = (dataset: Dataset, window: number): Int32Array => {
  const ends: number[] = []
  for (let row = window - 1; row < dataset.labels.length; row++) {
    if (dataset.labels[row] === Label.unknown) continue
    if (dataset.session[row] === dataset.session[row - window + 1]) ends.push(row)
  }
  return Int32Array.from(ends)
}

export interface WindowBatch {
  /** [size, window, width]. */
  readonly x: Float32Array
  /** One-hot [size, 3]. */
  readonly target: Float32Array
  readonly holding: Float32Array
  readonly move: Float32Array
  /** 1 for a row, 0 for padding. */
  readonly weight: Float32Array
}

export const allocateBatch = (size: number, window: number, width: number): WindowBatch => ({
  x: new Float32Array(size * window * width),
  target: new Float32Array(size * CLASSES),
  holding: new Float32Array(size),
  move: new Float32Array(size),
  weight: new Float32Array(size),
})

/** Fills a batch with the windows that end at `ends[from]`, `ends[from + 1]` …; what is left over is padding. */
export const fillBatch = (
  dataset: Dataset,
  ends: Int32Array,
  from: number,
  window: number,
  batch: WindowBatch,
): number => {
  const width = widthOf(dataset)
  const size = batch.weight.length
  const count = Math.max(0, Math.min(size, ends.length - from))
  batch.x.fill(0, count * window * width)
  batch.target.fill(0)
  batch.weight.fill(0)
  for (let i = 0; i < count; i++) {
    const row = ends[from + i]!
    const first = (row - window + 1) * width
    batch.x.set(dataset.features.subarray(first, first + window * width), i * window * width)
    batch.target[i * CLASSES + dataset.labels[row]!] = 1
    batch.holding[i] = dataset.holding[row]!
    batch.move[i] = dataset.move[row]!
    batch.weight[i] = 1
  }
  return count
}

/** The label one could have known at `row`: that of the window which ended a horizon earlier; flat where none did. */
export const persistentLabel = (dataset: Dataset, row: number): number => {
  for (let earlier = row - 1; earlier >= 0 && earlier >= row - dataset.horizon - 1; earlier--) {
    if (dataset.session[earlier] !== dataset.session[row]) break
    const label = dataset.labels[earlier]!
    if (label !== Label.unknown && dataset.labelEnd[earlier]! <= row) return label
  }
  return Label.flat
}
