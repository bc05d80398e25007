import {parseDay} from '../../domain/calendar.ts'
import {US_PER_DAY} from '../../domain/units.ts'

const YEAR_US = 365 * US_PER_DAY

/** A dividend that is known ahead: its ex-date and dollars a share. */
export interface KnownDividend {
  readonly exDate: string
  readonly dollars: number
}

/**
 * Time a deviation of `z` takes to fall to `exitZ` when it halves every `halfLifeUs`: what a position is expected to be held,
 * and so what its loan of stock costs.
 */
export const expectedHoldingUs = (z: number, exitZ: number, halfLifeUs: number): number => {
  const to = Math.max(exitZ, 0.1)
  return Math.abs(z) > to ? halfLifeUs * Math.log2(Math.abs(z) / to) : 0
}

/** Basis points of its value that lending costs a short leg over the time. */
export const borrowCostBps = (bpsPerYear: number, holdingUs: number): number => (bpsPerYear * holdingUs) / YEAR_US

/** Basis points of its value that a short leg pays in dividends whose ex-date falls in the time after `nowUs`. */
export const dividendCostBps = (
  dividends: readonly KnownDividend[],
  price: number,
  nowUs: number,
  holdingUs: number,
): number => {
  if (!(price > 0)) return 0
  let dollars = 0
  for (const {exDate, dollars: each} of dividends) {
    const exUs = parseDay(exDate) * US_PER_DAY
    if (exUs > nowUs && exUs <= nowUs + holdingUs) dollars += each
  }
  return (1e4 * dollars) / price
}
