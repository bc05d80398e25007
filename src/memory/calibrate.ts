import {sharedTime} from './evidence.ts'
import {createExactIndex} from './exact-index.ts'
import {outcomeAsOf} from './outcome.ts'
import type {StoredPattern} from './pattern.ts'

export interface Calibration {
  /** Neighbours below it do not count as evidence. 1 or more: none ever does. */
  readonly minSimilarity: number
  /**
   * `skill`: the lowest similarity from which neighbours predicted better than the running mean. `no-skill`: there is
   * enough history and no such level, so the bank abstains. `chance`: too little history; above what unrelated patterns
   * reach.
   */
  readonly method: 'skill' | 'no-skill' | 'chance'
  /** Correlation of the outcomes of different symbols over the same time, 0 to 0.95; 0 where too few pairs show it. */
  readonly crossSymbol: number
  /** Standard deviation of one outcome, for the prior; absent where too little is known. */
  readonly outcomeSdBps?: number
  readonly asOfUs: number
  readonly samples: number
  /** Share of squared error the neighbours save against the running mean, and z-score of the saving, by threshold. */
  readonly curve: readonly {
    readonly minSimilarity: number
    readonly n: number
    readonly skill: number
    readonly z: number
  }[]
}

export interface CalibrationOptions {
  readonly asOfUs: number
  readonly halfLifeUs: number
  readonly k: number
  /** Questions asked, evenly spread over history. */
  readonly maxSamples?: number
}

const MIN_SAMPLES = 100
/** One-sided 5 % shared over the ten levels tried (Bonferroni). */
const Z_OF_SKILL = 2.576
const LEVELS = 10
/** The running mean counts as this many neighbours: the question is whether neighbours inform, not whether few are noisy. */
const SHRINKAGE = 5

/**
 * Where to abstain, from the bank's own past. Walking forward in event time, every sampled pattern is asked of the
 * patterns whose outcomes were known before it; the mean of the neighbours at or above a level, shrunk
 * towards it, is compared with the mean of everything known then, by squared error. The level chosen is the lowest whose saving is
 * significant. Nothing known after `asOfUs` takes part.
 */
export const calibrateAbstention = (patterns: Iterable<StoredPattern>, options: CalibrationOptions): Calibration => {
  const {asOfUs} = options
  const history = observedBy(patterns, options)
  const answers = history.length < MIN_SAMPLES ? [] : askEach(history, options)
  const base = {asOfUs, samples: answers.length, crossSymbol: crossSymbolCorrelation(history), ...spreadOf(history)}
  if (answers.length < MIN_SAMPLES) {
    return {...base, minSimilarity: chanceLevel(history), method: 'chance', curve: []}
  }
  const tops = answers.map(({similarities}) => similarities[0] as number).sort((a, b) => a - b)
  const levels = Array.from({length: LEVELS}, (_, i) => tops[Math.floor((i * tops.length) / LEVELS)] as number)
  const curve = levels.map(level => skillAt(level, answers))
  const chosen = curve.find(({n, z}) => n >= MIN_SAMPLES / 2 && z >= Z_OF_SKILL)
  return chosen === undefined
    ? {...base, minSimilarity: 1.01, method: 'no-skill', curve}
    : {...base, minSimilarity: chosen.minSimilarity, method: 'skill', curve}
}

interface Known {
  readonly pattern: StoredPattern
  readonly visibleFromUs: number
  readonly pnlBps: number
}

const observedBy = (patterns: Iterable<StoredPattern>, {asOfUs, halfLifeUs}: CalibrationOptions): Known[] => {
  const known: Known[] = []
  for (const pattern of patterns) {
    const outcome = outcomeAsOf(pattern.observations, asOfUs, halfLifeUs)
    const first = pattern.observations[0]
    // The first observation alone: later ones would be news to most of the questions asked.
    if (outcome.count > 0 && first !== undefined) {
      known.push({pattern, visibleFromUs: first.atUs, pnlBps: first.pnlBps})
    }
  }
  return known.sort((a, b) => a.pattern.tsUs - b.pattern.tsUs || (a.pattern.id < b.pattern.id ? -1 : 1))
}

/** Half the width that holds the middle 90 %, in deviations of a normal: a few wild days do not set it. */
const spreadOf = (history: readonly Known[]): {readonly outcomeSdBps?: number} => {
  const sorted = history.map(({pnlBps}) => pnlBps).sort((a, b) => a - b)
  const quantile = (p: number): number => sorted[Math.floor(p * (sorted.length - 1))] ?? 0
  const deviation = (quantile(0.95) - quantile(0.05)) / (2 * 1.6449)
  return history.length < MIN_SAMPLES || deviation === 0 ? {} : {outcomeSdBps: deviation}
}

/** Pairs looked at: the next few in time of every pattern. */
const AHEAD = 20
const MIN_PAIRS = 200

/**
 * How much outcomes of different symbols move together: the least-squares factor between the product of two standardised
 * outcomes and the share of time that they have in common. Outcomes beyond four deviations count as four.
 */
const crossSymbolCorrelation = (history: readonly Known[]): number => {
  const mean = average(history.map(({pnlBps}) => pnlBps))
  const deviation = Math.sqrt(average(history.map(({pnlBps}) => (pnlBps - mean) ** 2)))
  if (!(deviation > 0)) return 0
  const standard = history.map(({pnlBps}) => Math.max(-4, Math.min(4, (pnlBps - mean) / deviation)))
  let [products, squares, pairs] = [0, 0, 0]
  for (const [i, a] of history.entries()) {
    for (let j = i + 1; j < Math.min(history.length, i + 1 + AHEAD); j++) {
      const b = history[j] as Known
      if (a.pattern.symbol === b.pattern.symbol) continue
      const shared = sharedTime(heldBy(a), heldBy(b))
      if (shared < 0.5) continue
      products += shared * (standard[i] as number) * (standard[j] as number)
      squares += shared * shared
      pairs++
    }
  }
  return pairs < MIN_PAIRS ? 0 : Math.max(0, Math.min(0.95, products / squares))
}

const heldBy = ({pattern, visibleFromUs}: Known) => ({tsUs: pattern.tsUs, untilUs: visibleFromUs})

interface Answer {
  readonly truth: number
  readonly runningMean: number
  readonly similarities: readonly number[]
  readonly outcomes: readonly number[]
}

const askEach = (history: readonly Known[], {k, maxSamples = 2_000}: CalibrationOptions): Answer[] => {
  using index = createExactIndex(history[0]?.pattern.vector.length ?? 0)
  const byVisibility = history.map((_, key) => key).sort((a, b) => visible(history, a) - visible(history, b))
  const step = Math.max(1, history.length / maxSamples)
  const answers: Answer[] = []
  let [seen, sum] = [0, 0]
  for (let at = 0; at < history.length; at += step) {
    const asked = history[Math.floor(at)] as Known
    // Only what was known by then is in the index, so no filter is needed.
    for (; seen < byVisibility.length && visible(history, byVisibility[seen] as number) <= asked.pattern.tsUs; seen++) {
      const key = byVisibility[seen] as number
      const {pattern, pnlBps} = history[key] as Known
      index.add(key, pattern.vector)
      sum += pnlBps
    }
    if (seen < k) continue
    const found = index.search(asked.pattern.vector, k)
    answers.push({
      truth: asked.pnlBps,
      runningMean: sum / seen,
      similarities: found.map(({similarity}) => similarity),
      outcomes: found.map(({key}) => (history[key] as Known).pnlBps),
    })
  }
  return answers
}

const visible = (history: readonly Known[], key: number): number => (history[key] as Known).visibleFromUs

const skillAt = (minSimilarity: number, answers: readonly Answer[]): Calibration['curve'][number] => {
  const saved: number[] = []
  let baseline = 0
  for (const {truth, runningMean, similarities, outcomes} of answers) {
    const near = similarities.filter(similarity => similarity >= minSimilarity).length
    if (near === 0) continue
    const sum = outcomes.slice(0, near).reduce((total, value) => total + value, 0)
    const predicted = (sum + SHRINKAGE * runningMean) / (near + SHRINKAGE)
    saved.push((truth - runningMean) ** 2 - (truth - predicted) ** 2)
    baseline += (truth - runningMean) ** 2
  }
  const n = saved.length
  const mean = average(saved)
  return {minSimilarity, n, skill: baseline > 0 ? (mean * n) / baseline : 0, z: zOfMean(saved)}
}

const average = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0) / Math.max(values.length, 1)

/** By the method of batch means: neighbours in time share news, so single questions are not independent. */
const zOfMean = (values: readonly number[]): number => {
  const batches = Math.min(30, Math.floor(values.length / 3))
  if (batches < 2) return 0
  const edge = (batch: number): number => Math.floor((batch * values.length) / batches)
  const means = Array.from({length: batches}, (_, i) => average(values.slice(edge(i), edge(i + 1))))
  const mean = average(means)
  const variance = means.reduce((total, value) => total + (value - mean) ** 2, 0) / (batches - 1)
  return variance > 0 ? mean / Math.sqrt(variance / batches) : 0
}

/** Four standard deviations above the mean similarity of unrelated (distant in arrival) pairs; 0.5 for an empty bank. */
const chanceLevel = (history: readonly Known[]): number => {
  const half = Math.floor(history.length / 2)
  if (half < 8) return 0.5
  const similarities = Array.from({length: half}, (_, i) => dot(history[i] as Known, history[i + half] as Known))
  const mean = similarities.reduce((total, value) => total + value, 0) / half
  const variance = similarities.reduce((total, value) => total + (value - mean) ** 2, 0) / (half - 1)
  return Math.min(0.99, mean + 4 * Math.sqrt(variance))
}

const dot = (a: Known, b: Known): number =>
  a.pattern.vector.reduce((total, value, i) => total + value * (b.pattern.vector[i] as number), 0)
