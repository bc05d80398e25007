import {createHash} from 'node:crypto'
import {createWriteStream, rmSync, type WriteStream} from 'node:fs'
import {glob, mkdtemp, readdir, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {finished} from 'node:stream/promises'
import type {CatalogUnit} from '../data/catalog.ts'
import {nearest, UserError} from '../domain/errors.ts'
import {readUnits} from '../drivers/duckdb/catalog.ts'
import {catalogNdjson} from '../drivers/duckdb/catalog-records.ts'
import {Database} from '../drivers/duckdb/database.ts'
import {ingestFile, mergeDefects, type RejectedRow} from '../drivers/duckdb/ingest-file.ts'
import type {IngestOptions} from '../drivers/duckdb/layouts/layout.ts'
import {LAYOUT_SOURCES, type LayoutSource, layoutFor} from '../drivers/duckdb/layouts/registry.ts'
import {createStaging, prepareCatalog, sweepStaging} from '../drivers/duckdb/unit-writer.ts'

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

/** Normalises files into a catalog, one unit a file; files that are there already cost no more than their hash. */
export const ingest = async (request: IngestRequest): Promise<IngestSummary> => {
  const source = knownSource(request.source)
  const files = await expandPaths(request.paths)
  await prepareCatalog(request.out)
  await sweepStaging(request.out, isAlive)
  const known = new Map((await readUnits(request.out)).map(unit => [unit.key, unit]))
  const rejects = request.rejectsFile === undefined ? undefined : createWriteStream(request.rejectsFile)
  const units: CatalogUnit[] = []
  let unchanged = 0
  const isMapped = request.options.map !== undefined
  const spill = await createStaging(request.out, process.pid, 'spill')
  try {
    await using database = await Database.open({tempDirectory: spill})
    for (const [i, file] of files.entries()) {
      request.signal?.throwIfAborted()
      request.onProgress?.(i, files.length, file)
      const staging = await createStaging(request.out, process.pid, String(i))
      try {
        const {unit, isNew} = await ingestFile({
          database,
          file,
          dir: request.out,
          staging,
          known,
          options: request.options,
          skipInvalid: request.skipInvalid,
          layoutFor: (header, name) => layoutFor(source as LayoutSource, isMapped, header, name),
          note: request.note,
          ...(rejects === undefined ? {} : {onReject: row => writeReject(rejects, row)}),
          ...(request.signal === undefined ? {} : {signal: request.signal}),
        })
        known.set(unit.key, unit)
        units.push(unit)
        if (!isNew) unchanged++
      } finally {
        await rm(staging, {recursive: true, force: true})
      }
    }
    request.onProgress?.(files.length, files.length, '')
  } finally {
    await rm(spill, {recursive: true, force: true})
    if (rejects !== undefined) await finished(rejects.end())
  }
  return summarise(source, units, unchanged, request.out)
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

/** The files that paths, folders and patterns name, sorted within each. Throws UserError for one that names none. */
const expandPaths = async (paths: readonly string[]): Promise<string[]> => {
  if (paths.length === 0)
    throw new UserError('NO_INPUT', 'no file to ingest was named', {hints: ['gpi ingest csv FILE…']})
  const files: string[] = []
  for (const given of paths) {
    const info = await stat(given).catch(() => undefined)
    if (info?.isFile()) files.push(given)
    else if (info?.isDirectory()) files.push(...(await tablesIn(given)))
    else if (/[*?[{]/.test(given)) files.push(...(await globbed(given)))
    else throw new UserError('MISSING_FILE', `no such file or folder: ${given}`, {hints: ['check the path']})
  }
  return [...new Set(files)]
}

const TABLE = /\.(csv|txt|tsv)(\.gz)?$/i

const tablesIn = async (folder: string): Promise<string[]> => {
  const names = await readdir(folder, {recursive: true})
  const files = names.filter(name => TABLE.test(name)).sort()
  if (files.length > 0) return files.map(name => path.join(folder, name))
  throw new UserError('NO_FILES', `${folder} holds no .csv, .txt or .tsv file, plain or .gz`, {
    hints: ['name the files, or a pattern'],
  })
}

const globbed = async (pattern: string): Promise<string[]> => {
  const files: string[] = []
  for await (const file of glob(pattern)) files.push(file)
  files.sort()
  if (files.length > 0) return files
  throw new UserError('NO_FILES', `no file matches ${pattern}`, {hints: ['check the pattern']})
}

const writeReject = (out: WriteStream, row: RejectedRow): Promise<void> | void => {
  if (out.write(`${JSON.stringify(row)}\n`)) return
  return new Promise(resolve => out.once('drain', resolve))
}

const isAlive = (pid: number): boolean => {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
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
