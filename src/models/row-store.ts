// Chunks and pages are indexed inside their bounds, hence the `!`.

/** What is kept of a row beside its features, as doubles: integers and float32 values are exact in them. */
export const ROW_FIELDS = [
  'tsUs',
  'session',
  'symbol',
  'block',
  'label',
  'holding',
  'move',
  'labelEnd',
  'cost',
  'strategy',
  'print',
] as const
export type RowField = (typeof ROW_FIELDS)[number]
const FIELD_COUNT = ROW_FIELDS.length
const fieldIndex = Object.fromEntries(ROW_FIELDS.map((name, i) => [name, i])) as Readonly<Record<RowField, number>>

/** Rows by number, written once in order and then read at random. */
export interface RowReader {
  readonly length: number
  readonly width: number
  /** Copies the features of `count` rows from `first` on to `out` [count, width] at `offset`. */
  readonly features: (first: number, count: number, out: Float32Array, offset?: number) => void
  readonly field: (row: number, name: RowField) => number
}

/** Two growing areas of bytes outside the heap, one for features and one for fields. Throws UserError when full. */
export interface RowSpill {
  readonly write: (area: 'features' | 'fields', bytes: Uint8Array, at: number) => void
  readonly read: (area: 'features' | 'fields', into: Uint8Array, at: number) => void
}

export interface RowStoreOptions {
  /** Bytes of rows held in memory; beyond them all rows live in the spill. */
  readonly budgetBytes?: number
  /** Called once, when the budget is used up. Without it the store stays in memory whatever its size. */
  readonly spill?: () => RowSpill
}

/** Rows of a chunk: what is written to the spill at once. */
const CHUNK = 16_384
/** Fields are read from the spill a page at a time, and this many pages are kept. */
const PAGE = 64
const PAGES = 4096

interface Chunk {
  readonly features: Float32Array
  readonly fields: Float64Array
}

const bytesOf = (view: Float32Array | Float64Array): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

/**
 * Labelled feature rows in bounded memory: held in chunks up to a budget, and once that is used up in a file, of which
 * the chunk being written and a few thousand small pages stay here. Reading gives the same bits either way.
 */
export class RowStore implements RowReader {
  readonly width: number
  readonly #options: RowStoreOptions
  readonly #chunkBytes: number
  readonly #chunks: Chunk[] = []
  readonly #pages = new Map<number, Float64Array>()
  #spill: RowSpill | undefined
  #tail: Chunk
  #length = 0

  constructor(width: number, options: RowStoreOptions = {}) {
    this.width = width
    this.#options = options
    this.#chunkBytes = CHUNK * (4 * width + 8 * FIELD_COUNT)
    this.#tail = this.#newChunk()
  }

  get length(): number {
    return this.#length
  }
  get isSpilled(): boolean {
    return this.#spill !== undefined
  }

  /** Appends a row; `fields` in the order of `ROW_FIELDS`. */
  push(features: Float32Array, at: number, fields: ArrayLike<number>): void {
    const row = this.#length % CHUNK
    this.#tail.features.set(features.subarray(at, at + this.width), row * this.width)
    this.#tail.fields.set(fields, row * FIELD_COUNT)
    this.#length++
    if (row === CHUNK - 1) this.#finishChunk()
  }

  features(first: number, count: number, out: Float32Array, offset = 0): void {
    let [row, left, at] = [first, count, offset]
    while (left > 0) {
      const chunk = Math.floor(row / CHUNK)
      const from = row % CHUNK
      const here = Math.min(left, CHUNK - from)
      const target = out.subarray(at, at + here * this.width)
      if (this.#isHere(chunk)) {
        target.set(this.#at(chunk).features.subarray(from * this.width, (from + here) * this.width))
      } else this.#spill!.read('features', bytesOf(target), 4 * this.width * row)
      row += here
      left -= here
      at += here * this.width
    }
  }

  field(row: number, name: RowField): number {
    const index = fieldIndex[name]
    const chunk = Math.floor(row / CHUNK)
    if (this.#isHere(chunk)) return this.#at(chunk).fields[(row % CHUNK) * FIELD_COUNT + index]!
    return this.#page(Math.floor(row / PAGE))[(row % PAGE) * FIELD_COUNT + index]!
  }

  #isHere(chunk: number): boolean {
    return this.#spill === undefined || chunk === Math.floor(this.#length / CHUNK)
  }

  #at(chunk: number): Chunk {
    return this.#spill === undefined && chunk < this.#chunks.length ? this.#chunks[chunk]! : this.#tail
  }

  #page(page: number): Float64Array {
    const known = this.#pages.get(page)
    if (known !== undefined) return known
    if (this.#pages.size >= PAGES) this.#pages.delete(this.#pages.keys().next().value as number)
    const made = new Float64Array(PAGE * FIELD_COUNT)
    this.#spill!.read('fields', bytesOf(made), page * made.byteLength)
    this.#pages.set(page, made)
    return made
  }

  #newChunk(): Chunk {
    return {features: new Float32Array(CHUNK * this.width), fields: new Float64Array(CHUNK * FIELD_COUNT)}
  }

  #finishChunk(): void {
    const {budgetBytes = 256 * 2 ** 20, spill} = this.#options
    const number = this.#length / CHUNK - 1
    if (this.#spill !== undefined) {
      this.#toSpill(number, this.#tail)
      return
    }
    this.#chunks.push(this.#tail)
    if (spill !== undefined && (this.#chunks.length + 1) * this.#chunkBytes > budgetBytes) {
      this.#spill = spill()
      for (const [i, chunk] of this.#chunks.entries()) this.#toSpill(i, chunk)
      this.#chunks.length = 0
      return
    }
    this.#tail = this.#newChunk()
  }

  #toSpill(number: number, {features, fields}: Chunk): void {
    this.#spill!.write('features', bytesOf(features), number * features.byteLength)
    this.#spill!.write('fields', bytesOf(fields), number * fields.byteLength)
  }
}
