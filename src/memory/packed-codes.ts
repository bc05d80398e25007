// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {BLOCK_ROWS, compileScanNibbles, nibbleOf, type ScanNibbles} from './nibble-kernel.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

const PAGE = 65_536
const MAX_PAGES = 65_536
/** Blocks summed at a time: their sums stay in the first-level cache. */
const AT_ONCE = 64

/** Where the blocks of one list lie, and how many there is room for. */
export interface Region {
  readonly at: number
  readonly blocks: number
}

/** Four-bit codes of lists of rows, in blocks that the kernel sums by a table. */
export class PackedCodes {
  readonly #parts: number
  readonly #outAt: number
  readonly #memory: WasmMemory
  readonly #scan: ScanNibbles
  #bytes: Uint8Array
  #end: number

  constructor(parts: number) {
    this.#parts = parts
    this.#outAt = parts * 16
    this.#end = Math.ceil((this.#outAt + AT_ONCE * BLOCK_ROWS * 2) / 64) * 64
    this.#memory = new Wasm.Memory({initial: Math.ceil(this.#end / PAGE), maximum: MAX_PAGES})
    this.#scan = compileScanNibbles(this.#memory, parts)
    this.#bytes = new Uint8Array(this.#memory.buffer)
  }

  get bytes(): number {
    return this.#bytes.byteLength
  }

  set table(entries: Uint8Array) {
    this.#bytes.set(entries)
  }

  /** Room for so many rows; the region itself while it has that. What is outgrown is not used again. */
  room(region: Region | undefined, rows: number): Region {
    const blocks = Math.ceil(rows / BLOCK_ROWS)
    if (region !== undefined && region.blocks >= blocks) return region
    const grown = {at: this.#end, blocks: region === undefined ? blocks : Math.max(blocks, region.blocks * 2)}
    this.#end += grown.blocks * this.#parts * 16
    const missing = this.#end - this.#bytes.byteLength
    if (missing > 0) {
      this.#memory.grow(Math.ceil(Math.max(missing, this.#bytes.byteLength * 0.25) / PAGE))
      this.#bytes = new Uint8Array(this.#memory.buffer)
    }
    return grown
  }

  /** Writes the codes of all rows of a list: two codes a byte, `codesAt(row)` is where those of a row begin. */
  pack({at}: Region, rows: number, codes: Uint8Array, codesAt: (row: number) => number): void {
    const bytes = this.#bytes
    bytes.fill(0, at, at + Math.ceil(rows / BLOCK_ROWS) * this.#parts * 16)
    for (let row = 0; row < rows; row++) {
      const {byte, shift} = nibbleOf(row % BLOCK_ROWS)
      const from = codesAt(row)
      let to = at + Math.floor(row / BLOCK_ROWS) * this.#parts * 16 + byte
      for (let pair = 0; pair < this.#parts / 2; pair++, to += 32) {
        const two = codes[from + pair]!
        bytes[to]! |= (two & 15) << shift
        bytes[to + 16]! |= (two >> 4) << shift
      }
    }
  }

  /** Calls back with the sums of rows `first` up to `first + sums.length`, piece by piece; valid within the call. */
  sums({at}: Region, rows: number, take: (sums: Uint16Array, first: number) => void): void {
    const blocks = Math.ceil(rows / BLOCK_ROWS)
    for (let start = 0; start < blocks; start += AT_ONCE) {
      const count = Math.min(AT_ONCE, blocks - start)
      this.#scan(0, at + start * this.#parts * 16, count, this.#outAt)
      const first = start * BLOCK_ROWS
      take(new Uint16Array(this.#memory.buffer, this.#outAt, Math.min(rows - first, count * BLOCK_ROWS)), first)
    }
  }
}
