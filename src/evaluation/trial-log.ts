import {moments} from './returns.ts'
import {deflatedSharpe, type SharpeSample} from './sharpe.ts'

/** One configuration that was ever evaluated: what deflation must count. */
export interface Trial {
  /** Content hash of configuration, data and code: the same trial run again is one trial. */
  readonly id: string
  /** What was searched, for example the strategy: trials of one family compete with each other. */
  readonly family: string
  /** Per-observation Sharpe ratio; undefined when it had none. */
  readonly sharpe: number | undefined
  readonly observations: number
  /** Length of an observation, such as `1d`. */
  readonly period?: string
  readonly tsUs: number
}

/** Where trials are kept for as long as the project lives. Recording the same id twice keeps one. */
export interface TrialLog {
  readonly record: (trial: Trial) => void
  readonly trials: (family?: string) => readonly Trial[]
}

export const memoryTrialLog = (): TrialLog => {
  const byId = new Map<string, Trial>()
  return {
    record: trial => void byId.set(`${trial.family}\n${trial.id}`, trial),
    trials: family => [...byId.values()].filter(t => family === undefined || t.family === family),
  }
}

export interface DeflationResult {
  readonly trials: number
  /** Variance of the trials' per-observation Sharpe ratios. */
  readonly sharpeVariance: number
  readonly deflatedSharpe: number
}

/**
 * Deflates a result by every trial of its family; the spread of their ratios is taken over those of the same period, since
 * ratios of days and of minutes do not compare. With one trial it is the probabilistic Sharpe ratio.
 */
export const deflate = (sample: SharpeSample, log: TrialLog, family: string, period?: string): DeflationResult => {
  const trials = log.trials(family)
  const ratios = trials.flatMap(t =>
    t.sharpe === undefined || (period !== undefined && t.period !== undefined && t.period !== period) ? [] : [t.sharpe],
  )
  const deviation = moments(ratios).deviation
  const sharpeVariance = ratios.length >= 2 && deviation > 0 ? deviation ** 2 : 0
  return {
    trials: trials.length,
    sharpeVariance,
    deflatedSharpe: deflatedSharpe(sample, Math.max(1, trials.length), sharpeVariance),
  }
}
