import type {Tensor} from '../graph.ts'
import * as ops from '../ops.ts'
import type {Scope} from '../scope.ts'
import {ShapeError} from '../shape.ts'
import {layerNorm, linear} from './basic.ts'

export interface AttentionOptions {
  readonly heads: number
  /** Added to the scores before the softmax, broadcast to [batch, heads, time, time]; a large negative number hides. */
  readonly mask?: Tensor
  readonly dropout?: number
}

/** Score that hides a key: large, yet finite, so that a row with every key hidden stays a number. */
export const HIDDEN = -1e9

/** Additive mask [1, 1, time, time] that hides later positions. */
export const causalMask = (scope: Scope, time: number): Tensor =>
  scope.graph.constant(
    Array.from({length: time * time}, (_, at) => (at % time > Math.floor(at / time) ? HIDDEN : 0)),
    [1, 1, time, time],
  )

/** Additive mask [batch, 1, 1, time] from 1 for a real key and 0 for padding [batch, time]. */
export const paddingMask = (present: Tensor): Tensor => {
  const [batch, time] = present.shape as readonly [number, number]
  return ops.reshape(ops.mul(ops.sub(1, present), HIDDEN), [batch, 1, 1, time])
}

/** Multi-head self-attention (Vaswani et al. 2017), x [batch, time, width] → the same shape. */
export const selfAttention = (
  scope: Scope,
  name: string,
  x: Tensor,
  {heads, mask, dropout = 0}: AttentionOptions,
): Tensor => {
  const inner = scope.child(name)
  const [batch, time, width] = x.shape as readonly [number, number, number]
  if (width % heads !== 0) throw new ShapeError(`${name}: width ${width} is not a multiple of ${heads} heads`)
  const headWidth = width / heads
  const qkv = ops.reshape(linear(inner, 'qkv', x, 3 * width), [batch, time, 3 * heads, headWidth])
  // Turned once and parted afterwards, where each part is one stretch of memory, forward and backward.
  const [q, k, v] = ops.split(ops.transpose(qkv, [0, 2, 1, 3]), 1, 3) as [Tensor, Tensor, Tensor]
  const scores = ops.matmul(q, k, {transB: true, alpha: 1 / Math.sqrt(headWidth)})
  const weights = scope.dropout(ops.softmax(mask === undefined ? scores : ops.add(scores, mask)), dropout)
  const mixed = ops.reshape(ops.transpose(ops.matmul(weights, v), [0, 2, 1, 3]), [batch, time, width])
  return linear(inner, 'out', mixed, width)
}

export interface EncoderOptions extends AttentionOptions {
  readonly layers: number
  /** Width of the feed-forward part; 4 × the model's by default. */
  readonly feedForward?: number
}

/** Pre-norm transformer encoder (Xiong et al. 2020), x [batch, time, width] → the same shape. */
export const transformerEncoder = (scope: Scope, name: string, x: Tensor, options: EncoderOptions): Tensor => {
  const inner = scope.child(name)
  const width = x.shape.at(-1) as number
  const {layers, feedForward = 4 * width, dropout = 0} = options
  let state = x
  for (let layer = 0; layer < layers; layer++) {
    const block = inner.child(String(layer))
    const attended = selfAttention(block, 'attention', layerNorm(block, 'norm1', state), options)
    state = ops.add(state, scope.dropout(attended, dropout))
    const hidden = ops.gelu(linear(block, 'up', layerNorm(block, 'norm2', state), feedForward))
    state = ops.add(state, scope.dropout(linear(block, 'down', hidden, width), dropout))
  }
  return layerNorm(inner, 'norm', state)
}
