// Cells are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import {DEVIATIONS, TENSOR_SHAPE} from '../options/chain-tensor.ts'
import {type ChainSample, retargeted} from './chain-sample.ts'
import type {EmbedderSpec} from './embedder.ts'
import {
  drawnSurface,
  mispricing,
  PRIOR_RANK,
  posteriorCoordinates,
  randomSurface,
  type SurfacePrior,
} from './surface-prior.ts'

const {rows: ROWS, columns: COLUMNS, cellFeatures: CELLS, rowFeatures: ROW_WIDTH} = TENSOR_SHAPE
const GRID = ROWS * COLUMNS

/** Cells to hide of one chain: 1 hides. Only cells that are there; never a row's at-the-money column. */
export const drawHidden = ({tensor}: ChainSample, share: number, rng: Rng): Uint8Array => {
  const hidden = new Uint8Array(GRID)
  for (let cell = 0; cell < GRID; cell++) {
    if (tensor.mask[cell] === 1 && cell % COLUMNS !== ANCHOR && rng.uniform() < share) hidden[cell] = 1
  }
  return hidden
}

export type EmbedderBatch = ReturnType<typeof allocateEmbedderBatch>

export const allocateEmbedderBatch = (size: number) => ({
  cells: new Float32Array(size * GRID * CELLS),
  mask: new Float32Array(size * GRID),
  rows: new Float32Array(size * ROWS * ROW_WIDTH),
  'row-mask': new Float32Array(size * ROWS),
  posterior: new Float32Array(size * PRIOR_RANK),
  'volatility-target': new Float32Array(size * GRID),
  'volatility-weight': new Float32Array(size * GRID),
  'sentiment-target': new Float32Array(size),
  'arbitrage-target': new Float32Array(size),
  'regime-target': new Float32Array(size * 3),
  'regime-weight': new Float32Array(size),
  weight: new Float32Array(size),
})

/**
 * Writes a sample with some cells hidden into slot `at`. The arbitrage target is that of the cells shown, which is what
 * the heads are asked of when they serve; the surface's is that of all.
 */
export const putSample = (
  batch: EmbedderBatch,
  at: number,
  sample: ChainSample,
  prior: SurfacePrior,
  hidden: Uint8Array,
): void => {
  const {tensor} = sample
  const coordinates = posteriorCoordinates(prior, tensor, hidden)
  batch.posterior.set(coordinates, at * PRIOR_RANK)
  batch['row-mask'].set(tensor.rowMask, at * ROWS)
  batch.rows.set(tensor.rows, at * ROWS * ROW_WIDTH)
  for (let cell = 0; cell < GRID; cell++) {
    const isShown = tensor.mask[cell] === 1 && hidden[cell] === 0
    batch.mask[at * GRID + cell] = isShown ? 1 : 0
    for (let f = 0; f < CELLS; f++) {
      batch.cells[(at * GRID + cell) * CELLS + f] = isShown ? tensor.cells[cell * CELLS + f]! : 0
    }
    batch['volatility-target'][at * GRID + cell] = tensor.cells[cell * CELLS]!
    batch['volatility-weight'][at * GRID + cell] = hidden[cell] === 1 ? 1 : isShown ? 0.2 : 0
  }
  batch['sentiment-target'][at] = sample.sentiment
  const isLabelled = sample.regime !== UNLABELLED
  batch['arbitrage-target'][at] = isLabelled ? mispricing(prior, tensor, hidden, coordinates) : 0
  batch['regime-target'].fill(0, 3 * at, 3 * at + 3)
  if (sample.regime >= 0) batch['regime-target'][3 * at + sample.regime] = 1
  batch['regime-weight'][at] = sample.regime >= 0 ? 1 : 0
  batch.weight[at] = 1
}

/**
 * The chain with another surface in place of its own, a random one or a draw from the prior: its expiries, gaps, spreads and
 * sizes stay. Quotes are off the surface by the noise that the spreads suggest.
 */
export const transplanted = (sample: ChainSample, prior: SurfacePrior, rng: Rng): ChainSample => {
  const surface = rng.uniform() < 0.5 ? randomSurface(rng) : drawnSurface(prior, rng)
  const cells = sample.tensor.cells.slice()
  for (let cell = 0; cell < GRID; cell++) {
    if (sample.tensor.mask[cell] !== 1 || cell % COLUMNS === ANCHOR) continue
    const noise = 0.003 + 0.2 * cells[cell * CELLS + 1]!
    cells[cell * CELLS] = surface[cell]! + noise * rng.normal()
  }
  return retargeted({...sample, tensor: {...sample.tensor, cells}})
}

/** The chain with its quotes off by more than they are: by one scale all over, and one expiry as a whole. */
export const roughened = (sample: ChainSample, rng: Rng): ChainSample => {
  const scale = 0.01 * Math.exp(0.8 * rng.normal())
  const row = rng.below(ROWS)
  const shift = scale * rng.normal()
  const cells = sample.tensor.cells.slice()
  for (let cell = 0; cell < GRID; cell++) {
    if (sample.tensor.mask[cell] !== 1 || cell % COLUMNS === ANCHOR) continue
    cells[cell * CELLS]! += scale * rng.normal() + (Math.floor(cell / COLUMNS) === row ? shift : 0)
  }
  return retargeted({...sample, tensor: {...sample.tensor, cells}})
}
const ANCHOR = DEVIATIONS.indexOf(0)

/** Regime of a sample that is only to be embedded: no targets are worked out for it. */
export const UNLABELLED = -2

/** Scales of the inputs, from the training chains alone. */
export const fitEmbedderScales = (
  samples: readonly ChainSample[],
): Pick<EmbedderSpec, 'cellScale' | 'rowMean' | 'rowScale'> => {
  const cellSquare = new Float64Array(CELLS)
  const rowSum = new Float64Array(ROW_WIDTH)
  const rowSquare = new Float64Array(ROW_WIDTH)
  let [cells, rows] = [0, 0]
  for (const {tensor} of samples) {
    for (let cell = 0; cell < GRID; cell++) {
      if (tensor.mask[cell] !== 1) continue
      cells++
      for (let f = 0; f < CELLS; f++) cellSquare[f]! += tensor.cells[cell * CELLS + f]! ** 2
    }
    for (let row = 0; row < ROWS; row++) {
      if (tensor.rowMask[row] !== 1) continue
      rows++
      for (let f = 0; f < ROW_WIDTH; f++) {
        rowSum[f]! += tensor.rows[row * ROW_WIDTH + f]!
        rowSquare[f]! += tensor.rows[row * ROW_WIDTH + f]! ** 2
      }
    }
  }
  const safe = (value: number): number => (value > 1e-4 ? value : 1)
  const rowMean = Array.from(rowSum, sum => sum / Math.max(1, rows))
  return {
    cellScale: Array.from(cellSquare, sum => safe(Math.sqrt(sum / Math.max(1, cells)))),
    rowMean,
    rowScale: Array.from(rowSquare, (sum, f) =>
      safe(Math.sqrt(Math.max(0, sum / Math.max(1, rows) - rowMean[f]! ** 2))),
    ),
  }
}

/** At-the-money volatility of a row, annual. */
export const rowVolatility = ({tensor}: ChainSample, row: number): number => Math.exp(tensor.rows[row * ROW_WIDTH]!)

/**
 * Each hidden cell's log volatility ratio from a parabola through the shown cells of its row (least squares in the
 * deviation, fewer terms where fewer cells are left): the smile refit that an embedding has to beat.
 */
export const refitSmiles = ({tensor}: ChainSample, hidden: Uint8Array): Float64Array => {
  const out = new Float64Array(GRID)
  for (let row = 0; row < ROWS; row++) {
    const points: [number, number][] = []
    for (let column = 0; column < COLUMNS; column++) {
      const cell = row * COLUMNS + column
      if (tensor.mask[cell] === 1 && hidden[cell] === 0) points.push([DEVIATIONS[column]!, tensor.cells[cell * CELLS]!])
    }
    const coefficients = polynomial(points, Math.min(2, points.length - 1))
    for (let column = 0; column < COLUMNS; column++) {
      out[row * COLUMNS + column] = coefficients.reduce((sum, c, power) => sum + c * DEVIATIONS[column]! ** power, 0)
    }
  }
  return out
}

const polynomial = (points: readonly (readonly [number, number])[], degree: number): number[] => {
  if (degree < 0) return [0]
  const n = degree + 1
  const a = Array.from({length: n}, (_, i) =>
    Float64Array.from({length: n + 1}, (_, j) =>
      points.reduce((sum, [x, y]) => sum + (j < n ? x ** (i + j) : y * x ** i), 0),
    ),
  )
  for (let i = 0; i < n; i++) a[i]![i]! += 1e-9
  return solve(a)
}

/** Gauss-Jordan with row pivots on an augmented matrix; small systems only. */
export const solve = (a: Float64Array[]): number[] => {
  const n = a.length
  for (let i = 0; i < n; i++) {
    let pivot = i
    for (let r = i + 1; r < n; r++) if (Math.abs(a[r]![i]!) > Math.abs(a[pivot]![i]!)) pivot = r
    ;[a[i], a[pivot]] = [a[pivot]!, a[i]!]
    for (let r = 0; r < n; r++) {
      if (r === i) continue
      const factor = a[r]![i]! / a[i]![i]!
      for (let c = i; c <= n; c++) a[r]![c]! -= factor * a[i]![c]!
    }
  }
  return a.map((line, i) => line[n]! / line[i]!)
}
