// Columns are indexed within their lengths, hence the `!`.
import {withRoom} from './key-column.ts'
import type {Accept, Place, Scope} from './vector-index.ts'

/** Finding a partition in a cell takes as long as passing this many keys. */
const SEARCH_COST = 64

/** Keys by ascending partition, with what a scope asks of them beside. */
export class Cell {
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

  key(place: number): number {
    return this.#keys[place]!
  }

  has(place: number, {fromUs, beforeUs, partitions}: Scope): boolean {
    const tsUs = this.#tsUs[place]!
    return tsUs >= fromUs && tsUs < beforeUs && (partitions === undefined || partitions[this.#partitions[place]!] === 1)
  }

  /** How many keys are in the scope. */
  count(scope: Scope, wanted: Int32Array | undefined): number {
    const {fromUs, beforeUs, partitions} = scope
    const [ts, of, length] = [this.#tsUs, this.#partitions, this.length]
    const isTimed = fromUs !== Number.NEGATIVE_INFINITY || beforeUs !== Number.POSITIVE_INFINITY
    let count = 0
    if (wanted === undefined || partitions === undefined) {
      for (let i = 0; i < length; i++) count += Number(ts[i]! >= fromUs && ts[i]! < beforeUs)
    } else if (isTimed) {
      for (let i = 0; i < length; i++) count += Number(this.has(i, scope))
    } else if (wanted.length * SEARCH_COST < length) {
      for (const partition of wanted) count += this.#from(partition + 1) - this.#from(partition)
    } else {
      for (let i = 0; i < length; i++) count += partitions[of[i]!] ?? 0
    }
    return count
  }

  /** Writes the places of the keys in the scope into `out`, ascending; returns how many. */
  places(out: Int32Array, {fromUs, beforeUs, partitions}: Scope, wanted: Int32Array | undefined): number {
    const [ts, of] = [this.#tsUs, this.#partitions]
    let count = 0
    const take = (start: number, end: number): void => {
      for (let i = start; i < end; i++) if (ts[i]! >= fromUs && ts[i]! < beforeUs) out[count++] = i
    }
    if (wanted === undefined || partitions === undefined) take(0, this.length)
    else if (wanted.length * SEARCH_COST < this.length) for (const p of wanted) take(this.#from(p), this.#from(p + 1))
    else for (let i = 0; i < this.length; i++) if (partitions[of[i]!] === 1) take(i, i + 1)
    return count
  }

  /** Puts the accepted keys in place of their places; returns how many. */
  keysAt(places: Int32Array, count: number, accept: Accept | undefined): number {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const key = this.#keys[places[i]!]!
      if (accept === undefined || accept(key)) places[kept++] = key
    }
    return kept
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
