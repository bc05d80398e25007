// Columns are indexed within their lengths, hence the `!`.
import {createRng} from '../domain/rng.ts'
import {CandidatePool} from './candidate-pool.ts'
import {Cell} from './cell.ts'
import {CellCodes, trainCellCodes} from './cell-codes.ts'
import {Centroids, sphericalKMeans} from './centroids.ts'
import {withRoom} from './key-column.ts'
import {NearestFirst} from './nearest-first.ts'
import {ROWS_AT_ONCE} from './packed-codes.ts'
import {codebookLength, ProductQuantiser} from './product-quantiser.ts'
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
/**
 * Cells for n vectors when they are trained: many small ones lie closer around a query than few large ones, until ranking
 * them costs what they save. They have room to grow: they are trained again when there are GROWTH times as many vectors.
 */
const cellsFor = (vectors: number): number =>
  2 ** Math.max(0, Math.round(Math.log2(Math.min(vectors / 80, 6 * Math.sqrt(vectors)))))
/** Trained again when the vectors are this many times as many as before. */
const GROWTH = 4
/** Vectors looked at for each neighbour wanted, at least. */
const PER_NEIGHBOUR = 16
/** Numbers at the head of a snapshot. */
const HEAD = 4
const NONE = -1
/** Both ways: below NONE is the cell of a key that waits. */
const waiting = (cell: number): number => -2 - cell

/**
 * A scope that holds a share of all vectors is looked at until `budget` × share^NARROWING of them were seen: its nearest lie
 * further apart, so it takes a larger part of fewer.
 */
const NARROWING = 0.85
/** Of a sum of 16 bits with a sign. */
const MOST = 32_767
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
  /** Keys of each cell: a search passes hundreds of cells, and to fetch each one for this would cost as much as its codes. */
  #sizes = new Int32Array(0)
  /** Cell of every key, NONE, or `waiting` of one that came back by `load` and has not been given its place. */
  #cellOf: Int32Array<ArrayBuffer> = new Int32Array(1024).fill(NONE)
  #waiting = 0
  #trainedFor = 0
  #codes: CellCodes | undefined
  #nearest = new NearestFirst(0)
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
    else this.#delete(key, cell)
    this.#cellOf[key] = NONE
  }

  /** After the key was given its place, or another one. */
  move(key: number): void {
    const cell = this.#cellOf[key] ?? NONE
    if (cell === NONE) return
    if (cell < NONE) this.#waiting--
    else this.#delete(key, cell)
    this.#put(key, cell < NONE ? waiting(cell) : cell)
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
    const scores = this.#leaves.estimates(query)
    const order = this.#nearest.order(scores)
    const pool = new CandidatePool(Math.max(this.#options.candidates, PER_NEIGHBOUR * k))
    const scan = this.#rows.scan(query, k)
    const look = {limit, wanted, accept, scale, pool, scan}
    for (let [seen, at] = [0, 0]; at < order.length && seen < budget; at++) {
      const leaf = order[at]!
      if (this.#sizes[leaf] === 0) continue
      seen += this.#look(leaf, this.#codes.lengths[leaf]! * scores[leaf]! + offset, look)
    }
    pool.shrink()
    for (let i = 0; i < pool.length; i++) pool.keys[i] = this.#codes.key(pool.keys[i]!)
    scan.offer(pool.keys, pool.length)
    return scan.best()
  }

  /** Puts the vectors of a cell that may be near into the pool; returns how many were in the scope. */
  #look(leaf: number, base: number, {limit, wanted, accept, scale, pool, scan}: Look): number {
    const [cell, size] = [this.#cells[leaf]!, this.#sizes[leaf]!]
    const count = limit === undefined ? size : cell.count(limit, wanted)
    if (count === 0) return 0
    if (limit !== undefined && count * PACKED_GAIN < size) {
      this.#found = withRoom(this.#found, size)
      const places = cell.places(this.#found, limit, wanted)
      scan.offer(this.#found, cell.keysAt(this.#found, places, accept))
      return count
    }
    const packed = this.#codes!.packed(leaf, cell)
    const start = packed.place(leaf)
    for (let first = 0; first < size; first += ROWS_AT_ONCE) {
      // A row is worth a look when its sum reaches what the threshold leaves for it; the scope is asked of few.
      const least = Math.ceil((pool.threshold - base) / scale)
      const passing = packed.scan(leaf, first, Math.max(-1, Math.min(least - 1, MOST)))
      const [sums, rows] = [packed.sums, packed.passing]
      for (let i = 0; i < passing; i++) {
        const row = first + rows[i]!
        if (row >= size) break
        const estimate = base + scale * sums[rows[i]!]!
        if (estimate < pool.threshold || (limit !== undefined && !cell.has(row, limit))) continue
        if (accept === undefined || accept(packed.key(start + row))) pool.push(start + row, estimate)
      }
    }
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
    const pairs = codebooks + codebookLength(dimension)
    if (keys !== this.#rows.size || ints.length !== pairs + 2 * keys)
      throw new RangeError('the cells are of other rows')
    this.#trainedFor = trainedFor
    this.#firstLeaf = [...ints.subarray(HEAD, centroids)]
    this.#branches = new Centroids(dimension, floats.subarray(centroids, leavesAt))
    this.#leaves = new Centroids(dimension, floats.subarray(leavesAt, lengths))
    const quantiser = new ProductQuantiser(floats.slice(codebooks, pairs))
    this.#codes = new CellCodes(this.#leaves, floats.slice(lengths, codebooks), quantiser)
    this.#openCells(leaves)
    for (let at = pairs; at < ints.length; at += 2) {
      const [key, cell] = [ints[at]!, ints[at + 1]!]
      if (!this.#rows.has(key) || cell < 0 || cell >= leaves) throw new RangeError('the cells are of other rows')
      this.#cellOf = withRoom(this.#cellOf, key + 1, NONE)
      this.#cellOf[key] = waiting(cell)
      this.#codes.encode(key, this.#rows.vector(key), cell)
    }
    this.#waiting = keys
  }

  #openCells(count: number): void {
    this.#cells = Array.from({length: count}, () => new Cell())
    this.#sizes = new Int32Array(count)
    this.#nearest = new NearestFirst(count)
  }

  #settle(): void {
    if (this.#waiting === 0) return
    for (const key of this.#rows.keys()) if (this.#cellOf[key]! < NONE) this.move(key)
  }

  #train(): void {
    const keys = [...this.#rows.keys()]
    this.#trainedFor = keys.length
    const leaves = cellsFor(keys.length)
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
    this.#openCells(total)
    this.#cellOf.fill(NONE)
    this.#waiting = 0
    for (const key of keys) this.#insert(key, this.#rows.vector(key))
    this.#rows.reorder(this.#cells.flatMap(cell => cell.keys()))
  }

  #insert(key: number, vector: Float32Array): void {
    const cell = this.#nearestLeaf(vector)
    this.#codes!.encode(key, vector, cell)
    this.#cellOf = withRoom(this.#cellOf, key + 1, NONE)
    this.#put(key, cell)
  }

  #put(key: number, cell: number): void {
    this.#cellOf[key] = cell
    this.#cells[cell]!.insert(key, this.#rows.placeOf(key))
    this.#sizes[cell]!++
    this.#codes!.touch(cell)
  }

  #delete(key: number, cell: number): void {
    this.#cells[cell]!.delete(key)
    this.#sizes[cell]!--
    this.#codes!.touch(cell)
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
  readonly scale: number
  readonly pool: CandidatePool
  readonly scan: RankedScan
}

const partitionList = (partitions: Uint8Array): Int32Array => {
  const list = new Int32Array(partitions.length)
  let count = 0
  for (let p = 0; p < partitions.length; p++) if (partitions[p] === 1) list[count++] = p
  return list.subarray(0, count)
}
