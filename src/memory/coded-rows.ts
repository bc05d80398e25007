// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {type CodeKernel, compileDotCodes} from './code-kernel.ts'
import {columnsInUse} from './columns-in-use.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

const PAGE = 65_536
const MAX_PAGES = 65_536
/** Rows scored at a time, so the scores stay in the first-level cache. */
export const BLOCK = 2_048
/** Above the rounding of the float32 kernel, so that a bound never falls below the score it bounds. */
const ROUNDING = 2e-6

/**
 * Unit vectors as 8-bit codes, a quarter of their size, with how far each code is from its vector: scanning them gives
 * an upper bound of every similarity, by Cauchy-Schwarz: q·x ≤ q·x̂ + ‖q‖‖x - x̂‖. Whatever the bound rules out need not
 * be looked at in full, so the exact answer is read from a quarter of the memory.
 */
export class CodedRows {
  readonly #dimension: number
  readonly #stride: number
  readonly #outAt: number
  readonly #codesAt: number
  readonly #memory: WasmMemory
  readonly #listAt: number
  #kernel: CodeKernel
  /** Columns that some row uses; the kernel reads no further. */
  #width = 16
  #codes: Int8Array
  #query: Int16Array
  #sums: Int32Array
  #list: Int32Array
  #scales = new Float32Array(1024)
  #errors = new Float32Array(1024)
  /** Upper bounds of the rows of the last `bound`. */
  readonly bounds = new Float32Array(BLOCK)

  constructor(dimension: number) {
    this.#dimension = dimension
    this.#stride = Math.ceil(dimension / 16) * 16
    this.#outAt = this.#stride * 2
    this.#listAt = this.#outAt + BLOCK * 4
    this.#codesAt = Math.ceil((this.#listAt + BLOCK * 4) / 64) * 64
    this.#memory = new Wasm.Memory({initial: Math.ceil(this.#codesAt / PAGE) + 1, maximum: MAX_PAGES})
    this.#kernel = compileDotCodes(this.#memory, this.#stride, this.#width)
    this.#codes = new Int8Array(this.#memory.buffer)
    this.#query = new Int16Array(this.#memory.buffer, 0, this.#stride)
    this.#sums = new Int32Array(this.#memory.buffer, this.#outAt, BLOCK)
    this.#list = new Int32Array(this.#memory.buffer, this.#listAt, BLOCK)
  }

  get bytes(): number {
    return this.#memory.buffer.byteLength + this.#scales.byteLength * 2
  }

  set(slot: number, vector: Float32Array): void {
    this.#reserve(slot + 1)
    this.#widen(columnsInUse(vector))
    const scale = largest(vector) / 127 || 1
    const base = this.#codesAt + slot * this.#stride
    let squared = 0
    for (let i = 0; i < this.#dimension; i++) {
      const code = Math.round(vector[i]! / scale)
      this.#codes[base + i] = code
      squared += (vector[i]! - code * scale) ** 2
    }
    this.#scales[slot] = scale
    this.#errors[slot] = Math.sqrt(squared)
  }

  move(from: number, to: number): void {
    const at = (slot: number): number => this.#codesAt + slot * this.#stride
    this.#codes.copyWithin(at(to), at(from), at(from) + this.#stride)
    this.#scales[to] = this.#scales[from]!
    this.#errors[to] = this.#errors[from]!
  }

  swap(a: number, b: number): void {
    const at = (slot: number): number => this.#codesAt + slot * this.#stride
    const kept = this.#codes.slice(at(a), at(a) + this.#stride)
    this.#codes.copyWithin(at(a), at(b), at(b) + this.#stride)
    this.#codes.set(kept, at(b))
    ;[this.#scales[a], this.#scales[b]] = [this.#scales[b]!, this.#scales[a]!]
    ;[this.#errors[a], this.#errors[b]] = [this.#errors[b]!, this.#errors[a]!]
  }

  /** Prepares a query; returns what `bound` needs to know of it. */
  ask(query: Float32Array): {readonly scale: number; readonly norm: number; readonly error: number} {
    const scale = largest(query) / 32_767 || 1
    let [norm, error] = [0, 0]
    for (let i = 0; i < this.#dimension; i++) {
      const code = Math.round(query[i]! / scale)
      this.#query[i] = code
      norm += (code * scale) ** 2
      error += (query[i]! - code * scale) ** 2
    }
    return {scale, norm: Math.sqrt(norm), error: Math.sqrt(error)}
  }

  /** Writes upper bounds of the similarities of `count` rows from `start` on into `bounds`. */
  bound(asked: ReturnType<CodedRows['ask']>, start: number, count: number): void {
    this.#kernel.inRow(0, this.#codesAt + start * this.#stride, count, this.#outAt)
    const {scale, norm} = asked
    const slack = asked.error + ROUNDING
    const [sums, scales, errors, bounds] = [this.#sums, this.#scales, this.#errors, this.bounds]
    for (let i = 0; i < count; i++) {
      bounds[i] = sums[i]! * (scale * scales[start + i]!) + norm * errors[start + i]! + slack
    }
  }

  /** The same of `count` rows anywhere: `slots` from `start` on. At most BLOCK. */
  boundListed(asked: ReturnType<CodedRows['ask']>, slots: Int32Array, start: number, count: number): void {
    const [list, base, stride] = [this.#list, this.#codesAt, this.#stride]
    for (let i = 0; i < count; i++) list[i] = base + slots[start + i]! * stride
    this.#kernel.listed(0, this.#listAt, count, this.#outAt)
    const {scale, norm} = asked
    const slack = asked.error + ROUNDING
    const [sums, scales, errors, bounds] = [this.#sums, this.#scales, this.#errors, this.bounds]
    for (let i = 0; i < count; i++) {
      const slot = slots[start + i]!
      bounds[i] = sums[i]! * (scale * scales[slot]!) + norm * errors[slot]! + slack
    }
  }

  /** Writes the similarities with the codes of the first `out.length` rows. */
  estimate(query: Float32Array, out: Float32Array): void {
    const {scale} = this.ask(query)
    for (let start = 0; start < out.length; start += BLOCK) {
      const count = Math.min(BLOCK, out.length - start)
      this.#kernel.inRow(0, this.#codesAt + start * this.#stride, count, this.#outAt)
      const [sums, scales] = [this.#sums, this.#scales]
      for (let i = 0; i < count; i++) out[start + i] = sums[i]! * (scale * scales[start + i]!)
    }
  }

  #widen(width: number): void {
    if (width <= this.#width) return
    this.#width = width
    this.#kernel = compileDotCodes(this.#memory, this.#stride, width)
  }

  #reserve(rows: number): void {
    if (rows > this.#scales.length) {
      const length = Math.max(rows, this.#scales.length * 2)
      const [scales, errors] = [new Float32Array(length), new Float32Array(length)]
      scales.set(this.#scales)
      errors.set(this.#errors)
      this.#scales = scales
      this.#errors = errors
    }
    const needed = this.#codesAt + rows * this.#stride
    const have = this.#memory.buffer.byteLength
    if (needed <= have) return
    this.#memory.grow(Math.ceil((Math.min(Math.max(needed, have * 1.5), MAX_PAGES * PAGE) - have) / PAGE))
    this.#codes = new Int8Array(this.#memory.buffer)
    this.#query = new Int16Array(this.#memory.buffer, 0, this.#stride)
    this.#sums = new Int32Array(this.#memory.buffer, this.#outAt, BLOCK)
    this.#list = new Int32Array(this.#memory.buffer, this.#listAt, BLOCK)
  }
}

const largest = (vector: Float32Array): number => {
  let max = 0
  for (let i = 0; i < vector.length; i++) max = Math.max(max, Math.abs(vector[i]!))
  return max
}
