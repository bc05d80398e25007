// Matrices are indexed inside their bounds, hence the `!`.
import {EigenvalueDecomposition, Matrix} from 'ml-matrix'
import {createRng, type Rng} from '../domain/rng.ts'
import {CELL_FEATURES, type ChainTensor, DEVIATIONS, EXPIRY_DAYS, TENSOR_SHAPE} from '../options/chain-tensor.ts'
import type {ChainSample} from './chain-sample.ts'

const {rows: ROWS, columns: COLUMNS, cellFeatures: CELLS} = TENSOR_SHAPE
const GRID = ROWS * COLUMNS
const HALF_SPREAD = CELL_FEATURES.indexOf('halfSpread')

/** Directions of the prior that are kept: what is left out moves no cell by more than its quote's noise. */
export const PRIOR_RANK = 64

/**
 * What a log-volatility surface looks like before a quote is seen: a Gaussian with this mean and covariance
 * U·diag(variance)·Uᵀ + diag(remainder). Given some cells, the expectation of all others follows (kriging).
 */
export interface SurfacePrior {
  readonly mean: Float64Array
  /** Orthonormal, largest variance first: [GRID, PRIOR_RANK], row major. */
  readonly directions: Float64Array
  readonly variance: Float64Array
  /** Variance of each cell that the directions leave out. */
  readonly remainder: Float64Array
}

/** Deviation of a cell's log ratio about its true value: a floor, and half of its half-spread. */
const NOISE_FLOOR = 0.005
const NOISE_SPREAD = 0.5
const noiseOf = (tensor: ChainTensor, cell: number): number =>
  NOISE_FLOOR ** 2 + (NOISE_SPREAD * tensor.cells[cell * CELLS + HALF_SPREAD]!) ** 2

/**
 * Log volatility ratios of a random SSVI surface (J. Gatheral, A. Jacquier, "Arbitrage-free SVI volatility surfaces", 2014;
 * power-law φ) with wings raised at short expiries, as jumps raise them. The ranges are wide: they describe no market.
 */
export const randomSurface = (rng: Rng): Float64Array => {
  const rho = -0.95 + 1.2 * rng.uniform() * rng.uniform() + 0.15 * rng.uniform()
  const gamma = 0.2 + 0.45 * rng.uniform()
  const eta = 0.5 + 1.5 * rng.uniform()
  const volatility = 0.2 * Math.exp(0.5 * rng.normal())
  const jumps = rng.uniform() < 0.7 ? 0.015 * Math.exp(0.8 * rng.normal()) : 0
  const decay = 0.2 + 0.4 * rng.uniform()
  const out = new Float64Array(GRID)
  for (let row = 0; row < ROWS; row++) {
    const years = EXPIRY_DAYS[row]! / 365
    const theta = volatility * volatility * years
    const phi = eta * theta ** -gamma * (1 + theta) ** (gamma - 1)
    const wing = jumps * (12 * years) ** -decay
    for (let column = 0; column < COLUMNS; column++) {
      const deviation = DEVIATIONS[column]!
      const k = phi * deviation * Math.sqrt(theta)
      const ratio = 0.5 * (1 + rho * k + Math.sqrt((k + rho) ** 2 + 1 - rho * rho))
      out[row * COLUMNS + column] = 0.5 * Math.log(ratio) + wing * (Math.sqrt(deviation ** 2 + 0.5) - Math.SQRT1_2)
    }
  }
  return out
}

const SURFACES = 3000
/** Chains that the moments of random surfaces and the smoothness term count for. */
const PRIOR_WEIGHT = 3
const ROUNDS = 2

/**
 * Moments of random surfaces plus smooth deviations from them, then two rounds of expectation–maximisation on the training
 * chains (absent cells at their conditional mean). A symbol's day counts once, however often it was seen that day, and by
 * the expiries it has.
 */
export const fitSurfacePrior = (samples: readonly ChainSample[], seed: number): SurfacePrior => {
  const base = startingMoments(createRng(seed, 'surfaces'))
  const days = new Map<string, number>()
  const dayOf = ({symbol, tsUs}: ChainSample): string => `${symbol}/${Math.floor(tsUs / 86_400_000_000)}`
  for (const sample of samples) days.set(dayOf(sample), (days.get(dayOf(sample)) ?? 0) + 1)
  const weights = samples.map(
    sample => sample.tensor.rowMask.reduce((sum, row) => sum + row, 0) / ROWS / days.get(dayOf(sample))!,
  )
  const total = PRIOR_WEIGHT + weights.reduce((sum, weight) => sum + weight, 0)
  let prior = decompose(base.mean, base.covariance)
  for (let round = 0; round < ROUNDS; round++) {
    const filled = samples.map(({tensor}) => completed(prior, tensor))
    const mean = base.mean.map(value => PRIOR_WEIGHT * value)
    for (const [s, surface] of filled.entries()) for (let i = 0; i < GRID; i++) mean[i]! += weights[s]! * surface[i]!
    for (let i = 0; i < GRID; i++) mean[i]! /= total
    const covariance = base.covariance.map(line => line.map(value => PRIOR_WEIGHT * value))
    for (const [s, surface] of filled.entries()) {
      for (let i = 0; i < GRID; i++) {
        const along = weights[s]! * (surface[i]! - mean[i]!)
        for (let j = 0; j < GRID; j++) covariance[i]![j]! += along * (surface[j]! - mean[j]!)
      }
    }
    prior = decompose(
      mean,
      covariance.map(line => line.map(value => value / total)),
    )
  }
  return prior
}

/** The expected surface, with what the directions leave out where a cell was seen. */
const completed = (prior: SurfacePrior, tensor: ChainTensor): Float64Array => {
  const surface = surfaceAt(prior, posteriorCoordinates(prior, tensor, NONE))
  return surface.map((value, cell) => {
    if (tensor.mask[cell] !== 1) return value
    const left = prior.remainder[cell]!
    return value + (left / (left + noiseOf(tensor, cell))) * (tensor.cells[cell * CELLS]! - value)
  })
}

/** Smoothness of what SSVI leaves out: deviation growing with moneyness, correlated over a column and ln 2 in expiry. */
const SMOOTH = 0.03
const SMOOTH_EXPIRY = 0.7

const startingMoments = (rng: Rng) => {
  const surfaces = Array.from({length: SURFACES}, () => randomSurface(rng))
  const mean = new Float64Array(GRID)
  for (const surface of surfaces) for (let i = 0; i < GRID; i++) mean[i]! += surface[i]! / SURFACES
  const covariance = Array.from({length: GRID}, (_, i) =>
    Float64Array.from({length: GRID}, (_, j) => {
      const [a, b] = [DEVIATIONS[i % COLUMNS]!, DEVIATIONS[j % COLUMNS]!]
      const days = EXPIRY_DAYS[Math.floor(i / COLUMNS)]! / EXPIRY_DAYS[Math.floor(j / COLUMNS)]!
      const distance = (a - b) ** 2 + (Math.log(days) / SMOOTH_EXPIRY) ** 2
      return SMOOTH ** 2 * (0.1 + Math.abs(a * b)) * Math.exp(-0.5 * distance)
    }),
  )
  for (const surface of surfaces) {
    for (let i = 0; i < GRID; i++) {
      const along = (surface[i]! - mean[i]!) / SURFACES
      for (let j = 0; j < GRID; j++) covariance[i]![j]! += along * (surface[j]! - mean[j]!)
    }
  }
  return {mean, covariance}
}

const decompose = (mean: Float64Array, covariance: readonly Float64Array[]): SurfacePrior => {
  const {realEigenvalues, eigenvectorMatrix} = new EigenvalueDecomposition(
    new Matrix(covariance.map(line => Array.from(line))),
    {assumeSymmetric: true},
  )
  const order = realEigenvalues
    .map((value, at) => ({value, at}))
    .sort((a, b) => b.value - a.value)
    .slice(0, PRIOR_RANK)
  const directions = new Float64Array(GRID * PRIOR_RANK)
  const remainder = new Float64Array(GRID)
  for (let i = 0; i < GRID; i++) {
    let left = covariance[i]![i]!
    for (const [j, {value, at}] of order.entries()) {
      const u = eigenvectorMatrix.get(i, at)
      directions[i * PRIOR_RANK + j] = u
      left -= value * u * u
    }
    remainder[i] = Math.max(left, 0)
  }
  return {mean, directions, variance: Float64Array.from(order, ({value}) => Math.max(value, 1e-12)), remainder}
}

/** Expected coordinates of a chain's surface given the cells that are there and not hidden: one Cholesky solution. */
export const posteriorCoordinates = (
  {mean, directions, variance, remainder}: SurfacePrior,
  tensor: ChainTensor,
  hidden: ArrayLike<number>,
): Float64Array => {
  const n = PRIOR_RANK
  const a = new Float64Array(n * n)
  const b = new Float64Array(n)
  for (let i = 0; i < n; i++) a[i * n + i] = 1 / variance[i]!
  for (let cell = 0; cell < GRID; cell++) {
    if (tensor.mask[cell] !== 1 || hidden[cell] === 1) continue
    const precision = 1 / (noiseOf(tensor, cell) + remainder[cell]!)
    const pull = precision * (tensor.cells[cell * CELLS]! - mean[cell]!)
    const at = cell * n
    for (let i = 0; i < n; i++) {
      const u = directions[at + i]!
      b[i]! += pull * u
      const scaled = precision * u
      const line = i * n
      for (let j = 0; j <= i; j++) a[line + j] = a[line + j]! + scaled * directions[at + j]!
    }
  }
  return solvePositive(a, b)
}

/** Solves a·x = b in place for a symmetric positive definite a, of which the lower triangle is read. */
const solvePositive = (a: Float64Array, b: Float64Array): Float64Array => {
  const n = b.length
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!
      for (let k = 0; k < j; k++) sum -= a[i * n + k]! * a[j * n + k]!
      a[i * n + j] = i === j ? Math.sqrt(sum) : sum / a[j * n + j]!
    }
  }
  for (let i = 0; i < n; i++) {
    let sum = b[i]!
    for (let k = 0; k < i; k++) sum -= a[i * n + k]! * b[k]!
    b[i] = sum / a[i * n + i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i]!
    for (let k = i + 1; k < n; k++) sum -= a[k * n + i]! * b[k]!
    b[i] = sum / a[i * n + i]!
  }
  return b
}

/** Log volatility ratios at coordinates. */
export const surfaceAt = ({mean, directions}: SurfacePrior, coordinates: Float64Array): Float64Array => {
  const out = mean.slice()
  for (let cell = 0; cell < GRID; cell++)
    for (let j = 0; j < PRIOR_RANK; j++) out[cell]! += directions[cell * PRIOR_RANK + j]! * coordinates[j]!
  return out
}

/**
 * How far a chain's quotes are off the surface that they themselves suggest: 0 for none, 0.63 at a root mean square of a
 * hundredth of the volatility, towards 1. What is off is cheap or dear against its neighbours; whether that can be traded
 * after costs is for `findViolations` to say. Hidden cells (1 hides) count as absent: fewer quotes are nearer to a surface,
 * so the score of a chain is not that of a part of it. `coordinates`: the posterior of the same cells where it is at hand.
 */
export const mispricing = (
  prior: SurfacePrior,
  tensor: ChainTensor,
  hidden: ArrayLike<number> = NONE,
  coordinates = posteriorCoordinates(prior, tensor, hidden),
): number => {
  const surface = surfaceAt(prior, coordinates)
  let [square, count] = [0, 0]
  for (let cell = 0; cell < GRID; cell++) {
    if (tensor.mask[cell] !== 1 || hidden[cell] === 1) continue
    square += (tensor.cells[cell * CELLS]! - surface[cell]!) ** 2
    count++
  }
  return 1 - Math.exp(-100 * Math.sqrt(square / Math.max(1, count)))
}
const NONE = new Uint8Array(GRID)

/** A surface drawn from the prior. */
export const drawnSurface = (prior: SurfacePrior, rng: Rng): Float64Array => {
  const surface = surfaceAt(
    prior,
    prior.variance.map(variance => Math.sqrt(variance) * rng.normal()),
  )
  return surface.map((value, cell) => value + Math.sqrt(prior.remainder[cell]!) * rng.normal())
}

/** As text for a model file's metadata: float32, base64. */
export const encodePrior = ({mean, directions, variance, remainder}: SurfacePrior): string =>
  Buffer.from(Float32Array.from([...mean, ...directions, ...variance, ...remainder]).buffer).toString('base64')

/** Throws RangeError when the text is of another length. */
export const decodePrior = (text: string): SurfacePrior => {
  const bytes = Buffer.from(text, 'base64')
  const expected = 4 * (2 * GRID + (GRID + 1) * PRIOR_RANK)
  if (bytes.length !== expected) throw new RangeError(`a prior takes ${expected} bytes, was ${bytes.length}`)
  const values = Float64Array.from({length: expected / 4}, (_, i) => bytes.readFloatLE(4 * i))
  const split = GRID + GRID * PRIOR_RANK
  return {
    mean: values.slice(0, GRID),
    directions: values.slice(GRID, split),
    variance: values.slice(split, split + PRIOR_RANK),
    remainder: values.slice(split + PRIOR_RANK),
  }
}
