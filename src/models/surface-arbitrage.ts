// Cells are indexed inside their bounds, hence the `!`.
import {blackPrice} from '../options/black.ts'
import {DEVIATIONS, TENSOR_SHAPE} from '../options/chain-tensor.ts'
import type {ChainSample} from './chain-sample.ts'

const {rows: ROWS, columns: COLUMNS, rowFeatures: ROW_WIDTH} = TENSOR_SHAPE
/** Of total variance: what two cells may differ by without a trade in it. */
const TOLERANCE = 1e-4

/** How often a surface, read at the columns of a chain's tensor, breaks what no static arbitrage asks for. */
export interface SurfaceArbitrage {
  /** Share of neighbouring strike triples whose calls are not convex. */
  readonly butterfly: number
  /** Share of points of an expiry whose total variance is above that of the next expiry at the same moneyness. */
  readonly calendar: number
}

/**
 * Counts over chains; `surfaceOf` gives log volatility ratios (to each expiry's at-the-money volatility) for all cells. Only
 * cells that the chain quotes are looked at.
 */
export const surfaceArbitrage = (
  samples: readonly ChainSample[],
  surfaceOf: (sample: ChainSample) => ArrayLike<number>,
): SurfaceArbitrage => {
  const counts = {triples: 0, butterflies: 0, points: 0, calendars: 0}
  for (const sample of samples) {
    const surface = surfaceOf(sample)
    let before: Smile | undefined
    for (let row = 0; row < ROWS; row++) {
      if (sample.tensor.rowMask[row] !== 1) continue
      const smile = smileOf(sample, surface, row)
      countButterflies(smile, counts)
      if (before !== undefined) countCalendars(before, smile, counts)
      before = smile
    }
  }
  return {
    butterfly: counts.butterflies / Math.max(1, counts.triples),
    calendar: counts.calendars / Math.max(1, counts.points),
  }
}

/** Log moneyness and total variance at the quoted columns. */
interface Smile {
  readonly k: readonly number[]
  readonly w: readonly number[]
}

const smileOf = ({tensor}: ChainSample, surface: ArrayLike<number>, row: number): Smile => {
  const volatility = Math.exp(tensor.rows[row * ROW_WIDTH]!)
  const years = Math.exp(tensor.rows[row * ROW_WIDTH + 1]!) / 365
  const total = volatility * Math.sqrt(years)
  const columns = DEVIATIONS.map((_, column) => column).filter(column => tensor.mask[row * COLUMNS + column] === 1)
  return {
    k: columns.map(column => DEVIATIONS[column]! * total),
    w: columns.map(column => (total * Math.exp(surface[row * COLUMNS + column]!)) ** 2),
  }
}

type Counts = {triples: number; butterflies: number; points: number; calendars: number}

const countButterflies = ({k, w}: Smile, counts: Counts): void => {
  const strikes = k.map(Math.exp)
  const calls = strikes.map((strike, i) => blackPrice(1, strike, Math.sqrt(w[i]!), true))
  for (let i = 1; i + 1 < k.length; i++) {
    const left = (calls[i]! - calls[i - 1]!) / (strikes[i]! - strikes[i - 1]!)
    const right = (calls[i + 1]! - calls[i]!) / (strikes[i + 1]! - strikes[i]!)
    counts.triples++
    if (right < left - 1e-9) counts.butterflies++
  }
}

const countCalendars = (near: Smile, far: Smile, counts: Counts): void => {
  for (let i = 0; i < near.k.length; i++) {
    const k = near.k[i]!
    const at = far.k.findIndex(value => value >= k)
    if (at < 1) continue
    const share = (k - far.k[at - 1]!) / (far.k[at]! - far.k[at - 1]!)
    const w = far.w[at - 1]! + share * (far.w[at]! - far.w[at - 1]!)
    counts.points++
    if (w < near.w[i]! - TOLERANCE * near.w[i]!) counts.calendars++
  }
}
