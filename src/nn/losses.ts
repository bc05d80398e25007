import type {Tensor} from './graph.ts'
import {constantInit} from './initialisers.ts'
import * as ops from './ops.ts'
import type {Scope} from './scope.ts'

/** Mean of `loss` [batch] where each row counts by its weight [batch]; rows that only pad a batch weigh 0. */
const weightedMean = (loss: Tensor, weight: Tensor): Tensor =>
  ops.div(ops.reduceSum(ops.mul(loss, weight)), ops.maximum(ops.reduceSum(weight), 1e-6))

/** Cross-entropy of logits [batch, classes] against target probabilities (one-hot or smoothed) of that shape. */
export const crossEntropy = (logits: Tensor, target: Tensor, weight: Tensor): Tensor =>
  weightedMean(ops.neg(ops.reduceSum(ops.mul(ops.logSoftmax(logits), target), [1])), weight)

/** Cross-entropy of one logit [batch] against a probability [batch]; as of two classes, so it is smooth and never overflows. */
export const binaryCrossEntropy = (logit: Tensor, target: Tensor, weight: Tensor): Tensor => {
  const column = (t: Tensor): Tensor => ops.reshape(t, [-1, 1])
  const yes = column(logit)
  const answer = column(target)
  return crossEntropy(ops.concat([ops.mul(yes, 0), yes], 1), ops.concat([ops.sub(1, answer), answer], 1), weight)
}

/**
 * ½ (1 - g)² of the gain g = stake · move - |stake| · cost: mean-variance utility with risk aversion 1 but for a constant,
 * so its minimum is the stake E[g] / E[g²], the second-order Kelly fraction after costs. All inputs [batch].
 */
export const kellyLoss = (stake: Tensor, move: Tensor, cost: Tensor, weight: Tensor): Tensor => {
  const gain = ops.sub(ops.mul(stake, move), ops.mul(ops.abs(stake), cost))
  const short = ops.sub(1, gain)
  return weightedMean(ops.mul(ops.mul(short, short), 0.5), weight)
}

/** Huber loss of [batch]: quadratic up to `delta`, linear beyond. */
export const huber = (prediction: Tensor, target: Tensor, weight: Tensor, delta = 1): Tensor => {
  const distance = ops.abs(ops.sub(prediction, target))
  const near = ops.minimum(distance, delta)
  return weightedMean(ops.add(ops.mul(ops.mul(near, near), 0.5), ops.mul(ops.sub(distance, near), delta)), weight)
}

/** Mean pinball loss over the levels (Koenker and Bassett 1978): prediction [batch, levels], target [batch]. */
export const quantile = (prediction: Tensor, target: Tensor, weight: Tensor, levels: readonly number[]): Tensor => {
  const batch = target.shape[0] as number
  const level = prediction.graph.constant(levels, [1, levels.length])
  const error = ops.sub(ops.reshape(target, [batch, 1]), prediction)
  const pinball = ops.maximum(ops.mul(error, level), ops.mul(error, ops.sub(level, 1)))
  return weightedMean(ops.reduceMean(pinball, [1]), weight)
}

/**
 * Σ exp(-s) loss + s, each s learned (Kendall, Gal and Cipolla 2018): tasks weigh by how certain they are. `first` says
 * where an s starts; a task that begins at 2 counts an eighth of one at 0.
 */
export const multiTask = (
  scope: Scope,
  losses: Readonly<Record<string, Tensor>>,
  first: Readonly<Record<string, number>> = {},
): Tensor => {
  const inner = scope.child('task-weights')
  return Object.entries(losses)
    .map(([name, loss]) => {
      const s = ops.reshape(inner.parameter(name, [1], constantInit(first[name] ?? 0)), [])
      return ops.add(ops.mul(ops.exp(ops.neg(s)), loss), s)
    })
    .reduce((sum, term) => ops.add(sum, term))
}
