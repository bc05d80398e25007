import type {InstrumentTable} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {sign} from '../domain/units.ts'

/** One closing execution against the oldest open lots: the unit in which wins and losses are counted. */
export interface RoundTrip {
  readonly instrument: number
  readonly direction: 1 | -1
  readonly lots: number
  readonly entryTicks: number
  readonly exitTicks: number
  /** Time of the oldest lot closed, and of the closing fill. */
  readonly openedUs: number
  readonly closedUs: number
  /** Net of the entry's and the exit's share of fees, micros of the quote currency. */
  readonly pnlMicros: number
  readonly feesMicros: number
}

/** New lots for old ones from a time on. */
export interface ShareSplit {
  readonly instrument: number
  readonly tsUs: number
  readonly numerator: number
  readonly denominator: number
}

interface OpenLot {
  lots: number
  ticks: number
  feePerLot: number
  readonly tsUs: number
}

/** Matches fills first in, first out, instrument by instrument; lots still open at the end make no trade. */
export const roundTrips = (
  fills: readonly Fill[],
  instruments: InstrumentTable,
  splits: readonly ShareSplit[] = [],
): RoundTrip[] => {
  let nextSplit = 0
  const open = new Map<number, {direction: 1 | -1; queue: OpenLot[]}>()
  const trips: RoundTrip[] = []
  for (const fill of fills) {
    for (let due = splits[nextSplit]; due !== undefined && due.tsUs <= fill.tsUs; due = splits[++nextSplit])
      applySplit(open.get(due.instrument)?.queue ?? [], due)
    const instrument = instruments.at(fill.instrument)
    const micros = instrument.multiplier * 10 ** (6 - instrument.priceDecimals - instrument.sizeDecimals)
    const direction = sign(fill.side)
    const feePerLot = (fill.feeMicros + (fill.feeLots ?? 0) * fill.priceTicks * micros) / fill.lots
    let left: number = fill.lots
    const state = open.get(fill.instrument) ?? {direction, queue: []}
    open.set(fill.instrument, state)
    if (state.queue.length === 0) state.direction = direction
    if (state.direction !== direction) {
      let [closed, cost, fees] = [0, 0, 0]
      const openedUs = state.queue[0]?.tsUs ?? fill.tsUs
      while (left > 0) {
        const lot = state.queue[0]
        if (lot === undefined) break
        const taken = Math.min(left, lot.lots)
        closed += taken
        cost += taken * lot.ticks
        fees += taken * (lot.feePerLot + feePerLot)
        lot.lots -= taken
        left -= taken
        if (lot.lots <= 1e-9) state.queue.shift()
      }
      const gross = state.direction * (closed * fill.priceTicks - cost) * micros
      trips.push({
        instrument: fill.instrument,
        direction: state.direction,
        lots: closed,
        entryTicks: cost / closed,
        exitTicks: fill.priceTicks,
        openedUs,
        closedUs: fill.tsUs,
        pnlMicros: gross - fees,
        feesMicros: fees,
      })
      if (left > 0) state.direction = direction
    }
    // Coins withheld as a fee never arrive, so they are not there to be sold.
    const arriving = left - (left === fill.lots ? (fill.feeLots ?? 0) : 0)
    if (arriving > 0) state.queue.push({lots: arriving, ticks: fill.priceTicks, feePerLot, tsUs: fill.tsUs})
  }
  return trips
}

/** Open lots in new shares, whole in all: the fraction that is paid out leaves the oldest lot, as it would be sold first. */
const applySplit = (queue: OpenLot[], {numerator, denominator}: ShareSplit): void => {
  const factor = numerator / denominator
  for (const lot of queue) {
    lot.lots *= factor
    lot.ticks /= factor
    lot.feePerLot /= factor
  }
  const held = queue.reduce((sum, lot) => sum + lot.lots, 0)
  // A sum that is whole but for its last bits is whole.
  let fraction = held - Math.floor(held + 1e-9)
  while (fraction > 1e-9 && queue[0] !== undefined) {
    const taken = Math.min(fraction, queue[0].lots)
    queue[0].lots -= taken
    fraction -= taken
    if (queue[0].lots <= 1e-9) queue.shift()
  }
}
