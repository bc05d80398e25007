import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import type {Index} from 'usearch'
import {
  type CandidateDriver,
  type CandidateSource,
  type HierarchyOptions,
  rerankedDriver,
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
    open: ({dimension}) => new UsearchSource(open(dimension), dimension),
    restore: ({dimension}, bytes) => {
      const index = open(dimension)
      withFile(file => {
        writeFileSync(file, bytes)
        index.load(file)
      })
      return new UsearchSource(index, dimension)
    },
  }
}

class UsearchSource implements CandidateSource {
  readonly kind = 'usearch'
  readonly #index: Index
  readonly #dimension: number

  constructor(index: Index, dimension: number) {
    this.#index = index
    this.#dimension = dimension
  }

  /** 8-bit vectors and two layers' worth of links. */
  get bytes(): number {
    return this.#index.size() * (this.#dimension + 8 + 3 * CONNECTIVITY * 4)
  }

  add(key: number, vector: Float32Array): void {
    this.#index.add(BigInt(key), vector, 1)
  }

  remove(key: number): void {
    this.#index.remove(BigInt(key))
  }

  *candidates(query: Float32Array, count: number): Generator<number> {
    for (const key of this.#index.search(query, count, 1).keys) yield Number(key)
  }

  snapshot(): Uint8Array {
    return withFile(file => {
      this.#index.save(file)
      return readFileSync(file)
    })
  }

  [Symbol.dispose](): void {}
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
