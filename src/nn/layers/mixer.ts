import type {Tensor} from '../graph.ts'
import * as ops from '../ops.ts'
import type {Scope} from '../scope.ts'
import {layerNorm, linear} from './basic.ts'

export interface MixerOptions {
  readonly layers: number
  /** Width of both hidden layers, as a multiple of the axis they mix. */
  readonly expansion?: number
  readonly dropout?: number
}

/** MLP mixer (Tolstikhin et al. 2021) over x [batch, time, width]: one MLP along time, one along features, residual. */
export const mixer = (
  scope: Scope,
  name: string,
  x: Tensor,
  {layers, expansion = 2, dropout = 0}: MixerOptions,
): Tensor => {
  const inner = scope.child(name)
  const mlp = (block: Scope, part: string, from: Tensor): Tensor => {
    const width = from.shape[2] as number
    const hidden = scope.dropout(ops.gelu(linear(block, `${part}-up`, from, expansion * width)), dropout)
    return linear(block, `${part}-down`, hidden, width)
  }
  let state = x
  for (let layer = 0; layer < layers; layer++) {
    const block = inner.child(String(layer))
    const turned = ops.transpose(layerNorm(block, 'norm1', state), [0, 2, 1])
    state = ops.add(state, ops.transpose(mlp(block, 'time', turned), [0, 2, 1]))
    state = ops.add(state, mlp(block, 'feature', layerNorm(block, 'norm2', state)))
  }
  return layerNorm(inner, 'norm', state)
}
