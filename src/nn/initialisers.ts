// Matrices are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import {type Shape, sizeOf} from './shape.ts'

/** First values of a parameter: a pure function of its shape and a stream of random numbers. */
export type Initialiser = (shape: Shape, rng: Rng) => Float32Array

export const constantInit =
  (value: number): Initialiser =>
  shape =>
    new Float32Array(sizeOf(shape)).fill(value)

export const normalInit =
  (deviation: number): Initialiser =>
  (shape, rng) =>
    Float32Array.from({length: sizeOf(shape)}, () => deviation * rng.normal())

const uniformInit = (bound: number, shape: Shape, rng: Rng): Float32Array =>
  Float32Array.from({length: sizeOf(shape)}, () => bound * (2 * rng.uniform() - 1))

/** Glorot and Bengio 2010, uniform; fans are given because a shape alone does not tell them. */
export const glorotInit =
  (fanIn: number, fanOut: number): Initialiser =>
  (shape, rng) =>
    uniformInit(Math.sqrt(6 / (fanIn + fanOut)), shape, rng)

/** He et al. 2015, normal. */
export const heInit = (fanIn: number): Initialiser => normalInit(Math.sqrt(2 / fanIn))

/** Rows or columns orthonormal, times the gain (Saxe et al. 2014), by modified Gram-Schmidt in float64. */
export const orthogonalInit =
  (gain: number): Initialiser =>
  ([rows = 1, columns = 1], rng) => {
    const [long, short] = [Math.max(rows, columns), Math.min(rows, columns)]
    const basis: Float64Array[] = []
    while (basis.length < short) {
      const vector = Float64Array.from({length: long}, () => rng.normal())
      for (const other of basis) {
        const along = vector.reduce((sum, v, i) => sum + v * other[i]!, 0)
        for (let i = 0; i < long; i++) vector[i]! -= along * other[i]!
      }
      const norm = Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0))
      if (norm > 1e-6) basis.push(vector.map(v => v / norm))
    }
    return Float32Array.from({length: rows * columns}, (_, at) => {
      const [row, column] = [Math.floor(at / columns), at % columns]
      return gain * (rows >= columns ? basis[column]![row]! : basis[row]![column]!)
    })
  }
