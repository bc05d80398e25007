import {createHash} from 'node:crypto'
import {rmSync} from 'node:fs'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import type {CatalogUnit} from '../data/catalog.ts'
import {nearest, UserError} from '../domain/errors.ts'
import {catalogNdjson} from '../drivers/duckdb/catalog-records.ts'
import type {IngestOptions} from '../drivers/duckdb/layouts/layout.ts'
import {LAYOUT_SOURCES} from '../drivers/duckdb/layouts/registry.ts'
import {mergeDefects} from '../drivers/duckdb/unit-build.ts'
import {type AlpacaRequest, alpacaUnits} from './ingest-alpaca.ts'
import {type IngestSession, openSession} from './ingest-session.ts'
import {fileUnits, type IngestedUnit, type SyntheticRequest, syntheticUnits} from './ingest-sources.ts'

export const INGEST_SOURCES = [...LAYOUT_SOURCES, 'alpaca', 'parquet', 'synthetic'] as const
export type IngestSource = (typeof INGEST_SOURCES)[number]

export interface IngestRequest {
  readonly source: string
  /** Files, folders or glob patterns. */
  readonly paths: readonly string[]
  /** A catalog folder. */
  readonly out: string
  readonly options: IngestOptions
  readonly skipInvalid: boolean
  /** Of the source alpaca. */
  readonly alpaca?: AlpacaRequest
  /** Of the source synthetic. */
  readonly synthetic?: Partial<SyntheticRequest>
  /** Where rejected rows go, one JSON document a line. */
  readonly rejectsFile?: string
  readonly note: (message: string) => void
  readonly onProgress?: (done: number, total: number, file: string) => void
  readonly signal?: AbortSignal
}

/** What `gpi ingest --json` prints. */
export interface IngestSummary {
  readonly source: string
  readonly files: number
  /** Files whose content was in the catalog already. */
  readonly unchanged: number
  readonly rows: number
  readonly rejected: number
  readonly defects: Readonly<Record<string, number>>
  /** ISO 8601, UTC. */
  readonly from: string | null
  readonly to: string | null
  /** Of the one file, or over the sorted hashes of all. */
  readonly sha256: string
  readonly out: string
}

/** Normalises data into a catalog, unit by unit; what is there already costs no more than its hash. */
export const ingest = async (request: IngestRequest): Promise<IngestSummary> => {
  const source = knownSource(request.source)
  await using session = await openSession(request.out)
  const units: CatalogUnit[] = []
  let unchanged = 0
  for await (const {unit, isNew} of unitsOf(session, source, request)) {
    units.push(unit)
    if (!isNew) unchanged++
  }
  return summarise(source, units, unchanged, request.out)
}

const unitsOf = (
  session: IngestSession,
  source: IngestSource,
  request: IngestRequest,
): AsyncGenerator<IngestedUnit> => {
  switch (source) {
    case 'synthetic':
      return syntheticUnits(session, request, {events: 1_000_000, symbols: ['SPY'], seed: 1, ...request.synthetic})
    case 'alpaca':
      if (request.alpaca === undefined) throw new Error('the source alpaca needs to know how to reach Alpaca')
      return alpacaUnits(session, request, request.alpaca)
    default:
      return fileUnits(session, source, request)
  }
}

/** Normalises files and yields them as NDJSON in time order, many lines a string. The summary is complete at the end. */
export const ingestToNdjson = async (
  request: Omit<IngestRequest, 'out'>,
): Promise<{readonly lines: AsyncIterable<string>; readonly summary: IngestSummary}> => {
  const out = await mkdtemp(path.join(tmpdir(), 'gpi-ingest-'))
  const remove = () => rm(out, {recursive: true, force: true})
  // A reader that leaves early ends the process before any `finally`.
  process.once('exit', () => rmSync(out, {recursive: true, force: true}))
  try {
    const summary = {...(await ingest({...request, out})), out: '-'}
    return {summary, lines: thenRun(catalogNdjson(out), remove)}
  } catch (error) {
    await remove()
    throw error
  }
}

async function* thenRun<T>(items: AsyncIterable<T>, last: () => Promise<void>): AsyncGenerator<T> {
  try {
    yield* items
  } finally {
    await last()
  }
}

const knownSource = (name: string): IngestSource => {
  const source = INGEST_SOURCES.find(s => s === name)
  if (source !== undefined) return source
  const near = nearest(name, INGEST_SOURCES)
  throw new UserError('UNKNOWN_SOURCE', `no source is called ${name}`, {
    hints: [...(near === undefined ? [] : [`did you mean ${near}?`]), `sources: ${INGEST_SOURCES.join(', ')}`],
  })
}

const summarise = (source: string, units: readonly CatalogUnit[], unchanged: number, out: string): IngestSummary => {
  const iso = (us: number) => new Date(Math.floor(us / 1000)).toISOString()
  const hashes = units.map(unit => unit.file.sha256).sort()
  return {
    source,
    files: units.length,
    unchanged,
    rows: units.reduce((sum, unit) => sum + unit.rows, 0),
    rejected: units.reduce((sum, unit) => sum + unit.rejected, 0),
    defects: mergeDefects(units.map(unit => unit.defects)),
    from: units.length === 0 ? null : iso(Math.min(...units.map(unit => unit.fromUs))),
    to: units.length === 0 ? null : iso(Math.max(...units.map(unit => unit.toUs))),
    sha256: hashes.length === 1 ? (hashes[0] ?? '') : createHash('sha256').update(hashes.join('\n')).digest('hex'),
    out,
  }
}
