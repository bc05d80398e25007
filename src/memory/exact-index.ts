// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {BLOCK, CodedRows} from './coded-rows.ts'
import {compileDotRows, type DotRows} from './dot-kernel.ts'
import {TopK} from './top-k.ts'
import type {Accept, Neighbour, ScoringIndex, VectorIndexDriver} from './vector-index.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

const PAGE = 65_536
const MAX_PAGES = 65_536

/**
 * Exhaustive search: recall 1 by construction, removal by moving the last row into the gap. One growable WebAssembly
 * memory holds [query | score | rows] in float32, another 8-bit codes of the rows that tell which rows can be passed over
 * (see `CodedRows`). 4 M unit vectors of 256 at most.
 */
export const createExactIndex = (dimension: number): ScoringIndex => new ExactIndex(dimension)

/** From the bytes of `snapshot`. */
export const restoreExactIndex = (dimension: number, bytes: Uint8Array): ScoringIndex => {
  const index = new ExactIndex(dimension)
  index.load(bytes)
  return index
}

export const exactIndexDriver: VectorIndexDriver = {
  kind: 'exact',
  open: createExactIndex,
  restore: restoreExactIndex,
}

class ExactIndex implements ScoringIndex {
  readonly kind = 'exact'
  readonly dimension: number
  readonly #stride: number
  readonly #rowsAt: number
  readonly #scoreAt: number
  readonly #memory: WasmMemory
  readonly #dotRows: DotRows
  readonly #coded: CodedRows
  #floats: Float32Array
  #keys: Int32Array<ArrayBuffer> = new Int32Array(1024)
  readonly #slots = new Map<number, number>()

  constructor(dimension: number) {
    this.dimension = dimension
    // Rows are padded with zeros to whole groups of 16 floats; zeros do not change a dot product.
    this.#stride = Math.ceil(dimension / 16) * 16
    this.#scoreAt = this.#stride * 4
    this.#rowsAt = Math.ceil((this.#scoreAt + 4) / 64) * 64
    this.#memory = new Wasm.Memory({initial: Math.ceil(this.#rowsAt / PAGE) + 1, maximum: MAX_PAGES})
    this.#dotRows = compileDotRows(this.#memory, this.#stride)
    this.#coded = new CodedRows(dimension)
    this.#floats = new Float32Array(this.#memory.buffer)
  }

  get size(): number {
    return this.#slots.size
  }

  get bytes(): number {
    return this.#memory.buffer.byteLength + this.#coded.bytes + this.#keys.byteLength
  }

  add(key: number, vector: Float32Array): void {
    this.#checkDimension(vector)
    let slot = this.#slots.get(key)
    if (slot === undefined) {
      slot = this.#slots.size
      this.#reserve(slot + 1)
      this.#slots.set(key, slot)
      this.#keys[slot] = key
    }
    this.#floats.set(vector, this.#rowsAt / 4 + slot * this.#stride)
    this.#coded.set(slot, vector)
  }

  remove(key: number): boolean {
    const slot = this.#slots.get(key)
    if (slot === undefined) return false
    const last = this.#slots.size - 1
    if (slot !== last) {
      const row = (index: number): number => this.#rowsAt / 4 + index * this.#stride
      this.#floats.copyWithin(row(slot), row(last), row(last) + this.#stride)
      this.#coded.move(last, slot)
      const moved = this.#keys[last]!
      this.#keys[slot] = moved
      this.#slots.set(moved, slot)
    }
    this.#slots.delete(key)
    return true
  }

  search(query: Float32Array, k: number, accept?: Accept): Neighbour[] {
    this.#checkDimension(query)
    const count = this.#slots.size
    const best = new TopK(Math.min(k, count))
    this.#floats.set(query, 0)
    const asked = this.#coded.ask(query)
    for (let start = 0; start < count; start += BLOCK) {
      const rows = Math.min(BLOCK, count - start)
      this.#coded.bound(asked, start, rows)
      this.#scan(best, start, rows, accept)
    }
    return best.sorted()
  }

  /** Only rows whose bound reaches the worst kept neighbour are asked of the filter and scored in full. */
  #scan(best: TopK, start: number, rows: number, accept: Accept | undefined): void {
    const {bounds} = this.#coded
    let floor = best.floor
    for (let i = 0; i < rows; i++) {
      if (bounds[i]! < floor) continue
      const key = this.#keys[start + i]!
      if (accept !== undefined && !accept(key)) continue
      best.offer(this.#score(start + i), key)
      floor = best.floor
    }
  }

  /** Similarity of the query at the head of the memory with one row. */
  #score(slot: number): number {
    this.#dotRows(0, this.#rowsAt + slot * this.#stride * 4, 1, this.#scoreAt)
    return this.#floats[this.#scoreAt / 4]!
  }

  has(key: number): boolean {
    return this.#slots.has(key)
  }

  keys(): Iterable<number> {
    return this.#slots.keys()
  }

  vector(key: number): Float32Array {
    const slot = this.#slots.get(key)
    if (slot === undefined) throw new RangeError(`no vector has the key ${key}`)
    const start = this.#rowsAt / 4 + slot * this.#stride
    return this.#floats.subarray(start, start + this.dimension)
  }

  rank(query: Float32Array, k: number, keys: Iterable<number>): Neighbour[] {
    this.#checkDimension(query)
    const best = new TopK(k)
    this.#floats.set(query, 0)
    for (const key of keys) {
      const slot = this.#slots.get(key)
      if (slot === undefined) continue
      best.offer(this.#score(slot), key)
    }
    return best.sorted()
  }

  /** Rows as [key: int32, vector: dimension float32], in slot order, little-endian. */
  snapshot(): Uint8Array {
    const record = 1 + this.dimension
    const floats = new Float32Array(this.size * record)
    const keys = new Int32Array(floats.buffer)
    for (let slot = 0; slot < this.size; slot++) {
      const from = this.#rowsAt / 4 + slot * this.#stride
      keys[slot * record] = this.#keys[slot]!
      floats.set(this.#floats.subarray(from, from + this.dimension), slot * record + 1)
    }
    return new Uint8Array(floats.buffer)
  }

  load(bytes: Uint8Array): void {
    const record = 1 + this.dimension
    if (bytes.byteLength % (record * 4) !== 0) throw new RangeError(`${bytes.byteLength} bytes are no whole rows`)
    const floats = new Float32Array(Uint8Array.from(bytes).buffer)
    const keys = new Int32Array(floats.buffer)
    this.#reserve(floats.length / record)
    for (let at = 0; at < floats.length; at += record) this.add(keys[at]!, floats.subarray(at + 1, at + record))
  }

  [Symbol.dispose](): void {
    this.#slots.clear()
  }

  #checkDimension(vector: Float32Array): void {
    if (vector.length !== this.dimension) {
      throw new RangeError(`a vector must have ${this.dimension} numbers, had ${vector.length}`)
    }
  }

  #reserve(rows: number): void {
    if (rows > this.#keys.length) {
      const grown = new Int32Array(Math.max(rows, this.#keys.length * 2))
      grown.set(this.#keys)
      this.#keys = grown
    }
    const needed = this.#rowsAt + rows * this.#stride * 4
    const have = this.#memory.buffer.byteLength
    if (needed <= have) return
    const target = Math.min(Math.max(needed, have * 1.5), MAX_PAGES * PAGE)
    if (needed > target) throw new RangeError(`the exact index holds at most ${this.size} vectors of ${this.dimension}`)
    this.#memory.grow(Math.ceil((target - have) / PAGE))
    this.#floats = new Float32Array(this.#memory.buffer)
  }
}
