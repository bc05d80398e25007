import type {CatalogKind} from '../../../data/catalog.ts'
import {ExitCode, UserError} from '../../../domain/errors.ts'
import type {Instrument} from '../../../domain/instrument.ts'
import type {Database} from '../database.ts'

/** What the caller may say about a file that the file does not say itself. */
export interface IngestOptions {
  readonly symbol?: string
  readonly periodUs?: number
  /** IANA zone of stamps that carry none. */
  readonly timeZone?: string
  /** Column name in the file → field name. */
  readonly map?: Readonly<Record<string, string>>
  /** Whether bars are stamped at their start or end; detected where absent. */
  readonly stamp?: 'start' | 'end'
  /** Depth of book data: best quotes, price levels, single orders. */
  readonly level?: 1 | 2 | 3
  /** Back-adjustment factors by symbol, oldest first, each valid up to and including its day. */
  readonly factors?: ReadonlyMap<string, readonly AdjustmentFactor[]>
  readonly fromUs?: number
  readonly toUs?: number
}

export interface AdjustmentFactor {
  /** Last day it applies to, days since the epoch. */
  readonly day: number
  readonly priceFactor: number
  readonly splitFactor: number
}

/** The raw table: one row a parsed line, in file order, so DuckDB's `rowid` is the line's ordinal. */
export const RAW = 'raw'

export interface LayoutContext {
  readonly database: Database
  readonly fileName: string
  /** Of the file, or the archive that holds it, as it was given. */
  readonly path: string
  /** Lines above the header. */
  readonly preamble: readonly string[]
  /** The file itself names its columns. */
  readonly isHeaded: boolean
  readonly header: readonly string[]
  /** The first value of each column; may be shorter than the header. */
  readonly sample: readonly string[]
  readonly options: IngestOptions
  /** Words for the person, such as an assumed time zone. */
  readonly note: (message: string) => void
  /** Adds to the manifest's defects. */
  readonly count: (name: string, rows: number) => void
}

/**
 * One stream of normalised rows: a SELECT that yields the columns of its kind (`columnsOf`) with decimal prices, `line`
 * (ordinal in the raw table) and `dropped` (NULL, or the name of the defect for which the row is left out).
 */
export interface LayoutOutput {
  readonly kind: CatalogKind
  readonly select: string
  /** [condition on the raw table, words]: rows that the SELECT does not have because they make no sense. */
  readonly unusable?: readonly (readonly [string, string])[]
  /** Counts to add to the manifest: name → scalar SQL. */
  readonly counts?: Readonly<Record<string, string>>
  /** Overrides of the instrument that the symbol alone would mean. */
  readonly instrument?: (symbol: string) => Instrument
}

/** How one file format is recognised, parsed and normalised. */
export interface Layout {
  readonly name: string
  /** The `gpi ingest` source it belongs to. */
  readonly source: string
  readonly matches: (header: readonly string[], fileName: string) => boolean
  /** DuckDB types of the columns, in the file's order; columns not named here are read as text. */
  readonly types: (context: Omit<LayoutContext, 'database'>) => Readonly<Record<string, string>>
  readonly outputs: (context: LayoutContext) => Promise<readonly LayoutOutput[]> | readonly LayoutOutput[]
}

export const hasColumns =
  (...names: readonly string[]) =>
  (header: readonly string[]): boolean =>
    names.every(name => header.includes(name))

export const wrongColumns = (fileName: string, header: readonly string[], expected: string): UserError =>
  new UserError('WRONG_COLUMNS', `${fileName}: no ${expected} among its columns (${header.slice(0, 12).join(', ')})`, {
    exitCode: ExitCode.invalidData,
    hints: [
      'name them with --map column=field, for example --map Date=time,Last=close',
      'gpi ingest --help lists the fields',
    ],
  })

/** SQL of the raw table without the rows that make no sense. */
export const usable = (unusable: readonly (readonly [string, string])[], and: readonly string[] = []): string =>
  `${RAW} WHERE ${[...and, ...unusable.map(([condition]) => `NOT coalesce(${condition}, false)`)].join(' AND ')}`

/** The same rows sorted where the file is not: pictures of a book only follow from each other in order of time. */
export const inTimeOrder = async (database: Database, from: string, time: string): Promise<string> => {
  const {late} = await database.one<{late: number}>(
    `SELECT count_if(t < previous) AS late FROM (SELECT t, lag(t) OVER () AS previous FROM (SELECT ${time} AS t FROM ${from}))`,
  )
  return late === 0 ? from : `(SELECT rowid, * FROM ${from} ORDER BY ${time}, rowid)`
}

/** UTC microseconds of a zone-less TIMESTAMP expression. */
export const toUtcUs = (timestampSql: string, timeZone: string): string =>
  timeZone === 'UTC' ? `epoch_us(${timestampSql})` : `epoch_us(timezone('${timeZone}', ${timestampSql}))`

export const NEW_YORK = 'America/New_York'
export const SHANGHAI = 'Asia/Shanghai'
