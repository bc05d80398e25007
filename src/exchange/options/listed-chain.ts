import {type Instrument, optionFromOcc} from '../../domain/instrument.ts'
import {newYorkDay, newYorkTime, nextTradingDay, sessionOf} from '../sessions.ts'

/** Strikes on each side of the money, and the fraction of the price that they lie apart, before rounding to the class's step. */
const STRIKES = 8
const SPACING = 0.015
/** Weeks to the expiries that are listed at the start. */
const WEEKS = [1, 2, 5, 9] as const
const FRIDAY = 5

/** Contracts of one underlying around a price: four Fridays, seventeen strikes, calls and puts, in OCC order. */
export const listChain = (underlying: string, price: number, startUs: number): readonly Instrument[] => {
  const step = strikeStep(price)
  const middle = Math.round(price / step) * step
  const contracts: Instrument[] = []
  for (const expiry of expiriesFrom(startUs))
    for (const right of ['C', 'P'])
      for (let k = -STRIKES; k <= STRIKES; k++) {
        const strike = middle + k * step
        if (strike <= 0) continue
        const contract = optionFromOcc(occSymbol(underlying, expiry, right, strike))
        if (contract !== undefined) contracts.push(contract)
      }
  return contracts
}

/** `AAPL250613C00200000`. */
export const occSymbol = (underlying: string, expiry: string, right: string, strike: number): string =>
  `${underlying}${expiry.slice(2, 4)}${expiry.slice(5, 7)}${expiry.slice(8, 10)}${right}${String(Math.round(strike * 1_000)).padStart(8, '0')}`

/** The coarsest of the exchange's usual steps that is not above the spacing wanted. */
const strikeStep = (price: number): number => {
  const wanted = price * SPACING
  return [25, 10, 5, 2.5, 1, 0.5].find(step => step <= wanted) ?? 0.5
}

/** Fridays, or the trading day before one that is a holiday, as YYYY-MM-DD; the day of the start itself is left out. */
const expiriesFrom = (startUs: number): readonly string[] => {
  const today = newYorkDay(startUs)
  const weekday = (((today + 4) % 7) + 7) % 7
  const friday = today + ((FRIDAY - weekday + 7) % 7 || 7)
  return WEEKS.map(week => {
    let day = friday + 7 * (week - 1)
    while (sessionOf(day) === undefined) day--
    return new Date(day * 86_400_000).toISOString().slice(0, 10)
  })
}

/** When a contract of this expiry stops trading: the close of its last session. */
export const lastTradingUs = (expiry: string): number => {
  const day = Math.floor(Date.parse(`${expiry}T00:00:00Z`) / 86_400_000)
  return sessionOf(day)?.closeUs ?? newYorkTime(nextTradingDay(day), 0)
}
