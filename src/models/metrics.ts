// Confusion counts and probabilities are indexed inside their bounds, hence the `!`.
import {CLASSES, Label} from './dataset.ts'
import {type DecisionRule, decideOne, LIKELIEST} from './decision.ts'

export interface Metrics {
  readonly count: number
  readonly accuracy: number
  readonly macroF1: number
  /** Multiclass Matthews correlation (Gorodkin 2004). */
  readonly mcc: number
  readonly recall: {readonly down: number; readonly flat: number; readonly up: number}
  readonly precision: {readonly down: number; readonly flat: number; readonly up: number}
}

export interface ProbabilisticMetrics extends Metrics {
  readonly logLoss: number
  /** Mean squared error of the probabilities, summed over the classes. */
  readonly brier: number
  /** Expected calibration error of the top class over ten bins. */
  readonly calibrationError: number
  /** Up against down where the label is one of them and the model's stronger side is taken: a coin gives 0.5. */
  readonly directionAccuracy: number
}

const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b)

/** Metrics of hard decisions. */
export const classMetrics = (truth: ArrayLike<number>, decided: ArrayLike<number>): Metrics => {
  const confusion = new Float64Array(CLASSES * CLASSES)
  for (let i = 0; i < truth.length; i++) confusion[truth[i]! * CLASSES + decided[i]!]!++
  return confusionMetrics(confusion)
}

/** The same from counts [true class, decided class]. */
export const confusionMetrics = (confusion: Float64Array): Metrics => {
  const actual = [0, 1, 2].map(c => confusion[c * 3]! + confusion[c * 3 + 1]! + confusion[c * 3 + 2]!)
  const claimed = [0, 1, 2].map(c => confusion[c]! + confusion[3 + c]! + confusion[6 + c]!)
  const right = [0, 1, 2].map(c => confusion[c * 4]!)
  const count = actual.reduce((sum, value) => sum + value, 0)
  const hits = right.reduce((sum, value) => sum + value, 0)
  const cross = actual.reduce((sum, value, c) => sum + value * claimed[c]!, 0)
  const spreadOf = (sizes: readonly number[]): number =>
    count * count - sizes.reduce((sum, value) => sum + value * value, 0)
  const recalls = right.map((value, c) => ratio(value, actual[c]!))
  const precisions = right.map((value, c) => ratio(value, claimed[c]!))
  const f1 = right.map((value, c) => ratio(2 * value, actual[c]! + claimed[c]!))
  return {
    count,
    accuracy: ratio(hits, count),
    macroF1: f1.reduce((sum, value) => sum + value, 0) / CLASSES,
    mcc: ratio(hits * count - cross, Math.sqrt(spreadOf(actual) * spreadOf(claimed))),
    recall: named(recalls),
    precision: named(precisions),
  }
}

const named = (values: readonly number[]) => ({down: values[0]!, flat: values[1]!, up: values[2]!})

/** Class of each row of [count, 3] by `rule`: the one of the largest probability unless it weighs them. */
export const decide = (probabilities: Float32Array, rule: DecisionRule = LIKELIEST): Int8Array => {
  const out = new Int8Array(probabilities.length / CLASSES)
  for (let i = 0; i < out.length; i++) {
    out[i] = decideOne(probabilities[3 * i]!, probabilities[3 * i + 1]!, probabilities[3 * i + 2]!, rule)
  }
  return out
}

/**
 * The hard figures (accuracy, macro-F1, MCC, recall, precision) by `rule`; the others speak of the probabilities
 * themselves and do not depend on it.
 */
export const probabilisticMetrics = (
  truth: ArrayLike<number>,
  probabilities: Float32Array,
  rule: DecisionRule = LIKELIEST,
): ProbabilisticMetrics => {
  const likeliest = decide(probabilities)
  const bins = Array.from({length: 10}, () => ({count: 0, confidence: 0, right: 0}))
  let [logLoss, brier, directional, followed] = [0, 0, 0, 0]
  for (let i = 0; i < truth.length; i++) {
    const label = truth[i]!
    logLoss -= Math.log(Math.max(1e-7, probabilities[3 * i + label]!))
    for (let c = 0; c < CLASSES; c++) brier += (probabilities[3 * i + c]! - (c === label ? 1 : 0)) ** 2
    const confidence = probabilities[3 * i + likeliest[i]!]!
    const bin = bins[Math.min(9, Math.floor(confidence * 10))]!
    bin.count++
    bin.confidence += confidence
    bin.right += likeliest[i] === label ? 1 : 0
    if (label === Label.flat) continue
    directional++
    followed += probabilities[3 * i + 2]! > probabilities[3 * i]! === (label === Label.up) ? 1 : 0
  }
  const count = truth.length
  const calibrationError = bins.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0)
  return {
    ...classMetrics(truth, decide(probabilities, rule)),
    logLoss: ratio(logLoss, count),
    brier: ratio(brier, count),
    calibrationError: ratio(calibrationError, count),
    directionAccuracy: ratio(followed, directional),
  }
}

/** Share of right directions with an error that lets all rows of one block depend on each other. */
export interface ClusteredDirection {
  readonly accuracy: number
  readonly standardError: number
  readonly blocks: number
}

/**
 * Direction accuracy clustered by blocks of time (Liang and Zeger 1986): symbols move together and labels overlap, so rows
 * of a day are no independent trials. The error is that of a ratio of block sums.
 */
export const directionByBlock = (
  truth: ArrayLike<number>,
  probabilities: Float32Array,
  block: ArrayLike<number>,
): ClusteredDirection => {
  const byBlock = new Map<number, {count: number; right: number}>()
  for (let i = 0; i < truth.length; i++) {
    if (truth[i] === Label.flat) continue
    const sums = byBlock.get(block[i]!) ?? {count: 0, right: 0}
    byBlock.set(block[i]!, sums)
    sums.count++
    sums.right += probabilities[3 * i + 2]! > probabilities[3 * i]! === (truth[i] === Label.up) ? 1 : 0
  }
  const blocks = [...byBlock.values()]
  const count = blocks.reduce((sum, each) => sum + each.count, 0)
  const accuracy = ratio(
    blocks.reduce((sum, each) => sum + each.right, 0),
    count,
  )
  const scatter = blocks.reduce((sum, each) => sum + (each.right - accuracy * each.count) ** 2, 0)
  const correction = blocks.length > 1 ? blocks.length / (blocks.length - 1) : 1
  return {accuracy, standardError: ratio(Math.sqrt(correction * scatter), count), blocks: blocks.length}
}

/** 1 - residual variance / variance: how much better than the mean a regression is. */
export const rSquared = (truth: ArrayLike<number>, predicted: ArrayLike<number>): number => {
  let mean = 0
  for (let i = 0; i < truth.length; i++) mean += truth[i]! / truth.length
  let [residual, total] = [0, 0]
  for (let i = 0; i < truth.length; i++) {
    residual += (truth[i]! - predicted[i]!) ** 2
    total += (truth[i]! - mean) ** 2
  }
  return total === 0 ? 0 : 1 - residual / total
}

/** Spearman's correlation: of the ranks, ties at their mean. 0 where one side never varies. */
export const rankCorrelation = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const [x, y] = [ranks(a), ranks(b)]
  const mean = (a.length - 1) / 2
  let [xy, xx, yy] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    xy += (x[i]! - mean) * (y[i]! - mean)
    xx += (x[i]! - mean) ** 2
    yy += (y[i]! - mean) ** 2
  }
  return xx * yy === 0 ? 0 : xy / Math.sqrt(xx * yy)
}

const ranks = (values: ArrayLike<number>): Float64Array => {
  const order = Array.from(values, (_, i) => i).sort((i, j) => values[i]! - values[j]!)
  const out = new Float64Array(order.length)
  for (let from = 0; from < order.length; ) {
    let to = from + 1
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++
    for (let k = from; k < to; k++) out[order[k]!] = (from + to - 1) / 2
    from = to
  }
  return out
}

/**
 * Two-sided p-value of McNemar's test with continuity correction: whether two models' error rates on the same rows
 * differ. Rows of overlapping labels are not independent, so it is a lower bound.
 */
export const mcNemar = (truth: ArrayLike<number>, first: ArrayLike<number>, second: ArrayLike<number>) => {
  let [onlyFirst, onlySecond] = [0, 0]
  for (let i = 0; i < truth.length; i++) {
    const [a, b] = [first[i] === truth[i], second[i] === truth[i]]
    if (a && !b) onlyFirst++
    if (b && !a) onlySecond++
  }
  const disagreements = onlyFirst + onlySecond
  const statistic = disagreements === 0 ? 0 : Math.max(0, Math.abs(onlyFirst - onlySecond) - 1) ** 2 / disagreements
  return {onlyFirst, onlySecond, statistic, pValue: chiSquareTail1(statistic)}
}

/** P(χ²(1) > x) = erfc(√(x/2)), by Abramowitz and Stegun 7.1.26 (1.5e-7 absolute). */
const chiSquareTail1 = (x: number): number => {
  const z = Math.sqrt(x / 2)
  const t = 1 / (1 + 0.3275911 * z)
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  return series * Math.exp(-z * z)
}
