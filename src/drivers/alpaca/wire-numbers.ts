import {type Instrument, sizeToLots} from '../../domain/instrument.ts'
import {type Lots, type Micros, micros, type Ticks, lots as toLots, ticks as toTicks} from '../../domain/units.ts'
import {formatDecimal, fromUnits, parseDecimal, roundTo, toUnits} from '../../exchange/decimal.ts'

/** Decimals of the wire to integers of the instrument and back, without a double in between. */

export const decimalOf = (text: string): bigint => {
  const value = parseDecimal(text)
  if (value === undefined) throw new RangeError(`the broker sent ${JSON.stringify(text)} where a decimal belongs`)
  return value
}

/** Whole lots; a remainder finer than a lot is cut. */
export const lotsOf = (instrument: Instrument, text: string): Lots =>
  toLots(Number(toUnits(decimalOf(text), instrument.sizeDecimals)))
/** Signed lots. */
export const signedLotsOf = (instrument: Instrument, text: string): number =>
  Number(toUnits(decimalOf(text), instrument.sizeDecimals))
/** Nearest tick: an average or an improved price may be finer than one. */
export const ticksOf = (instrument: Instrument, text: string): Ticks =>
  toTicks(Number(toUnits(roundTo(decimalOf(text), instrument.priceDecimals), instrument.priceDecimals)))
export const microsOf = (text: string): Micros => micros(Number(toUnits(roundTo(decimalOf(text), 6), 6)))

/** Of the market's data: a side that nobody quotes has size 0; a size below one lot is still a size. */
export const lotsAtLeastOne = (instrument: Instrument, size: number): number =>
  size > 0 ? Math.max(1, sizeToLots(instrument, size)) : 0

export const qtyText = (instrument: Instrument, lots: number): string =>
  formatDecimal(fromUnits(lots, instrument.sizeDecimals))
export const priceText = (instrument: Instrument, ticks: number): string =>
  formatDecimal(fromUnits(ticks, instrument.priceDecimals))
