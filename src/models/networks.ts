import type {Scaler} from '../features/features.ts'
import type {Tensor} from '../nn/graph.ts'
import {constantInit, normalInit} from '../nn/initialisers.ts'
import {transformerEncoder} from '../nn/layers/attention.ts'
import {layerNorm, linear, positions} from '../nn/layers/basic.ts'
import {convolution, inception, leakyRelu} from '../nn/layers/convolution.ts'
import {lstm} from '../nn/layers/lstm.ts'
import {mixer} from '../nn/layers/mixer.ts'
import {bilinear, binNormalisation, tabl} from '../nn/layers/tabl.ts'
import {crossEntropy, huber, multiTask} from '../nn/losses.ts'
import type {Network, Objective} from '../nn/nn.ts'
import * as ops from '../nn/ops.ts'
import type {Scope} from '../nn/scope.ts'
import {CLASSES} from './dataset.ts'

export const ARCHITECTURES = [
  'linear',
  'mlp',
  'lstm',
  'cnn',
  'hybrid',
  'transformer',
  'ctabl',
  'deeplob',
  'mixer',
] as const
export type Architecture = (typeof ARCHITECTURES)[number]
export const SIZES = ['small', 'medium', 'full'] as const
export type ModelSize = (typeof SIZES)[number]

export interface NetworkSpec {
  readonly architecture: Architecture
  readonly size: ModelSize
  /** Rows of a window. */
  readonly window: number
  /** Features of a row. */
  readonly width: number
  readonly scaler: Scaler
}

/** From scaled windows [batch, time, features] to one vector a window [batch, n]. */
type Trunk = (scope: Scope, x: Tensor, size: ModelSize) => Tensor

const bySize = <T>(size: ModelSize, small: T, medium: T, full: T): T => ({small, medium, full})[size]

const flatten = (x: Tensor): Tensor => ops.reshape(x, [-1, (x.shape[1] as number) * (x.shape[2] as number)])
const lastStep = (x: Tensor): Tensor => {
  const [, time, width] = x.shape as readonly [number, number, number]
  return ops.reshape(ops.slice(x, 1, time - 1, time), [-1, width])
}
const channelsFirst = (x: Tensor): Tensor => ops.transpose(x, [0, 2, 1])
const meanOverTime = (x: Tensor): Tensor => ops.reduceMean(x, [1])

const trunks: Readonly<Record<Architecture, Trunk>> = {
  linear: (_scope, x) => flatten(x),
  mlp: (scope, x, size) => {
    const width = bySize(size, 64, 128, 512)
    const first = scope.dropout(ops.gelu(layerNorm(scope, 'norm', linear(scope, 'in', flatten(x), width))), 0.2)
    return scope.dropout(ops.gelu(linear(scope, 'hidden', first, width)), 0.2)
  },
  lstm: (scope, x, size) => scope.dropout(lastStep(lstm(scope, 'lstm', x, bySize(size, 32, 64, 128))), 0.1),
  cnn: (scope, x, size) => {
    const width = bySize(size, 16, 32, 64)
    const first = leakyRelu(convolution(scope, 'in', channelsFirst(x), 2 * width, {kernel: 3}))
    const block = inception(scope, 'inception1', first, width)
    const deep = size === 'small' ? block : inception(scope, 'inception2', block, width)
    return scope.dropout(ops.concat([ops.reduceMean(deep, [2]), lastStep(channelsFirst(deep))], 1), 0.1)
  },
  hybrid: (scope, x, size) => {
    const width = bySize(size, 16, 32, 64)
    const local = leakyRelu(convolution(scope, 'local', channelsFirst(x), 2 * width, {kernel: 3}))
    const memory = lstm(scope, 'lstm', channelsFirst(local), 2 * width)
    const attended = transformerEncoder(scope, 'encoder', memory, {heads: 4, layers: 1, feedForward: 4 * width})
    return scope.dropout(ops.concat([lastStep(attended), meanOverTime(attended)], 1), 0.1)
  },
  transformer: (scope, x, size) => {
    const [width, heads, layers] = bySize(size, [32, 4, 2], [64, 4, 3], [256, 8, 6]) as [number, number, number]
    const dropout = bySize(size, 0.1, 0.1, 0.1)
    const tokens = positions(scope, 'position', linear(scope, 'token', x, width))
    const state = transformerEncoder(scope, 'encoder', tokens, {heads, layers, dropout})
    return ops.concat([lastStep(state), meanOverTime(state)], 1)
  },
  ctabl: (scope, x, size) => {
    const [first, second] = bySize(size, [60, 60], [80, 80], [120, 120]) as [number, number]
    const time = x.shape[1] as number
    const normal = binNormalisation(scope, 'bin', channelsFirst(x))
    const wide = scope.dropout(bilinear(scope, 'bl1', normal, first, Math.ceil(time / 2)), 0.1)
    const narrow = scope.dropout(bilinear(scope, 'bl2', wide, second, Math.ceil(time / 4)), 0.1)
    const out = tabl(scope, 'tabl', narrow, bySize(size, 8, 16, 32), 1)
    return ops.reshape(out, [-1, out.shape[1] as number])
  },
  deeplob: (scope, x, size) => {
    const width = bySize(size, 16, 32, 32)
    let state = channelsFirst(x)
    // DeepLOB's three convolutional stages; its 1×2 and 1×10 kernels over book columns become dense ones over features.
    for (const stage of ['conv1', 'conv2', 'conv3']) {
      state = leakyRelu(convolution(scope, `${stage}a`, state, width, {kernel: stage === 'conv1' ? 1 : 4}))
      state = leakyRelu(convolution(scope, `${stage}b`, state, width, {kernel: 4}))
    }
    const mixed = channelsFirst(inception(scope, 'inception', state, 2 * width))
    return lastStep(lstm(scope, 'lstm', mixed, 2 * width))
  },
  mixer: (scope, x, size) => {
    const [width, layers] = bySize(size, [32, 2], [40, 3], [64, 4]) as [number, number]
    const state = mixer(scope, 'mixer', linear(scope, 'token', x, width), {layers, dropout: 0.1})
    return ops.concat([lastStep(state), meanOverTime(state)], 1)
  },
}

/** Outputs of a served signal model, in order. */
export const SIGNAL_OUTPUTS = ['probabilities', 'holding', 'move'] as const

/**
 * A signal network. Input `x` [batch, window, features] holds unscaled features: the scaler is part of the graph, so it
 * cannot be forgotten. Serving gives `probabilities` [batch, 3] (down, flat, up), `holding` [batch] (share of the
 * horizon until the exit) and `move` [batch] (signed, in deviations over the horizon); training sees `logits`.
 */
export const signalNetwork = ({architecture, size, window, width, scaler}: NetworkSpec): Network => ({
  inputs: [{name: 'x', shape: [window, width]}],
  forward(scope, {x}) {
    const state = trunks[architecture](scope.child(architecture), scaled(scope, x as Tensor, scaler), size)
    const heads = scope.child('heads')
    const logits = linear(heads, 'class', state, CLASSES, {init: normalInit(0.01)})
    const flat = (t: Tensor): Tensor => ops.reshape(t, [-1])
    const holding = flat(ops.sigmoid(linear(heads, 'holding', state, 1, {init: constantInit(0)})))
    const move = flat(linear(heads, 'move', state, 1, {init: constantInit(0)}))
    return scope.mode === 'train' ? {logits, holding, move} : {probabilities: ops.softmax(logits), holding, move}
  },
})

const scaled = (scope: Scope, x: Tensor, {mean, deviation, limit}: Scaler): Tensor => {
  const row = (values: readonly number[]): Tensor => scope.graph.constant(values, [1, 1, values.length])
  const standard = ops.mul(ops.sub(x, row(mean)), row(deviation.map(value => 1 / value)))
  return ops.maximum(ops.minimum(standard, limit), -limit)
}

export const CLASS_LOSS = 'class-loss'

/** Cross-entropy of the class with Huber losses of both regressions, weighed by what the data says of each. */
export const signalObjective: Objective = {
  inputs: [
    {name: 'target', shape: [CLASSES]},
    {name: 'holding-target', shape: []},
    {name: 'move-target', shape: []},
    {name: 'weight', shape: []},
  ],
  loss(scope, outputs, targets) {
    const weight = targets['weight'] as Tensor
    const classLoss = crossEntropy(outputs['logits'] as Tensor, targets['target'] as Tensor, weight)
    // The sum of weighted losses has no unit; this part is what validation measures too.
    scope.graph.output(CLASS_LOSS, classLoss)
    return multiTask(scope, {
      class: classLoss,
      holding: huber(outputs['holding'] as Tensor, targets['holding-target'] as Tensor, weight, 0.5),
      move: huber(outputs['move'] as Tensor, targets['move-target'] as Tensor, weight),
    })
  },
}

/** Divides the class logits by a temperature: the head's weights are scaled, the graph stays as it is. */
export const withTemperature = (
  weights: ReadonlyMap<string, Float32Array>,
  temperature: number,
): Map<string, Float32Array> =>
  new Map(
    [...weights].map(([name, values]) => [
      name,
      name.startsWith('heads/class/') ? values.map(value => value / temperature) : values,
    ]),
  )
