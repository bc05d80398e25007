import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {mkdir, rm} from 'node:fs/promises'
import path from 'node:path'
import {createInterface} from 'node:readline'
import {type CatalogUnit, finest} from '../../data/catalog.ts'
import {ExitCode, UserError} from '../../domain/errors.ts'
import type {Instrument} from '../../domain/instrument.ts'
import {type Database, identifier, quoted} from './database.ts'
import {type IngestOptions, type Layout, RAW} from './layouts/layout.ts'
import {type NormalisedOutput, normaliseOutput} from './normalise.ts'
import {firstBytes, type SourceFile, unpackSource} from './source-file.ts'
import {publishUnit, writeParts} from './unit-writer.ts'

/** Changes when normalisation changes what it writes, so that old units are made anew. */
const NORMALISER_VERSION = 1

export interface RejectedRow {
  readonly file: string
  /** From 1, counting the header. */
  readonly line: number
  readonly reason: string
  readonly text: string
}

export interface FileIngest {
  readonly database: Database
  readonly file: string
  readonly dir: string
  readonly staging: string
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
  const scratch = path.join(staging, 'scratch')
  await mkdir(scratch)
  const source = await unpackSource(ingest.file, scratch)
  if (source.truncated && !ingest.skipInvalid) {
    throw new UserError('TRUNCATED_FILE', `${source.name}: the compressed stream breaks off`, {
      exitCode: ExitCode.invalidData,
      hints: ['fetch the file again', 'or take what can be read with --skip-invalid'],
    })
  }
  const shape = await tableShape(source)
  const layout = ingest.layoutFor(shape.header, source.name)
  const key = unitKey(source, layout, options)
  const there = known.get(key)
  if (there !== undefined) return {unit: there, isNew: false}

  const context = {
    fileName: source.name,
    header: shape.header,
    sample: shape.sample,
    options,
    note: ingest.note,
    database,
  }
  await readRaw(database, source, shape, layout.types(context))
  const rejected = await parseRejects(database)
  const outputs: NormalisedOutput[] = []
  for (const [i, output] of (await layout.outputs(context)).entries()) {
    ingest.signal?.throwIfAborted()
    outputs.push(await normaliseOutput(database, output, `normalised_${i}`, options))
  }
  const invalidCount = rejected.length + outputs.reduce((sum, output) => sum + output.invalidCount, 0)
  if (invalidCount > 0) await reportRejects(ingest, source, rejected, outputs, invalidCount)

  const {outputs: scaled, instruments} = shareScales(outputs)
  const parts = []
  for (const output of scaled) parts.push(...(await writeParts(database, staging, output, ingest.signal)))
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  if (rows === 0) {
    throw new UserError('NO_ROWS', `${source.name} holds no usable row`, {
      exitCode: ExitCode.invalidData,
      hints: [describeDefects(outputs) || 'check that the file has more than a header'],
    })
  }
  await rm(scratch, {recursive: true, force: true})
  const unit: CatalogUnit = {
    version: 1,
    key,
    source: layout.source,
    layout: layout.name,
    file: {name: source.name, path: path.resolve(source.path), sha256: source.sha256, bytes: source.bytes},
    rows,
    rejected: invalidCount,
    defects: mergeDefects([...outputs.map(o => o.defects), source.truncated ? {truncatedFiles: 1} : {}]),
    fromUs: Math.min(...parts.map(part => part.fromUs)),
    toUs: Math.max(...parts.map(part => part.toUs)),
    instruments,
    parts,
    replaces: supersededBy(known, path.resolve(source.path), layout, key),
  }
  await publishUnit(ingest.dir, staging, unit)
  return {unit, isNew: true}
}

interface TableShape {
  readonly header: readonly string[]
  readonly sample: readonly string[]
  readonly delimiter: string
}

/** Header and first row. */
const tableShape = async (source: SourceFile): Promise<TableShape> => {
  const text = (await firstBytes(source.plainPath, 1 << 16)).toString('utf8').replace(/^\uFEFF/, '')
  const [first = '', second = ''] = text.split(/\r?\n/)
  const delimiter =
    [',', ';', '\t', '|'].map(d => [d, first.split(d).length] as const).sort((a, b) => b[1] - a[1])[0]?.[0] ?? ','
  const header = splitLine(first, delimiter)
  if (header.every(name => name === '') || header.length < 2) {
    throw new UserError('WRONG_COLUMNS', `${source.name}: its first line is no table header: ${first.slice(0, 60)}`, {
      exitCode: ExitCode.invalidData,
      hints: ['the first line must name the columns, separated by commas'],
    })
  }
  return {header, sample: splitLine(second, delimiter), delimiter}
}

const splitLine = (line: string, delimiter: string): string[] => {
  const fields: string[] = []
  let field = ''
  let isQuoted = false
  for (const char of line) {
    if (char === '"') isQuoted = !isQuoted
    else if (char === delimiter && !isQuoted) {
      fields.push(field.trim())
      field = ''
    } else field += char
  }
  fields.push(field.trim())
  return fields
}

const readRaw = async (
  database: Database,
  source: SourceFile,
  {header, delimiter}: TableShape,
  types: Readonly<Record<string, string>>,
): Promise<void> => {
  const seen = new Map<string, number>()
  const columns = header.map((name, i) => {
    const nth = seen.get(name) ?? 0
    seen.set(name, nth + 1)
    const unique = name === '' ? `column${i}` : nth === 0 ? name : `${name}_${nth}`
    return `${quoted(unique)}: ${quoted(types[name] ?? 'VARCHAR')}`
  })
  for (const table of [RAW, 'reject_errors', 'reject_scans']) await database.run(`DROP TABLE IF EXISTS ${table}`)
  const {tables} = await database.one<{tables: string[]}>(
    `SELECT list(table_name) AS tables FROM duckdb_tables() WHERE table_name LIKE 'normalised_%' OR table_name LIKE 'kernel_%'`,
  )
  for (const table of tables ?? []) await database.run(`DROP TABLE ${identifier(table)}`)
  await database.run(
    `CREATE TEMP TABLE ${RAW} AS SELECT * FROM read_csv(${quoted(source.plainPath)}, columns = {${columns}}, header = true,
       auto_detect = false, delim = ${quoted(delimiter)}, quote = '"', nullstr = '', store_rejects = true, max_line_size = 1000000)`,
  )
}

interface ParseReject {
  readonly line: number
  readonly reason: string
  readonly text: string
}

const parseRejects = async (database: Database): Promise<ParseReject[]> => {
  const rows = await database.rows<{line: number; column: string | null; type: string; text: string}>(
    `SELECT line, column_name AS "column", error_type::VARCHAR AS type, csv_line AS text FROM reject_errors
     QUALIFY row_number() OVER (PARTITION BY line ORDER BY column_idx) = 1 ORDER BY line`,
  )
  return rows.map(({line, column, type, text}) => ({
    line,
    text,
    reason: type === 'CAST' ? `${column} could not be read` : type.toLowerCase(),
  }))
}

/** Names every invalid row to `onReject`; throws unless invalid rows are to be skipped. */
const reportRejects = async (
  ingest: FileIngest,
  source: SourceFile,
  parsed: readonly ParseReject[],
  outputs: readonly NormalisedOutput[],
  count: number,
): Promise<void> => {
  const reasons = new Map<number, string>()
  for (const {row, reason} of outputs.flatMap(output => output.invalid)) reasons.set(lineOf(row, parsed), reason)
  const texts = await linesOf(source.plainPath, new Set(reasons.keys()))
  const all: ParseReject[] = [
    ...parsed,
    ...[...reasons].map(([line, reason]) => ({line, reason, text: texts.get(line) ?? ''})),
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

/** File line of a raw row: rows that did not parse are missing from the raw table. */
const lineOf = (row: number, parsed: readonly ParseReject[]): number => {
  let line = row + 2
  for (const reject of parsed) {
    if (reject.line > line) break
    line++
  }
  return line
}

const linesOf = async (file: string, wanted: ReadonlySet<number>): Promise<Map<number, string>> => {
  const texts = new Map<number, string>()
  if (wanted.size === 0) return texts
  const last = Math.max(...wanted)
  let line = 0
  for await (const text of createInterface({input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY})) {
    line++
    if (wanted.has(line)) texts.set(line, text)
    if (line >= last) break
  }
  return texts
}

const unitKey = (source: SourceFile, layout: Layout, options: IngestOptions): string => {
  const {factors, ...rest} = options
  const shaping = {
    ...rest,
    factors: factors === undefined ? undefined : [...factors],
    // The name may carry the symbol and the period.
    name: source.name.replace(/\.gz$/i, ''),
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

/** One scale a symbol over all kinds of the unit: the finest that any of them needs. */
const shareScales = (
  outputs: readonly NormalisedOutput[],
): {outputs: NormalisedOutput[]; instruments: Instrument[]} => {
  const bySymbol = new Map<string, Instrument>()
  for (const {instrument} of outputs.flatMap(output => output.groups)) {
    const known = bySymbol.get(instrument.symbol)
    bySymbol.set(instrument.symbol, known === undefined ? instrument : finest(known, instrument))
  }
  return {
    outputs: outputs.map(output => ({
      ...output,
      groups: output.groups.map(group => ({...group, instrument: bySymbol.get(group.symbol) ?? group.instrument})),
    })),
    instruments: [...bySymbol.values()],
  }
}

export const mergeDefects = (all: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const merged: Record<string, number> = {}
  for (const defects of all)
    for (const [name, count] of Object.entries(defects)) merged[name] = (merged[name] ?? 0) + count
  return Object.fromEntries(
    Object.entries(merged)
      .filter(([, count]) => count > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

const describeDefects = (outputs: readonly NormalisedOutput[]): string =>
  Object.entries(mergeDefects(outputs.map(o => o.defects)))
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ')
