import {existsSync} from 'node:fs'
import {createRequire} from 'node:module'
import path from 'node:path'
import {
  type CandidateDriver,
  type CandidateSource,
  type HierarchyOptions,
  rerankedDriver,
  type VectorRows,
} from '../../memory/reranked-index.ts'
import type {VectorIndexDriver} from '../../memory/vector-index.ts'

/** `ivf-hnsw` is the hierarchy: an HNSW graph over the coarse centroids, inverted lists under them. */
export type FaissKind = 'flat' | 'ivf' | 'hnsw' | 'ivf-hnsw'

/** What is used of the addon's class `Index`. */
interface FaissIndex {
  readonly ntotal: () => number
  readonly isTrained: () => boolean
  readonly train: (rows: readonly number[]) => void
  readonly add: (rows: readonly number[]) => void
  readonly search: (query: readonly number[], k: number) => {readonly labels: readonly number[]}
  readonly toBuffer: () => Buffer
}
interface Faiss {
  readonly Index: {
    readonly fromFactory: (dimension: number, descriptor: string, metric: number) => FaissIndex
    readonly fromBuffer: (bytes: Buffer) => FaissIndex
  }
}

const INNER_PRODUCT = 0

/** The addon from `faiss-node`, or the one `npm run build:faiss` compiled; undefined where there is neither. */
export const loadFaissDriver = async (
  kind: FaissKind,
  options?: Partial<HierarchyOptions>,
): Promise<VectorIndexDriver | undefined> => {
  const faiss = loadAddon()
  return faiss === undefined ? undefined : rerankedDriver(sourceDriver(faiss, kind), options)
}

const require = createRequire(import.meta.url)

const loadAddon = (): Faiss | undefined => {
  const compiled = path.join(import.meta.dirname, '../../../build/faiss/faiss-node.node')
  if (existsSync(compiled)) return require(compiled) as Faiss
  try {
    return require('faiss-node') as Faiss
  } catch (error) {
    const {code, message} = error as NodeJS.ErrnoException
    // Installed without its binary, the package says that it could not locate its bindings.
    if (code === 'MODULE_NOT_FOUND' || /bindings/.test(message)) return undefined
    throw error
  }
}

const sourceDriver = (faiss: Faiss, kind: FaissKind): CandidateDriver => ({
  kind: `faiss-${kind}`,
  open: rows => new FaissSource(faiss, kind, rows),
  restore: (rows, bytes) => {
    const source = new FaissSource(faiss, kind, rows)
    source.load(bytes)
    return source
  },
})

/** Vectors a list should hold at least for its centroid to mean something. */
const TRAINING_PER_LIST = 39
const GONE = -1
const LEAST_LISTS = 16
/** The addon cannot set how broadly a graph is searched, but the search is never narrower than what it asks for. */
const HNSW_BREADTH = 4
/** Rows handed over at a time. */
const CHUNK = 1_024

/** Lists: 4 √n, a power of two. */
const listsFor = (size: number): number => 2 ** Math.round(Math.log2(4 * Math.sqrt(size)))
/** Lists visited by a query: recall against time, chosen with test/bench/memory.ts. */
const probesFor = (lists: number): number => Math.max(8, Math.round(lists / 16))

const descriptorOf = (kind: FaissKind, lists: number): string => {
  switch (kind) {
    case 'flat':
      return 'Flat'
    case 'hnsw':
      return 'HNSW32,Flat'
    case 'ivf':
      return `IVF${lists},Flat`
    case 'ivf-hnsw':
      return `IVF${lists}_HNSW32,Flat`
    default:
      return kind satisfies never
  }
}

/**
 * FAISS numbers rows in order of arrival and its graphs cannot forget, so this keeps the key of every row, marks removed
 * rows, and builds afresh when a third of them are gone, or when there are four times as many as the inverted lists were
 * trained for. Until there are enough rows to train on, it gives no candidates. Work is done at the first search after it
 * became due.
 */
class FaissSource implements CandidateSource {
  readonly kind: string
  readonly #faiss: Faiss
  readonly #faissKind: FaissKind
  readonly #rows: VectorRows
  #index: FaissIndex | undefined
  /** Key of every row of `#index`, or GONE. */
  #keys: number[] = []
  readonly #rowOf = new Map<number, number>()
  readonly #waiting = new Set<number>()
  #gone = 0
  #trainedFor = 0

  constructor(faiss: Faiss, kind: FaissKind, rows: VectorRows) {
    this.kind = `faiss-${kind}`
    this.#faiss = faiss
    this.#faissKind = kind
    this.#rows = rows
  }

  get bytes(): number {
    const links = this.#faissKind === 'hnsw' ? 2 * 32 * 4 : 8
    return this.#keys.length * (this.#rows.dimension * 4 + links)
  }

  add(key: number): void {
    this.#waiting.add(key)
  }

  remove(key: number): void {
    this.#waiting.delete(key)
    const row = this.#rowOf.get(key)
    if (row === undefined) return
    this.#keys[row] = GONE
    this.#rowOf.delete(key)
    this.#gone++
  }

  candidates(query: Float32Array, count: number): Iterable<number> | undefined {
    this.#settle()
    if (this.#index === undefined || this.#keys.length === 0) return undefined
    const asked = this.#faissKind === 'hnsw' ? HNSW_BREADTH * count : count
    const {labels} = this.#index.search([...query], Math.min(asked, this.#keys.length))
    return labels.map(row => this.#keys[row] ?? GONE).filter(key => key !== GONE)
  }

  /** [length of the head, head as JSON, FAISS's own bytes]. */
  snapshot(): Uint8Array {
    this.#settle()
    const head = Buffer.from(JSON.stringify({keys: this.#keys, trainedFor: this.#trainedFor}))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(head.length)
    return Buffer.concat([length, head, this.#index?.toBuffer() ?? Buffer.alloc(0)])
  }

  load(bytes: Uint8Array): void {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const end = 4 + view.readUInt32LE(0)
    const {keys, trainedFor} = JSON.parse(view.toString('utf8', 4, end)) as {keys: number[]; trainedFor: number}
    if (view.length === end) {
      for (const key of this.#rows.keys()) this.#waiting.add(key)
      return
    }
    this.#index = this.#faiss.Index.fromBuffer(Buffer.from(view.subarray(end)))
    this.#keys = keys
    this.#trainedFor = trainedFor
    for (const [row, key] of keys.entries()) {
      if (key === GONE) this.#gone++
      else this.#rowOf.set(key, row)
    }
  }

  [Symbol.dispose](): void {
    this.#index = undefined
  }

  #settle(): void {
    const live = this.#rowOf.size + this.#waiting.size
    const isTrained = this.#faissKind === 'ivf' || this.#faissKind === 'ivf-hnsw'
    const isDue = this.#index === undefined || this.#gone * 3 > this.#keys.length
    if (isDue || (isTrained && live > 4 * this.#trainedFor)) this.#rebuild(live, isTrained)
    if (this.#index !== undefined && this.#waiting.size > 0) this.#append(this.#index, [...this.#waiting])
  }

  #rebuild(live: number, isTrained: boolean): void {
    const lists = Math.min(listsFor(live), 2 ** Math.floor(Math.log2(live / TRAINING_PER_LIST)))
    if (live === 0 || (isTrained && lists < LEAST_LISTS)) return
    const keys = [...this.#rowOf.keys(), ...this.#waiting]
    let index = this.#faiss.Index.fromFactory(this.#rows.dimension, descriptorOf(this.#faissKind, lists), INNER_PRODUCT)
    if (isTrained) {
      index.train(this.#flat(everyNth(keys, TRAINING_PER_LIST * lists)))
      index = this.#faiss.Index.fromBuffer(withProbes(index.toBuffer(), lists, probesFor(lists)))
      this.#trainedFor = live
    }
    this.#index = index
    this.#keys = []
    this.#rowOf.clear()
    this.#waiting.clear()
    this.#gone = 0
    this.#append(index, keys)
  }

  #append(index: FaissIndex, keys: readonly number[]): void {
    for (let start = 0; start < keys.length; start += CHUNK) {
      const chunk = keys.slice(start, start + CHUNK)
      index.add(this.#flat(chunk))
      for (const key of chunk) this.#rowOf.set(key, this.#keys.push(key) - 1)
    }
    this.#waiting.clear()
  }

  /** The addon takes plain arrays only. */
  #flat(keys: readonly number[]): number[] {
    const {dimension} = this.#rows
    const flat = new Array<number>(keys.length * dimension)
    for (const [row, key] of keys.entries()) {
      const vector = this.#rows.vector(key)
      for (let i = 0; i < dimension; i++) flat[row * dimension + i] = vector[i] as number
    }
    return flat
  }
}

const everyNth = (keys: readonly number[], wanted: number): number[] => {
  const step = Math.max(1, keys.length / wanted)
  return Array.from({length: Math.min(wanted, keys.length)}, (_, i) => keys[Math.floor(i * step)] as number)
}

/**
 * The addon has no setter for the number of lists a query visits (1 by default), but FAISS writes it into the saved form:
 * fourcc, then d int32, ntotal int64, two dummies int64, is_trained int8, metric int32, nlist uint64, nprobe uint64
 * (faiss/impl/index_write.cpp, write_index_header and write_ivf_header).
 */
const withProbes = (bytes: Buffer, lists: number, probes: number): Buffer => {
  const nlistAt = 4 + 4 + 8 + 8 + 8 + 1 + 4
  if (bytes.toString('latin1', 0, 4) !== 'IwFl' || bytes.readBigUInt64LE(nlistAt) !== BigInt(lists)) {
    throw new Error('this build of FAISS writes inverted lists in a form that is not known')
  }
  bytes.writeBigUInt64LE(BigInt(probes), nlistAt + 8)
  return bytes
}
