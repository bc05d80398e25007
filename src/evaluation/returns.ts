// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND} from '../domain/units.ts'

/** How many hours of how many days the market is open: what a period's share of a year is counted in. */
export type TradingCalendar = 'us-equity' | 'continuous'

export interface PeriodReturns {
  /** Simple returns of equity over consecutive periods that saw the market. */
  readonly returns: Float64Array
  /** End of each period. */
  readonly endUs: Float64Array
  readonly periodUs: number
  readonly periodName: string
  /** 252 sessions of 6.5 hours, or 365 days of 24. */
  readonly periodsPerYear: number
}

/** Lengths of period that statistics are taken of, longest first, with their names. */
export const PERIODS = [
  [US_PER_DAY, '1d'],
  [US_PER_HOUR, '1h'],
  [5 * US_PER_MINUTE, '5m'],
  [US_PER_MINUTE, '1m'],
  [10 * US_PER_SECOND, '10s'],
  [US_PER_SECOND, '1s'],
] as const

export const periodsPerYear = (periodUs: number, calendar: TradingCalendar): number => {
  if (calendar === 'continuous') return (365 * US_PER_DAY) / periodUs
  return periodUs >= US_PER_DAY ? 252 * (US_PER_DAY / periodUs) : (252 * 6.5 * US_PER_HOUR) / periodUs
}

/**
 * Equity samples put on a regular grid: the last equity of each period in which there was a sample. Without `periodUs` the
 * longest of 1 day, 1 hour, 5 and 1 minutes, 10 and 1 seconds that leaves at least `leastReturns` is taken: a statistic
 * is only as good as its count, and one of short periods ignores the correlation between them.
 */
export const periodReturns = (
  tsUs: ArrayLike<number>,
  equity: ArrayLike<number>,
  calendar: TradingCalendar,
  {periodUs, leastReturns = 30}: {readonly periodUs?: number; readonly leastReturns?: number} = {},
): PeriodReturns => {
  const candidates = periodUs === undefined ? PERIODS : ([[periodUs, `${periodUs / US_PER_SECOND}s`]] as const)
  let best: PeriodReturns | undefined
  for (const [length, name] of candidates) {
    best = onGrid(tsUs, equity, length, name, calendar)
    if (best.returns.length >= leastReturns) break
  }
  return best as PeriodReturns
}

const onGrid = (
  tsUs: ArrayLike<number>,
  equity: ArrayLike<number>,
  periodUs: number,
  periodName: string,
  calendar: TradingCalendar,
): PeriodReturns => {
  const ends: number[] = []
  const values: number[] = []
  for (let i = 0; i < tsUs.length; i++) {
    const cell = Math.floor(tsUs[i]! / periodUs)
    const end = (cell + 1) * periodUs
    if (ends.at(-1) === end) values[values.length - 1] = equity[i]!
    else {
      ends.push(end)
      values.push(equity[i]!)
    }
  }
  const n = values.length
  // The first return runs from the very first sample, so nothing earned in the first period is lost.
  const start = tsUs.length > 0 ? equity[0]! : Number.NaN
  const returns = Float64Array.from({length: n}, (_, i) => values[i]! / (i === 0 ? start : values[i - 1]!) - 1)
  return {
    returns,
    endUs: Float64Array.from(ends),
    periodUs,
    periodName,
    periodsPerYear: periodsPerYear(periodUs, calendar),
  }
}

export interface Moments {
  readonly n: number
  readonly mean: number
  /** With n − 1. */
  readonly deviation: number
  readonly skewness: number
  /** Plain: 3 for a normal. */
  readonly kurtosis: number
}

/** Skewness and kurtosis are the biased (population) ones; 0 and 3 when all values are equal. */
export const moments = (values: ArrayLike<number>): Moments => {
  const n = values.length
  let mean = 0
  for (let i = 0; i < n; i++) mean += values[i]! / n
  let [m2, m3, m4] = [0, 0, 0]
  for (let i = 0; i < n; i++) {
    const d = values[i]! - mean
    m2 += d * d
    m3 += d * d * d
    m4 += d * d * d * d
  }
  const variance = m2 / n
  // Below rounding of the mean itself, the values are one value.
  const isFlat = !(Math.sqrt(variance) > 1e-14 * Math.max(Math.abs(mean), 1e-300)) || n === 0
  return {
    n,
    mean: n === 0 ? Number.NaN : mean,
    deviation: n < 2 ? Number.NaN : isFlat ? 0 : Math.sqrt(m2 / (n - 1)),
    skewness: isFlat ? 0 : m3 / n / variance ** 1.5,
    kurtosis: isFlat ? 3 : m4 / n / variance ** 2,
  }
}
