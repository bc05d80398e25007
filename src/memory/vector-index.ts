/** One stored vector near the query; `similarity` is the dot product of unit vectors, -1 to 1. */
export interface Neighbour {
  readonly key: number
  readonly similarity: number
}

/** Decides inside the search whether a key may be a neighbour; pure while the search runs. */
export type Accept = (key: number) => boolean

/** What filters choose by: a small integer for each combination of symbol, regime and strategy, and the event time. */
export interface Place {
  readonly partition: number
  readonly tsUs: number
}

/** The part of an index that a search is limited to. Vectors outside it are not looked at where that is cheaper. */
export interface Scope {
  /** 1 at every partition wanted, by its number; beyond its end nothing is. All partitions without it. */
  readonly partitions?: Uint8Array | undefined
  /** `fromUs` ≤ event time < `beforeUs`. */
  readonly fromUs: number
  readonly beforeUs: number
}

/**
 * Nearest neighbours by cosine similarity over unit vectors. A rebuildable cache: the documents are the truth. Keys are
 * small non-negative integers chosen by the caller and reused by it after removal. Implementations agree on everything
 * `test/contract/vector-index.ts` asserts; an approximate one may miss neighbours but never invents or misorders them.
 */
export interface VectorIndex extends Disposable {
  /** What `stats` prints: `exact`, `usearch`, `faiss-ivf` … */
  readonly kind: string
  readonly dimension: number
  readonly size: number
  /** Resident bytes of vectors and links. */
  readonly bytes: number
  /** Adds a unit vector, or replaces the one that has this key. The index keeps its own copy. Partition 0 at time 0 without a place. */
  readonly add: (key: number, vector: Float32Array, place?: Place) => void
  /** Says where a vector belongs that came back by `restore`: snapshots hold vectors, not what filters choose by. */
  readonly place: (key: number, place: Place) => void
  /** False when the key is not there. */
  readonly remove: (key: number) => boolean
  /** At most `k` neighbours in the scope that are accepted, most similar first, equal similarities by ascending key. */
  readonly search: (query: Float32Array, k: number, accept?: Accept, scope?: Scope) => Neighbour[]
  /** The whole index as bytes that the driver's `restore` takes. */
  readonly snapshot: () => Uint8Array
}

/** The best of the keys that are handed in, piece by piece. */
export interface RankedScan {
  /** The first `count` of these keys, which are all there. */
  readonly offer: (keys: Int32Array, count: number) => void
  readonly best: () => Neighbour[]
}

/** An index that can also rank given keys: what an approximate source is checked with. */
export interface ScoringIndex extends VectorIndex {
  readonly has: (key: number) => boolean
  readonly keys: () => Iterable<number>
  /** The stored vector, valid until the index next changes. */
  readonly vector: (key: number) => Float32Array
  readonly placeOf: (key: number) => Place
  /** How many vectors are in the scope. Takes a look at each partition, not at each vector. */
  readonly count: (scope: Scope) => number
  readonly inScope: (key: number, scope: Scope) => boolean
  /** The best `k` of these keys by true similarity; keys that are not there are passed over. */
  readonly rank: (query: Float32Array, k: number, keys: Iterable<number>) => Neighbour[]
  /** Lays the rows out in this order of all keys: those that are asked for together are then read together. */
  readonly reorder: (keys: readonly number[]) => void
  /** One at a time: it is over when the next search of any kind begins. */
  readonly scan: (query: Float32Array, k: number) => RankedScan
}

/** Opens an empty index. */
export type VectorIndexFactory = (dimension: number) => VectorIndex

/** A kind of index: how to open one, and how to bring one back. `restore` throws for bytes it cannot use. */
export interface VectorIndexDriver {
  readonly kind: string
  readonly open: VectorIndexFactory
  readonly restore: (dimension: number, bytes: Uint8Array) => VectorIndex
}
