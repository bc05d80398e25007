// Columns are indexed inside their bounds, hence the `!`.

import type {Prediction} from './inference.ts'
import {decide} from './metrics.ts'
import {STRATEGY_CHOICES} from './strategy-labels.ts'

/** What the further heads of a model are worth on some rows, each beside what knows nothing. */
export interface HeadMetrics {
  /** Mean gain of the stakes after costs, in the unit of the labels; its error takes rows as independent, which they are not. */
  readonly size: {readonly meanGain: number; readonly meanStake: number; readonly standardError: number}
  /** Of being right: expected calibration error over ten bins, log loss, and that of the base rate. */
  readonly confidence: {readonly calibrationError: number; readonly logLoss: number; readonly baseLogLoss: number}
  /** Accuracy against that of the commonest choice, and how often each was the label. */
  readonly strategy: {
    readonly accuracy: number
    readonly majority: number
    readonly logLoss: number
    readonly baseLogLoss: number
    readonly shares: Readonly<Record<string, number>>
  }
}

const logLoss = (p: number, isRight: number): number => -Math.log(Math.max(1e-7, isRight === 1 ? p : 1 - p))

/** Undefined for a model without these heads. */
export const measureHeads = (
  truth: ArrayLike<number>,
  labels: {readonly move: Float32Array; readonly cost: Float32Array; readonly strategy: Float32Array},
  {probabilities, size, confidence, strategy}: Prediction,
): HeadMetrics | undefined => {
  if (size === undefined || confidence === undefined || strategy === undefined || truth.length === 0) return undefined
  return {
    size: sizeMetrics(labels.move, labels.cost, size),
    confidence: confidenceMetrics(rightOf(truth, probabilities), confidence),
    strategy: strategyMetrics(labels.strategy, strategy),
  }
}

/** 1 where the likeliest class is the true one. */
export const rightOf = (truth: ArrayLike<number>, probabilities: Float32Array): Uint8Array => {
  const decided = decide(probabilities)
  return Uint8Array.from(decided, (choice, i) => (choice === truth[i] ? 1 : 0))
}

const sizeMetrics = (move: Float32Array, cost: Float32Array, size: Float32Array): HeadMetrics['size'] => {
  const gains = Float64Array.from(size, (stake, i) => stake * move[i]! - Math.abs(stake) * cost[i]!)
  const mean = gains.reduce((sum, gain) => sum + gain, 0) / gains.length
  const scatter = gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0)
  return {
    meanGain: mean,
    meanStake: size.reduce((sum, stake) => sum + Math.abs(stake), 0) / size.length,
    standardError: Math.sqrt(scatter) / gains.length,
  }
}

const confidenceMetrics = (right: Uint8Array, confidence: Float32Array): HeadMetrics['confidence'] => {
  const bins = Array.from({length: 10}, () => ({confidence: 0, right: 0}))
  const base = right.reduce((sum, value) => sum + value, 0) / right.length
  let [loss, baseLoss] = [0, 0]
  for (const [i, p] of confidence.entries()) {
    const bin = bins[Math.min(9, Math.floor(p * 10))]!
    bin.confidence += p
    bin.right += right[i]!
    loss += logLoss(p, right[i]!)
    baseLoss += logLoss(base, right[i]!)
  }
  return {
    calibrationError: bins.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0) / right.length,
    logLoss: loss / right.length,
    baseLogLoss: baseLoss / right.length,
  }
}

const strategyMetrics = (labels: Float32Array, strategy: Float32Array): HeadMetrics['strategy'] => {
  const count = STRATEGY_CHOICES.length
  const counts = new Float64Array(count)
  let [hits, loss, known] = [0, 0, 0]
  for (const [i, label] of labels.entries()) {
    if (label < 0) continue
    known++
    counts[label]!++
    const shares = strategy.subarray(i * count, (i + 1) * count)
    if (shares.indexOf(Math.max(...shares)) === label) hits++
    loss -= Math.log(Math.max(1e-7, shares[label]!))
  }
  const total = Math.max(1, known)
  const base = counts.reduce((sum, n) => (n === 0 ? sum : sum - (n / total) * Math.log(n / total)), 0)
  return {
    accuracy: hits / total,
    majority: Math.max(...counts) / total,
    logLoss: loss / total,
    baseLogLoss: base,
    shares: Object.fromEntries(STRATEGY_CHOICES.map((name, i) => [name, Number((counts[i]! / total).toFixed(4))])),
  }
}
