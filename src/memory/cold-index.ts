// Columns are indexed within their lengths, hence the `!`.
import {BLOCK} from './code-kernel.ts'
import {CodedRows} from './coded-rows.ts'
import {withRoom} from './key-column.ts'
import {Partitions} from './partitions.ts'
import {similarityOf} from './similarity.ts'
import {TopK} from './top-k.ts'
import type {Accept, Neighbour, Place, Scope} from './vector-index.ts'

const ABSENT = -1

/**
 * The vectors beyond the hot tier: only their 8-bit codes are kept for searching, a fifth of what a hot vector takes, and
 * a vector in full is read from its document when its code does not rule it out. Exact, and slower than the hot index: all of
 * the scope is scanned.
 */
export class ColdIndex {
  readonly #dimension: number
  readonly #vectorOf: (key: number) => Float32Array
  readonly #places = new Partitions()
  /** Made for the first cold vector: most banks have none. */
  #coded: CodedRows | undefined
  #keys: Int32Array<ArrayBuffer> = new Int32Array(16)
  #slotOf: Int32Array<ArrayBuffer> = new Int32Array(16).fill(ABSENT)
  #size = 0

  constructor(dimension: number, vectorOf: (key: number) => Float32Array) {
    this.#dimension = dimension
    this.#vectorOf = vectorOf
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    if (this.#coded === undefined) return 0
    return this.#coded.bytes + this.#keys.byteLength + this.#slotOf.byteLength + this.#places.bytes
  }

  add(key: number, vector: Float32Array, place: Place): void {
    this.#coded ??= new CodedRows(this.#dimension)
    this.#slotOf = withRoom(this.#slotOf, key + 1, ABSENT)
    if (this.#slotOf[key] === ABSENT) {
      this.#keys = withRoom(this.#keys, this.#size + 1)
      this.#keys[this.#size] = key
      this.#slotOf[key] = this.#size++
    }
    this.#coded.set(this.#slotOf[key]!, vector)
    this.#places.set(key, place)
  }

  remove(key: number): void {
    const slot = this.#slotOf[key] ?? ABSENT
    if (slot === ABSENT) return
    const last = --this.#size
    const moved = this.#keys[last]!
    this.#coded?.move(last, slot)
    this.#keys[slot] = moved
    this.#slotOf[moved] = slot
    this.#slotOf[key] = ABSENT
    this.#places.delete(key)
  }

  /** Like `VectorIndex.search`. */
  search(query: Float32Array, k: number, accept: Accept, scope: Scope): Neighbour[] {
    const coded = this.#coded
    const count = this.#places.count(scope)
    if (coded === undefined || count === 0) return []
    const keys = new Int32Array(count)
    this.#places.collect(scope, keys)
    const slots = keys.filter(accept).map(key => this.#slotOf[key]!)
    const best = new TopK(Math.min(k, slots.length))
    coded.ask(query)
    for (let start = 0; start < slots.length; start += BLOCK) {
      const rows = Math.min(BLOCK, slots.length - start)
      const reached = coded.reachListed(slots, start, rows, best.floor)
      for (let i = 0; i < reached; i++) {
        if (coded.bounds[i]! < best.floor) continue
        const key = this.#keys[slots[start + coded.reached[i]!]!]!
        best.offer(similarityOf(query, this.#vectorOf(key)), key)
      }
    }
    return best.sorted()
  }
}
