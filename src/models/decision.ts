// Probabilities and counts are indexed inside their bounds, hence the `!`.
import {CLASSES, Label} from './dataset.ts'

/**
 * How probabilities become a class: the one of the largest weighted probability. It serves figures of hard decisions
 * (macro-F1, MCC, recall, flips); probabilities stay as they are, calibrated, and are what strategies read.
 */
export interface DecisionRule {
  /** `likeliest`: weights of 1. `macro-f1`: weights that maximise macro-F1 on the validation part. */
  readonly method: 'likeliest' | 'macro-f1'
  /** Of down, flat, up; flat's is 1, for only ratios count. */
  readonly weights: readonly [down: number, flat: number, up: number]
}

/** What models without a rule of their own use; it maximises accuracy where probabilities are right. */
export const LIKELIEST: DecisionRule = {method: 'likeliest', weights: [1, 1, 1]}

/** Class of one row. Of equals, flat wins, then down. */
export const decideOne = (down: number, flat: number, up: number, {weights}: DecisionRule = LIKELIEST): number => {
  const [a, b, c] = [weights[0] * down, weights[1] * flat, weights[2] * up]
  return b >= a && b >= c ? Label.flat : c > a ? Label.up : Label.down
}

/** Powers of two between which weights are looked for; beyond them a class is all but always or never named. */
const LIMIT = 5

/**
 * Weights that maximise macro-F1 on held-out rows: thresholds fitted to an F-measure (Lipton et al. 2014); as log weights
 * they are the logit adjustment of Menon et al. 2021, its offsets fitted to the measure and not taken from the class
 * shares. A grid of half powers of two, then a pattern search around its best down to 1 %. Of equals the weights nearest
 * to 1 win, so `likeliest` stays where nothing beats it. Deterministic. A temperature changes the best
 * weights and no decision by them, so a model that is not calibrated is not worse off.
 */
export const fitDecision = (truth: ArrayLike<number>, probabilities: Float32Array): DecisionRule => {
  const scoreOf = ([down, up]: Exponents): number => macroF1(truth, probabilities, 2 ** down, 2 ** up)
  let best: {at: Exponents; score: number} = {at: [0, 0], score: scoreOf([0, 0])}
  const tryAll = (candidates: readonly Exponents[]): boolean => {
    const from = best
    for (const at of candidates.filter(isInside)) {
      const score = scoreOf(at)
      if (score > best.score) best = {at, score}
    }
    return best !== from
  }
  tryAll(GRID)
  for (let step = 1 / 4; step >= 1 / 64; step /= 2) {
    const around = (): Exponents[] => NEIGHBOURS.map(([a, b]) => [best.at[0] + a * step, best.at[1] + b * step])
    while (tryAll(around()));
  }
  const [down, up] = best.at
  return down === 0 && up === 0 ? LIKELIEST : {method: 'macro-f1', weights: [2 ** down, 1, 2 ** up]}
}

/** Of the weights of down and up, to the base of 2. */
type Exponents = readonly [down: number, up: number]

const isInside = ([down, up]: Exponents): boolean => Math.max(Math.abs(down), Math.abs(up)) <= LIMIT

const HALVES = Array.from({length: 4 * LIMIT + 1}, (_, i) => i / 2 - LIMIT)
const GRID: readonly Exponents[] = HALVES.flatMap(down => HALVES.map((up): Exponents => [down, up])).sort(
  (a, b) => Math.hypot(...a) - Math.hypot(...b),
)
const NEIGHBOURS = [-1, 0, 1]
  .flatMap(a => [-1, 0, 1].map((b): Exponents => [a, b]))
  .filter(([a, b]) => a !== 0 || b !== 0)

/** As `classMetrics` has it, without what a search need not know. */
const macroF1 = (truth: ArrayLike<number>, probabilities: Float32Array, down: number, up: number): number => {
  const right = [0, 0, 0]
  const named = [0, 0, 0]
  const rule: DecisionRule = {method: 'macro-f1', weights: [down, 1, up]}
  for (let i = 0; i < truth.length; i++) {
    const label = truth[i]!
    const choice = decideOne(probabilities[3 * i]!, probabilities[3 * i + 1]!, probabilities[3 * i + 2]!, rule)
    // Twice a hit, once each for being the class and for being called it: F1 is their ratio.
    if (choice === label) right[label]! += 2
    named[label]!++
    named[choice]!++
  }
  return right.reduce((sum, hits, c) => sum + (named[c] === 0 ? 0 : hits / named[c]!), 0) / CLASSES
}
