import {closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync} from 'node:fs'
import path from 'node:path'
import type {Config} from '../config/schema.ts'
import {UserError} from '../domain/errors.ts'
import {exactIndexDriver} from '../memory/exact-index.ts'
import {decodeSnapshot, encodeSnapshot} from '../memory/index-snapshot.ts'
import {DIMENSION} from '../memory/pattern.ts'
import type {PatternStore} from '../memory/pattern-store.ts'
import {cellIndexDriver} from '../memory/reranked-index.ts'
import type {SharedBank} from '../memory/shared-bank.ts'
import type {VectorIndex, VectorIndexDriver} from '../memory/vector-index.ts'
import {writeBeside} from './write-beside.ts'

/** Above this many vectors a scan of all of them passes 1.5 ms on a server core; `auto` then takes the hierarchy of cells. */
export const EXACT_LIMIT = 50_000

/**
 * The configured kind of index; `auto` is exact up to `EXACT_LIMIT` vectors, then `ivf`, which needs no library and finds
 * more in less time than the graphs do on what gpi stores (test/bench/memory.ts).
 */
export const vectorIndexDriver = async (kind: Config['memory']['index'], count: number): Promise<VectorIndexDriver> => {
  switch (kind) {
    case 'exact':
      return exactIndexDriver
    case 'usearch':
      return demand('usearch', await usearch())
    case 'faiss':
      return demand('faiss', await faiss())
    case 'ivf':
      return cellIndexDriver()
    case 'auto':
      return count <= EXACT_LIMIT ? exactIndexDriver : cellIndexDriver()
    default:
      return kind satisfies never
  }
}

const usearch = async (): Promise<VectorIndexDriver | undefined> =>
  (await import('../drivers/usearch/usearch-index.ts')).loadUsearchDriver()

const faiss = async (): Promise<VectorIndexDriver | undefined> =>
  (await import('../drivers/faiss/faiss-index.ts')).loadFaissDriver('ivf-hnsw')

const demand = (name: string, driver: VectorIndexDriver | undefined): VectorIndexDriver => {
  if (driver !== undefined) return driver
  throw new UserError('INDEX_NOT_INSTALLED', `memory.index is "${name}", which is not installed`, {
    hints: [name === 'faiss' ? 'npm run build:faiss' : `npm install ${name}`, 'or set memory.index to "auto"'],
  })
}

const PIECE = 2 ** 30

/** Where the index of a bank is saved. */
export const indexFile = (directory: string): string => path.join(directory, 'index.bin')

/**
 * The saved index with what still holds of it, or nothing: no file, another kind, or damage, which is said. Documents
 * that changed since it was saved are left for the bank to index again.
 */
export const restoreIndex = async (
  store: PatternStore,
  driver: VectorIndexDriver,
  directory: string,
  notices: string[],
): Promise<{readonly index: VectorIndex; readonly keys: ReadonlyMap<string, number>} | undefined> => {
  const bytes = readIfThere(indexFile(directory))
  if (bytes === undefined) return undefined
  const decoded = decodeSnapshot(bytes)
  if (decoded.kind !== 'ok') {
    const trouble = decoded.kind === 'corrupt' ? `is damaged (${decoded.problem})` : 'is of another version of gpi'
    notices.push(`the index ${indexFile(directory)} ${trouble}; it was rebuilt from the documents`)
    rmSync(indexFile(directory), {force: true})
    return undefined
  }
  const {kind, dimension, revision, keys, index: saved} = decoded.snapshot
  const documents = await store.revision()
  if (revision > documents) {
    notices.push(
      `the index ${indexFile(directory)} knows ${revision} changes, the documents only ${documents}: the store was emptied, replaced or set back; the index was rebuilt from what is there`,
    )
    rmSync(indexFile(directory), {force: true})
    return undefined
  }
  if (kind !== driver.kind || dimension !== DIMENSION) return undefined
  const index = restored(driver, saved)
  if (index === undefined) {
    notices.push(`the index ${indexFile(directory)} is of another build of ${kind}; it was rebuilt from the documents`)
    rmSync(indexFile(directory), {force: true})
    return undefined
  }
  const valid = new Map(keys)
  for await (const {changed, removed} of store.changesSince(revision)) {
    for (const id of [...changed.map(pattern => pattern.id), ...removed]) {
      const key = valid.get(id)
      if (key !== undefined) index.remove(key)
      valid.delete(id)
    }
  }
  return {index, keys: valid}
}

/** Undefined for bytes that are whole, as their checksum says, but that this driver cannot read. */
const restored = (driver: VectorIndexDriver, saved: Uint8Array): VectorIndex | undefined => {
  try {
    return driver.restore(DIMENSION, saved)
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}

/** Written beside and moved into place, so a reader sees the old one or the new one, never half. */
export const saveIndex = (options: {
  readonly shared: SharedBank
  readonly index: VectorIndex
  readonly kind: string
  readonly directory: string
}): void => {
  const {shared, index, kind, directory} = options
  mkdirSync(directory, {recursive: true, mode: 0o700})
  const file = indexFile(directory)
  const keys = shared.bank.indexedKeys()
  const head = {kind, dimension: DIMENSION, revision: shared.revision(), keys}
  writeBeside(file, encodeSnapshot({...head, index: index.snapshot()}))
}

/** In pieces: one read takes at most 2 GiB, which 1.5 million patterns pass. */
const readIfThere = (file: string): Uint8Array | undefined => {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const bytes = Buffer.alloc(fstatSync(handle).size)
    for (let at = 0; at < bytes.length; ) {
      const read = readSync(handle, bytes, at, Math.min(PIECE, bytes.length - at), at)
      if (read === 0) return bytes.subarray(0, at)
      at += read
    }
    return bytes
  } finally {
    closeSync(handle)
  }
}
