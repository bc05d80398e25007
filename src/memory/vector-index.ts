/** One stored vector near the query; `similarity` is the dot product of unit vectors, -1 to 1. */
export interface Neighbour {
  readonly key: number
  readonly similarity: number
}

/** Decides inside the search whether a key may be a neighbour; pure while the search runs. */
export type Accept = (key: number) => boolean

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
  /** Adds a unit vector, or replaces the one that has this key. The index keeps its own copy. */
  readonly add: (key: number, vector: Float32Array) => void
  /** False when the key is not there. */
  readonly remove: (key: number) => boolean
  /** At most `k` accepted neighbours, most similar first, equal similarities by ascending key. */
  readonly search: (query: Float32Array, k: number, accept?: Accept) => Neighbour[]
  /** The whole index as bytes that the driver's `restore` takes. */
  readonly snapshot: () => Uint8Array
}

/** An index that can also rank given keys: what an approximate source is checked with. */
export interface ScoringIndex extends VectorIndex {
  readonly has: (key: number) => boolean
  readonly keys: () => Iterable<number>
  /** The stored vector, valid until the index next changes. */
  readonly vector: (key: number) => Float32Array
  /** The best `k` of these keys by true similarity; keys that are not there are passed over. */
  readonly rank: (query: Float32Array, k: number, keys: Iterable<number>) => Neighbour[]
}

/** Opens an empty index. */
export type VectorIndexFactory = (dimension: number) => VectorIndex

/** A kind of index: how to open one, and how to bring one back. `restore` throws for bytes it cannot use. */
export interface VectorIndexDriver {
  readonly kind: string
  readonly open: VectorIndexFactory
  readonly restore: (dimension: number, bytes: Uint8Array) => VectorIndex
}
