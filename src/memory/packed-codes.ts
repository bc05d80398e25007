// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {withRoom} from './key-column.ts'
import {BLOCK_ROWS, compileScanNibbles, nibbleOf, type ScanNibbles} from './nibble-kernel.ts'
import {Wasm, type WasmMemory} from './web-assembly.ts'

const PAGE = 65_536
const MAX_PAGES = 65_536
/** Blocks summed at a time: their sums stay in the first-level cache. */
const AT_ONCE = 64
/** Rows summed at a time. */
export const ROWS_AT_ONCE = AT_ONCE * BLOCK_ROWS

/** Four-bit codes of numbered lists of rows, in blocks that the kernel sums by a table. */
export class PackedCodes {
  readonly #parts: number
  readonly #outAt: number
  readonly #memory: WasmMemory
  readonly #scan: ScanNibbles
  readonly #listAt: number
  #bytes: Uint8Array
  /** Of the last `scan`: the sum of every row, and which rows passed. */
  sums: Uint16Array
  passing: Int32Array
  #end: number
  readonly #base: number
  /** By place: the row of a block. */
  #keys: Int32Array<ArrayBuffer> = new Int32Array(0)
  /** Where the blocks of each list lie, how many there is room for, and the rows it has. */
  readonly #at: Int32Array
  readonly #room: Int32Array
  readonly #rows: Int32Array

  constructor(parts: number, lists: number) {
    this.#parts = parts
    this.#at = new Int32Array(lists)
    this.#room = new Int32Array(lists)
    this.#rows = new Int32Array(lists)
    this.#outAt = parts * 16
    this.#listAt = this.#outAt + ROWS_AT_ONCE * 2
    this.#end = Math.ceil((this.#listAt + ROWS_AT_ONCE * 4) / 64) * 64
    this.#base = this.#end
    this.#memory = new Wasm.Memory({initial: Math.ceil(this.#end / PAGE), maximum: MAX_PAGES})
    this.#scan = compileScanNibbles(this.#memory, parts)
    this.#bytes = new Uint8Array(this.#memory.buffer)
    this.sums = new Uint16Array(this.#memory.buffer, this.#outAt, ROWS_AT_ONCE)
    this.passing = new Int32Array(this.#memory.buffer, this.#listAt, ROWS_AT_ONCE)
  }

  get bytes(): number {
    return this.#bytes.byteLength + this.#keys.byteLength
  }

  set table(entries: Uint8Array) {
    this.#bytes.set(entries)
  }

  /** Writes the codes of all rows of a list; `codes` holds those of every key, two a byte. */
  pack(list: number, rows: number, keyOf: (row: number) => number, codes: Uint8Array): void {
    this.#reserve(list, Math.ceil(rows / BLOCK_ROWS))
    this.#rows[list] = rows
    const [bytes, at] = [this.#bytes, this.#at[list]!]
    bytes.fill(0, at, at + Math.ceil(rows / BLOCK_ROWS) * this.#parts * 16)
    const first = this.place(list)
    this.#keys = withRoom(this.#keys, first + rows)
    for (let row = 0; row < rows; row++) {
      const key = keyOf(row)
      this.#keys[first + row] = key
      const {byte, shift} = nibbleOf(row % BLOCK_ROWS)
      const from = (key * this.#parts) / 2
      let to = at + Math.floor(row / BLOCK_ROWS) * this.#parts * 16 + byte
      for (let pair = 0; pair < this.#parts / 2; pair++, to += 32) {
        const two = codes[from + pair]!
        bytes[to]! |= (two & 15) << shift
        bytes[to + 16]! |= (two >> 4) << shift
      }
    }
  }

  /** Where a list's first row is: rows are at consecutive places, until the list is packed again. */
  place(list: number): number {
    return ((this.#at[list]! - this.#base) / (this.#parts * 16)) * BLOCK_ROWS
  }

  key(place: number): number {
    return this.#keys[place]!
  }

  /**
   * Sums the rows from `first` on, a multiple of 32, at most `ROWS_AT_ONCE` of a list; returns how many of them have
   * a sum greater than `above` (-1 to 32,767) and so are in `passing`, counted from `first`. Beyond the last row of a
   * list its last block may pass rows that are not there.
   */
  scan(list: number, first: number, above: number): number {
    const blocks = Math.ceil(Math.min(this.#rows[list]! - first, ROWS_AT_ONCE) / BLOCK_ROWS)
    const at = this.#at[list]! + (first / BLOCK_ROWS) * this.#parts * 16
    return this.#scan(0, at, blocks, this.#outAt, above, this.#listAt)
  }

  /** What a list outgrows is not used again. */
  #reserve(list: number, blocks: number): void {
    if (this.#room[list]! >= blocks) return
    this.#room[list] = Math.max(blocks, this.#room[list]! * 2)
    this.#at[list] = this.#end
    this.#end += this.#room[list]! * this.#parts * 16
    const missing = this.#end - this.#bytes.byteLength
    if (missing <= 0) return
    this.#memory.grow(Math.ceil(Math.max(missing, this.#bytes.byteLength * 0.25) / PAGE))
    this.#bytes = new Uint8Array(this.#memory.buffer)
    this.sums = new Uint16Array(this.#memory.buffer, this.#outAt, ROWS_AT_ONCE)
    this.passing = new Int32Array(this.#memory.buffer, this.#listAt, ROWS_AT_ONCE)
  }
}
