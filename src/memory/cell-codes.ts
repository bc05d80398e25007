// Columns are indexed within their lengths, hence the `!`.
import type {Cell} from './cell.ts'
import type {Centroids} from './centroids.ts'
import {withRoom} from './key-column.ts'
import {PackedCodes} from './packed-codes.ts'
import {codedDimension, type ProductQuantiser, type QueryTable, trainQuantiser} from './product-quantiser.ts'

/** Residuals that the codes are trained on, at least where there are as many. */
const SAMPLES = 8_192

/**
 * Four-bit codes of what sets each vector apart from the centre of its cell, which lies `lengths` along the cell's
 * centroid: similarity ≈ length × (query · centroid) + the table's offset + scale × the sum of its entries.
 */
export class CellCodes {
  readonly #leaves: Centroids
  readonly lengths: Float32Array
  readonly #quantiser: ProductQuantiser
  readonly #packed: PackedCodes
  /** 1 where the packed codes are not those of the cell. */
  readonly #isStale: Uint8Array
  /** Two codes a byte, by key. */
  #codes: Uint8Array<ArrayBuffer> = new Uint8Array(0)

  constructor(leaves: Centroids, lengths: Float32Array, quantiser: ProductQuantiser) {
    this.#leaves = leaves
    this.lengths = lengths
    this.#quantiser = quantiser
    this.#packed = new PackedCodes(quantiser.parts, leaves.count)
    this.#isStale = new Uint8Array(leaves.count).fill(1)
  }

  get bytes(): number {
    return this.#codes.byteLength + this.#packed.bytes
  }
  get codebooks(): Float32Array {
    return this.#quantiser.codebooks
  }

  encode(key: number, vector: Float32Array, leaf: number): void {
    const {parts} = this.#quantiser
    const codes = new Uint8Array(parts)
    this.#quantiser.encode(residual(vector, this.#leaves.row(leaf), this.lengths[leaf]!), codes)
    const at = (key * parts) / 2
    this.#codes = withRoom(this.#codes, at + parts / 2)
    for (let pair = 0; pair < parts / 2; pair++) this.#codes[at + pair] = codes[2 * pair]! | (codes[2 * pair + 1]! << 4)
  }

  /** Prepares a query for scans. */
  ask(query: Float32Array): QueryTable {
    const table = this.#quantiser.table(query)
    this.#packed.table = table.entries
    return table
  }

  /** After the cell of this leaf was changed. */
  touch(leaf: number): void {
    this.#isStale[leaf] = 1
  }

  /** The codes of all cells, with those of this leaf's cell in its order. */
  packed(leaf: number, cell: Cell): PackedCodes {
    if (this.#isStale[leaf] === 1) {
      this.#packed.pack(leaf, cell.length, row => cell.key(row), this.#codes)
      this.#isStale[leaf] = 0
    }
    return this.#packed
  }

  /** The key at a place that `PackedCodes` gave. */
  key(place: number): number {
    return this.#packed.key(place)
  }
}

/** `leafOf` says whose cell a sample belongs to. */
export const trainCellCodes = (
  leaves: Centroids,
  samples: readonly Float32Array[],
  leafOf: (sample: Float32Array) => number,
): CellCodes => {
  const nearest = samples.map(leafOf)
  const [sums, counts] = [new Float64Array(leaves.count), new Int32Array(leaves.count)]
  for (const [i, leaf] of nearest.entries()) {
    sums[leaf]! += leaves.scores(samples[i]!, leaf, leaf + 1)[0]!
    counts[leaf]!++
  }
  const lengths = Float32Array.from(sums, (sum, leaf) => (counts[leaf] === 0 ? 0 : sum / counts[leaf]!))
  const step = Math.max(1, Math.floor(samples.length / SAMPLES))
  const residuals: Float32Array[] = []
  for (let i = 0; i < samples.length; i += step) {
    const leaf = nearest[i]!
    residuals.push(residual(samples[i]!, leaves.row(leaf), lengths[leaf]!))
  }
  return new CellCodes(leaves, lengths, trainQuantiser(residuals))
}

const residual = (vector: Float32Array, centroid: Float32Array, length: number): Float32Array => {
  const out = new Float32Array(codedDimension(vector.length))
  for (let i = 0; i < vector.length; i++) out[i] = vector[i]! - length * centroid[i]!
  return out
}
