import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {onTestFinished} from 'vitest'
import {type IngestRequest, type IngestSummary, ingest} from '../../src/core/ingest.ts'
import type {CatalogQuery} from '../../src/data/catalog.ts'
import type {MarketRecord} from '../../src/data/records.ts'
import {tapeToRecords} from '../../src/data/tape-to-records.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'

/** A folder that is removed when the test ends. */
export const temporaryFolder = (): string => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gpi-test-'))
  onTestFinished(() => rmSync(folder, {recursive: true, force: true}))
  return folder
}

/** Writes a file of a test's own into a fresh folder and returns its path. */
export const textFile = (name: string, content: string | Uint8Array): string => {
  const file = path.join(temporaryFolder(), name)
  mkdirSync(path.dirname(file), {recursive: true})
  writeFileSync(file, content)
  return file
}

export const ingestRequest = (
  source: string,
  paths: readonly string[],
  more: Partial<IngestRequest> = {},
): IngestRequest => ({
  source,
  paths,
  out: more.out ?? path.join(temporaryFolder(), 'catalog'),
  options: {},
  skipInvalid: false,
  note: () => {},
  ...more,
})

export const ingestFiles = (
  source: string,
  paths: readonly string[],
  more: Partial<IngestRequest> = {},
): Promise<IngestSummary> => ingest(ingestRequest(source, paths, more))

/** Every record of a catalog, as other programs would read it. */
export const recordsOf = async (dir: string, query: CatalogQuery = {}): Promise<MarketRecord[]> => {
  const records: MarketRecord[] = []
  for await (const record of tapeToRecords(await openCatalog(dir, query))) records.push(record)
  return records
}

/** Everything an iteration gives. */
export const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** A market record of one kind. */
export type RecordOf<Kind extends MarketRecord['kind']> = Extract<MarketRecord, {kind: Kind}>
