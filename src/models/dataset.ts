// Rows are read inside their bounds, hence the `!`.
import type {FeatureSchema} from '../features/features.ts'
import {type RowList, RowRuns} from './row-runs.ts'
import type {RowReader} from './row-store.ts'
import {STRATEGY_CHOICES} from './strategy-labels.ts'

/** Class of a labelled row. */
export const Label = {down: 0, flat: 1, up: 2, unknown: -1} as const
export const CLASSES = 3

/**
 * Labelled feature rows of any market. Rows of one session are contiguous and in time order; a window, and the stretch
 * that labels it, never leaves its session, so it crosses no day, symbol, gap or file join. Fields of a row: `session`;
 * `symbol` (index); `block`, the stretch of time to split on and to cluster errors by (the local day of bars, the quarter
 * hour of books); `label`; `holding`, share of the horizon until the exit; `move`, signed move until then in the unit of
 * the labels; `labelEnd`, the last row the label has seen; `cost` of a round trip in the unit of `move`; `strategy`, the
 * index in `STRATEGY_CHOICES` of what would have paid best, -1 where no label is known; `print` of the market data it was
 * made from (`rowPrint`).
 */
export interface Dataset {
  readonly schema: FeatureSchema
  readonly rows: RowReader
  readonly symbols: readonly string[]
  /** Rows ahead that a label looks at most. */
  readonly horizon: number
  /** SHA-256 over what the rows were made from. */
  readonly dataHash: string
  readonly sources: readonly {readonly name: string; readonly rows: number; readonly sha256: string}[]
}

export const widthOf = (dataset: Dataset): number => dataset.schema.names.length

/** Last rows of every labelled window, in the dataset's order. */
export const windowEnds = ({rows}: Dataset, window: number): RowRuns => {
  const ends = new RowRuns()
  let sessionStart = 0
  for (let row = 0; row < rows.length; row++) {
    if (row > 0 && rows.field(row, 'session') !== rows.field(row - 1, 'session')) sessionStart = row
    if (row - sessionStart >= window - 1 && rows.field(row, 'label') !== Label.unknown) ends.push(row)
  }
  return ends
}

export interface WindowBatch {
  /** [size, window, width]. */
  readonly x: Float32Array
  /** One-hot [size, 3]. */
  readonly target: Float32Array
  readonly holding: Float32Array
  readonly move: Float32Array
  readonly cost: Float32Array
  /** One-hot [size, choices]; all zero where no choice is known. */
  readonly strategy: Float32Array
  /** 1 for a row, 0 for padding. */
  readonly weight: Float32Array
}

export const allocateBatch = (size: number, window: number, width: number): WindowBatch => ({
  x: new Float32Array(size * window * width),
  target: new Float32Array(size * CLASSES),
  holding: new Float32Array(size),
  move: new Float32Array(size),
  cost: new Float32Array(size),
  strategy: new Float32Array(size * STRATEGY_CHOICES.length),
  weight: new Float32Array(size),
})

/** Fills a batch with the windows that end at `ends` from, from + 1 …; what is left over is padding. */
export const fillBatch = (
  {rows}: Dataset,
  ends: RowList | Int32Array,
  from: number,
  window: number,
  batch: WindowBatch,
): number => {
  const size = batch.weight.length
  const count = Math.max(0, Math.min(size, ends.length - from))
  const windowSize = window * rows.width
  batch.x.fill(0, count * windowSize)
  for (const column of [batch.target, batch.strategy, batch.holding, batch.move, batch.cost, batch.weight])
    column.fill(0)
  for (let i = 0; i < count; i++) {
    const row = ends.at(from + i)!
    rows.features(row - window + 1, window, batch.x, i * windowSize)
    const label = rows.field(row, 'label')
    if (label !== Label.unknown) batch.target[i * CLASSES + label] = 1
    const strategy = rows.field(row, 'strategy')
    if (strategy >= 0) batch.strategy[i * STRATEGY_CHOICES.length + strategy] = 1
    batch.holding[i] = rows.field(row, 'holding')
    batch.move[i] = rows.field(row, 'move')
    batch.cost[i] = rows.field(row, 'cost')
    batch.weight[i] = 1
  }
  return count
}

/** The label one could have known at `row`: that of the window which ended a horizon earlier; flat where none did. */
export const persistentLabel = ({rows, horizon}: Dataset, row: number): number => {
  const session = rows.field(row, 'session')
  for (let earlier = row - 1; earlier >= 0 && earlier >= row - horizon - 1; earlier--) {
    if (rows.field(earlier, 'session') !== session) break
    const label = rows.field(earlier, 'label')
    if (label !== Label.unknown && rows.field(earlier, 'labelEnd') <= row) return label
  }
  return Label.flat
}
