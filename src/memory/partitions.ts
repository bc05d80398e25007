// Columns are indexed by keys that are there, hence the `!`.
import {withRoom} from './key-column.ts'
import type {Place, Scope} from './vector-index.ts'

/** Not there, or there but not yet placed. */
const [ABSENT, UNPLACED] = [-1, -2]
const NOWHERE: Place = {partition: 0, tsUs: 0}

/**
 * The first level of the hierarchy: which keys belong to which partition (symbol, regime and strategy), each in order of
 * event time, so that a filtered search is given its keys without a look at any other.
 */
export class Partitions {
  readonly #lists: TimeList[] = []
  #partitionOf: Int32Array<ArrayBuffer> = new Int32Array(1024).fill(ABSENT)
  #tsOf: Float64Array<ArrayBuffer> = new Float64Array(1024)
  #unplaced = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#partitionOf.byteLength + this.#tsOf.byteLength + this.#lists.reduce((sum, list) => sum + list.bytes, 0)
  }

  /** Takes a key in whose place will be said later; before the next look it counts as partition 0 at time 0. */
  expect(key: number): void {
    this.#reserve(key)
    this.#partitionOf[key] = UNPLACED
    this.#unplaced++
    this.#size++
  }

  set(key: number, {partition, tsUs}: Place): void {
    this.delete(key)
    this.#reserve(key)
    this.#partitionOf[key] = partition
    this.#tsOf[key] = tsUs
    while (this.#lists.length <= partition) this.#lists.push(new TimeList())
    this.#lists[partition]!.insert(key, tsUs)
    this.#size++
  }

  delete(key: number): void {
    const partition = this.#partitionOf[key] ?? ABSENT
    if (partition === ABSENT) return
    if (partition === UNPLACED) this.#unplaced--
    else this.#lists[partition]!.delete(key, this.#tsOf[key]!)
    this.#partitionOf[key] = ABSENT
    this.#size--
  }

  of(key: number): Place {
    // Only when this key is not placed yet: placing the others by default, to move each again, takes a square of the time.
    if (this.#partitionOf[key] === UNPLACED) this.#settle()
    return {partition: this.#partitionOf[key]!, tsUs: this.#tsOf[key]!}
  }

  has(key: number, {partitions, fromUs, beforeUs}: Scope): boolean {
    const tsUs = this.#tsOf[key]!
    return tsUs >= fromUs && tsUs < beforeUs && (partitions === undefined || partitions[this.#partitionOf[key]!] === 1)
  }

  count({partitions, fromUs, beforeUs}: Scope): number {
    this.#settle()
    let total = 0
    for (let p = 0; p < this.#lists.length; p++) {
      if (partitions !== undefined && partitions[p] !== 1) continue
      const list = this.#lists[p]!
      total += list.from(beforeUs) - list.from(fromUs)
    }
    return total
  }

  /** Writes the keys of the scope into `out`, which has room for `count` of them. */
  collect({partitions, fromUs, beforeUs}: Scope, out: Int32Array): void {
    this.#settle()
    let at = 0
    for (let p = 0; p < this.#lists.length; p++) {
      if (partitions !== undefined && partitions[p] !== 1) continue
      const list = this.#lists[p]!
      const [start, end] = [list.from(fromUs), list.from(beforeUs)]
      if (start >= end) continue
      out.set(list.keys.subarray(start, end), at)
      at += end - start
    }
  }

  #reserve(key: number): void {
    this.#partitionOf = withRoom(this.#partitionOf, key + 1, ABSENT)
    this.#tsOf = withRoom(this.#tsOf, key + 1)
  }

  #settle(): void {
    if (this.#unplaced === 0) return
    for (let key = 0; key < this.#partitionOf.length; key++) {
      if (this.#partitionOf[key] === UNPLACED) this.set(key, NOWHERE)
    }
  }
}

/** Keys by ascending (time, key). Patterns mostly come in order of time, so most insertions are at the end. */
class TimeList {
  keys: Int32Array<ArrayBuffer> = new Int32Array(4)
  #tsUs: Float64Array<ArrayBuffer> = new Float64Array(4)
  #length = 0

  get bytes(): number {
    return this.keys.byteLength + this.#tsUs.byteLength
  }

  insert(key: number, tsUs: number): void {
    this.keys = withRoom(this.keys, this.#length + 1)
    this.#tsUs = withRoom(this.#tsUs, this.#length + 1)
    const at = this.#place(key, tsUs)
    this.keys.copyWithin(at + 1, at, this.#length)
    this.#tsUs.copyWithin(at + 1, at, this.#length)
    this.keys[at] = key
    this.#tsUs[at] = tsUs
    this.#length++
  }

  delete(key: number, tsUs: number): void {
    const at = this.#place(key, tsUs)
    this.keys.copyWithin(at, at + 1, this.#length)
    this.#tsUs.copyWithin(at, at + 1, this.#length)
    this.#length--
  }

  /** Index of the first key at or after the time. */
  from(tsUs: number): number {
    return this.#place(-1, tsUs)
  }

  #place(key: number, tsUs: number): number {
    let [low, high] = [0, this.#length]
    if (high === 0 || this.#tsUs[high - 1]! < tsUs) return high
    while (low < high) {
      const middle = (low + high) >> 1
      const at = this.#tsUs[middle]!
      if (at < tsUs || (at === tsUs && this.keys[middle]! < key)) low = middle + 1
      else high = middle
    }
    return low
  }
}
