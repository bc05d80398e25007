import {existsSync, readdirSync, statSync} from 'node:fs'
import {mkdtemp, rm} from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type {CatalogKind} from '../data/catalog.ts'
import {nearest, UserError} from '../domain/errors.ts'
import {type Catalog, readCatalog} from '../drivers/duckdb/catalog.ts'
import {sha256} from '../models/model-file.ts'
import {ingest} from './ingest.ts'

const TABLE = /\.(csv|txt|tsv)(\.gz)?$/i
/** In a folder of many things, the 5-minute bars of 2025 are what bar models are trained on. */
const BAR_FILE = /^us_5m_([A-Z]+)_2025\.csv(\.gz)?$/

export interface TrainingCatalog extends AsyncDisposable {
  readonly catalog: Catalog
}

/**
 * The catalog that rows are made from. A folder that is none, or a file, is raw market data: it is ingested, by the code of
 * `gpi ingest`, into a catalog that is removed afterwards.
 */
export const openTrainingCatalog = async (
  data: string,
  symbols: readonly string[] | undefined,
): Promise<TrainingCatalog> => {
  const files = rawFiles(data, symbols)
  if (files.length === 0) return {catalog: await readCatalog(data), [Symbol.asyncDispose]: async () => {}}
  const out = await mkdtemp(path.join(os.tmpdir(), 'gpi-train-'))
  const remove = (): Promise<void> => rm(out, {recursive: true, force: true})
  try {
    await ingest({source: 'csv', paths: files, out, options: {}, skipInvalid: false, note: () => {}})
    return {catalog: await readCatalog(out), [Symbol.asyncDispose]: remove}
  } catch (error) {
    await remove()
    throw error
  }
}

const rawFiles = (data: string, symbols: readonly string[] | undefined): string[] => {
  if (!existsSync(data)) return []
  if (statSync(data).isFile()) return [data]
  const names = readdirSync(data)
  if (names.some(name => name.startsWith('ingest='))) return []
  for (const folder of [data, path.join(data, 'intraday')]) {
    const bars = existsSync(folder) ? readdirSync(folder).filter(name => BAR_FILE.test(name)) : []
    const symbolOf = (name: string): string => BAR_FILE.exec(name)?.[1] ?? ''
    const wanted = bars.filter(name => symbols?.includes(symbolOf(name)) ?? true)
    const [asked] = symbols ?? []
    if (asked !== undefined && bars.length > 0 && wanted.length === 0)
      throw unknownSymbol(data, asked, bars.map(symbolOf).sort())
    if (bars.length > 0) return wanted.sort().map(name => path.join(folder, name))
  }
  return names
    .filter(name => TABLE.test(name))
    .sort()
    .map(name => path.join(data, name))
}

/** SHA-256 over the files a symbol's rows of these kinds come from, by the manifests: nothing is read for it. */
export const sourceHash = ({units}: Catalog, symbol: string, kinds: readonly CatalogKind[]): string => {
  const files = units
    .filter(unit => unit.parts.some(part => part.symbol === symbol && kinds.includes(part.kind)))
    .map(unit => `${unit.layout} ${unit.file.sha256}`)
    .sort()
  return sha256([symbol, ...files].join('\n'))
}

const unknownSymbol = (dir: string, missing: string, held: readonly string[]): UserError => {
  const likely = nearest(missing, held)
  return new UserError('UNKNOWN_SYMBOL', `${dir} holds nothing to train on of ${missing}`, {
    hints: [...(likely === undefined ? [] : [`did you mean ${likely}?`]), `it holds ${held.slice(0, 12).join(', ')}`],
  })
}

/** Refuses names that the catalog does not hold. */
export const requireSymbols = (
  {dir}: Catalog,
  held: readonly string[],
  symbols: readonly string[] | undefined,
): readonly string[] => {
  const missing = symbols?.find(symbol => !held.includes(symbol))
  if (missing !== undefined) throw unknownSymbol(dir, missing, held)
  return held
}
