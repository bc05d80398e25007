import {readdir, readFile} from 'node:fs/promises'
import path from 'node:path'
import {
  type CatalogEntry,
  type CatalogKind,
  type CatalogQuery,
  type CatalogUnit,
  DEFAULT_TAPE_KINDS,
  inventory,
  UNIT_VERSION,
} from '../../data/catalog.ts'
import type {TapeSource} from '../../data/tape-source.ts'
import {nearest, UserError} from '../../domain/errors.ts'
import {openTape} from './catalog-tape.ts'
import type {LocatedPart} from './located-part.ts'
import {unitFolder} from './unit-writer.ts'

export interface Catalog {
  readonly dir: string
  readonly units: readonly CatalogUnit[]
  readonly list: () => CatalogEntry[]
  /** Parts that a query touches, oldest first. Throws UserError when a symbol it names is not there. */
  readonly parts: (query?: CatalogQuery) => LocatedPart[]
  readonly tape: (query?: CatalogQuery) => Promise<TapeSource>
}

/** Reads the manifests of a catalog. Throws UserError when the folder holds none. */
export const readCatalog = async (dir: string): Promise<Catalog> => {
  const units = await readUnits(dir)
  if (units.length === 0) {
    throw new UserError('NO_CATALOG', `${dir} holds no market data`, {
      hints: [`fill it with gpi ingest SOURCE FILE --out ${dir}`],
    })
  }
  const parts = (query: CatalogQuery = {}) => selectParts(dir, units, query)
  return {
    dir,
    units,
    list: () => inventory(units),
    parts,
    tape: async (query = {}) => {
      const kinds = query.kinds ?? DEFAULT_TAPE_KINDS
      const asked = parts({...query, kinds})
      if (asked.length === 0) throw nothingHeld({dir, units}, kinds)
      return openTape(asked, query)
    },
  }
}

/** Names what there is beside what was asked for. */
export const nothingHeld = ({dir, units}: Pick<Catalog, 'dir' | 'units'>, kinds: readonly CatalogKind[]): UserError => {
  const held = [...new Set(units.flatMap(unit => unit.parts.map(part => part.kind)))].sort()
  const day = (us: number) => new Date(Math.floor(us / 1000)).toISOString().slice(0, 10)
  const from = Math.min(...units.map(unit => unit.fromUs))
  const to = Math.max(...units.map(unit => unit.toUs))
  return new UserError('NO_ROWS', `${dir} holds no ${kinds.join(', ')} rows of what was asked for`, {
    hints: [`it holds ${held.join(', ')} rows from ${day(from)} to ${day(to)}`],
  })
}

/** Opens a catalog as market history to replay. Kinds default to quotes, trades, bars and depth. */
export const openCatalog = async (dir: string, query: CatalogQuery = {}): Promise<TapeSource> =>
  (await readCatalog(dir)).tape(query)

/** Published units that no other replaces, in order of time, then key. */
export const readUnits = async (dir: string): Promise<CatalogUnit[]> => {
  let names: string[]
  try {
    names = await readdir(dir)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return []
    if (code === 'ENOTDIR') throw new UserError('NOT_A_FOLDER', `${dir} is a file, not a catalog folder`)
    throw error
  }
  const units: CatalogUnit[] = []
  for (const name of names.filter(n => n.startsWith('ingest=')).sort()) {
    const text = await readFile(path.join(dir, name, 'manifest.json'), 'utf8')
    const unit = JSON.parse(text) as CatalogUnit
    if (unit.version > UNIT_VERSION) {
      throw new UserError('NEWER_CATALOG', `${dir} was written by a newer gpi (${name} has version ${unit.version})`, {
        hints: ['update gpi, or ingest the data into another folder'],
      })
    }
    units.push(unit)
  }
  const replaced = new Set(units.flatMap(unit => unit.replaces))
  return units.filter(unit => !replaced.has(unit.key)).sort((a, b) => a.fromUs - b.fromUs || (a.key < b.key ? -1 : 1))
}

const selectParts = (dir: string, units: readonly CatalogUnit[], query: CatalogQuery): LocatedPart[] => {
  const known = new Set(units.flatMap(unit => unit.parts.map(part => part.symbol)))
  for (const symbol of query.symbols ?? []) {
    if (known.has(symbol)) continue
    const near = nearest(symbol, known)
    throw new UserError('UNKNOWN_SYMBOL', `${dir} holds nothing of ${symbol}`, {
      hints: [near === undefined ? `it holds ${[...known].sort().slice(0, 12).join(', ')}` : `did you mean ${near}?`],
    })
  }
  const symbols = query.symbols === undefined ? undefined : new Set(query.symbols)
  const kinds = query.kinds === undefined ? undefined : new Set<CatalogKind>(query.kinds)
  const located = units.flatMap(unit => {
    const instruments = new Map(unit.instruments.map(instrument => [instrument.symbol, instrument]))
    return unit.parts
      .filter(
        part =>
          (symbols?.has(part.symbol) ?? true) &&
          (kinds?.has(part.kind) ?? true) &&
          part.toUs >= (query.fromUs ?? Number.NEGATIVE_INFINITY) &&
          part.fromUs < (query.toUs ?? Number.POSITIVE_INFINITY),
      )
      .map(part => {
        const instrument = instruments.get(part.symbol)
        if (instrument === undefined) throw new Error(`unit ${unit.key} has no instrument ${part.symbol}`)
        return {...part, unit: unit.key, instrument, file: path.join(dir, unitFolder(unit.key), part.path)}
      })
  })
  return withOnePeriod(located, query.periodUs).sort((a, b) => a.fromUs - b.fromUs)
}

/** Bars of several periods say the same thing more than once: keep the asked one, or each symbol's finest. */
const withOnePeriod = (parts: readonly LocatedPart[], periodUs: number | undefined): LocatedPart[] => {
  const finestPeriod = new Map<string, number>()
  for (const part of parts) {
    if (part.periodUs === undefined) continue
    finestPeriod.set(part.symbol, Math.min(finestPeriod.get(part.symbol) ?? part.periodUs, part.periodUs))
  }
  return parts.filter(
    part => part.periodUs === undefined || part.periodUs === (periodUs ?? finestPeriod.get(part.symbol)),
  )
}
