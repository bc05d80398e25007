// Columns are indexed within their lengths, hence the `!`.
import {createRng} from '../domain/rng.ts'
import {CandidatePool} from './candidate-pool.ts'
import {Cell} from './cell.ts'
import {CellCodes, trainCellCodes} from './cell-codes.ts'
import {Centroids, sphericalKMeans} from './centroids.ts'
import {withRoom} from './key-column.ts'
import {ProductQuantiser} from './product-quantiser.ts'
import {TopK} from './top-k.ts'
import type {Accept, Neighbour, RankedScan, Scope, ScoringIndex} from './vector-index.ts'

export interface CellOptions {
  /** Below this many vectors there are no cells: everything is scanned. */
  readonly trainAt: number
  /** Vectors that a search without a scope looks at before it stops. */
  readonly budget: number
  /** Of those, how many with the best coded similarity are ranked by their true one. */
  readonly candidates: number
}

/** Vectors a centroid is trained on, and rounds of k-means. */
const [PER_CENTROID, ROUNDS] = [24, 8]
/** Branches of the first level that a vector is looked for in. */
const BEAM = 4
/** Cells asked for at a time, nearest first. */
const AHEAD = 64
/** Trained again when the vectors are this many times as many as before. */
const GROWTH = 4
/** Vectors looked at for each neighbour wanted, at least. */
const PER_NEIGHBOUR = 16
/** Numbers at the head of a snapshot. */
const HEAD = 4
const NONE = -1
/** Numbers in the codebooks for each dimension. */
const CODES_PER_PART = 16
/** Both ways: below NONE is the cell of a key that waits. */
const waiting = (cell: number): number => -2 - cell

/**
 * A scope that holds a share of all vectors is looked at until `budget` × share^NARROWING of them were seen: its nearest lie
 * further apart, so it takes a larger part of fewer.
 */
const NARROWING = 0.85
/** A vector read one by one takes as long as this many in a packed row. */
const PACKED_GAIN = 24

/**
 * The second and third level of the hierarchy: coarse centroids (a tree of two levels), and under each a cell that keeps
 * its keys by partition. A search visits cells in order of their centroid's similarity and counts only keys of its scope; a
 * narrower scope therefore reaches further cells, wherever its vectors lie, and a filter does not cost recall. Within a
 * cell, vectors are compared by four-bit codes of what sets them apart from the cell's centre (32 bytes for a vector of 256;
 * "IVFPQ", Jégou, Douze and Schmid 2011), and the best of all by their true similarity.
 */
export class Cells {
  readonly #rows: ScoringIndex
  readonly #options: CellOptions
  #branches: Centroids | undefined
  /** First leaf of each branch, and the end. */
  #firstLeaf: number[] = []
  #leaves: Centroids | undefined
  #cells: Cell[] = []
  /** Cell of every key, NONE, or `waiting` of one that came back by `load` and has not been given its place. */
  #cellOf: Int32Array<ArrayBuffer> = new Int32Array(1024).fill(NONE)
  #waiting = 0
  #trainedFor = 0
  #codes: CellCodes | undefined
  #found: Int32Array<ArrayBuffer> = new Int32Array(4096)

  constructor(rows: ScoringIndex, options: CellOptions) {
    this.#rows = rows
    this.#options = options
  }

  get bytes(): number {
    const centroids = (this.#branches?.bytes ?? 0) + (this.#leaves?.bytes ?? 0)
    return (
      centroids +
      (this.#codes?.bytes ?? 0) +
      this.#cellOf.byteLength +
      this.#cells.reduce((sum, cell) => sum + cell.bytes, 0)
    )
  }

  get isTrained(): boolean {
    return this.#leaves !== undefined
  }

  /** After the key was added to the rows. */
  add(key: number): void {
    this.remove(key)
    if (this.#rows.size >= Math.max(this.#options.trainAt, GROWTH * this.#trainedFor)) this.#train()
    else if (this.#leaves !== undefined) this.#insert(key, this.#rows.vector(key))
  }

  remove(key: number): void {
    const cell = this.#cellOf[key] ?? NONE
    if (cell === NONE) return
    if (cell < NONE) this.#waiting--
    else this.#cells[cell]!.delete(key)
    this.#cellOf[key] = NONE
  }

  /** After the key was given its place, or another one. */
  move(key: number): void {
    const cell = this.#cellOf[key] ?? NONE
    if (cell === NONE) return
    if (cell < NONE) this.#waiting--
    else this.#cells[cell]!.delete(key)
    this.#cellOf[key] = cell < NONE ? waiting(cell) : cell
    this.#cells[this.#cellOf[key]!]!.insert(key, this.#rows.placeOf(key))
  }

  /** Undefined before there are cells. Fewer than `k` where fewer are in the scope and accepted. */
  search(
    query: Float32Array,
    k: number,
    scope: Scope | undefined,
    accept?: Accept,
    least = this.#options.budget,
  ): Neighbour[] | undefined {
    if (this.#leaves === undefined || this.#codes === undefined) return undefined
    this.#settle()
    const inScope = scope === undefined ? this.#rows.size : this.#rows.count(scope)
    const limit = inScope === this.#rows.size ? undefined : scope
    const budget = Math.max(least * (inScope / this.#rows.size) ** NARROWING, PER_NEIGHBOUR * k)
    const wanted = limit?.partitions === undefined ? undefined : partitionList(limit.partitions)
    const {offset, scale} = this.#codes.ask(query)
    const scores = this.#leaves.scores(query).slice()
    const pool = new CandidatePool(Math.max(this.#options.candidates, PER_NEIGHBOUR * k))
    const scan = this.#rows.scan(query, k)
    let [seen, order] = [0, nearestOf(scores, AHEAD)]
    for (let at = 0; at < this.#cells.length && seen < budget; at++) {
      // Most searches end within the first few cells; ordering all of them would cost more than reading those.
      if (at === order.length) order = nearestOf(scores, order.length * 8)
      const [cell, leaf] = [this.#cells[order[at]!]!, order[at]!]
      if (cell.length === 0) continue
      const base = this.#codes.lengths[leaf]! * scores[leaf]! + offset
      seen += this.#look(cell, {limit, wanted, accept, base, scale, pool, scan})
    }
    pool.shrink()
    scan.offer(pool.keys, pool.length)
    return scan.best()
  }

  /** Puts the vectors of a cell that may be near into the pool; returns how many were in the scope. */
  #look(cell: Cell, {limit, wanted, accept, base, scale, pool, scan}: Look): number {
    const count = limit === undefined ? cell.length : cell.count(limit, wanted)
    if (count === 0) return 0
    if (limit !== undefined && count * PACKED_GAIN < cell.length) {
      this.#found = withRoom(this.#found, cell.length)
      const places = cell.places(this.#found, limit, wanted)
      scan.offer(this.#found, cell.keysAt(this.#found, places, accept))
      return count
    }
    this.#codes!.sums(cell, (sums, first) => {
      // A row is worth a look when its sum reaches what the threshold leaves for it; the scope is asked of few.
      let least = (pool.threshold - base) / scale
      for (let row = 0; row < sums.length; row++) {
        if (sums[row]! < least || (limit !== undefined && !cell.has(first + row, limit))) continue
        const key = cell.key(first + row)
        if (accept === undefined || accept(key)) pool.push(key, base + scale * sums[row]!)
        least = (pool.threshold - base) / scale
      }
    })
    return count
  }

  /**
   * [branches, leaves, trained for, keys; first leaf of each branch; centroids; lengths; codebooks; key, cell …], int32 and
   * float32. The packed codes follow from them.
   */
  snapshot(): Uint8Array {
    const [branches, leaves, codes] = [this.#branches, this.#leaves, this.#codes]
    if (leaves === undefined || branches === undefined || codes === undefined) return new Uint8Array(0)
    const {dimension} = this.#rows
    const keys = [...this.#rows.keys()]
    const centroids = HEAD + branches.count + 1
    const lengths = centroids + (branches.count + leaves.count) * dimension
    const pairs = lengths + leaves.count + codes.codebooks.length
    const ints = new Int32Array(pairs + 2 * keys.length)
    const floats = new Float32Array(ints.buffer)
    ints.set([branches.count, leaves.count, this.#trainedFor, keys.length, ...this.#firstLeaf])
    for (const [i, row] of [...branches.rows(), ...leaves.rows()].entries()) floats.set(row, centroids + i * dimension)
    floats.set(codes.lengths, lengths)
    floats.set(codes.codebooks, lengths + leaves.count)
    for (const [i, key] of keys.entries()) {
      const cell = this.#cellOf[key]!
      ints.set([key, cell < NONE ? waiting(cell) : cell], pairs + 2 * i)
    }
    return new Uint8Array(ints.buffer)
  }

  /** Into empty cells whose rows are there. Throws RangeError for bytes that are not of these rows. */
  load(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return
    const ints = new Int32Array(Uint8Array.from(bytes).buffer)
    const floats = new Float32Array(ints.buffer)
    const [branches = 0, leaves = 0, trainedFor = 0, keys = -1] = ints
    const dimension = this.#rows.dimension
    const centroids = HEAD + branches + 1
    const leavesAt = centroids + branches * dimension
    const lengths = leavesAt + leaves * dimension
    const codebooks = lengths + leaves
    const pairs = codebooks + Math.ceil(dimension / 16) * 16 * CODES_PER_PART
    if (keys !== this.#rows.size || ints.length !== pairs + 2 * keys)
      throw new RangeError('the cells are of other rows')
    this.#trainedFor = trainedFor
    this.#firstLeaf = [...ints.subarray(HEAD, centroids)]
    this.#branches = new Centroids(dimension, floats.subarray(centroids, leavesAt))
    this.#leaves = new Centroids(dimension, floats.subarray(leavesAt, lengths))
    const quantiser = new ProductQuantiser(floats.slice(codebooks, pairs))
    this.#codes = new CellCodes(this.#leaves, floats.slice(lengths, codebooks), quantiser)
    this.#cells = Array.from({length: leaves}, () => new Cell())
    for (let at = pairs; at < ints.length; at += 2) {
      const [key, cell] = [ints[at]!, ints[at + 1]!]
      if (!this.#rows.has(key) || cell < 0 || cell >= leaves) throw new RangeError('the cells are of other rows')
      this.#cellOf = withRoom(this.#cellOf, key + 1, NONE)
      this.#cellOf[key] = waiting(cell)
      this.#codes.encode(key, this.#rows.vector(key), cell)
    }
    this.#waiting = keys
  }

  #settle(): void {
    if (this.#waiting === 0) return
    for (const key of this.#rows.keys()) if (this.#cellOf[key]! < NONE) this.move(key)
  }

  #train(): void {
    const keys = [...this.#rows.keys()]
    this.#trainedFor = keys.length
    const leaves = 2 ** Math.round(Math.log2(Math.sqrt(keys.length)))
    const fanOut = 2 ** Math.ceil(Math.log2(leaves) / 2)
    const rng = createRng(keys.length, 'cells')
    const step = Math.max(1, keys.length / (leaves * PER_CENTROID))
    const samples: Float32Array[] = []
    for (let at = 0; at < keys.length; at += step) samples.push(this.#rows.vector(keys[Math.floor(at)]!).slice())
    const options = {rounds: ROUNDS, rng}
    const dimension = this.#rows.dimension
    this.#branches = new Centroids(dimension, sphericalKMeans(samples, {...options, count: fanOut}))
    const members = Array.from({length: this.#branches.count}, (): Float32Array[] => [])
    for (const sample of samples) members[this.#branches.nearestOf(sample).at]!.push(sample)
    this.#firstLeaf = [0]
    let total = 0
    const parts: Float32Array[] = []
    for (const group of members) {
      // A branch gets leaves by its share of the samples, so that cells come out about equally large.
      const count = Math.max(1, Math.round((group.length / samples.length) * leaves))
      const part = group.length === 0 ? new Float32Array(0) : sphericalKMeans(group, {...options, count})
      parts.push(part)
      total += part.length / dimension
      this.#firstLeaf.push(total)
    }
    const flat = new Float32Array(total * dimension)
    let at = 0
    for (const part of parts) {
      flat.set(part, at)
      at += part.length
    }
    this.#leaves = new Centroids(dimension, flat)
    this.#codes = trainCellCodes(this.#leaves, samples, sample => this.#nearestLeaf(sample))
    this.#cells = Array.from({length: total}, () => new Cell())
    this.#cellOf.fill(NONE)
    this.#waiting = 0
    for (const key of keys) this.#insert(key, this.#rows.vector(key))
    this.#rows.reorder(this.#cells.flatMap(cell => cell.keys()))
  }

  #insert(key: number, vector: Float32Array): void {
    const cell = this.#nearestLeaf(vector)
    this.#codes!.encode(key, vector, cell)
    this.#cellOf = withRoom(this.#cellOf, key + 1, NONE)
    this.#cellOf[key] = cell
    this.#cells[cell]!.insert(key, this.#rows.placeOf(key))
  }

  #nearestLeaf(vector: Float32Array): number {
    let [best, bestScore] = [0, Number.NEGATIVE_INFINITY]
    for (const branch of this.#branches!.nearest(vector, BEAM)) {
      const [start, end] = [this.#firstLeaf[branch]!, this.#firstLeaf[branch + 1]!]
      if (start === end) continue
      const {at, score} = this.#leaves!.nearestOf(vector, start, end)
      if (score > bestScore) [best, bestScore] = [at, score]
    }
    return best
  }
}

interface Look {
  /** The scope, where it leaves anything out. */
  readonly limit: Scope | undefined
  readonly wanted: Int32Array | undefined
  readonly accept: Accept | undefined
  readonly base: number
  readonly scale: number
  readonly pool: CandidatePool
  readonly scan: RankedScan
}

const nearestOf = (scores: Float32Array, count: number): number[] => {
  const best = new TopK(Math.min(count, scores.length))
  for (let i = 0; i < scores.length; i++) if (scores[i]! >= best.floor) best.offer(scores[i]!, i)
  return best.sorted().map(({key}) => key)
}

const partitionList = (partitions: Uint8Array): Int32Array => {
  const list = new Int32Array(partitions.length)
  let count = 0
  for (let p = 0; p < partitions.length; p++) if (partitions[p] === 1) list[count++] = p
  return list.subarray(0, count)
}
