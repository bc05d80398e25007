import type {Tensor} from '../graph.ts'
import {constantInit, glorotInit, type Initialiser, normalInit} from '../initialisers.ts'
import * as ops from '../ops.ts'
import type {Scope} from '../scope.ts'

export interface LinearOptions {
  readonly bias?: boolean
  readonly init?: Initialiser
}

/** x [..., in] · W [in, width] + b → [..., width]. */
export const linear = (
  scope: Scope,
  name: string,
  x: Tensor,
  width: number,
  {bias = true, init}: LinearOptions = {},
): Tensor => {
  const inner = scope.child(name)
  const fanIn = x.shape.at(-1) as number
  const weight = inner.parameter('weight', [fanIn, width], init ?? glorotInit(fanIn, width))
  // One flat product: its weight gradient is then a single transposed product over all rows.
  const product = ops.matmul(x.shape.length === 2 ? x : ops.reshape(x, [-1, fanIn]), weight)
  const shifted = bias ? ops.add(product, inner.parameter('bias', [width], constantInit(0))) : product
  return ops.reshape(shifted, [...x.shape.slice(0, -1), width])
}

/** Row `indices[i]` of a learned table [count, width]. */
export const embedding = (scope: Scope, name: string, indices: Tensor, count: number, width: number): Tensor =>
  ops.gather(scope.child(name).parameter('table', [count, width], normalInit(0.02), false), indices)

/** Layer normalisation (Ba et al. 2016) over the last axis. */
export const layerNorm = (scope: Scope, name: string, x: Tensor): Tensor => {
  const inner = scope.child(name)
  const width = x.shape.at(-1) as number
  return ops.layerNormalization(
    x,
    inner.parameter('scale', [width], constantInit(1)),
    inner.parameter('bias', [width], constantInit(0)),
  )
}

/** A learned vector for each position, added to x [batch, time, width]. */
export const positions = (scope: Scope, name: string, x: Tensor): Tensor =>
  ops.add(x, scope.child(name).parameter('table', x.shape.slice(1), normalInit(0.02), false))
