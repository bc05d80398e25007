import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {resolveAdamW, stepScalars} from '../../src/nn/adamw.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {transformerEncoder} from '../../src/nn/layers/attention.ts'
import {linear} from '../../src/nn/layers/basic.ts'
import {crossEntropy} from '../../src/nn/losses.ts'
import {buildTraining, exportInference, initialWeights, type Network, type Objective} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import * as ops from '../../src/nn/ops.ts'
import {type Batch, initialState, Optimisation} from '../../src/nn/optimisation.ts'
import {warmupCosine} from '../../src/nn/schedule.ts'

const mlp: Network = {
  inputs: [{name: 'x', shape: [4]}],
  forward: (scope, {x}) => {
    const hidden = scope.dropout(ops.gelu(linear(scope, 'a', x as never, 16)), 0.25)
    return {logits: linear(scope, 'b', hidden, 2)}
  },
}
const classify: Objective = {
  inputs: [
    {name: 'target', shape: [2]},
    {name: 'weight', shape: []},
  ],
  loss: (_scope, {logits}, {target, weight}) => crossEntropy(logits as never, target as never, weight as never),
}
/** The sign of x0 · x1: no linear model can learn it. */
const xorBatch = (rows: number, seed: number): Batch => {
  const rng = createRng(seed, 'xor')
  const x = Float32Array.from({length: rows * 4}, () => 2 * rng.uniform() - 1)
  const target = new Float32Array(rows * 2)
  for (let i = 0; i < rows; i++) target[2 * i + ((x[4 * i] as number) * (x[4 * i + 1] as number) > 0 ? 1 : 0)] = 1
  return {x, target, weight: new Float32Array(rows).fill(1)}
}
const open = (network = mlp, options = {}) => {
  const training = buildTraining(network, classify, {batch: 32, ...options})
  const session = openOrtSession(writeOnnx(training.model), {threads: 1})
  return {training, session, weights: initialWeights(training.parameters, createRng(1, 'weights'))}
}

test('a step equals AdamW written out by hand on the oracle’s gradients', () => {
  const {training, session, weights} = open(mlp, {weightDecay: 0.1, clipNorm: 0.05, ema: 0.9})
  const optimisation = new Optimisation(training, session, initialState(training, weights))
  const batch = xorBatch(32, 1)
  const rng = createRng(9)
  optimisation.run(batch, 0.01, rng)
  const options = resolveAdamW({weightDecay: 0.1, clipNorm: 0.05, ema: 0.9})
  const scalars = stepScalars(1, 0.01, options)
  const replay = createRng(9)
  const mask = Float32Array.from({length: 32 * 16})
  let bits = 0
  for (let i = 0; i < mask.length; i++) {
    if (i % 4 === 0) bits = replay.u32()
    mask[i] = (bits & 255) < 64 ? 0 : 256 / 192
    bits >>>= 8
  }
  const feeds: Record<string, ArrayLike<number>> = {
    'dropout/0': mask,
    'step-size': [scalars.stepSize],
    'step-epsilon': [scalars.stepEpsilon],
    decay: [scalars.decay],
  }
  for (const [name, values] of Object.entries(batch)) feeds[name] = values as Float32Array
  for (const [name, values] of initialState(training, weights).tensors) feeds[name] = values
  const oracle = interpret(training.graph, feeds)
  for (const [name, values] of optimisation.state().tensors) {
    const expected = oracle.get(`${name}'`)?.data as Float64Array
    for (const [i, value] of values.entries())
      expect(Math.abs(value - (expected[i] as number)), name).toBeLessThan(2e-6)
  }
  // First step of Adam: each weight moves by the learning rate towards -sign(gradient), after its decay.
  const before = weights.get('a/weight') as Float32Array
  const after = optimisation.state().tensors.get('a/weight') as Float32Array
  const moves = [...after].map((w, i) => Math.abs(w - (before[i] as number) * (1 - 0.01 * 0.1)))
  expect(Math.max(...moves)).toBeLessThan(0.0101)
  expect(moves.filter(move => move > 0.0095).length).toBeGreaterThan(moves.length * 0.8)
  session.dispose()
})

test('learns a rule that no linear model can, and the served model knows it too', () => {
  const {training, session, weights} = open()
  const optimisation = new Optimisation(training, session, initialState(training, weights))
  const rng = createRng(4, 'dropout')
  for (let step = 0; step < 400; step++) optimisation.run(xorBatch(32, step), 0.01, rng)
  const served = openOrtSession(writeOnnx(exportInference(mlp, optimisation.weights())), {threads: 1})
  const {x, target} = xorBatch(500, 12345)
  const logits = served.run({x: {type: 'float32', dims: [500, 4], data: x as Float32Array}})['logits']
    ?.data as Float32Array
  const right = Array.from(
    {length: 500},
    (_, i) => Number((logits[2 * i + 1] as number) > (logits[2 * i] as number)) === target?.[2 * i + 1],
  )
  expect(right.filter(Boolean).length / 500).toBeGreaterThan(0.9)
  session.dispose()
  served.dispose()
})

test('a run cut in two by its saved state ends in the same bytes', () => {
  const whole = open()
  const straight = new Optimisation(whole.training, whole.session, initialState(whole.training, whole.weights))
  const rng = createRng(4)
  for (let step = 0; step < 6; step++) straight.run(xorBatch(32, step), 0.01, rng)

  const first = new Optimisation(whole.training, whole.session, initialState(whole.training, whole.weights))
  const before = createRng(4)
  for (let step = 0; step < 3; step++) first.run(xorBatch(32, step), 0.01, before)
  const second = new Optimisation(whole.training, whole.session, first.state())
  const after = createRng(4, '', before.state())
  for (let step = 3; step < 6; step++) second.run(xorBatch(32, step), 0.01, after)
  expect(second.state()).toEqual(straight.state())
  whole.session.dispose()
})

test('a loss that is not a number stops the run and leaves the last good state', () => {
  const {training, session, weights} = open()
  const optimisation = new Optimisation(training, session, initialState(training, weights))
  optimisation.run(xorBatch(32, 1), 0.01, createRng(1))
  const good = optimisation.state()
  const bad = xorBatch(32, 2)
  ;(bad['x'] as Float32Array)[0] = Number.NaN
  expect(() => optimisation.run(bad, 0.01, createRng(1))).toThrow('the loss was NaN at step 2')
  expect(optimisation.state()).toEqual(good)
  session.dispose()
})

test('the served encoder takes any batch and agrees row by row', () => {
  const network: Network = {
    inputs: [{name: 'x', shape: [5, 8]}],
    forward: (scope, {x}) => ({
      y: ops.reduceMean(transformerEncoder(scope, 'e', x as never, {heads: 2, layers: 1}), [1]),
    }),
  }
  const training = buildTraining(
    network,
    {inputs: [], loss: (_s, {y}) => ops.reduceMean(ops.mul(y as never, y as never))},
    {batch: 2},
  )
  const weights = initialWeights(training.parameters, createRng(3))
  const session = openOrtSession(writeOnnx(exportInference(network, weights)), {threads: 1})
  const rng = createRng(8)
  const data = Float32Array.from({length: 3 * 40}, () => rng.normal())
  const all = session.run({x: {type: 'float32', dims: [3, 5, 8], data}})['y']?.data as Float32Array
  for (let row = 0; row < 3; row++) {
    const one = session.run({x: {type: 'float32', dims: [1, 5, 8], data: data.slice(40 * row, 40 * row + 40)}})['y']
      ?.data as Float32Array
    for (const [i, v] of one.entries()) expect(v).toBeCloseTo(all[8 * row + i] as number, 5)
  }
  session.dispose()
})

describe('warm-up and cosine', () => {
  const at = (step: number) => warmupCosine(step, {peak: 1, warmup: 10, total: 110, floor: 0.1})
  test.each([
    [0, 0.1],
    [9, 1],
    [10, 1],
    [60, 0.55],
    [110, 0.1],
    [500, 0.1],
  ])('at step %i the rate is %f of its peak', (step, rate) => {
    expect(at(step)).toBeCloseTo(rate, 12)
  })
})
