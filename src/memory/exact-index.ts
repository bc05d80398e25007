// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {BLOCK} from './code-kernel.ts'
import {CodedRows} from './coded-rows.ts'
import {columnsInUse} from './columns-in-use.ts'
import {compileDotRows, type DotRows} from './dot-kernel.ts'
import {withRoom} from './key-column.ts'
import {Partitions} from './partitions.ts'
import {TopK} from './top-k.ts'
import type {Accept, Neighbour, Place, RankedScan, Scope, ScoringIndex, VectorIndexDriver} from './vector-index.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

const PAGE = 65_536
const MAX_PAGES = 65_536
const ABSENT = -1
const NOWHERE: Place = {partition: 0, tsUs: 0}
/** Rows of the first look, which no floor shortens. */
const FIRST_ROWS = 256
/** Reading rows in their order is so much cheaper than one by one that beyond this share all are read. */
const MOST_LISTED = 0.6

/**
 * Exhaustive search: recall 1 by construction, removal by moving the last row into the gap. One growable WebAssembly
 * memory holds [query | score | rows] in float32, another 8-bit codes of the rows that tell which rows can be passed over
 * (see `CodedRows`). A scope is answered from its partitions' lists: what a filter rules out is not read. 4 M unit vectors
 * of 256 at most.
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
  /** By how many columns they read; the present one reads those that the query uses. */
  readonly #kernels: Record<number, DotRows> = {}
  #dotRows: DotRows
  readonly #coded: CodedRows
  #floats: Float32Array
  #keys: Int32Array<ArrayBuffer> = new Int32Array(1024)
  readonly #places = new Partitions()
  #slotOf: Int32Array<ArrayBuffer> = new Int32Array(1024).fill(ABSENT)
  #listed: Int32Array<ArrayBuffer> = new Int32Array(BLOCK)
  #size = 0

  constructor(dimension: number) {
    this.dimension = dimension
    // Rows are padded with zeros to whole groups of 16 floats; zeros do not change a dot product.
    this.#stride = Math.ceil(dimension / 16) * 16
    this.#scoreAt = this.#stride * 4
    this.#rowsAt = Math.ceil((this.#scoreAt + 4) / 64) * 64
    this.#memory = new Wasm.Memory({initial: Math.ceil(this.#rowsAt / PAGE) + 1, maximum: MAX_PAGES})
    this.#dotRows = this.#kernelOf(this.#stride)
    this.#coded = new CodedRows(dimension)
    this.#floats = new Float32Array(this.#memory.buffer)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#memory.buffer.byteLength + this.#coded.bytes + this.#keys.byteLength * 2 + this.#places.bytes
  }

  add(key: number, vector: Float32Array, place: Place = NOWHERE): void {
    this.#put(key, vector)
    this.#places.set(key, place)
  }

  place(key: number, place: Place): void {
    if (this.has(key)) this.#places.set(key, place)
  }

  placeOf(key: number): Place {
    return this.#places.of(key)
  }

  count(scope: Scope): number {
    return this.#places.count(scope)
  }

  inScope(key: number, scope: Scope): boolean {
    return this.#places.has(key, scope)
  }

  remove(key: number): boolean {
    if (!this.has(key)) return false
    const slot = this.#slotOf[key]!
    const last = --this.#size
    if (slot !== last) {
      const row = (index: number): number => this.#rowsAt / 4 + index * this.#stride
      this.#floats.copyWithin(row(slot), row(last), row(last) + this.#stride)
      this.#coded.move(last, slot)
      const moved = this.#keys[last]!
      this.#keys[slot] = moved
      this.#slotOf[moved] = slot
    }
    this.#slotOf[key] = ABSENT
    this.#places.delete(key)
    return true
  }

  search(query: Float32Array, k: number, accept?: Accept, scope?: Scope): Neighbour[] {
    const inScope = scope === undefined ? this.#size : this.#places.count(scope)
    if (scope !== undefined && inScope < this.#size * MOST_LISTED) {
      const {offer, best} = this.scan(query, Math.min(k, inScope))
      const keys = this.#room(inScope)
      this.#places.collect(scope, keys)
      offer(keys, accept === undefined ? inScope : keep(keys, inScope, accept))
      return best()
    }
    this.#checkDimension(query)
    const accepted =
      scope === undefined || inScope === this.#size
        ? accept
        : (key: number): boolean => this.#places.has(key, scope) && (accept === undefined || accept(key))
    const best = new TopK(Math.min(k, inScope))
    this.#ask(query)
    this.#coded.ask(query)
    for (let start = 0, rows = FIRST_ROWS; start < this.#size; start += rows, rows = BLOCK) {
      rows = Math.min(rows, this.#size - start)
      this.#scan(best, start, this.#coded.reach(start, rows, best.floor), accepted)
    }
    return best.sorted()
  }

  /** Only rows whose bound reaches the worst kept neighbour are asked of the filter and scored in full. */
  #scan(best: TopK, start: number, reached: number, accept: Accept | undefined): void {
    const {bounds, reached: rows} = this.#coded
    let floor = best.floor
    for (let i = 0; i < reached; i++) {
      if (bounds[i]! < floor) continue
      const slot = start + rows[i]!
      const key = this.#keys[slot]!
      if (accept !== undefined && !accept(key)) continue
      best.offer(this.#score(slot), key)
      floor = best.floor
    }
  }

  scan(query: Float32Array, k: number): RankedScan {
    this.#checkDimension(query)
    const best = new TopK(Math.min(k, this.#size))
    this.#ask(query)
    this.#coded.ask(query)
    const slots = new Int32Array(BLOCK)
    return {
      offer: (keys, count) => {
        for (let start = 0; start < count; start += BLOCK) {
          const rows = Math.min(BLOCK, count - start)
          for (let i = 0; i < rows; i++) slots[i] = this.#slotOf[keys[start + i]!]!
          this.#scanListed(best, slots, this.#coded.reachListed(slots, 0, rows, best.floor))
        }
      },
      best: () => best.sorted(),
    }
  }

  reorder(keys: readonly number[]): void {
    const kept = new Float32Array(this.#stride)
    for (const [slot, key] of keys.entries()) {
      const from = this.#slotOf[key]!
      if (from === slot) continue
      const [here, there] = [this.#rowsAt / 4 + slot * this.#stride, this.#rowsAt / 4 + from * this.#stride]
      kept.set(this.#floats.subarray(here, here + this.#stride))
      this.#floats.copyWithin(here, there, there + this.#stride)
      this.#floats.set(kept, there)
      this.#coded.swap(slot, from)
      const displaced = this.#keys[slot]!
      ;[this.#keys[slot], this.#keys[from]] = [key, displaced]
      ;[this.#slotOf[key], this.#slotOf[displaced]] = [slot, from]
    }
  }

  #scanListed(best: TopK, slots: Int32Array, reached: number): void {
    const {bounds, reached: rows} = this.#coded
    let floor = best.floor
    for (let i = 0; i < reached; i++) {
      if (bounds[i]! < floor) continue
      const slot = slots[rows[i]!]!
      best.offer(this.#score(slot), this.#keys[slot]!)
      floor = best.floor
    }
  }

  /** Similarity of the query at the head of the memory with one row. */
  #score(slot: number): number {
    this.#dotRows(0, this.#rowsAt + slot * this.#stride * 4, 1, this.#scoreAt)
    return this.#floats[this.#scoreAt / 4]!
  }

  has(key: number): boolean {
    return (this.#slotOf[key] ?? ABSENT) !== ABSENT
  }

  keys(): Iterable<number> {
    return this.#keys.subarray(0, this.#size)
  }

  vector(key: number): Float32Array {
    if (!this.has(key)) throw new RangeError(`no vector has the key ${key}`)
    const start = this.#rowsAt / 4 + this.#slotOf[key]! * this.#stride
    return this.#floats.subarray(start, start + this.dimension)
  }

  rank(query: Float32Array, k: number, keys: Iterable<number>): Neighbour[] {
    this.#checkDimension(query)
    const best = new TopK(k)
    this.#ask(query)
    for (const key of keys) if (this.has(key)) best.offer(this.#score(this.#slotOf[key]!), key)
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
    for (let at = 0; at < floats.length; at += record) {
      this.#put(keys[at]!, floats.subarray(at + 1, at + record))
      this.#places.expect(keys[at]!)
    }
  }

  [Symbol.dispose](): void {
    this.#size = 0
    this.#slotOf.fill(ABSENT)
  }

  #put(key: number, vector: Float32Array): void {
    this.#checkDimension(vector)
    if (!this.has(key)) {
      this.#reserve(this.#size + 1)
      this.#slotOf = withRoom(this.#slotOf, key + 1, ABSENT)
      this.#slotOf[key] = this.#size
      this.#keys[this.#size++] = key
    }
    const slot = this.#slotOf[key]!
    this.#floats.set(vector, this.#rowsAt / 4 + slot * this.#stride)
    this.#coded.set(slot, vector)
  }

  #room(count: number): Int32Array {
    this.#listed = withRoom(this.#listed, count)
    return this.#listed
  }

  /** Puts the query where the kernel reads it. */
  #ask(query: Float32Array): void {
    this.#floats.set(query, 0)
    this.#dotRows = this.#kernelOf(columnsInUse(query))
  }

  #kernelOf(width: number): DotRows {
    this.#kernels[width] ??= compileDotRows(this.#memory, this.#stride, width)
    return this.#kernels[width]
  }

  #checkDimension(vector: Float32Array): void {
    if (vector.length !== this.dimension) {
      throw new RangeError(`a vector must have ${this.dimension} numbers, had ${vector.length}`)
    }
  }

  #reserve(rows: number): void {
    this.#keys = withRoom(this.#keys, rows)
    const needed = this.#rowsAt + rows * this.#stride * 4
    const have = this.#memory.buffer.byteLength
    if (needed <= have) return
    const target = Math.min(Math.max(needed, have * 1.5), MAX_PAGES * PAGE)
    if (needed > target)
      throw new RangeError(`the exact index holds at most ${this.#size} vectors of ${this.dimension}`)
    this.#memory.grow(Math.ceil((target - have) / PAGE))
    this.#floats = new Float32Array(this.#memory.buffer)
  }
}

/** Moves the accepted keys to the front and says how many there are. */
const keep = (keys: Int32Array, count: number, accept: Accept): number => {
  let kept = 0
  for (let i = 0; i < count; i++) if (accept(keys[i]!)) keys[kept++] = keys[i]!
  return kept
}
