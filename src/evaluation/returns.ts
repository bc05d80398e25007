// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND} from '../domain/units.ts'

/** How many hours of how many days the market is open: what a period's share of a year is counted in. */
export type TradingCalendar = 'us-equity' | 'continuous'

export interface PeriodReturns {
  /** Simple returns of equity over consecutive periods that saw the market; zero after the one that lost it all. */
  readonly returns: Float64Array
  /** End of each period. */
  readonly endUs: Float64Array
  /** The samples between which the returns are: the first one's start, then each period's last. */
  readonly samples: readonly number[]
  readonly periodUs: number
  readonly periodName: string
  /** 252 sessions of 6.5 hours, or 365 days of 24, at the pace at which there were samples. */
  readonly periodsPerYear: number
  /** Trading days with a sample, that of the very first included. */
  readonly days: number
}

/**
 * When a trading day begins, after midnight UTC: the evening session of New York ends at one o'clock in winter, and belongs to
 * the day before.
 */
export const dayStartOf = (calendar: TradingCalendar): number => (calendar === 'continuous' ? 0 : 5 * US_PER_HOUR)
const dayOf = (tsUs: number, calendar: TradingCalendar): number =>
  Math.floor((tsUs - dayStartOf(calendar)) / US_PER_DAY)

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
 * is only as good as its count, and one of short periods ignores the correlation between them. Where none leaves so many,
 * it is the longest that leaves half as many as any: finer ones would only name the same samples otherwise.
 */
export const periodReturns = (
  tsUs: ArrayLike<number>,
  equity: ArrayLike<number>,
  calendar: TradingCalendar,
  {periodUs, leastReturns = 30}: {readonly periodUs?: number; readonly leastReturns?: number} = {},
): PeriodReturns => {
  const candidates = periodUs === undefined ? PERIODS : ([[periodUs, `${periodUs / US_PER_SECOND}s`]] as const)
  const grids: PeriodReturns[] = []
  for (const [length, name] of candidates) {
    const grid = onGrid(tsUs, equity, length, name, calendar)
    if (grid.returns.length >= leastReturns) return grid
    grids.push(grid)
  }
  const most = Math.max(...grids.map(({returns}) => returns.length))
  return grids.find(({returns}) => 2 * returns.length >= most) as PeriodReturns
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
  const seenUs: number[] = []
  const samples: number[] = []
  const startUs = dayStartOf(calendar)
  for (let i = 0; i < tsUs.length; i++) {
    const cell = Math.floor((tsUs[i]! - startUs) / periodUs)
    const end = (cell + 1) * periodUs + startUs
    if (ends.at(-1) !== end) ends.push(end)
    values[ends.length - 1] = equity[i]!
    seenUs[ends.length - 1] = tsUs[i]!
    samples[ends.length - 1] = i
  }
  // The first return runs from the very first sample, so nothing earned in the first period is lost; where that sample
  // is alone in its period, it is only where the next one starts.
  const isAlone = ends.length > 1 && seenUs[0] === tsUs[0]
  const start = tsUs.length > 0 ? equity[0]! : Number.NaN
  const all = Float64Array.from(values, (value, i) => value / (i === 0 ? start : values[i - 1]!) - 1)
  // An account without money earns and loses nothing: below zero a quotient's sign would turn losses into gains.
  const ruin = all.findIndex(value => value <= -1)
  if (ruin >= 0) all.fill(0, ruin + 1)
  const [returns, endUs, lastUs] = isAlone ? [all.slice(1), ends.slice(1), seenUs.slice(1)] : [all, ends, seenUs]
  return {
    returns,
    endUs: Float64Array.from(endUs),
    samples: isAlone || samples.length === 0 ? samples : [0, ...samples],
    periodUs,
    periodName,
    periodsPerYear: periodsPerYear(periodUs, calendar) * paceOf(lastUs, periodUs, calendar),
    days: new Set(ends.map(end => dayOf(end - 1, calendar))).size,
  }
}

/** Longer than any holiday, in which the market is closed and the data are whole. */
const LONGEST_HOLIDAY_US = 10 * US_PER_DAY

/** Where the samples stop for longer than a market closes, and for much longer than they usually are apart. */
export const gapsOf = (tsUs: ArrayLike<number>): readonly {readonly fromUs: number; readonly toUs: number}[] => {
  const steps = Array.from({length: Math.max(0, tsUs.length - 1)}, (_, i) => tsUs[i + 1]! - tsUs[i]!)
  const least = Math.max(LONGEST_HOLIDAY_US, 5 * medianOf(steps))
  return steps.flatMap((step, i) => (step > least ? [{fromUs: tsUs[i]!, toUs: tsUs[i + 1]!}] : []))
}

/** What is as good as the calendar's own pace. */
const SAME_PACE = 0.05

/**
 * Periods in which there was a sample, for each that the calendar counts: a year of half-hour bars has no 98,280 minutes,
 * and a session from half past to the full hour touches seven hours.
 */
const paceOf = (seenUs: readonly number[], periodUs: number, calendar: TradingCalendar): number => {
  const pace =
    periodUs >= US_PER_DAY ? dailyPace(seenUs, periodUs, calendar) : paceWithinDays(seenUs, periodUs, calendar)
  return Math.abs(pace - 1) <= SAME_PACE ? 1 : pace
}

/** One over the usual step in weekdays, or in days where the market never closes: holidays and gaps in the data do not count. */
const dailyPace = (seenUs: readonly number[], periodUs: number, calendar: TradingCalendar): number => {
  const steps = seenUs.slice(1).map((at, i) => {
    const [from, to] = [dayOf(seenUs[i]!, calendar), dayOf(at, calendar)]
    return calendar === 'continuous' ? to - from : weekdaysTo(to) - weekdaysTo(from)
  })
  const usual = medianOf(steps) * (US_PER_DAY / periodUs)
  return usual > 1 ? 1 / usual : 1
}

/** Weekdays before a day since the epoch, which was a Thursday. */
const weekdaysTo = (day: number): number => {
  const sinceMonday = day + 3
  return 5 * Math.floor(sinceMonday / 7) + Math.min(5, sinceMonday % 7)
}

/** Of the time from each day’s first to its last sample, and one step more for what the first one closes. */
const paceWithinDays = (seenUs: readonly number[], periodUs: number, calendar: TradingCalendar): number => {
  const sessionUs = calendar === 'continuous' ? US_PER_DAY : 6.5 * US_PER_HOUR
  const days = [...Map.groupBy(seenUs, at => dayOf(at, calendar)).values()]
  const stepUs = medianOf(days.flatMap(day => day.slice(1).map((at, i) => at - day[i]!)))
  const coveredUs = days.reduce(
    (sum, day) => sum + (day.length === 1 ? sessionUs : Math.min(sessionUs, day.at(-1)! - day[0]! + stepUs)),
    0,
  )
  return coveredUs > 0 ? (seenUs.length * periodUs) / coveredUs : 1
}

const medianOf = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

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
