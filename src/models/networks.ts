import type {Modality, Scaler} from '../features/features.ts'
import type {Tensor} from '../nn/graph.ts'
import {constantInit, normalInit} from '../nn/initialisers.ts'
import {paddingMask, transformerEncoder} from '../nn/layers/attention.ts'
import {layerNorm, linear, positions} from '../nn/layers/basic.ts'
import {convolution, inception, leakyRelu} from '../nn/layers/convolution.ts'
import {lstm} from '../nn/layers/lstm.ts'
import {mixer} from '../nn/layers/mixer.ts'
import {bilinear, binNormalisation, tabl} from '../nn/layers/tabl.ts'
import {binaryCrossEntropy, crossEntropy, huber, kellyLoss, multiTask} from '../nn/losses.ts'
import type {Network, Objective} from '../nn/nn.ts'
import * as ops from '../nn/ops.ts'
import type {Scope} from '../nn/scope.ts'
import {CLASSES} from './dataset.ts'
import {modalityTokens} from './modality-tokens.ts'
import {STRATEGY_CHOICES} from './strategy-labels.ts'

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
  /** Kinds of information a row is made of: tokens of their own for a transformer, plain columns for the others. */
  readonly modalities?: readonly Modality[]
}

/** From scaled windows [batch, time, features] to one vector a window [batch, n]. */
type Trunk = (scope: Scope, x: Tensor, size: ModelSize, modalities?: readonly Modality[]) => Tensor

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
  transformer: (scope, x, size, modalities) => {
    const [width, heads, layers] = bySize(size, [32, 4, 2], [64, 4, 3], [256, 8, 6]) as [number, number, number]
    const dropout = 0.1
    if (modalities === undefined) {
      const tokens = positions(scope, 'position', linear(scope, 'token', x, width))
      const state = transformerEncoder(scope, 'encoder', tokens, {heads, layers, dropout})
      return ops.concat([lastStep(state), meanOverTime(state)], 1)
    }
    const {tokens, present, last} = modalityTokens(scope, x, width, modalities)
    const state = transformerEncoder(scope, 'encoder', tokens, {heads, layers, dropout, mask: paddingMask(present)})
    const [batch, count] = present.shape as readonly [number, number]
    const shown = ops.mul(state, ops.reshape(present, [batch, count, 1]))
    const mean = ops.div(ops.reduceSum(shown, [1]), ops.reduceSum(present, [1], true))
    return ops.concat([ops.reshape(ops.slice(state, 1, last, last + 1), [-1, width]), mean], 1)
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
export const SIGNAL_OUTPUTS = ['probabilities', 'holding', 'move', 'size', 'confidence', 'strategy'] as const

/**
 * A signal network. Input `x` [batch, window, features] holds unscaled features: the scaler is part of the graph, so it
 * cannot be forgotten. Serving gives `probabilities` [batch, 3] (down, flat, up), `holding` [batch] (share of the
 * horizon until the exit), `move` [batch] (signed, in the unit of the labels), `size` [batch] (signed share of the stake,
 * -1 to 1), `confidence` [batch] (probability that the likeliest class is right) and `strategy` [batch, choices]
 * (probabilities in the order of `STRATEGY_CHOICES`); training sees logits of the three that are probabilities.
 */
export const signalNetwork = ({architecture, size, window, width, scaler, modalities}: NetworkSpec): Network => ({
  inputs: [{name: 'x', shape: [window, width]}],
  forward(scope, {x}) {
    const rows = scaled(scope, x as Tensor, scaler)
    const state = trunks[architecture](scope.child(architecture), rows, size, modalities)
    const heads = scope.child('heads')
    const logits = linear(heads, 'class', state, CLASSES, {init: normalInit(0.01)})
    const strategies = linear(heads, 'strategy', state, STRATEGY_CHOICES.length, {init: normalInit(0.01)})
    const one = (name: string): Tensor => ops.reshape(linear(heads, name, state, 1, {init: constantInit(0)}), [-1])
    const regressions = {holding: ops.sigmoid(one('holding')), move: one('move'), size: ops.tanh(one('size'))}
    const trust = one('confidence')
    return scope.mode === 'train'
      ? {logits, ...regressions, 'confidence-logit': trust, 'strategy-logits': strategies}
      : {
          probabilities: ops.softmax(logits),
          ...regressions,
          confidence: ops.sigmoid(trust),
          strategy: ops.softmax(strategies),
        }
  },
})

const scaled = (scope: Scope, x: Tensor, {mean, deviation, limit}: Scaler): Tensor => {
  const row = (values: readonly number[]): Tensor => scope.graph.constant(values, [1, 1, values.length])
  const standard = ops.mul(ops.sub(x, row(mean)), row(deviation.map(value => 1 / value)))
  return ops.maximum(ops.minimum(standard, limit), -limit)
}

export const CLASS_LOSS = 'class-loss'

/** 1 where the largest logit is the target's, else 0; nothing flows back. */
const isRight = (logits: Tensor, target: Tensor): Tensor => {
  const part = (from: Tensor, c: number): Tensor => ops.slice(from, 1, c, c + 1)
  const largest = [1, 2].reduce((max, c) => ops.maximum(max, part(logits, c)), part(logits, 0))
  const chosen = ops.reduceSum(ops.mul(logits, target), [1], true)
  return ops.reshape(ops.toFloat(ops.greaterOrEqual(chosen, largest)), [-1])
}

/**
 * Cross-entropies of the class, of being right and of the strategy, Huber losses of holding period and move, and the
 * mean-variance utility of the stake, weighed by what the data says of each.
 */
export const signalObjective: Objective = {
  inputs: [
    {name: 'target', shape: [CLASSES]},
    {name: 'holding-target', shape: []},
    {name: 'move-target', shape: []},
    {name: 'cost', shape: []},
    {name: 'strategy-target', shape: [STRATEGY_CHOICES.length]},
    {name: 'weight', shape: []},
  ],
  loss(scope, outputs, targets) {
    const [output, given] = [outputs as Record<string, Tensor>, targets as Record<string, Tensor>]
    const {logits, holding, move, size} = output as Record<'logits' | 'holding' | 'move' | 'size', Tensor>
    const {target, weight, cost} = given as Record<'target' | 'weight' | 'cost', Tensor>
    const moved = given['move-target'] as Tensor
    const classLoss = crossEntropy(logits, target, weight)
    // The sum of weighted losses has no unit; this part is what validation measures too.
    scope.graph.output(CLASS_LOSS, classLoss)
    const right = isRight(ops.stopGradient(logits), target)
    const losses = {
      class: classLoss,
      holding: huber(holding, given['holding-target'] as Tensor, weight, 0.5),
      move: huber(move, moved, weight),
      size: kellyLoss(size, moved, cost, weight),
      confidence: binaryCrossEntropy(output['confidence-logit'] as Tensor, right, weight),
      strategy: crossEntropy(output['strategy-logits'] as Tensor, given['strategy-target'] as Tensor, weight),
    }
    // The direction leads while the trunk takes shape.
    return multiTask(scope, losses, {size: 2, confidence: 2, strategy: 2})
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

/** Replaces the confidence logit z by slope · z + offset: what `fitPlatt` found on held-out rows. */
export const withConfidence = (
  weights: ReadonlyMap<string, Float32Array>,
  {slope, offset}: {readonly slope: number; readonly offset: number},
): Map<string, Float32Array> =>
  new Map(
    [...weights].map(([name, values]) => {
      if (!name.startsWith('heads/confidence/')) return [name, values]
      return [name, values.map(value => value * slope + (name.endsWith('/bias') ? offset : 0))]
    }),
  )
