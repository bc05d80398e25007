// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {createRng} from '../domain/rng.ts'

const SAMPLES = 512
const ROUNDS = 4

/**
 * About the `count` directions in which the vectors differ most: orthogonal iteration (Golub and Van Loan, Matrix
 * Computations, 8.2.4) on evenly spaced samples. Every axis is of unit length and at right angles to the others to float64
 * precision, or all zero where the vectors span fewer; how well they follow the principal ones is not promised.
 */
export const principalAxes = (vectors: readonly Float32Array[], count: number): Float64Array[] => {
  const dimension = vectors[0]?.length ?? 0
  const samples = Array.from({length: Math.min(SAMPLES, vectors.length)}, (_, i) => {
    return vectors[Math.floor((i * vectors.length) / Math.min(SAMPLES, vectors.length))]!
  })
  const mean = new Float64Array(dimension)
  for (const sample of samples) for (let j = 0; j < dimension; j++) mean[j]! += sample[j]! / samples.length
  const rng = createRng(1, 'principal-axes')
  let axes = Array.from({length: count}, () => Float64Array.from({length: dimension}, () => rng.normal()))
  orthonormalise(axes)
  for (let round = 0; round < ROUNDS; round++) {
    const next = axes.map(() => new Float64Array(dimension))
    for (const sample of samples) {
      for (const [a, axis] of axes.entries()) {
        let along = 0
        for (let j = 0; j < dimension; j++) along += axis[j]! * (sample[j]! - mean[j]!)
        const sum = next[a]!
        for (let j = 0; j < dimension; j++) sum[j]! += along * (sample[j]! - mean[j]!)
      }
    }
    axes = next
    orthonormalise(axes)
  }
  return axes
}

/** Modified Gram-Schmidt, each axis twice: once leaves what rounding left of nearly parallel ones. */
const orthonormalise = (axes: readonly Float64Array[]): void => {
  for (const [a, axis] of axes.entries()) {
    const before = norm(axis)
    for (let pass = 0; pass < 2; pass++) {
      for (let b = 0; b < a; b++) {
        const other = axes[b]!
        let along = 0
        for (let j = 0; j < axis.length; j++) along += axis[j]! * other[j]!
        for (let j = 0; j < axis.length; j++) axis[j]! -= along * other[j]!
      }
      const length = norm(axis)
      if (length <= 1e-9 * before || length === 0) axis.fill(0)
      else for (let j = 0; j < axis.length; j++) axis[j]! /= length
    }
  }
}

const norm = (vector: Float64Array): number => {
  let sum = 0
  for (let j = 0; j < vector.length; j++) sum += vector[j]! * vector[j]!
  return Math.sqrt(sum)
}
