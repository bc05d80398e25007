// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {CHUNK, compileNearRows, HALF, LANES, type NearRows, QUERY_FLOATS} from './near-kernel.ts'
import {similarityOf} from './similarity.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

const PAGE = 65_536
const WIDTH = 2 * HALF
/** Axes to look along; the last coordinate is the length of what they leave of a vector. */
export const AXES = WIDTH - 1
/** Rows of a leaf at most. */
const LEAF = 256
const LEAF_CHUNKS = LEAF / LANES
/** Rows loaded between two rests. */
const STRETCH = 4_096
/** Beyond every squared distance lost to float32: of coordinates, of sums, and of lengths that are not quite one. */
const SLACK = 1e-5
/** A start that no sum makes up for: nothing is in this place. */
const EMPTY = -1e30

export interface NearCopy {
  readonly row: number
  readonly similarity: number
}

/**
 * Finds the rows within a distance (1 - similarity) of one of them, and takes them out. Exact: a projection never lengthens
 * a distance, so two vectors are at least as far apart as their coordinates along orthonormal axes and the lengths of what
 * those leave (both by the triangle inequality). Only what is near by its coordinates is compared in full. Coordinates lie
 * in the leaves of a k-d tree (Bentley 1975), whose boxes are passed over whole where they are too far.
 */
export class NearCopies {
  readonly #axes: readonly Float64Array[]
  readonly #minDistance: number
  readonly #limit: number
  readonly #memory: WasmMemory
  readonly #nearRows: NearRows
  readonly #floats: Float32Array
  readonly #found: Int32Array
  readonly #foundAt: number
  readonly #firstAt: number
  readonly #secondAt: number
  #vectors: readonly Float32Array[] = []
  /** (rows, WIDTH) */
  #coordinates = new Float32Array(0)
  #rowAt = new Int32Array(0)
  #placeOf = new Int32Array(0)
  #nodes: Node[] = []
  #leafOf = new Int32Array(0)

  /** For at most `rows` unit vectors at a time. `axes`: at most AXES, orthonormal or zero. */
  constructor(rows: number, axes: readonly Float64Array[], minDistance: number) {
    this.#axes = axes
    this.#minDistance = minDistance
    this.#limit = 2 * minDistance + SLACK
    const chunks = chunksFor(rows)
    this.#foundAt = Math.ceil(QUERY_FLOATS / 4) * 4
    this.#firstAt = this.#foundAt + (LEAF_CHUNKS + 1) * 2 + 2
    this.#secondAt = this.#firstAt + chunks * CHUNK
    const pages = Math.ceil(((this.#secondAt + chunks * CHUNK) * 4) / PAGE)
    this.#memory = new Wasm.Memory({initial: pages, maximum: pages})
    this.#nearRows = compileNearRows(this.#memory)
    this.#floats = new Float32Array(this.#memory.buffer)
    this.#found = new Int32Array(this.#memory.buffer)
  }

  /** Takes these rows in place of all before; rests now and then. */
  *load(vectors: readonly Float32Array[]): Generator<void, void> {
    this.#vectors = vectors
    this.#coordinates = new Float32Array(vectors.length * WIDTH)
    for (const [row, vector] of vectors.entries()) {
      this.#project(vector, row * WIDTH)
      if (row % STRETCH === STRETCH - 1) yield
    }
    this.#placeOf = new Int32Array(vectors.length)
    this.#rowAt = new Int32Array(chunksFor(vectors.length) * LANES)
    this.#leafOf = new Int32Array(vectors.length)
    this.#nodes = []
    const order = Int32Array.from(vectors.keys())
    this.#build(order, {start: 0, end: vectors.length, parent: -1, chunk: 0})
  }

  /** Takes `row` out, and every row that is left and nearer to it than the distance: most similar first, then by number. */
  take(row: number): NearCopy[] {
    this.#remove(row)
    this.#ask(row)
    const vector = this.#vectors[row]!
    const copies: NearCopy[] = []
    const open = [0]
    for (;;) {
      const node = this.#nodes[open.pop() ?? -1]
      if (node === undefined) break
      if (node.size === 0 || this.#boxDistance(row, node.box) > this.#limit) continue
      if (node.left >= 0) {
        open.push(node.left, node.right)
        continue
      }
      const at = node.chunk * CHUNK
      const chunks = Math.ceil(node.size / LANES)
      const end = this.#nearRows(0, (this.#firstAt + at) * 4, (this.#secondAt + at) * 4, chunks, this.#foundAt * 4)
      for (let found = this.#foundAt; found < end / 4; found += 2) {
        const place = (node.chunk + this.#found[found]!) * LANES
        for (let lane = 0; lane < LANES; lane++) {
          if (((this.#found[found + 1]! >> lane) & 1) === 0) continue
          const other = this.#rowAt[place + lane]!
          const similarity = similarityOf(vector, this.#vectors[other]!)
          if (1 - similarity < this.#minDistance) copies.push({row: other, similarity})
        }
      }
    }
    for (const copy of copies) this.#remove(copy.row)
    return copies.sort((a, b) => b.similarity - a.similarity || a.row - b.row)
  }

  #project(vector: Float32Array, at: number): void {
    let left = 0
    for (let j = 0; j < vector.length; j++) left += vector[j]! * vector[j]!
    for (const [a, axis] of this.#axes.entries()) {
      let along = 0
      for (let j = 0; j < vector.length; j++) along += axis[j]! * vector[j]!
      this.#coordinates[at + a] = along
      left -= along * along
    }
    this.#coordinates[at + WIDTH - 1] = Math.sqrt(Math.max(0, left))
  }

  /** Lays the rows `start` to `end` of the order out in a subtree; returns its node and the first chunk behind it. */
  #build(
    order: Int32Array,
    {start, end, parent, chunk}: {start: number; end: number; parent: number; chunk: number},
  ): {readonly node: number; readonly chunk: number} {
    const box = this.#boxOf(order.subarray(start, end))
    const number = this.#nodes.length
    const node: Node = {box, parent, chunk, size: end - start, left: -1, right: -1}
    this.#nodes.push(node)
    if (end - start <= LEAF) {
      for (let i = start; i < end; i++) {
        this.#leafOf[order[i]!] = number
        this.#write(order[i]!, chunk * LANES + i - start)
      }
      const used = Math.ceil((end - start) / LANES)
      for (let place = chunk * LANES + end - start; place < (chunk + used) * LANES; place++) this.#clear(place)
      return {node: number, chunk: chunk + used}
    }
    const middle = (start + end) >> 1
    splitAt(order, {start, end, middle}, this.#coordinates, widest(box))
    const left = this.#build(order, {start, end: middle, parent: number, chunk})
    const right = this.#build(order, {start: middle, end, parent: number, chunk: left.chunk})
    node.left = left.node
    node.right = right.node
    return {node: number, chunk: right.chunk}
  }

  /** The least of every coordinate, then the greatest. */
  #boxOf(rows: Int32Array): Float32Array {
    const box = new Float32Array(2 * WIDTH).fill(Number.POSITIVE_INFINITY, 0, WIDTH)
    box.fill(Number.NEGATIVE_INFINITY, WIDTH)
    for (const row of rows) {
      for (let j = 0; j < WIDTH; j++) {
        const value = this.#coordinates[row * WIDTH + j]!
        if (value < box[j]!) box[j] = value
        if (value > box[WIDTH + j]!) box[WIDTH + j] = value
      }
    }
    return box
  }

  /** Squared, or as much of it as is beyond the limit. */
  #boxDistance(row: number, box: Float32Array): number {
    let sum = 0
    for (let j = 0; j < WIDTH && sum <= this.#limit; j++) {
      const value = this.#coordinates[row * WIDTH + j]!
      const below = box[j]! - value
      const above = value - box[WIDTH + j]!
      if (below > 0) sum += below * below
      else if (above > 0) sum += above * above
    }
    return sum
  }

  #ask(row: number): void {
    const [first, second] = this.#lengths(row)
    for (let j = 0; j < WIDTH; j++) this.#floats[j] = this.#coordinates[row * WIDTH + j]!
    this.#floats[WIDTH] = (first - this.#limit) / 2
    this.#floats[WIDTH + 1] = (first + second - this.#limit) / 2
  }

  /** Squared, of either half of the coordinates. */
  #lengths(row: number): readonly [number, number] {
    let [first, second] = [0, 0]
    for (let j = 0; j < HALF; j++) {
      first += this.#coordinates[row * WIDTH + j]! ** 2
      second += this.#coordinates[row * WIDTH + HALF + j]! ** 2
    }
    return [first, second]
  }

  #write(row: number, place: number): void {
    const [first, second] = this.#lengths(row)
    const at = (place >> 2) * CHUNK + (place & 3)
    this.#floats[this.#firstAt + at] = -first / 2
    this.#floats[this.#secondAt + at] = -second / 2
    for (let j = 0; j < HALF; j++) {
      this.#floats[this.#firstAt + at + (1 + j) * LANES] = this.#coordinates[row * WIDTH + j]!
      this.#floats[this.#secondAt + at + (1 + j) * LANES] = this.#coordinates[row * WIDTH + HALF + j]!
    }
    this.#rowAt[place] = row
    this.#placeOf[row] = place
  }

  #clear(place: number): void {
    this.#floats[this.#firstAt + (place >> 2) * CHUNK + (place & 3)] = EMPTY
  }

  /** The last row of its leaf moves into the gap. */
  #remove(row: number): void {
    const leaf = this.#nodes[this.#leafOf[row]!]!
    const last = leaf.chunk * LANES + leaf.size - 1
    const place = this.#placeOf[row]!
    if (place !== last) this.#write(this.#rowAt[last]!, place)
    this.#clear(last)
    for (let node: Node | undefined = leaf; node !== undefined; node = this.#nodes[node.parent]) node.size--
  }
}

/** At most: a leaf has at least half of LEAF rows unless it is alone, and its last chunk may be part empty. */
const chunksFor = (rows: number): number => Math.ceil(rows / LANES) + Math.ceil(rows / (LEAF / 2)) + 1

interface Node {
  readonly box: Float32Array
  readonly parent: number
  /** First chunk, of a leaf. */
  readonly chunk: number
  /** Rows that are left. */
  size: number
  /** -1 for a leaf. */
  left: number
  right: number
}

const widest = (box: Float32Array): number => {
  let found = 0
  for (let j = 1; j < WIDTH; j++) {
    if (box[WIDTH + j]! - box[j]! > box[WIDTH + found]! - box[found]!) found = j
  }
  return found
}

/** Hoare's selection: the rows before `middle` have no greater coordinate than those from it on. */
const splitAt = (
  order: Int32Array,
  {start, end, middle}: {readonly start: number; readonly end: number; readonly middle: number},
  coordinates: Float32Array,
  axis: number,
): void => {
  const at = (i: number): number => coordinates[order[i]! * WIDTH + axis]!
  let [low, high] = [start, end - 1]
  while (low < high) {
    const pivot = at((low + high) >> 1)
    let [i, j] = [low, high]
    while (i <= j) {
      while (at(i) < pivot) i++
      while (at(j) > pivot) j--
      if (i > j) break
      const kept = order[i]!
      order[i++] = order[j]!
      order[j--] = kept
    }
    if (middle <= j) high = j
    else if (middle >= i) low = i
    else return
  }
}
