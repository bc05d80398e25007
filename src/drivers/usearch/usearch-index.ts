import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import type {Index} from 'usearch'
import {
  type CandidateDriver,
  type CandidateSource,
  type HierarchyOptions,
  rerankedDriver,
  type VectorRows,
} from '../../memory/reranked-index.ts'
import type {VectorIndexDriver} from '../../memory/vector-index.ts'

/** Links per node and breadth of the two beams: recall against time, chosen with test/bench/memory.ts. */
const CONNECTIVITY = 16
const EXPANSION_ADD = 128
const EXPANSION_SEARCH = 96

type Usearch = typeof import('usearch')

/**
 * HNSW graph of `usearch` over 8-bit copies of the vectors, ranked again by the full ones. Undefined where the optional
 * package, or its binary for this platform, is not installed.
 */
export const loadUsearchDriver = async (
  options?: Partial<HierarchyOptions>,
): Promise<VectorIndexDriver | undefined> => {
  try {
    const usearch = await import('usearch')
    return rerankedDriver(sourceDriver(usearch.default), options)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** Not installed, or installed without a binary that fits. */
const isAbsent = (error: unknown): boolean => {
  const {code, message} = error as NodeJS.ErrnoException
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' || /No native build was found/.test(message)
}

const sourceDriver = (usearch: Usearch['default']): CandidateDriver => {
  const open = (dimension: number): Index =>
    new usearch.Index({
      dimensions: dimension,
      metric: usearch.MetricKind.IP,
      quantization: usearch.ScalarKind.I8,
      connectivity: CONNECTIVITY,
      expansion_add: EXPANSION_ADD,
      expansion_search: EXPANSION_SEARCH,
      multi: false,
    })
  return {
    kind: 'usearch',
    open: rows => new UsearchSource(open(rows.dimension), rows),
    restore: (rows, bytes) => {
      const index = open(rows.dimension)
      withFile(file => {
        writeFileSync(file, bytes)
        index.load(file)
      })
      return new UsearchSource(index, rows)
    },
  }
}

/** Rows handed over at a time, and from how many on the library's threads are worth waking. */
const [CHUNK, MANY] = [8_192, 64]

/** Rows wait until the next search: a bank that is loaded has them linked by all cores at once. */
class UsearchSource implements CandidateSource {
  readonly kind = 'usearch'
  readonly #index: Index
  readonly #rows: VectorRows
  readonly #waiting = new Set<number>()

  constructor(index: Index, rows: VectorRows) {
    this.#index = index
    this.#rows = rows
  }

  /** 8-bit vectors and two layers' worth of links. */
  get bytes(): number {
    return this.#index.size() * (this.#rows.dimension + 8 + 3 * CONNECTIVITY * 4)
  }

  add(key: number): void {
    this.#waiting.add(key)
  }

  remove(key: number): void {
    if (!this.#waiting.delete(key)) this.#index.remove(BigInt(key))
  }

  *candidates(query: Float32Array, count: number): Generator<number> {
    this.#settle()
    for (const key of this.#index.search(query, count, 1).keys) yield Number(key)
  }

  snapshot(): Uint8Array {
    this.#settle()
    return withFile(file => {
      this.#index.save(file)
      return readFileSync(file)
    })
  }

  [Symbol.dispose](): void {}

  #settle(): void {
    if (this.#waiting.size === 0) return
    const keys = [...this.#waiting]
    const {dimension} = this.#rows
    for (let start = 0; start < keys.length; start += CHUNK) {
      const chunk = keys.slice(start, start + CHUNK)
      const vectors = new Float32Array(chunk.length * dimension)
      for (const [i, key] of chunk.entries()) vectors.set(this.#rows.vector(key), i * dimension)
      this.#index.add(BigUint64Array.from(chunk, BigInt), vectors, chunk.length < MANY ? 1 : 0)
    }
    this.#waiting.clear()
  }
}

/** The library reads and writes files only. */
const withFile = <T>(use: (file: string) => T): T => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gpi-usearch-'))
  try {
    return use(path.join(folder, 'index'))
  } finally {
    rmSync(folder, {recursive: true})
  }
}
