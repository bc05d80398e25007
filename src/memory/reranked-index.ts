import {createExactIndex, restoreExactIndex} from './exact-index.ts'
import type {Accept, Neighbour, ScoringIndex, VectorIndex, VectorIndexDriver} from './vector-index.ts'

/** An approximate library seen from here: it names keys that are probably near, in any order. */
export interface CandidateSource extends Disposable {
  readonly kind: string
  readonly bytes: number
  /** The key is new to the source. */
  readonly add: (key: number, vector: Float32Array) => void
  readonly remove: (key: number) => void
  /** About `count` keys near the query; fewer when it knows no more. Undefined while it cannot answer (not trained yet). */
  readonly candidates: (query: Float32Array, count: number) => Iterable<number> | undefined
  readonly snapshot: () => Uint8Array
}

/** The full vectors, for a source that must build itself again. */
export type VectorRows = Pick<ScoringIndex, 'dimension' | 'keys' | 'vector'>

export interface CandidateDriver {
  readonly kind: string
  readonly open: (rows: VectorRows) => CandidateSource
  readonly restore: (rows: VectorRows, bytes: Uint8Array) => CandidateSource
}

/** Candidates fetched per neighbour wanted: ranking them exactly wins back most of the recall that a coarse graph loses. */
const OVERFETCH = 8
const LEAST = 64
/** A filter that lets through less than about one candidate in this many is cheaper to answer by scanning. */
const MOST = 1_024

/**
 * An approximate source with the full vectors beside it: candidates are ranked by their true similarity, and a filter
 * too narrow for the candidates is answered by an exact scan, so neither ever shows in the result but as a missed
 * neighbour.
 */
export const rerankedDriver = (source: CandidateDriver): VectorIndexDriver => ({
  kind: source.kind,
  open: dimension => {
    const rows = createExactIndex(dimension)
    return new RerankedIndex(rows, source.open(rows))
  },
  restore: (dimension, bytes) => {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const end = 8 + Number(view.readBigUInt64LE(0))
    const rows = restoreExactIndex(dimension, view.subarray(8, end))
    return new RerankedIndex(rows, source.restore(rows, view.subarray(end)))
  },
})

class RerankedIndex implements VectorIndex {
  readonly #rows: ScoringIndex
  readonly #source: CandidateSource

  constructor(rows: ScoringIndex, source: CandidateSource) {
    this.#rows = rows
    this.#source = source
  }

  get kind(): string {
    return this.#source.kind
  }
  get dimension(): number {
    return this.#rows.dimension
  }
  get size(): number {
    return this.#rows.size
  }
  get bytes(): number {
    return this.#rows.bytes + this.#source.bytes
  }

  add(key: number, vector: Float32Array): void {
    if (this.#rows.has(key)) this.#source.remove(key)
    this.#rows.add(key, vector)
    this.#source.add(key, vector)
  }

  remove(key: number): boolean {
    if (!this.#rows.remove(key)) return false
    this.#source.remove(key)
    return true
  }

  search(query: Float32Array, k: number, accept?: Accept): Neighbour[] {
    const wanted = Math.min(k, this.size)
    for (let count = Math.max(LEAST, OVERFETCH * k); count < this.size && count <= MOST; count *= 4) {
      const keys = this.#source.candidates(query, count)
      if (keys === undefined) break
      const found = this.#rows.rank(query, wanted, accept === undefined ? keys : keep(keys, accept))
      if (found.length >= wanted) return found
    }
    return this.#rows.search(query, k, accept)
  }

  snapshot(): Uint8Array {
    const rows = this.#rows.snapshot()
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(rows.byteLength))
    return Buffer.concat([length, rows, this.#source.snapshot()])
  }

  [Symbol.dispose](): void {
    this.#rows[Symbol.dispose]()
    this.#source[Symbol.dispose]()
  }
}

function* keep(keys: Iterable<number>, accept: Accept): Generator<number> {
  for (const key of keys) if (accept(key)) yield key
}
