import {type CatalogPart, finest} from '../../data/catalog.ts'
import type {Instrument} from '../../domain/instrument.ts'

/** A part with what its reader needs to know of its unit. */
export interface LocatedPart extends CatalogPart {
  readonly file: string
  readonly unit: string
  /** The scale its integers are in. */
  readonly instrument: Instrument
}

/** Instruments of parts by symbol, at the finest scale among them, sorted by symbol. */
export const instrumentsOf = (parts: readonly LocatedPart[]): Instrument[] => {
  const bySymbol = new Map<string, Instrument>()
  for (const {instrument} of parts) {
    const known = bySymbol.get(instrument.symbol)
    bySymbol.set(instrument.symbol, known === undefined ? instrument : finest(known, instrument))
  }
  return [...bySymbol.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1))
}
