// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {BLOCK, type CodeKernel, compileCodeKernel, ROW_TAIL, TERMS} from './code-kernel.ts'
import {columnsInUse} from './columns-in-use.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

const PAGE = 65_536
const MAX_PAGES = 65_536
/** Above the rounding of the float32 kernels, so that a bound never falls below the score it bounds. */
const ROUNDING = 3e-6

/**
 * Unit vectors as 8-bit codes, a quarter of their size, with how far each code is from its vector: scanning them gives
 * an upper bound of every similarity, by Cauchy-Schwarz: q·x ≤ q·x̂ + ‖q‖‖x - x̂‖. Whatever the bound rules out need not
 * be looked at in full, so the exact answer is read from a quarter of the memory.
 */
export class CodedRows {
  readonly #dimension: number
  readonly #stride: number
  readonly #rowBytes: number
  readonly #termsAt: number
  readonly #outAt: number
  readonly #listAt: number
  readonly #rowsAt: number
  readonly #memory: WasmMemory
  /** By how many columns they read; the present one reads those that the query uses. */
  readonly #kernels: Record<number, CodeKernel> = {}
  #kernel: CodeKernel
  #bytes!: Int8Array
  #floats!: Float32Array
  #query!: Int16Array
  #list!: Int32Array
  #out!: Int32Array
  /** What the last `reach` found: numbers of rows, counted from its start, and upper bounds of their similarities. */
  reached!: Int32Array
  bounds!: Float32Array

  constructor(dimension: number) {
    this.#dimension = dimension
    this.#stride = Math.ceil(dimension / 16) * 16
    this.#rowBytes = this.#stride + ROW_TAIL
    this.#termsAt = this.#stride * 2
    this.#outAt = this.#termsAt + TERMS * 4
    this.#listAt = this.#outAt + BLOCK * 4 * 2
    this.#rowsAt = Math.ceil((this.#listAt + BLOCK * 4) / 64) * 64
    this.#memory = new Wasm.Memory({initial: Math.ceil(this.#rowsAt / PAGE) + 1, maximum: MAX_PAGES})
    this.#kernel = this.#kernelOf(this.#stride)
    this.#view()
  }

  get bytes(): number {
    return this.#memory.buffer.byteLength
  }

  set(slot: number, vector: Float32Array): void {
    this.#reserve(slot + 1)
    const scale = largest(vector) / 127 || 1
    const base = this.#at(slot)
    let squared = 0
    for (let i = 0; i < this.#dimension; i++) {
      const code = Math.round(vector[i]! / scale)
      this.#bytes[base + i] = code
      squared += (vector[i]! - code * scale) ** 2
    }
    this.#floats[(base + this.#stride) / 4] = scale
    this.#floats[(base + this.#stride) / 4 + 1] = Math.sqrt(squared)
  }

  move(from: number, to: number): void {
    this.#bytes.copyWithin(this.#at(to), this.#at(from), this.#at(from) + this.#rowBytes)
  }

  swap(a: number, b: number): void {
    const kept = this.#bytes.slice(this.#at(a), this.#at(a) + this.#rowBytes)
    this.move(b, a)
    this.#bytes.set(kept, this.#at(b))
  }

  /** Takes the query that `reach` compares with, until the next. */
  ask(query: Float32Array): void {
    this.#kernel = this.#kernelOf(columnsInUse(query))
    const scale = largest(query) / 32_767 || 1
    let [norm, error] = [0, 0]
    for (let i = 0; i < this.#dimension; i++) {
      const code = Math.round(query[i]! / scale)
      this.#query[i] = code
      norm += (code * scale) ** 2
      error += (query[i]! - code * scale) ** 2
    }
    this.#floats.set([scale, Math.sqrt(norm), Math.sqrt(error) + ROUNDING], this.#termsAt / 4)
  }

  /** Of `count` rows from `start` on, those whose similarity may reach the floor: how many, in `reached` and `bounds`. */
  reach(start: number, count: number, floor: number): number {
    this.#floats[this.#termsAt / 4 + 3] = floor
    return (this.#kernel.reach(0, this.#at(start), count, this.#outAt) - this.#outAt) / 4
  }

  /** The same of `count` rows anywhere: `slots` from `start` on. At most BLOCK. */
  reachListed(slots: Int32Array, start: number, count: number, floor: number): number {
    const [list, base, bytes] = [this.#list, this.#rowsAt, this.#rowBytes]
    for (let i = 0; i < count; i++) list[i] = base + slots[start + i]! * bytes
    this.#floats[this.#termsAt / 4 + 3] = floor
    return (this.#kernel.reachListed(0, this.#listAt, count, this.#outAt) - this.#outAt) / 4
  }

  /** Writes the similarities with the codes of the first `out.length` rows. */
  estimate(query: Float32Array, out: Float32Array): void {
    this.ask(query)
    const scale = this.#floats[this.#termsAt / 4]!
    for (let start = 0; start < out.length; start += BLOCK) {
      const count = Math.min(BLOCK, out.length - start)
      this.#kernel.dot(0, this.#at(start), count, this.#outAt)
      for (let i = 0; i < count; i++) {
        out[start + i] = this.#out[i]! * (scale * this.#floats[(this.#at(start + i) + this.#stride) / 4]!)
      }
    }
  }

  #at(slot: number): number {
    return this.#rowsAt + slot * this.#rowBytes
  }

  #kernelOf(width: number): CodeKernel {
    this.#kernels[width] ??= compileCodeKernel(this.#memory, this.#stride, width)
    return this.#kernels[width]
  }

  #reserve(rows: number): void {
    const needed = this.#at(rows)
    const have = this.#memory.buffer.byteLength
    if (needed <= have) return
    this.#memory.grow(Math.ceil((Math.min(Math.max(needed, have * 1.5), MAX_PAGES * PAGE) - have) / PAGE))
    this.#view()
  }

  /** Anew after every growth, which takes the old buffer away. */
  #view(): void {
    const {buffer} = this.#memory
    this.#bytes = new Int8Array(buffer)
    this.#floats = new Float32Array(buffer)
    this.#query = new Int16Array(buffer, 0, this.#stride)
    this.#out = new Int32Array(buffer, this.#outAt, BLOCK)
    this.#list = new Int32Array(buffer, this.#listAt, BLOCK)
    this.reached = this.#out
    this.bounds = new Float32Array(buffer, this.#outAt + BLOCK * 4, BLOCK)
  }
}

const largest = (vector: Float32Array): number => {
  let max = 0
  for (let i = 0; i < vector.length; i++) max = Math.max(max, Math.abs(vector[i]!))
  return max
}
