import type {Tensor} from '../graph.ts'
import {constantInit, heInit} from '../initialisers.ts'
import * as ops from '../ops.ts'
import type {Scope} from '../scope.ts'

export interface ConvolutionLayerOptions extends ops.ConvolutionOptions {
  readonly kernel: number
  /** `same` keeps the length (stride 1), `causal` too but looks only back, `valid` adds nothing. */
  readonly padding?: 'same' | 'causal' | 'valid'
}

/** 1-d convolution with bias, x [batch, in, time] → [batch, out, time']. */
export const convolution = (
  scope: Scope,
  name: string,
  x: Tensor,
  out: number,
  options: ConvolutionLayerOptions,
): Tensor => {
  const {kernel, padding = 'same', stride = 1, dilation = 1} = options
  const inner = scope.child(name)
  const channels = x.shape[1] as number
  const weight = inner.parameter('weight', [out, channels, kernel], heInit(channels * kernel))
  const bias = inner.parameter('bias', [out, 1], constantInit(0), false)
  const span = dilation * (kernel - 1)
  const before = padding === 'valid' ? 0 : padding === 'causal' ? span : Math.floor(span / 2)
  const after = padding === 'same' ? span - before : 0
  return ops.add(ops.conv1d(x, weight, {stride, dilation, padBefore: before, padAfter: after}), bias)
}

/** max(x, 0.01 x), the activation of DeepLOB. */
export const leakyRelu = (x: Tensor): Tensor => ops.maximum(x, ops.mul(x, 0.01))

/** Largest of each element and its two neighbours in time, the length kept; the ends have one neighbour. */
const maxPool3 = (x: Tensor): Tensor => {
  const time = x.shape[2] as number
  const first = ops.slice(x, 2, 0, 1)
  const last = ops.slice(x, 2, time - 1, time)
  const earlier = ops.concat([first, ops.slice(x, 2, 0, time - 1)], 2)
  const later = ops.concat([ops.slice(x, 2, 1, time), last], 2)
  return ops.maximum(ops.maximum(earlier, x), later)
}

/** Inception block of DeepLOB (Zhang, Zohren and Roberts 2019): 1→3, 1→5 and pool→1 branches, 3 · width channels. */
export const inception = (scope: Scope, name: string, x: Tensor, width: number): Tensor => {
  const inner = scope.child(name)
  const one = (branch: string, from: Tensor): Tensor => leakyRelu(convolution(inner, branch, from, width, {kernel: 1}))
  const short = leakyRelu(convolution(inner, 'short', one('short-in', x), width, {kernel: 3}))
  const long = leakyRelu(convolution(inner, 'long', one('long-in', x), width, {kernel: 5}))
  return ops.concat([short, long, one('pool', maxPool3(x))], 1)
}
