// Indices run below lengths read in the same function, so `!` cannot miss here.
import type {Rng} from '../domain/rng.ts'
import {bootstrapInterval, type Interval} from './bootstrap.ts'
import {maxDrawdown} from './drawdowns.ts'
import {gapsOf, moments, periodReturns, type TradingCalendar} from './returns.ts'
import type {RoundTrip} from './round-trips.ts'
import {annualised, probabilisticSharpe, sharpeOf, sharpeSample} from './sharpe.ts'

export interface RunSeries {
  /** Equity samples in time order, the first before any order. */
  readonly tsUs: ArrayLike<number>
  readonly equityMicros: ArrayLike<number>
  /** Sum of absolute position values at the same samples. */
  readonly grossMicros?: ArrayLike<number>
  readonly trips: readonly RoundTrip[]
  /** Notional of all fills. */
  readonly tradedMicros: number
  readonly calendar: TradingCalendar
}

/**
 * The figures of a run. Conventions: returns are simple returns of equity, fees and slippage included, on the period named
 * (the longest that leaves 30 of them); ratios are annualised by √periods-per-year of the calendar, at the pace at which the
 * run had periods, and use a risk-free rate of zero unless given; a trade is one closing execution matched first in, first out. `null` means undefined on this
 * run (no losses, no spread, nothing closed), never zero and never infinity.
 */
export interface Metrics {
  /** End over start less one. */
  readonly totalReturn: number
  /** Annualised mean over standard deviation (n − 1). */
  readonly sharpe: number | null
  /** Annualised mean over root mean square of the returns below zero. */
  readonly sortino: number | null
  /** Compound annual growth over maximum drawdown; null for runs under 20 days, where a year of it is fiction. Gaps in the data are no time. */
  readonly calmar: number | null
  /** Over all samples, not period ends. */
  readonly maxDrawdown: number
  /** Winning trades over winning and losing ones. */
  readonly winRate: number | null
  /** Sum of wins over sum of losses. */
  readonly profitFactor: number | null
  /** Mean win over mean loss. */
  readonly avgWinLoss: number | null
  /** Time-weighted gross exposure over equity. */
  readonly exposure: number
  /** Traded notional over mean equity, whole run; debt counts as none. */
  readonly turnover: number
}

export interface MetricsDetail extends Metrics {
  readonly period: string
  readonly periods: number
  readonly periodsPerYear: number
  readonly days: number
  readonly annualReturn: number | null
  readonly annualVolatility: number | null
  readonly skewness: number
  readonly kurtosis: number
  /** Probability that the true Sharpe ratio is above zero. */
  readonly psr: number | null
  readonly trades: number
  readonly timeInMarket: number
  readonly meanTradeMicros: number | null
  /** 90 % stationary-bootstrap intervals. */
  readonly intervals: {
    readonly sharpe: Interval | null
    readonly winRate: Interval | null
    readonly avgWinLoss: Interval | null
  }
}

export interface MetricsOptions {
  readonly rng: Rng
  readonly riskFreeAnnual?: number
  readonly bootstrapDraws?: number
}

const LEAST_DAYS_FOR_YEAR = 20

export const computeMetrics = (
  run: RunSeries,
  {rng, riskFreeAnnual = 0, bootstrapDraws = 1000}: MetricsOptions,
): MetricsDetail => {
  const {tsUs, equityMicros, trips, calendar} = run
  const n = equityMicros.length
  const start = n > 0 ? equityMicros[0]! : 0
  const end = n > 0 ? equityMicros[n - 1]! : 0
  const totalReturn = start > 0 ? end / start - 1 : 0
  const series = periodReturns(tsUs, equityMicros, calendar)
  const riskFree = riskFreeAnnual / series.periodsPerYear
  const {days} = series
  const missingUs = gapsOf(tsUs).reduce((sum, {fromUs, toUs}) => sum + toUs - fromUs, 0)
  const years = n > 1 ? (tsUs[n - 1]! - tsUs[0]! - missingUs) / (365.25 * 86_400e6) : 0
  const annualReturn = days >= LEAST_DAYS_FOR_YEAR && years > 0 ? Math.max(0, 1 + totalReturn) ** (1 / years) - 1 : null
  const drawdown = maxDrawdown(equityMicros)
  const stats = moments(series.returns)
  const sample = sharpeSample(series.returns)
  const scale = (value: number | undefined) => (value === undefined ? null : annualised(value, series.periodsPerYear))
  const pnl = Float64Array.from(trips, t => t.pnlMicros)
  const draws = {draws: bootstrapDraws}
  return {
    totalReturn,
    sharpe: scale(sharpeOf(series.returns, riskFree)),
    sortino: scale(sortinoOf(series.returns, riskFree)),
    calmar: annualReturn !== null && drawdown > 0 ? annualReturn / drawdown : null,
    maxDrawdown: drawdown,
    winRate: winRateOf(pnl) ?? null,
    profitFactor: profitFactorOf(pnl) ?? null,
    avgWinLoss: winLossOf(pnl) ?? null,
    exposure: timeWeighted(run, (gross, equity) => (equity > 0 ? gross / equity : 0)),
    turnover: run.tradedMicros / (meanOf(Float64Array.from(equityMicros, value => Math.max(0, value))) || 1),
    period: series.periodName,
    periods: series.returns.length,
    periodsPerYear: series.periodsPerYear,
    days,
    annualReturn,
    annualVolatility: Number.isNaN(stats.deviation) ? null : stats.deviation * Math.sqrt(series.periodsPerYear),
    skewness: stats.skewness,
    kurtosis: stats.kurtosis,
    psr: sample === undefined ? null : probabilisticSharpe(sample),
    trades: trips.length,
    timeInMarket: timeWeighted(run, gross => (gross > 0 ? 1 : 0)),
    meanTradeMicros: trips.length > 0 ? meanOf(pnl) : null,
    intervals: {
      sharpe: annualInterval(
        bootstrapInterval(series.returns, s => sharpeOf(s, riskFree), {rng: rng.fork('sharpe'), ...draws}),
        series.periodsPerYear,
      ),
      winRate: bootstrapInterval(pnl, winRateOf, {rng: rng.fork('win-rate'), ...draws}) ?? null,
      avgWinLoss: bootstrapInterval(pnl, winLossOf, {rng: rng.fork('win-loss'), ...draws}) ?? null,
    },
  }
}

/** The ten figures every result document carries, without the detail. */
export const headline = (detail: MetricsDetail): Metrics => ({
  totalReturn: detail.totalReturn,
  sharpe: detail.sharpe,
  sortino: detail.sortino,
  calmar: detail.calmar,
  maxDrawdown: detail.maxDrawdown,
  winRate: detail.winRate,
  profitFactor: detail.profitFactor,
  avgWinLoss: detail.avgWinLoss,
  exposure: detail.exposure,
  turnover: detail.turnover,
})

export const sortinoOf = (returns: ArrayLike<number>, target = 0): number | undefined => {
  let [sum, below] = [0, 0]
  for (let i = 0; i < returns.length; i++) {
    const excess = returns[i]! - target
    sum += excess
    if (excess < 0) below += excess * excess
  }
  return returns.length >= 2 && below > 0 ? sum / returns.length / Math.sqrt(below / returns.length) : undefined
}

const sums = (pnl: ArrayLike<number>) => {
  let [wins, losses, won, lost] = [0, 0, 0, 0]
  for (let i = 0; i < pnl.length; i++) {
    const value = pnl[i]!
    if (value > 0) {
      wins++
      won += value
    } else if (value < 0) {
      losses++
      lost -= value
    }
  }
  return {wins, losses, won, lost}
}
/** Winning trades over winning and losing ones; undefined without either. */
export const winRateOf = (pnl: ArrayLike<number>): number | undefined => {
  const {wins, losses} = sums(pnl)
  return wins + losses > 0 ? wins / (wins + losses) : undefined
}
const profitFactorOf = (pnl: ArrayLike<number>): number | undefined => {
  const {won, lost} = sums(pnl)
  return lost > 0 ? won / lost : undefined
}
const winLossOf = (pnl: ArrayLike<number>): number | undefined => {
  const {wins, losses, won, lost} = sums(pnl)
  return wins > 0 && losses > 0 ? won / wins / (lost / losses) : undefined
}

const annualInterval = (interval: Interval | undefined, perYear: number): Interval | null =>
  interval === undefined ? null : {low: annualised(interval.low, perYear), high: annualised(interval.high, perYear)}

const meanOf = (values: ArrayLike<number>): number => {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]!
  return values.length > 0 ? total / values.length : 0
}

/** Each sample counts for the time until the next one. */
const timeWeighted = (run: RunSeries, value: (gross: number, equity: number) => number): number => {
  const {tsUs, equityMicros, grossMicros} = run
  if (grossMicros === undefined) return 0
  let [sum, time] = [0, 0]
  for (let i = 0; i + 1 < tsUs.length; i++) {
    const span = tsUs[i + 1]! - tsUs[i]!
    sum += span * value(grossMicros[i]!, equityMicros[i]!)
    time += span
  }
  return time > 0 ? sum / time : 0
}
