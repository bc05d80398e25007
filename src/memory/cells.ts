// Columns are indexed within their lengths, hence the `!`.
import {createRng} from '../domain/rng.ts'
import {Centroids, sphericalKMeans} from './centroids.ts'
import {withRoom} from './key-column.ts'
import type {Accept, Neighbour, Place, Scope, ScoringIndex} from './vector-index.ts'

export interface CellOptions {
  /** Below this many vectors there are no cells: everything is scanned. */
  readonly trainAt: number
  /** Vectors in the scope that a search looks at before it stops; the filter does not change the number. */
  readonly budget: number
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
/** Both ways: below NONE is the cell of a key that waits. */
const waiting = (cell: number): number => -2 - cell

/**
 * The second and third level of the hierarchy: coarse centroids (a tree of two levels), and under each a cell that keeps
 * its keys by partition. A search visits cells in order of their centroid's similarity and looks only at the keys of its
 * scope, until it has seen `budget` of them. A narrower scope therefore reaches further cells for the same work, and one
 * that has no more keys than the budget is searched whole: a filter never costs recall.
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
  #found: Int32Array<ArrayBuffer> = new Int32Array(4096)

  constructor(rows: ScoringIndex, options: CellOptions) {
    this.#rows = rows
    this.#options = options
  }

  get bytes(): number {
    const centroids = (this.#branches?.bytes ?? 0) + (this.#leaves?.bytes ?? 0)
    return centroids + this.#cellOf.byteLength + this.#cells.reduce((sum, cell) => sum + cell.bytes, 0)
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
    if (this.#leaves === undefined) return undefined
    this.#settle()
    const budget = Math.max(least, PER_NEIGHBOUR * k)
    const scan = this.#rows.scan(query, k)
    const wanted = scope?.partitions === undefined ? undefined : partitionList(scope.partitions)
    let [seen, order] = [0, this.#leaves.nearest(query, AHEAD)]
    for (let at = 0; at < this.#cells.length; at++) {
      // Most searches end within the first few cells; ordering all of them would cost more than reading those.
      if (at === order.length) order = this.#leaves.nearest(query, order.length * 8)
      const cell = this.#cells[order[at]!]!
      this.#found = withRoom(this.#found, cell.length)
      const count = cell.collect(this.#found, scope, wanted, accept)
      scan.offer(this.#found, count)
      seen += count
      if (seen >= budget) break
    }
    return scan.best()
  }

  /** [branches, leaves, trained for, keys; first leaf of each branch; centroids; key, cell …], int32 and float32. */
  snapshot(): Uint8Array {
    if (this.#leaves === undefined || this.#branches === undefined) return new Uint8Array(0)
    const [branches, leaves, dimension] = [this.#branches, this.#leaves, this.#rows.dimension]
    const keys = [...this.#rows.keys()]
    const centroids = HEAD + branches.count + 1
    const pairs = centroids + (branches.count + leaves.count) * dimension
    const ints = new Int32Array(pairs + 2 * keys.length)
    const floats = new Float32Array(ints.buffer)
    ints.set([branches.count, leaves.count, this.#trainedFor, keys.length, ...this.#firstLeaf])
    for (const [i, row] of [...branches.rows(), ...leaves.rows()].entries()) floats.set(row, centroids + i * dimension)
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
    const pairs = leavesAt + leaves * dimension
    if (keys !== this.#rows.size || ints.length !== pairs + 2 * keys)
      throw new RangeError('the cells are of other rows')
    this.#trainedFor = trainedFor
    this.#firstLeaf = [...ints.subarray(HEAD, centroids)]
    this.#branches = new Centroids(dimension, floats.subarray(centroids, leavesAt))
    this.#leaves = new Centroids(dimension, floats.subarray(leavesAt, pairs))
    this.#cells = Array.from({length: leaves}, () => new Cell())
    for (let at = pairs; at < ints.length; at += 2) {
      const [key, cell] = [ints[at]!, ints[at + 1]!]
      if (!this.#rows.has(key) || cell < 0 || cell >= leaves) throw new RangeError('the cells are of other rows')
      this.#cellOf = withRoom(this.#cellOf, key + 1, NONE)
      this.#cellOf[key] = waiting(cell)
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
    this.#cells = Array.from({length: total}, () => new Cell())
    this.#cellOf.fill(NONE)
    this.#waiting = 0
    for (const key of keys) this.#insert(key, this.#rows.vector(key))
    this.#rows.reorder(this.#cells.flatMap(cell => cell.keys()))
  }

  #insert(key: number, vector: Float32Array): void {
    const cell = this.#nearestLeaf(vector)
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

const partitionList = (partitions: Uint8Array): Int32Array => {
  const list = new Int32Array(partitions.length)
  let count = 0
  for (let p = 0; p < partitions.length; p++) if (partitions[p] === 1) list[count++] = p
  return list.subarray(0, count)
}

/** Keys by ascending partition, with what a scope asks of them beside. */
class Cell {
  #keys: Int32Array<ArrayBuffer> = new Int32Array(16)
  #partitions: Int32Array<ArrayBuffer> = new Int32Array(16)
  #tsUs: Float64Array<ArrayBuffer> = new Float64Array(16)
  length = 0

  get bytes(): number {
    return this.#keys.byteLength + this.#partitions.byteLength + this.#tsUs.byteLength
  }

  insert(key: number, {partition, tsUs}: Place): void {
    this.#keys = withRoom(this.#keys, this.length + 1)
    this.#partitions = withRoom(this.#partitions, this.length + 1)
    this.#tsUs = withRoom(this.#tsUs, this.length + 1)
    const at = this.#from(partition + 1)
    for (const column of [this.#keys, this.#partitions, this.#tsUs]) column.copyWithin(at + 1, at, this.length)
    this.#keys[at] = key
    this.#partitions[at] = partition
    this.#tsUs[at] = tsUs
    this.length++
  }

  delete(key: number): void {
    const at = this.#keys.indexOf(key)
    for (const column of [this.#keys, this.#partitions, this.#tsUs]) column.copyWithin(at, at + 1, this.length)
    this.length--
  }

  keys(): number[] {
    return [...this.#keys.subarray(0, this.length)]
  }

  /** Writes the keys that are in the scope and accepted into `out`; returns how many. */
  collect(
    out: Int32Array,
    scope: Scope | undefined,
    wanted: Int32Array | undefined,
    accept: Accept | undefined,
  ): number {
    if (scope === undefined) return this.#take(out, 0, {start: 0, end: this.length, accept})
    const {fromUs, beforeUs, partitions} = scope
    const times = {fromUs, beforeUs, accept}
    if (wanted === undefined || partitions === undefined) {
      return this.#take(out, 0, {start: 0, end: this.length, ...times})
    }
    let count = 0
    if (wanted.length * 8 < this.length) {
      for (const p of wanted) count = this.#take(out, count, {start: this.#from(p), end: this.#from(p + 1), ...times})
      return count
    }
    for (let start = 0; start < this.length; ) {
      const partition = this.#partitions[start]!
      let end = start + 1
      while (end < this.length && this.#partitions[end] === partition) end++
      if (partitions[partition] === 1) count = this.#take(out, count, {start, end, ...times})
      start = end
    }
    return count
  }

  #take(
    out: Int32Array,
    from: number,
    range: {
      readonly start: number
      readonly end: number
      readonly accept: Accept | undefined
      readonly fromUs?: number
      readonly beforeUs?: number
    },
  ): number {
    const {start, end, accept, fromUs = Number.NEGATIVE_INFINITY, beforeUs = Number.POSITIVE_INFINITY} = range
    let count = from
    for (let i = start; i < end; i++) {
      if (!(this.#tsUs[i]! >= fromUs && this.#tsUs[i]! < beforeUs)) continue
      const key = this.#keys[i]!
      if (accept === undefined || accept(key)) out[count++] = key
    }
    return count
  }

  /** Index of the first key of this partition or a later one. */
  #from(partition: number): number {
    let [low, high] = [0, this.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#partitions[middle]! < partition) low = middle + 1
      else high = middle
    }
    return low
  }
}
