import {type CellOptions, Cells} from './cells.ts'
import {createExactIndex, restoreExactIndex} from './exact-index.ts'
import type {Accept, Neighbour, Place, Scope, ScoringIndex, VectorIndex, VectorIndexDriver} from './vector-index.ts'

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

export interface HierarchyOptions extends CellOptions {
  /** A scope with no more vectors than this is scanned whole. */
  readonly scanAtMost: number
  /** A scope with more than this share of all vectors is asked of the source; below it, of the cells. */
  readonly sourceShare: number
  /**
   * Vectors of the nearest cells that are looked at besides what the source names: a graph over clusters that lie far apart
   * comes apart itself, and then finds nothing near for whole clusters; cells do not.
   */
  readonly guard: number
}

/** Chosen with test/bench/memory.ts: about a millisecond and a half, and recall above 0.95 among a million windows or bars. */
const DEFAULTS: HierarchyOptions = {
  trainAt: 20_000,
  budget: 150_000,
  candidates: 1_536,
  scanAtMost: 16_384,
  sourceShare: 0.5,
  guard: 4_096,
}

/** Candidates fetched per neighbour wanted: ranking them exactly wins back most of the recall that a coarse graph loses. */
const OVERFETCH = 8
const LEAST = 64
const MOST = 1_024

/**
 * An approximate source over the hierarchy of partitions and cells, with the full vectors beside it. All or most vectors
 * are asked of the source, whose candidates are ranked by their true similarity; a narrower scope is answered by the cells,
 * and one that is small by a scan of its partitions. A filter is never applied to what a search without it came back with.
 */
export const rerankedDriver = (source: CandidateDriver, given: Partial<HierarchyOptions> = {}): VectorIndexDriver => {
  const options = {...DEFAULTS, ...given}
  return {
    kind: source.kind,
    open: dimension => {
      const rows = createExactIndex(dimension)
      return new RerankedIndex(rows, source.open(rows), options)
    },
    restore: (dimension, bytes) => {
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const end = 8 + Number(view.readBigUInt64LE(0))
      const cellsEnd = end + 8 + Number(view.readBigUInt64LE(end))
      const rows = restoreExactIndex(dimension, view.subarray(8, end))
      const index = new RerankedIndex(rows, source.restore(rows, view.subarray(cellsEnd)), options)
      index.loadCells(view.subarray(end + 8, cellsEnd))
      return index
    },
  }
}

/** No library at all: the hierarchy alone. */
export const cellIndexDriver = (options: Partial<HierarchyOptions> = {}): VectorIndexDriver => {
  const none: CandidateSource = {
    ...{kind: 'ivf', bytes: 0, add: () => {}, remove: () => {}, candidates: () => undefined},
    ...{snapshot: () => new Uint8Array(0), [Symbol.dispose]: () => {}},
  }
  return rerankedDriver({kind: 'ivf', open: () => none, restore: () => none}, options)
}

class RerankedIndex implements VectorIndex {
  readonly #rows: ScoringIndex
  readonly #source: CandidateSource
  readonly #cells: Cells
  readonly #options: HierarchyOptions

  constructor(rows: ScoringIndex, source: CandidateSource, options: HierarchyOptions) {
    this.#rows = rows
    this.#source = source
    this.#options = options
    this.#cells = new Cells(rows, options)
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
    return this.#rows.bytes + this.#cells.bytes + this.#source.bytes
  }

  add(key: number, vector: Float32Array, place?: Place): void {
    if (this.#rows.has(key)) this.#source.remove(key)
    this.#rows.add(key, vector, place)
    this.#source.add(key, vector)
    this.#cells.add(key)
  }

  place(key: number, place: Place): void {
    this.#rows.place(key, place)
    this.#cells.move(key)
  }

  remove(key: number): boolean {
    if (!this.#rows.remove(key)) return false
    this.#source.remove(key)
    this.#cells.remove(key)
    return true
  }

  search(query: Float32Array, k: number, accept?: Accept, scope?: Scope): Neighbour[] {
    const inScope = scope === undefined ? this.size : this.#rows.count(scope)
    const wanted = Math.min(k, inScope)
    if (inScope <= this.#options.scanAtMost) return this.#rows.search(query, wanted, accept, scope)
    return (
      this.#fromSource(query, wanted, inScope, accept, scope) ??
      this.#cells.search(query, wanted, scope, accept) ??
      this.#rows.search(query, wanted, accept, scope)
    )
  }

  #fromSource(
    query: Float32Array,
    wanted: number,
    inScope: number,
    accept: Accept | undefined,
    scope: Scope | undefined,
  ): Neighbour[] | undefined {
    const share = inScope / this.size
    if (share < this.#options.sourceShare) return undefined
    const isMember = memberTest(this.#rows, share === 1 ? undefined : scope, accept)
    for (let count = Math.max(LEAST, Math.ceil((OVERFETCH * wanted) / share)); count <= MOST; count *= 4) {
      const keys = this.#source.candidates(query, Math.min(count, this.size))
      if (keys === undefined) return undefined
      const found = this.#rows.rank(query, wanted, isMember === undefined ? keys : keep(keys, isMember))
      if (found.length < wanted) continue
      const guard = this.#cells.search(query, wanted, share === 1 ? undefined : scope, accept, this.#options.guard)
      return guard === undefined ? found : merged(found, guard, wanted)
    }
    return undefined
  }

  /** [length, rows, length, cells, source], lengths in eight bytes. */
  snapshot(): Uint8Array {
    const parts = [this.#rows.snapshot(), this.#cells.snapshot()]
    return Buffer.concat([...parts.flatMap(part => [uint64(part.byteLength), part]), this.#source.snapshot()])
  }

  loadCells(bytes: Uint8Array): void {
    this.#cells.load(bytes)
  }

  [Symbol.dispose](): void {
    this.#rows[Symbol.dispose]()
    this.#source[Symbol.dispose]()
  }
}

const merged = (a: readonly Neighbour[], b: readonly Neighbour[], k: number): Neighbour[] => {
  const known = new Set(a.map(({key}) => key))
  return [...a, ...b.filter(({key}) => !known.has(key))]
    .sort((x, y) => y.similarity - x.similarity || x.key - y.key)
    .slice(0, k)
}

const memberTest = (rows: ScoringIndex, scope: Scope | undefined, accept: Accept | undefined): Accept | undefined => {
  if (scope === undefined) return accept
  return accept === undefined ? key => rows.inScope(key, scope) : key => rows.inScope(key, scope) && accept(key)
}

const uint64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function* keep(keys: Iterable<number>, accept: Accept): Generator<number> {
  for (const key of keys) if (accept(key)) yield key
}
