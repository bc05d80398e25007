// Runs are indexed inside their bounds, hence the `!`.

/** Numbers of rows in a fixed order, whether listed or computed. */
export interface RowList {
  readonly length: number
  /** The n-th; undefined outside. */
  readonly at: (n: number) => number | undefined
}

/**
 * Ascending row numbers as runs without gaps: two numbers a trading session instead of one a row, so that choosing which
 * windows train, validate and test costs no memory that grows with the rows.
 */
export class RowRuns implements RowList {
  #firsts = new Float64Array(64)
  /** How many rows come before the run. */
  #starts = new Float64Array(64)
  #runs = 0
  #length = 0

  static from(rows: Iterable<number>): RowRuns {
    const runs = new RowRuns()
    for (const row of rows) runs.push(row)
    return runs
  }

  get length(): number {
    return this.#length
  }
  /** Runs held: what memory depends on. */
  get runs(): number {
    return this.#runs
  }

  push(row: number): void {
    const last = this.#runs - 1
    const next = last < 0 ? Number.NaN : this.#firsts[last]! + this.#length - this.#starts[last]!
    if (row !== next) {
      if (row < next) throw new RangeError(`rows of a run list must ascend: ${row} came after ${next - 1}`)
      if (this.#runs === this.#firsts.length) this.#grow()
      this.#firsts[this.#runs] = row
      this.#starts[this.#runs] = this.#length
      this.#runs++
    }
    this.#length++
  }

  at(n: number): number | undefined {
    if (!(n >= 0 && n < this.#length)) return undefined
    let [low, high] = [0, this.#runs - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#starts[middle]! <= n) low = middle
      else high = middle - 1
    }
    return this.#firsts[low]! + n - this.#starts[low]!
  }

  *[Symbol.iterator](): Generator<number> {
    for (let run = 0; run < this.#runs; run++) {
      const count = (run + 1 < this.#runs ? this.#starts[run + 1]! : this.#length) - this.#starts[run]!
      for (let i = 0; i < count; i++) yield this.#firsts[run]! + i
    }
  }

  #grow(): void {
    for (const name of ['firsts', 'starts'] as const) {
      const old = name === 'firsts' ? this.#firsts : this.#starts
      const grown = new Float64Array(old.length * 2)
      grown.set(old)
      if (name === 'firsts') this.#firsts = grown
      else this.#starts = grown
    }
  }
}

/** At most `count` of the rows, evenly spread. */
export const spread = (rows: RowList, count: number): Int32Array => {
  if (rows.length <= count) return Int32Array.from({length: rows.length}, (_, i) => rows.at(i)!)
  return Int32Array.from({length: count}, (_, i) => rows.at(Math.floor((i * rows.length) / count))!)
}
