// Numeric kernel: indices are in bounds by construction, hence the `!`.
import type {Accept} from './vector-index.ts'

/** One value or several; absent matches everything. */
export interface SearchFilters {
  readonly symbol?: string | readonly string[]
  readonly regime?: string | readonly string[]
  readonly strategy?: string | readonly string[]
  /** Patterns decided longer than this before the time of asking are left out. */
  readonly maxAgeUs?: number
}

interface Row {
  readonly symbol: string
  readonly regime: string
  readonly strategy: string
  readonly tsUs: number
}

/** The filterable fields of every key as typed columns, so that a filter inside the search costs a few loads. */
export class BankColumns {
  readonly #symbols = new Interner()
  readonly #regimes = new Interner()
  readonly #strategies = new Interner()
  #symbol = new Int32Array(1024)
  #regime = new Int32Array(1024)
  #strategy = new Int32Array(1024)
  #tsUs = new Float64Array(1024)
  #visibleFromUs = new Float64Array(1024)

  set(key: number, row: Row, visibleFromUs: number): void {
    if (key >= this.#tsUs.length) this.#grow(key + 1)
    this.#symbol[key] = this.#symbols.codeOf(row.symbol)
    this.#regime[key] = this.#regimes.codeOf(row.regime)
    this.#strategy[key] = this.#strategies.codeOf(row.strategy)
    this.#tsUs[key] = row.tsUs
    this.#visibleFromUs[key] = visibleFromUs
  }

  /** Patterns decided before `asOfUs` with an outcome known by then, and that pass the filters. */
  accept(asOfUs: number, filters: SearchFilters): Accept {
    const symbols = this.#symbols.mask(filters.symbol)
    const regimes = this.#regimes.mask(filters.regime)
    const strategies = this.#strategies.mask(filters.strategy)
    const oldestUs = filters.maxAgeUs === undefined ? Number.NEGATIVE_INFINITY : asOfUs - filters.maxAgeUs
    const [tsUs, visibleFromUs] = [this.#tsUs, this.#visibleFromUs]
    const [symbol, regime, strategy] = [this.#symbol, this.#regime, this.#strategy]
    return key =>
      visibleFromUs[key]! <= asOfUs &&
      tsUs[key]! < asOfUs &&
      tsUs[key]! >= oldestUs &&
      (symbols === undefined || symbols[symbol[key]!] === 1) &&
      (regimes === undefined || regimes[regime[key]!] === 1) &&
      (strategies === undefined || strategies[strategy[key]!] === 1)
  }

  get bytes(): number {
    return this.#tsUs.length * (3 * 4 + 2 * 8)
  }

  #grow(needed: number): void {
    const length = Math.max(needed, this.#tsUs.length * 2)
    const wider = <T extends Int32Array | Float64Array>(from: T, to: T): T => {
      to.set(from)
      return to
    }
    this.#symbol = wider(this.#symbol, new Int32Array(length))
    this.#regime = wider(this.#regime, new Int32Array(length))
    this.#strategy = wider(this.#strategy, new Int32Array(length))
    this.#tsUs = wider(this.#tsUs, new Float64Array(length))
    this.#visibleFromUs = wider(this.#visibleFromUs, new Float64Array(length))
  }
}

/** Small integers for strings, in order of first sight. */
class Interner {
  readonly #codes = new Map<string, number>()

  codeOf(text: string): number {
    const known = this.#codes.get(text)
    if (known !== undefined) return known
    this.#codes.set(text, this.#codes.size)
    return this.#codes.size - 1
  }

  /** 1 at the codes of the wanted strings; undefined when everything is wanted. */
  mask(wanted: string | readonly string[] | undefined): Uint8Array | undefined {
    if (wanted === undefined) return undefined
    const mask = new Uint8Array(this.#codes.size)
    for (const text of typeof wanted === 'string' ? [wanted] : wanted) {
      const code = this.#codes.get(text)
      if (code !== undefined) mask[code] = 1
    }
    return mask
  }
}
