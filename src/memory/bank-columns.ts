// Numeric kernel: indices are in bounds by construction, hence the `!`.
import {withRoom} from './key-column.ts'
import type {Accept, Place, Scope} from './vector-index.ts'

/** One value or several; absent matches everything. */
export interface SearchFilters {
  readonly symbol?: string | readonly string[]
  readonly regime?: string | readonly string[]
  readonly strategy?: string | readonly string[]
  /** Patterns decided longer than this before the time of asking are left out. */
  readonly maxAgeUs?: number
}

interface Context {
  readonly symbol: string
  readonly regime: string
  readonly strategy: string
}

/**
 * What searches ask of the patterns besides their vectors: a partition number for every combination of symbol, regime and
 * strategy that occurs, which the index keeps its vectors by, and from when on the first outcome of a key was known.
 */
export class BankColumns {
  readonly #numbers = new Map<string, number>()
  readonly #contexts: Context[] = []
  #visibleFromUs: Float64Array<ArrayBuffer> = new Float64Array(1024)

  set(key: number, visibleFromUs: number): void {
    this.#visibleFromUs = withRoom(this.#visibleFromUs, key + 1)
    this.#visibleFromUs[key] = visibleFromUs
  }

  placeOf({symbol, regime, strategy, tsUs}: Context & {readonly tsUs: number}): Place {
    const name = JSON.stringify([symbol, regime, strategy])
    let partition = this.#numbers.get(name)
    if (partition === undefined) {
      partition = this.#contexts.push({symbol, regime, strategy}) - 1
      this.#numbers.set(name, partition)
    }
    return {partition, tsUs}
  }

  /** Patterns decided before `asOfUs` that pass the filters. */
  scope(asOfUs: number, {symbol, regime, strategy, maxAgeUs}: SearchFilters): Scope {
    const fromUs = maxAgeUs === undefined ? Number.NEGATIVE_INFINITY : asOfUs - maxAgeUs
    if (symbol === undefined && regime === undefined && strategy === undefined) return {fromUs, beforeUs: asOfUs}
    const tests = [member(symbol), member(regime), member(strategy)] as const
    const partitions = new Uint8Array(this.#contexts.length)
    for (const [partition, context] of this.#contexts.entries()) {
      const isWanted = tests[0](context.symbol) && tests[1](context.regime) && tests[2](context.strategy)
      if (isWanted) partitions[partition] = 1
    }
    return {partitions, fromUs, beforeUs: asOfUs}
  }

  /** Whether an outcome of the key was known by then. */
  known(asOfUs: number): Accept {
    const visibleFromUs = this.#visibleFromUs
    return key => visibleFromUs[key]! <= asOfUs
  }

  get bytes(): number {
    return this.#visibleFromUs.byteLength
  }
}

const member = (wanted: string | readonly string[] | undefined): ((value: string) => boolean) => {
  if (wanted === undefined) return () => true
  if (typeof wanted === 'string') return value => value === wanted
  return value => wanted.includes(value)
}
