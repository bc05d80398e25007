import {createHash} from 'node:crypto'
import path from 'node:path'
import type {CatalogUnit} from '../../data/catalog.ts'
import {ExitCode, UserError} from '../../domain/errors.ts'
import {type ParseReject, parseRejects, readRaw} from './csv-table.ts'
import type {Database} from './database.ts'
import {isFuturesPath} from './layouts/binance.ts'
import type {IngestOptions, Layout} from './layouts/layout.ts'
import {isLobsterMessage, unpackLobster} from './lobster-pair.ts'
import type {NormalisedOutput} from './normalise.ts'
import {parquetShape, readParquet} from './parquet-table.ts'
import {rowLines} from './row-lines.ts'
import {hashSource, type SourceFile, type SourceRef, unpackSource} from './source-file.ts'
import {type TableShape, tableShape} from './table-shape.ts'
import {buildUnit} from './unit-build.ts'

/** Changes when normalisation changes what it writes, so that old units are made anew. */
const NORMALISER_VERSION = 5

export interface RejectedRow {
  readonly file: string
  /** From 1, counting the header. */
  readonly line: number
  readonly reason: string
  readonly text: string
}

export interface FileIngest {
  readonly database: Database
  readonly ref: SourceRef
  /** All that are read, for files that come in pairs. */
  readonly refs: readonly SourceRef[]
  /** Columns are typed already, and not compressed text. */
  readonly isParquet: boolean
  readonly dir: string
  readonly staging: string
  /** For the decompressed copy. */
  readonly scratch: string
  readonly layoutFor: (header: readonly string[], fileName: string) => Layout
  readonly options: IngestOptions
  readonly skipInvalid: boolean
  readonly known: ReadonlyMap<string, CatalogUnit>
  readonly onReject?: (row: RejectedRow) => Promise<void> | void
  readonly note: (message: string) => void
  readonly signal?: AbortSignal
}

/** Normalises one file and publishes it as a unit; returns the published unit, or the one that was there already. */
export const ingestFile = async (
  ingest: FileIngest,
): Promise<{readonly unit: CatalogUnit; readonly isNew: boolean}> => {
  const {database, staging, options, known} = ingest
  const found: Record<string, number> = {}
  const source = await prepared(ingest, found)
  if (source.truncated && !ingest.skipInvalid) {
    throw new UserError('TRUNCATED_FILE', `${source.name}: the compressed stream breaks off`, {
      exitCode: ExitCode.invalidData,
      hints: ['fetch the file again', 'or take what can be read with --skip-invalid'],
    })
  }
  const shape = ingest.isParquet ? await parquetShape(database, source) : await tableShape(source)
  const layout = ingest.layoutFor(shape.header, source.name)
  const key = unitKey(source, layout, options)
  const there = known.get(key)
  if (there !== undefined) return {unit: there, isNew: false}

  if (source.truncated) found['truncatedFiles'] = 1
  const context = {
    fileName: source.name,
    path: path.resolve(source.path),
    preamble: shape.preamble,
    isHeaded: source.header === undefined && shape.skip > shape.preamble.length,
    header: shape.header,
    sample: shape.sample,
    options,
    note: ingest.note,
    count: (name: string, rows: number) => {
      found[name] = (found[name] ?? 0) + rows
    },
    database,
  }
  const filePath = path.resolve(source.path, ...(ingest.ref.entry === undefined ? [] : [ingest.ref.entry.name]))
  const read = ingest.isParquet ? readParquet : readRaw
  await read(database, source, shape, layout.types(context))
  const rejected = ingest.isParquet ? [] : await parseRejects(database)
  const outputs = await layout.outputs(context)
  const unit = await buildUnit({
    database,
    dir: ingest.dir,
    staging,
    outputs,
    options,
    about: {
      key,
      source: layout.source,
      layout: layout.name,
      file: {name: source.name, path: filePath, sha256: source.sha256, bytes: source.bytes},
      replaces: supersededBy(known, filePath, layout, key),
    },
    rejected: rejected.length,
    defects: found,
    onInvalid: async (normalised, count) => {
      await reportRejects(ingest, source, shape, rejected, normalised, count)
    },
    ...(ingest.signal === undefined ? {} : {signal: ingest.signal}),
  })
  return {unit, isNew: true}
}

const prepared = async (ingest: FileIngest, found: Record<string, number>): Promise<SourceFile> => {
  const {ref, refs, scratch} = ingest
  if (ingest.isParquet) return hashSource(ref.file)
  if (!isLobsterMessage(ref)) return unpackSource(ref, scratch)
  const {source, unpaired} = await unpackLobster(ref, refs, scratch, ingest.skipInvalid)
  if (unpaired > 0) found['unpairedLines'] = unpaired
  return source
}

/** Names every invalid row to `onReject`; throws unless invalid rows are to be skipped. */
const reportRejects = async (
  ingest: FileIngest,
  source: SourceFile,
  shape: TableShape,
  parsed: readonly ParseReject[],
  outputs: readonly NormalisedOutput[],
  count: number,
): Promise<void> => {
  const reasons = new Map<number, string>()
  for (const {row, reason} of outputs.flatMap(output => output.invalid)) reasons.set(row, reason)
  const {rows, rejects} = ingest.isParquet
    ? {rows: new Map<number, {line: number; text: string}>(), rejects: [...parsed]}
    : await rowLines(source.plainPath, shape, new Set(reasons.keys()), parsed)
  const all: ParseReject[] = [
    ...rejects,
    // A Parquet file has rows, not lines.
    ...[...reasons].map(([row, reason]) => ({reason, ...(rows.get(row) ?? {line: row + 1, text: ''})})),
  ].sort((a, b) => a.line - b.line)
  for (const row of all) await ingest.onReject?.({file: source.name, ...row})
  const [first] = all
  if (ingest.skipInvalid || first === undefined) return
  const more = count > 1 ? ` (and ${count - 1} more)` : ''
  throw new UserError(
    'INVALID_ROWS',
    `${source.name}:${first.line}: ${first.reason}: ${first.text.slice(0, 80)}${more}`,
    {
      exitCode: ExitCode.invalidData,
      hints: ['leave such rows out with --skip-invalid', 'list them with --rejects FILE'],
    },
  )
}

const unitKey = (source: SourceFile, layout: Layout, options: IngestOptions): string => {
  const {factors, ...rest} = options
  const shaping = {
    ...rest,
    factors: factors === undefined ? undefined : [...factors],
    // The name may carry the symbol and the period.
    name: source.name.replace(/\.gz$/i, ''),
    ...(isFuturesPath(path.resolve(source.path)) ? {market: 'futures'} : {}),
    layout: layout.name,
    version: NORMALISER_VERSION,
    content: source.contentSha256,
  }
  return createHash('sha256').update(JSON.stringify(shaping)).digest('hex').slice(0, 24)
}

const supersededBy = (known: ReadonlyMap<string, CatalogUnit>, file: string, layout: Layout, key: string): string[] =>
  [...known.values()]
    .filter(unit => unit.file.path === file && unit.layout === layout.name && unit.key !== key)
    .map(unit => unit.key)
