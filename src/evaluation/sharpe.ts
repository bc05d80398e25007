import normalCdf from '@stdlib/stats-base-dists-normal-cdf'
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile'
import {type Moments, moments} from './returns.ts'

/** Mean over standard deviation (n − 1) of per-period excess returns; undefined without spread or below two returns. */
export const sharpeOf = (returns: ArrayLike<number>, riskFreePerPeriod = 0): number | undefined => {
  const {mean, deviation} = moments(returns)
  return deviation > 0 ? (mean - riskFreePerPeriod) / deviation : undefined
}

/** Sharpe of a year from that of a period, as if periods were independent. */
export const annualised = (sharpe: number, periodsPerYear: number): number => sharpe * Math.sqrt(periodsPerYear)

export interface SharpeSample {
  /** Per observation, not annualised. */
  readonly sharpe: number
  readonly observations: number
  readonly skewness: number
  /** Plain kurtosis, 3 for a normal. */
  readonly kurtosis: number
}

export const sharpeSample = (returns: ArrayLike<number>): SharpeSample | undefined => {
  const sharpe = sharpeOf(returns)
  const m: Moments = moments(returns)
  return sharpe === undefined ? undefined : {sharpe, observations: m.n, skewness: m.skewness, kurtosis: m.kurtosis}
}

/**
 * Probability that the true Sharpe ratio exceeds `benchmark` (Bailey and López de Prado, "The Sharpe ratio efficient
 * frontier", 2012). Both ratios per observation.
 */
export const probabilisticSharpe = (sample: SharpeSample, benchmark = 0): number =>
  normalCdf(((sample.sharpe - benchmark) * Math.sqrt(sample.observations - 1)) / standardFactor(sample), 0, 1)

const standardFactor = ({sharpe, skewness, kurtosis}: SharpeSample): number =>
  Math.sqrt(Math.max(1e-12, 1 - skewness * sharpe + ((kurtosis - 1) / 4) * sharpe * sharpe))

const EULER = 0.5772156649015329

/** Largest Sharpe ratio expected of `trials` strategies without skill whose ratios have this variance. */
export const expectedMaxSharpe = (trials: number, sharpeVariance: number): number => {
  if (trials <= 1) return 0
  const deviation = Math.sqrt(sharpeVariance)
  return (
    deviation *
    ((1 - EULER) * normalQuantile(1 - 1 / trials, 0, 1) + EULER * normalQuantile(1 - 1 / (trials * Math.E), 0, 1))
  )
}

/**
 * Deflated Sharpe ratio (Bailey and López de Prado, 2014): the probabilistic one against the best of all trials that could
 * have been luck. `trials` counts every configuration ever tried, `sharpeVariance` is over their per-observation ratios.
 */
export const deflatedSharpe = (sample: SharpeSample, trials: number, sharpeVariance: number): number =>
  probabilisticSharpe(sample, expectedMaxSharpe(trials, sharpeVariance))

/** Observations needed before the ratio exceeds `benchmark` with this confidence; Infinity when it does not. */
export const minTrackRecord = (sample: SharpeSample, benchmark = 0, confidence = 0.95): number => {
  if (sample.sharpe <= benchmark) return Number.POSITIVE_INFINITY
  const z = normalQuantile(confidence, 0, 1)
  return 1 + (standardFactor(sample) * z) ** 2 / (sample.sharpe - benchmark) ** 2
}
