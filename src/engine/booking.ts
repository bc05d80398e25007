import type {JournalEntry} from '../broker/journal.ts'
import {type InstrumentTable, notionalMicros} from '../domain/instrument.ts'

/** A change of the account without an order, as the journal keeps it. */
export type Booking = Omit<Extract<JournalEntry, {kind: 'booking'}>, 'kind' | 'symbol'>

/** Signed cash of a dividend on signed lots: longs receive, shorts pay. */
export const dividendMicros = (
  instruments: InstrumentTable,
  instrument: number,
  lots: number,
  cashTicks: number,
): number => (lots < 0 ? -1 : 1) * notionalMicros(instruments.at(instrument), cashTicks, Math.abs(lots)) + 0

/**
 * Whole lots of each holder after a split, when the account keeps `total` of them: everybody gets the lots that are
 * certain, and those left over go to the largest fractions, the first of equals first.
 */
export const splitShares = (
  held: readonly number[],
  numerator: number,
  denominator: number,
  total: number,
): number[] => {
  const whole = held.map(lots => Math.floor((lots * numerator) / denominator))
  const fractions = held.map((lots, k) => lots * numerator - (whole[k] as number) * denominator)
  let left = total - whole.reduce((sum, lots) => sum + lots, 0)
  const byFraction = fractions
    .map((_, k) => k)
    .sort((a, b) => (fractions[b] as number) - (fractions[a] as number) || a - b)
  for (const k of byFraction) {
    if (left <= 0) break
    whole[k] = (whole[k] as number) + 1
    left--
  }
  return whole
}

/** `total` micros divided among shares, exactly: each its part rounded down, the rest to the first of the largest. */
export const divideMicros = (total: number, shares: readonly number[]): number[] => {
  const sum = shares.reduce((a, b) => a + b, 0)
  if (sum === 0) return shares.map(() => 0)
  const parts = shares.map(share => Math.floor((total * share) / sum))
  const largest = shares.indexOf(Math.max(...shares))
  parts[largest] = (parts[largest] as number) + total - parts.reduce((a, b) => a + b, 0)
  return parts
}
