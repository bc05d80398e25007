// Columns are indexed inside their bounds, hence the `!`.
import {Label} from './dataset.ts'
import type {LabelColumns} from './labels.ts'
import {ROW_FIELDS, type RowStore} from './row-store.ts'

export interface LabelledRowsOptions<Values extends Readonly<Record<string, Float64Array>>> {
  readonly store: RowStore
  /** Rows ahead that a label looks at most. */
  readonly horizon: number
  /** Columns that labels are made from, `capacity` long. */
  readonly columns: (capacity: number) => Values
  /** Labels of the first `count` rows, all of one session. */
  readonly label: (columns: Values, count: number) => LabelColumns
  /** Cost of a round trip at a row, in the unit of its move. */
  readonly cost: (columns: Values, row: number) => number
  /** Index of the strategy that would have paid, from the row's features. */
  readonly strategy: (features: Float32Array, at: number, move: number, cost: number) => number
}

/** Rows of a session held at once; a longer session passes through in pieces that overlap by its horizon. */
const CAPACITY = 4096

/**
 * From feature rows in time order to labelled ones in a store: a row waits until its horizon is over or its session ends,
 * and then leaves. Holds a few thousand rows however long the history is.
 */
export class LabelledRows<Values extends Readonly<Record<string, Float64Array>>> {
  readonly #options: LabelledRowsOptions<Values>
  readonly #capacity: number
  readonly #width: number
  readonly #features: Float32Array
  readonly #tsUs: Float64Array
  readonly #block: Float64Array
  readonly #print: Float64Array
  readonly #fields = new Float64Array(ROW_FIELDS.length)
  /** Of the row being added; fill row `count` of each before `push`. */
  readonly columns: Values
  #count = 0
  #session = 0
  #symbol = 0

  constructor(options: LabelledRowsOptions<Values>) {
    this.#options = options
    this.#width = options.store.width
    this.#capacity = CAPACITY + 2 * options.horizon
    this.#features = new Float32Array(this.#capacity * this.#width)
    this.#tsUs = new Float64Array(this.#capacity)
    this.#block = new Float64Array(this.#capacity)
    this.#print = new Float64Array(this.#capacity)
    this.columns = options.columns(this.#capacity)
  }

  /** Where the next row's values belong. */
  get count(): number {
    return this.#count
  }

  startSymbol(symbol: number): void {
    this.endSession()
    this.#symbol = symbol
  }

  push(features: Float32Array, tsUs: number, block: number, print: number): void {
    this.#features.set(features, this.#count * this.#width)
    this.#tsUs[this.#count] = tsUs
    this.#block[this.#count] = block
    this.#print[this.#count] = print
    this.#count++
    if (this.#count < this.#capacity) return
    const done = this.#count - this.#options.horizon
    this.#write(done)
    this.#features.copyWithin(0, done * this.#width)
    this.#tsUs.copyWithin(0, done)
    this.#block.copyWithin(0, done)
    this.#print.copyWithin(0, done)
    for (const column of Object.values(this.columns)) column.copyWithin(0, done)
    this.#count -= done
  }

  endSession(): void {
    if (this.#count > 0) this.#write(this.#count)
    this.#count = 0
    this.#session++
  }

  #write(count: number): void {
    const {store, label, cost, strategy} = this.#options
    const {labels, holding, move, labelEnd} = label(this.columns, this.#count)
    const base = store.length
    const fields = this.#fields
    for (let row = 0; row < count; row++) {
      const isKnown = labels[row] !== Label.unknown
      const price = cost(this.columns, row)
      fields[0] = this.#tsUs[row]!
      fields[1] = this.#session
      fields[2] = this.#symbol
      fields[3] = this.#block[row]!
      fields[4] = labels[row]!
      fields[5] = holding[row]!
      fields[6] = move[row]!
      fields[7] = isKnown ? base + labelEnd[row]! : base + row
      fields[8] = price
      fields[9] = isKnown ? strategy(this.#features, row * this.#width, move[row]!, price) : -1
      fields[10] = this.#print[row]!
      store.push(this.#features, row * this.#width, fields)
    }
  }
}
