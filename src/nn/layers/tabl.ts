import type {Tensor} from '../graph.ts'
import {constantInit, glorotInit, heInit} from '../initialisers.ts'
import * as ops from '../ops.ts'
import type {Scope} from '../scope.ts'

const EPSILON = 1e-4

/** x [batch, features, time] scaled to mean 0 and deviation 1 along `axis`. */
const standardise = (x: Tensor, axis: number): Tensor => {
  const centred = ops.sub(x, ops.reduceMean(x, [axis], true))
  const variance = ops.reduceMean(ops.mul(centred, centred), [axis], true)
  return ops.div(centred, ops.sqrt(ops.add(variance, EPSILON)))
}

/**
 * Bilinear input normalisation (Tran et al. 2021): each feature standardised over the window and each moment
 * standardised over the features, scaled, shifted and mixed by two learned weights. x [batch, features, time].
 */
export const binNormalisation = (scope: Scope, name: string, x: Tensor): Tensor => {
  const inner = scope.child(name)
  const [, features, time] = x.shape as readonly [number, number, number]
  const along = (part: string, normal: Tensor, shape: readonly number[]): Tensor => {
    const scale = inner.parameter(`${part}-scale`, shape, constantInit(1), false)
    const shift = inner.parameter(`${part}-shift`, shape, constantInit(0), false)
    const weight = inner.parameter(`${part}-weight`, [1], constantInit(0.5))
    return ops.mul(ops.add(ops.mul(normal, scale), shift), weight)
  }
  return ops.add(along('time', standardise(x, 2), [features, 1]), along('feature', standardise(x, 1), [1, time]))
}

/** Bilinear layer: relu(W1 X W2 + B), x [batch, d, t] → [batch, features, time]. */
export const bilinear = (scope: Scope, name: string, x: Tensor, features: number, time: number): Tensor => {
  const inner = scope.child(name)
  const [, d, t] = x.shape as readonly [number, number, number]
  const w1 = inner.parameter('w1', [features, d], heInit(d))
  const w2 = inner.parameter('w2', [t, time], heInit(t))
  const b = inner.parameter('bias', [features, time], constantInit(0), false)
  return ops.relu(ops.add(ops.matmul(ops.matmul(w1, x), w2), b))
}

/**
 * Temporal attention-augmented bilinear layer (Tran et al. 2018): attention over time with a fixed diagonal 1/t and a
 * learned mix of the attended and the plain features. x [batch, d, t] → [batch, features, time], without activation.
 */
export const tabl = (scope: Scope, name: string, x: Tensor, features: number, time: number): Tensor => {
  const inner = scope.child(name)
  const [, d, t] = x.shape as readonly [number, number, number]
  const projected = ops.matmul(inner.parameter('w1', [features, d], glorotInit(d, features)), x)
  const identity = Array.from({length: t * t}, (_, at) => (at % (t + 1) === 0 ? 1 : 0))
  const eye = scope.graph.constant(identity, [t, t])
  const free = inner.parameter('attention', [t, t], constantInit(1 / t))
  const mixing = ops.add(ops.mul(free, ops.sub(1, eye)), ops.mul(eye, 1 / t))
  const attention = ops.softmax(ops.matmul(projected, mixing), 2)
  const lambda = ops.sigmoid(inner.parameter('lambda', [1], constantInit(0)))
  const attended = ops.mul(projected, ops.add(ops.mul(ops.sub(attention, 1), lambda), 1))
  const w2 = inner.parameter('w2', [t, time], glorotInit(t, time))
  return ops.add(ops.matmul(attended, w2), inner.parameter('bias', [features, time], constantInit(0), false))
}
