// Numeric kernel: indices are in bounds by construction, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import {CodedRows} from './coded-rows.ts'
import {compileDotRows, type DotRows} from './dot-kernel.ts'
import {TopK} from './top-k.ts'
import {Wasm} from './web-assembly.ts'

const PAGE = 65_536

/** A fixed set of directions, and which of them a vector is nearest to. */
export class Centroids {
  readonly dimension: number
  readonly count: number
  readonly #stride: number
  readonly #scoresAt: number
  readonly #rowsAt: number
  readonly #dotRows: DotRows
  readonly #floats: Float32Array
  #coded: CodedRows | undefined
  #estimates = new Float32Array(0)

  /** (count, dimension) float32, each of unit length. */
  constructor(dimension: number, rows: Float32Array) {
    this.dimension = dimension
    this.count = rows.length / dimension
    this.#stride = Math.ceil(dimension / 16) * 16
    this.#scoresAt = this.#stride * 4
    this.#rowsAt = Math.ceil((this.#scoresAt + this.count * 4) / 64) * 64
    const pages = Math.ceil((this.#rowsAt + this.count * this.#stride * 4) / PAGE)
    const memory = new Wasm.Memory({initial: pages, maximum: pages})
    this.#dotRows = compileDotRows(memory, this.#stride)
    this.#floats = new Float32Array(memory.buffer)
    for (let i = 0; i < this.count; i++)
      this.#floats.set(rows.subarray(i * dimension, (i + 1) * dimension), this.#at(i))
  }

  get bytes(): number {
    return this.#floats.byteLength + (this.#coded?.bytes ?? 0)
  }

  row(i: number): Float32Array {
    return this.#floats.subarray(this.#at(i), this.#at(i) + this.dimension)
  }

  *rows(): Generator<Float32Array> {
    for (let i = 0; i < this.count; i++) yield this.row(i)
  }

  /** Similarity of the vector with centroids `start` up to `end`; valid until the next call. */
  scores(vector: Float32Array, start = 0, end = this.count): Float32Array {
    this.#floats.set(vector, 0)
    this.#dotRows(0, this.#at(start) * 4, end - start, this.#scoresAt)
    return this.#floats.subarray(this.#scoresAt / 4, this.#scoresAt / 4 + end - start)
  }

  /** The scores of all, from 8-bit codes: to 0.002 or so, in a quarter of the memory. Valid until the next call. */
  estimates(vector: Float32Array): Float32Array {
    if (this.#coded === undefined) {
      this.#coded = new CodedRows(this.dimension)
      this.#estimates = new Float32Array(this.count)
      for (let i = 0; i < this.count; i++) this.#coded.set(i, this.row(i))
    }
    this.#coded.estimate(vector, this.#estimates)
    return this.#estimates
  }

  /** The `count` nearest centroids, nearest first. */
  nearest(vector: Float32Array, count: number): number[] {
    const scores = this.scores(vector)
    const best = new TopK(Math.min(count, this.count))
    for (let i = 0; i < scores.length; i++) if (scores[i]! >= best.floor) best.offer(scores[i]!, i)
    return best.sorted().map(({key}) => key)
  }

  /** The index from `start` up to `end` of the nearest one. */
  nearestOf(vector: Float32Array, start = 0, end = this.count): {readonly at: number; readonly score: number} {
    const scores = this.scores(vector, start, end)
    let at = 0
    for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[at]!) at = i
    return {at: start + at, score: scores[at]!}
  }

  #at(i: number): number {
    return this.#rowsAt / 4 + i * this.#stride
  }
}

/**
 * Spherical k-means (Dhillon and Modha 2001) from `count` of the samples: a fixed number of rounds, and a centroid that
 * loses all its samples starts again at one of them. Fewer centroids come back where there are fewer samples.
 */
export const sphericalKMeans = (
  samples: readonly Float32Array[],
  {count, rounds, rng}: {readonly count: number; readonly rounds: number; readonly rng: Rng},
): Float32Array => {
  const dimension = samples[0]?.length ?? 0
  const found = Math.min(count, samples.length)
  const rows = new Float32Array(found * dimension)
  for (let i = 0; i < found; i++) rows.set(samples[Math.floor((i * samples.length) / found)]!, i * dimension)
  for (let round = 0; round < rounds; round++) {
    const centroids = new Centroids(dimension, rows)
    const sums = new Float64Array(rows.length)
    for (const sample of samples) {
      const from = centroids.nearestOf(sample).at * dimension
      for (let j = 0; j < dimension; j++) sums[from + j]! += sample[j]!
    }
    for (let i = 0; i < found; i++) {
      const sum = sums.subarray(i * dimension, (i + 1) * dimension)
      const norm = Math.sqrt(sum.reduce((total, value) => total + value * value, 0))
      if (norm > 1e-9) for (let j = 0; j < dimension; j++) rows[i * dimension + j] = sum[j]! / norm
      else rows.set(samples[rng.below(samples.length)]!, i * dimension)
    }
  }
  return rows
}
