import type {Outcome} from './outcome.ts'
import type {Tier} from './pattern.ts'

/** A stored pattern near the query, with what was known of it at the time of asking. */
export interface Match {
  readonly id: string
  readonly similarity: number
  readonly symbol: string
  readonly strategy: string
  readonly regime: string
  readonly tsUs: number
  readonly outcome: Outcome
  /** Probability that what it earns on average is above zero, from its outcomes and the prior; 0.5 where nothing is known. */
  readonly confidence: number
  readonly tier: Tier
}

/** What the neighbours say together, in basis points after costs. Evidence, not an oracle. */
export interface Evidence {
  /** Neighbours near enough to count. */
  readonly n: number
  /** Of how many independent, equally weighted neighbours they are worth. */
  readonly effectiveN: number
  readonly mean: number
  /** 90 % interval of the mean. */
  readonly low: number
  readonly high: number
  /** 90 % interval of one next outcome: the interval of the mean and the spread around it together. */
  readonly outcomeLow: number
  readonly outcomeHigh: number
  /** True when nothing near enough is known: then the numbers must not be traded on. */
  readonly abstain: boolean
  readonly reason: 'ok' | 'empty' | 'too-far' | 'too-few'
}

export interface EvidenceOptions {
  /** Neighbours below this similarity do not count. From `calibrateAbstention`, or the chance level. */
  readonly minSimilarity: number
  readonly minEffectiveN: number
  /** Standard deviation of one neighbour's P&L assumed beforehand, and how many neighbours that is worth. */
  readonly priorSdBps: number
  readonly priorCount: number
  /** Correlation of outcomes of different symbols over the same time. From `calibrateAbstention`; 0 takes them as independent. */
  readonly crossSymbol: number
}

const none = (reason: 'empty' | 'too-far'): Evidence => ({
  n: 0,
  effectiveN: 0,
  mean: 0,
  low: 0,
  high: 0,
  outcomeLow: 0,
  outcomeHigh: 0,
  abstain: true,
  reason,
})

/**
 * Kernel-weighted outcome of the neighbours. A neighbour weighs by how far it is above the threshold and by its average
 * uniqueness (López de Prado 2018, ch. 4): what it shares with the others counts once. The outcomes of two patterns are as
 * correlated as their holding periods overlap, times `crossSymbol` between symbols: exactly so for sums of independent
 * increments. The effective sample size is that of equally many independent outcomes whose mean varies as much; the
 * intervals are Student's t around the weighted mean at that size.
 */
export const evidenceOf = (matches: readonly Match[], options: EvidenceOptions): Evidence => {
  const near = matches.filter(match => match.similarity >= options.minSimilarity)
  if (near.length === 0) return none(matches.length === 0 ? 'empty' : 'too-far')

  const span = Math.max(1 - options.minSimilarity, 1e-6)
  const nearness = near.map(match => 0.1 + (match.similarity - options.minSimilarity) / span)
  const correlation = near.map(match => near.map(other => outcomeCorrelation(match, other, options.crossSymbol)))
  const weights = nearness.map((value, i) => value / sum(correlation[i] ?? []))
  const total = sum(weights)
  const mean = sum(near.map((match, i) => (weights[i] as number) * match.outcome.decayedPnlBps)) / total
  const shared = sum(weights.map((weight, i) => weight * dot(weights, correlation[i] ?? [])))
  const effectiveN = total ** 2 / shared
  const spread =
    sum(near.map(({outcome}, i) => (weights[i] as number) * ((outcome.decayedPnlBps - mean) ** 2 + outcome.variance))) /
    total
  const {priorCount, priorSdBps} = options
  const degrees = priorCount + effectiveN - 1
  // The spread around their own mean is short by the mean's own variance, a share of 1 / effectiveN.
  const pooled = (priorCount * priorSdBps ** 2 + effectiveN * spread) / degrees
  const t = studentQuantile95(degrees)
  const half = t * Math.sqrt(pooled / effectiveN)
  const outcomeHalf = t * Math.sqrt(pooled * (1 + 1 / effectiveN))
  const tooFew = effectiveN < options.minEffectiveN
  return {
    ...{n: near.length, effectiveN, mean, low: mean - half, high: mean + half},
    ...{outcomeLow: mean - outcomeHalf, outcomeHigh: mean + outcomeHalf},
    ...{abstain: tooFew, reason: tooFew ? 'too-few' : 'ok'},
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((total, value, i) => total + value * (b[i] as number), 0)

interface Held {
  readonly tsUs: number
  readonly untilUs: number
}

/** The share of their holding periods that two have in common, by the geometric mean of both lengths; 1 for the same one. */
export const sharedTime = (a: Held, b: Held): number => {
  if (a.tsUs === b.tsUs && a.untilUs === b.untilUs) return 1
  const common = Math.min(a.untilUs, b.untilUs) - Math.max(a.tsUs, b.tsUs)
  if (common <= 0) return 0
  return common / Math.sqrt((a.untilUs - a.tsUs) * (b.untilUs - b.tsUs))
}

const outcomeCorrelation = (a: Match, b: Match, crossSymbol: number): number => {
  const shared = sharedTime({tsUs: a.tsUs, untilUs: a.outcome.lastAtUs}, {tsUs: b.tsUs, untilUs: b.outcome.lastAtUs})
  return a.symbol === b.symbol ? shared : crossSymbol * shared
}

/** 95 % quantile of Student's t, Hill's expansion (CACM algorithm 396, 1970); below 1 % off for 2 or more degrees. */
export const studentQuantile95 = (degrees: number): number => {
  const z = 1.6448536269514722
  const n = Math.max(degrees, 1)
  const g1 = (z ** 3 + z) / 4
  const g2 = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96
  const g3 = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384
  return z + g1 / n + g2 / n ** 2 + g3 / n ** 3
}
