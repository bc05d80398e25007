import type {Instrument} from '../domain/instrument.ts'

/**
 * A catalog is a folder of published units. One unit is one source file, normalised: a folder of Parquet parts and its
 * `manifest.json`, put in place by a single rename, so a reader sees the whole unit or nothing.
 *
 *     DIR/ingest=KEY/manifest.json
 *     DIR/ingest=KEY/kind=quote/symbol=BTC%2FUSDT/date=2024-08-08/part.parquet
 *     DIR/ingest=KEY/kind=bar/many-symbols.parquet
 *
 * A table of few bars each of many symbols shares one file, in which columns name the symbol and the period.
 * Prices in parts are integer ticks and sizes integer lots of the unit's instrument; a reader that joins units of
 * different scales takes the finest.
 */
export const CATALOG_KINDS = [
  'quote',
  'trade',
  'bar',
  'depth',
  'order',
  'option',
  'option-volatility',
  'observation',
  'notice',
] as const
export type CatalogKind = (typeof CATALOG_KINDS)[number]

/** Kinds that are tape rows; the others are read as tables. */
export const TAPE_KINDS = [
  'quote',
  'trade',
  'bar',
  'depth',
  'order',
  'option',
  'notice',
] as const satisfies readonly CatalogKind[]
export type TapeKind = (typeof TAPE_KINDS)[number]
/** What a back-test replays unless it asks otherwise: single orders and whole option chains only on request. */
export const DEFAULT_TAPE_KINDS: readonly TapeKind[] = ['quote', 'trade', 'bar', 'depth', 'notice']

export interface CatalogPart {
  /** Relative to the unit's folder. */
  readonly path: string
  readonly kind: CatalogKind
  /** For options the underlying. */
  readonly symbol: string
  /** The partition's value: a UTC date, a month, a year, or `all` where rows are sparse. */
  readonly date: string
  readonly rows: number
  readonly fromUs: number
  readonly toUs: number
  /** Bars only. */
  readonly periodUs?: number
  /** The file also holds other symbols' rows: this part is those of its `symbol` and `period_us`. */
  readonly isShared?: true
}

/** The newest form of a manifest that this code reads; 2 added shared parts. */
export const UNIT_VERSION = 2

export interface CatalogUnit {
  readonly version: 1 | 2
  /** Content hash of the normalised input and the options that shaped it; the folder's name. */
  readonly key: string
  readonly source: string
  readonly layout: string
  readonly file: {readonly name: string; readonly path: string; readonly sha256: string; readonly bytes: number}
  readonly rows: number
  readonly rejected: number
  /** Counts by name of what was found and dealt with. */
  readonly defects: Readonly<Record<string, number>>
  readonly fromUs: number
  readonly toUs: number
  readonly instruments: readonly Instrument[]
  readonly parts: readonly CatalogPart[]
  /** Keys of units that this one stands in for: the same file with older content. */
  readonly replaces: readonly string[]
}

export interface CatalogQuery {
  readonly symbols?: readonly string[]
  /** Epoch microseconds, inclusive. */
  readonly fromUs?: number
  /** Epoch microseconds, exclusive. */
  readonly toUs?: number
  readonly kinds?: readonly CatalogKind[]
  /** Bars of this period only; by default the finest period of each symbol. */
  readonly periodUs?: number
}

/** One line of a catalog's inventory. */
export interface CatalogEntry {
  readonly kind: CatalogKind
  readonly symbol: string
  readonly periodUs?: number
  readonly rows: number
  readonly fromUs: number
  readonly toUs: number
  readonly parts: number
}

/** The instrument with the finer scale of two; the venue's increments keep their value. */
export const finest = (a: Instrument, b: Instrument): Instrument => {
  const priceDecimals = Math.max(a.priceDecimals, b.priceDecimals)
  const sizeDecimals = Math.max(a.sizeDecimals, b.sizeDecimals)
  return {
    ...a,
    priceDecimals,
    sizeDecimals,
    incrementTicks: a.incrementTicks * 10 ** (priceDecimals - a.priceDecimals),
    minLots: a.minLots * 10 ** (sizeDecimals - a.sizeDecimals),
  }
}

/** What a catalog holds, by kind, symbol and period. */
export const inventory = (units: readonly CatalogUnit[]): CatalogEntry[] => {
  const entries = new Map<string, CatalogEntry>()
  for (const part of units.flatMap(unit => unit.parts)) {
    const key = `${part.kind}\0${part.symbol}\0${part.periodUs ?? ''}`
    const known = entries.get(key)
    entries.set(key, {
      kind: part.kind,
      symbol: part.symbol,
      ...(part.periodUs === undefined ? {} : {periodUs: part.periodUs}),
      rows: (known?.rows ?? 0) + part.rows,
      fromUs: Math.min(known?.fromUs ?? part.fromUs, part.fromUs),
      toUs: Math.max(known?.toUs ?? part.toUs, part.toUs),
      parts: (known?.parts ?? 0) + 1,
    })
  }
  return [...entries.values()].sort(
    (a, b) => compare(a.symbol, b.symbol) || compare(a.kind, b.kind) || (a.periodUs ?? 0) - (b.periodUs ?? 0),
  )
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
