// Matrices are indexed inside their bounds, hence the `!`.
import {TENSOR_SHAPE} from '../options/chain-tensor.ts'
import type {ChainSample} from './chain-sample.ts'
import {solve} from './embedder-data.ts'

const GRID = TENSOR_SHAPE.rows * TENSOR_SHAPE.columns
const CELLS = TENSOR_SHAPE.cellFeatures

/** Principal components of the log volatility surface: the linear code of equal size that an embedding has to beat. */
export interface ChainPca {
  readonly mean: Float64Array
  /** Orthonormal directions, largest variance first, with the deviation of each. */
  readonly directions: readonly {readonly vector: Float64Array; readonly deviation: number}[]
}

/**
 * Fits at most `count` components to the training chains, absent cells at the mean, by power iteration with deflation
 * on the chains themselves. There can be no more than chains or cells.
 */
export const fitChainPca = (samples: readonly ChainSample[], count: number): ChainPca => {
  const mean = new Float64Array(GRID)
  const seen = new Float64Array(GRID)
  for (const {tensor} of samples) {
    for (let cell = 0; cell < GRID; cell++) {
      if (tensor.mask[cell] !== 1) continue
      seen[cell]!++
      mean[cell]! += tensor.cells[cell * CELLS]!
    }
  }
  for (let cell = 0; cell < GRID; cell++) mean[cell]! /= Math.max(1, seen[cell]!)
  const rows = samples.map(({tensor}) =>
    Float64Array.from(mean, (m, cell) => (tensor.mask[cell] === 1 ? tensor.cells[cell * CELLS]! - m : 0)),
  )
  const directions: {vector: Float64Array; deviation: number}[] = []
  const limit = Math.min(count, samples.length - 1, GRID)
  while (directions.length < limit) {
    const found = leading(rows, directions.length)
    if (found.deviation < 1e-6) break
    directions.push(found)
    for (const row of rows) {
      const along = dot(row, found.vector)
      for (let i = 0; i < GRID; i++) row[i]! -= along * found.vector[i]!
    }
  }
  return {mean, directions}
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

const leading = (rows: readonly Float64Array[], seed: number): {vector: Float64Array; deviation: number} => {
  let vector = Float64Array.from({length: GRID}, (_, i) => Math.sin(1 + i * (seed + 1)))
  let length = 0
  for (let turn = 0; turn < 60; turn++) {
    const next = new Float64Array(GRID)
    for (const row of rows) {
      const along = dot(row, vector)
      for (let i = 0; i < GRID; i++) next[i]! += along * row[i]!
    }
    length = Math.sqrt(dot(next, next))
    if (length === 0) break
    vector = next.map(value => value / length)
  }
  return {vector, deviation: Math.sqrt(length / rows.length)}
}

/** Cells from the shown ones: the most likely coefficients under the components' own variances (probabilistic PCA). */
export const pcaReconstruct = (
  {mean, directions}: ChainPca,
  {tensor}: ChainSample,
  hidden: Uint8Array,
): Float64Array => {
  const n = directions.length
  const shown: number[] = []
  for (let cell = 0; cell < GRID; cell++) if (tensor.mask[cell] === 1 && hidden[cell] === 0) shown.push(cell)
  const noise = 0.01 ** 2
  const a = directions.map(({vector, deviation}, i) => {
    const line = new Float64Array(n + 1)
    for (const cell of shown) {
      for (let j = 0; j < n; j++) line[j]! += vector[cell]! * directions[j]!.vector[cell]!
      line[n]! += vector[cell]! * (tensor.cells[cell * CELLS]! - mean[cell]!)
    }
    line[i]! += noise / deviation ** 2
    return line
  })
  const weights = n === 0 ? [] : solve(a)
  return Float64Array.from(
    mean,
    (m, cell) => m + directions.reduce((sum, {vector}, i) => sum + weights[i]! * vector[cell]!, 0),
  )
}
