import normalCdf from '@stdlib/stats-base-dists-normal-cdf'
import type {Observation} from './pattern.ts'

/** What followed a pattern, in basis points of the position after all costs. */
export interface Outcome {
  readonly count: number
  readonly mean: number
  /** Unbiased; 0 below two observations. */
  readonly variance: number
  /** Mean with older observations weighing less: half after each half-life before the newest. */
  readonly decayedPnlBps: number
  readonly worst: number
  /** When the newest observation became known; 0 for none. */
  readonly lastAtUs: number
}

export interface OutcomeAssumptions {
  readonly halfLifeUs: number
  /** Standard deviation of one use's P&L assumed before any is seen; it keeps one lucky use from looking certain. */
  readonly priorSdBps: number
  /** How many observations that assumption is worth. */
  readonly priorCount: number
}

export const noOutcome: Outcome = {count: 0, mean: 0, variance: 0, decayedPnlBps: 0, worst: 0, lastAtUs: 0}

/**
 * The distribution of the observations known at `asOfUs`, in order of time: Welford's mean and variance, and an
 * exponentially decayed mean. `observations` ascend by `atUs`.
 */
export const outcomeAsOf = (observations: readonly Observation[], asOfUs: number, halfLifeUs: number): Outcome => {
  let [count, mean, m2, worst, weight, weighted, lastAtUs] = [0, 0, 0, Number.POSITIVE_INFINITY, 0, 0, 0]
  for (const {atUs, pnlBps} of observations) {
    if (atUs > asOfUs) break
    const fade = count === 0 ? 0 : 2 ** (-(atUs - lastAtUs) / halfLifeUs)
    weight = weight * fade + 1
    weighted = weighted * fade + pnlBps
    count++
    const step = pnlBps - mean
    mean += step / count
    m2 += step * (pnlBps - mean)
    worst = Math.min(worst, pnlBps)
    lastAtUs = atUs
  }
  if (count === 0) return noOutcome
  return {count, mean, variance: count > 1 ? m2 / (count - 1) : 0, decayedPnlBps: weighted / weight, worst, lastAtUs}
}

/**
 * Standard error of the mean, with the prior's variance pooled in (as `priorCount` observations of it): finite for one
 * observation, the sample's own for many. Infinite for none.
 */
export const standardError = (outcome: Outcome, prior: OutcomeAssumptions): number => {
  if (outcome.count === 0) return Number.POSITIVE_INFINITY
  const pooled =
    (prior.priorCount * prior.priorSdBps ** 2 + (outcome.count - 1) * outcome.variance) /
    (prior.priorCount + outcome.count - 1)
  return Math.sqrt(pooled / outcome.count)
}

/** One-sided lower bound of the decayed mean P&L, `z` standard errors below it; what pruning ranks by. */
export const lowerBoundBps = (outcome: Outcome, prior: OutcomeAssumptions, z: number): number =>
  outcome.count === 0 ? Number.NEGATIVE_INFINITY : outcome.decayedPnlBps - z * standardError(outcome, prior)

/** Probability that the true mean P&L is above zero, by the normal approximation; 0.5 when nothing is known. */
export const confidence = (outcome: Outcome, prior: OutcomeAssumptions): number =>
  outcome.count === 0 ? 0.5 : normalCdf(outcome.decayedPnlBps / standardError(outcome, prior), 0, 1)

/** The list with one more observation in its place; the same list when that time stamp is already there. */
export const withObservation = (
  observations: readonly Observation[],
  added: Observation,
): {readonly observations: readonly Observation[]; readonly isNew: boolean} => {
  let at = observations.length
  while (at > 0 && (observations[at - 1] as Observation).atUs > added.atUs) at--
  if (at > 0 && (observations[at - 1] as Observation).atUs === added.atUs) return {observations, isNew: false}
  return {observations: [...observations.slice(0, at), added, ...observations.slice(at)], isNew: true}
}

/** The list with many more, each where it would be if added one after another. */
export const withObservations = (
  observations: readonly Observation[],
  added: readonly Observation[],
): readonly Observation[] => {
  // Sorting keeps the order of equal time stamps, so of those the first stays.
  const all = [...observations, ...added].sort((a, b) => a.atUs - b.atUs)
  return all.filter(({atUs}, i) => i === 0 || atUs !== (all[i - 1] as Observation).atUs)
}
