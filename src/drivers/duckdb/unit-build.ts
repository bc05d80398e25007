import type {CatalogPart, CatalogUnit} from '../../data/catalog.ts'
import {finest, UNIT_VERSION} from '../../data/catalog.ts'
import {ExitCode, UserError} from '../../domain/errors.ts'
import type {Instrument} from '../../domain/instrument.ts'
import type {Database} from './database.ts'
import type {IngestOptions, LayoutOutput} from './layouts/layout.ts'
import {atScale, countRounded, type NormalisedOutput, normaliseOutput} from './normalise.ts'
import {writeParts} from './part-writer.ts'
import {publishUnit} from './unit-writer.ts'

export interface UnitRequest {
  readonly database: Database
  readonly dir: string
  readonly staging: string
  readonly outputs: readonly LayoutOutput[]
  readonly options: IngestOptions
  readonly about: Pick<CatalogUnit, 'key' | 'source' | 'layout' | 'file' | 'replaces'>
  /** Rows refused before normalisation, and defects found there. */
  readonly rejected: number
  readonly defects: Readonly<Record<string, number>>
  /** Told of the rows that are refused; throws when they may not be left out. */
  readonly onInvalid: (outputs: readonly NormalisedOutput[], count: number) => Promise<void>
  readonly signal?: AbortSignal
}

/** Normalises rows, writes their parts and publishes the unit: the whole of it, or nothing. */
export const buildUnit = async (request: UnitRequest): Promise<CatalogUnit> => {
  const {database, dir, staging, options, signal} = request
  const normalised: NormalisedOutput[] = []
  for (const [i, output] of request.outputs.entries()) {
    signal?.throwIfAborted()
    normalised.push(await normaliseOutput(database, output, `normalised_${i}`, options))
  }
  const invalid = request.rejected + normalised.reduce((sum, output) => sum + output.invalidCount, 0)
  if (invalid > 0) await request.onInvalid(normalised, invalid)
  const {outputs, instruments} = shareScales(normalised)
  const parts: CatalogPart[] = []
  for (const output of outputs) parts.push(...(await writeParts(database, staging, output, signal)))
  const rounded: Record<string, number>[] = []
  for (const output of outputs) rounded.push(await countRounded(database, output))
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  if (rows === 0) {
    throw new UserError('NO_ROWS', `${request.about.file.name} holds no usable row`, {
      exitCode: ExitCode.invalidData,
      hints: [describeDefects(normalised) || 'check that the file has more than a header'],
    })
  }
  const unit: CatalogUnit = {
    version: UNIT_VERSION,
    ...request.about,
    rows,
    rejected: invalid,
    defects: mergeDefects([...normalised.map(output => output.defects), ...rounded, request.defects]),
    fromUs: Math.min(...parts.map(part => part.fromUs)),
    toUs: Math.max(...parts.map(part => part.toUs)),
    instruments,
    parts,
  }
  await publishUnit(dir, staging, unit)
  return unit
}

/** One scale a symbol over all kinds of the unit: the finest that any of them needs and the greatest value allows. */
const shareScales = (
  outputs: readonly NormalisedOutput[],
): {outputs: NormalisedOutput[]; instruments: Instrument[]} => {
  const bySymbol = new Map<string, Instrument>()
  const most = new Map<string, {readonly price: number; readonly size: number}>()
  for (const {instrument, ...group} of outputs.flatMap(output => output.groups)) {
    const known = bySymbol.get(instrument.symbol)
    const least = most.get(instrument.symbol) ?? group.most
    most.set(instrument.symbol, {
      price: Math.min(least.price, group.most.price),
      size: Math.min(least.size, group.most.size),
    })
    bySymbol.set(instrument.symbol, known === undefined ? instrument : finest(known, instrument))
  }
  for (const [symbol, instrument] of bySymbol) {
    const {price, size} = most.get(symbol) ?? {price: 22, size: 22}
    if (instrument.priceDecimals <= price && instrument.sizeDecimals <= size) continue
    bySymbol.set(
      symbol,
      atScale(instrument, Math.min(instrument.priceDecimals, price), Math.min(instrument.sizeDecimals, size)),
    )
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
