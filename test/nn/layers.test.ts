import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {Graph, type Tensor} from '../../src/nn/graph.ts'
import {interpret, type NdArray} from '../../src/nn/interpreter.ts'
import {causalMask, paddingMask, selfAttention, transformerEncoder} from '../../src/nn/layers/attention.ts'
import {embedding, layerNorm, linear, positions} from '../../src/nn/layers/basic.ts'
import {convolution, inception} from '../../src/nn/layers/convolution.ts'
import {lstm} from '../../src/nn/layers/lstm.ts'
import {mixer} from '../../src/nn/layers/mixer.ts'
import {bilinear, binNormalisation, tabl} from '../../src/nn/layers/tabl.ts'
import * as losses from '../../src/nn/losses.ts'
import {initialWeights} from '../../src/nn/nn.ts'
import * as ops from '../../src/nn/ops.ts'
import {type Mode, Scope} from '../../src/nn/scope.ts'
import {expectGradients, expectRuntimeAgrees, randomFeeds} from './support.ts'

const scopeOf = (mode: Mode = 'train') => new Scope(new Graph(), mode)

/** Every parameter and the input x are checked against finite differences, and the runtime against the oracle. */
const checkLayer = (build: (scope: Scope, x: Tensor) => Tensor, shape: readonly number[]): void => {
  const scope = scopeOf()
  const x = scope.graph.input('x', shape)
  const y = build(scope, x)
  const feeds = {
    ...randomFeeds(scope.graph, 3, -0.9, 0.9),
    ...Object.fromEntries(initialWeights(scope.parameters, createRng(5))),
  }
  const jittered = Object.fromEntries(
    Object.entries(feeds).map(([name, values]) => [
      name,
      values.map((v, i) => v + 0.1 * Math.sin(7 * i + name.length)),
    ]),
  )
  expectGradients(scope.graph, y, [x, ...scope.parameters.map(({name}) => scope.tensorOf(name))], jittered, 2e-5)
}

describe('every layer differentiates by its input and all its parameters', () => {
  test.each<[string, (scope: Scope, x: Tensor) => Tensor, readonly number[]]>([
    ['linear', (s, x) => linear(s, 'l', x, 3), [2, 3, 4]],
    ['layer norm', (s, x) => layerNorm(s, 'n', x), [2, 5]],
    ['positions', (s, x) => positions(s, 'p', x), [2, 3, 4]],
    ['attention', (s, x) => selfAttention(s, 'a', x, {heads: 2}), [2, 3, 4]],
    ['causal attention', (s, x) => selfAttention(s, 'a', x, {heads: 2, mask: causalMask(s, 3)}), [2, 3, 4]],
    ['transformer encoder', (s, x) => transformerEncoder(s, 'e', x, {heads: 2, layers: 2, feedForward: 6}), [2, 3, 4]],
    ['convolution', (s, x) => convolution(s, 'c', x, 3, {kernel: 3}), [2, 4, 6]],
    [
      'causal dilated convolution',
      (s, x) => convolution(s, 'c', x, 3, {kernel: 2, dilation: 2, padding: 'causal'}),
      [2, 4, 6],
    ],
    ['inception', (s, x) => inception(s, 'i', x, 2), [2, 4, 6]],
    ['lstm', (s, x) => lstm(s, 'r', x, 3), [2, 4, 2]],
    ['bilinear normalisation', (s, x) => binNormalisation(s, 'b', x), [2, 4, 5]],
    ['bilinear', (s, x) => bilinear(s, 'b', x, 3, 2), [2, 4, 5]],
    ['tabl', (s, x) => tabl(s, 't', x, 3, 1), [2, 4, 5]],
    ['mixer', (s, x) => mixer(s, 'm', x, {layers: 1}), [2, 3, 4]],
  ])('%s', (_name, build, shape) => {
    checkLayer(build, shape)
  })
})

test('the fused LSTM that serves equals the unrolled one that trains', () => {
  const run = (mode: Mode) => {
    const scope = scopeOf(mode)
    const x = scope.graph.input('x', [3, 6, 4])
    scope.graph.output('y', lstm(scope, 'r', x, 5))
    const feeds = {
      ...randomFeeds(scope.graph, 1),
      ...Object.fromEntries(initialWeights(scope.parameters, createRng(2))),
    }
    expectRuntimeAgrees(scope.graph, feeds, 1e-5)
    return interpret(scope.graph, feeds).get('y')?.data as Float64Array
  }
  const [trained, served] = [run('train'), run('serve')]
  expect(Math.max(...trained.map((v, i) => Math.abs(v - (served[i] as number))))).toBeLessThan(1e-12)
})

test('padded keys and later positions have no influence', () => {
  const outputAt = (mask: (scope: Scope) => Tensor, changed: number): readonly number[] => {
    const scope = scopeOf()
    const x = scope.graph.input('x', [1, 3, 4])
    scope.graph.output('y', selfAttention(scope, 'a', x, {heads: 2, mask: mask(scope)}))
    const weights = Object.fromEntries(initialWeights(scope.parameters, createRng(2)))
    const values = Float32Array.from({length: 12}, (_, i) => Math.cos(i) + (Math.floor(i / 4) === 2 ? changed : 0))
    const y = interpret(scope.graph, {...weights, x: values}).get('y') as NdArray
    return [...y.data.subarray(0, 8)]
  }
  const padding = (scope: Scope) => paddingMask(scope.graph.constant([1, 1, 0], [1, 3]))
  const causal = (scope: Scope) => causalMask(scope, 3)
  const open = (scope: Scope) => scope.graph.constant([0], [1, 1, 1, 1])
  expect(outputAt(padding, 0)).toEqual(outputAt(padding, 1))
  expect(outputAt(causal, 0)).toEqual(outputAt(causal, 1))
  expect(outputAt(open, 0)).not.toEqual(outputAt(open, 1))
})

test('an embedding picks rows of its table', () => {
  const scope = scopeOf()
  const indices = scope.graph.constant([2, 0], [2], 'int64')
  scope.graph.output('y', embedding(scope, 'e', indices, 3, 2))
  const y = interpret(scope.graph, {'e/table': [1, 2, 3, 4, 5, 6]}).get('y')
  expect([...(y?.data ?? [])]).toEqual([5, 6, 1, 2])
})

describe('losses', () => {
  const evaluate = (build: (graph: Graph) => Tensor): number => {
    const graph = new Graph()
    graph.output('loss', build(graph))
    return interpret(graph, {}).get('loss')?.data[0] as number
  }
  test('cross-entropy of even odds is log 3, and a row of weight 0 does not count', () => {
    const value = evaluate(g =>
      losses.crossEntropy(
        g.constant([1, 1, 1, 9, 0, 0], [2, 3]),
        g.constant([0, 1, 0, 0, 0, 1], [2, 3]),
        g.constant([1, 0], [2]),
      ),
    )
    expect(value).toBeCloseTo(Math.log(3), 12)
  })
  test('huber is quadratic near and linear far', () => {
    const of = (error: number) =>
      evaluate(g => losses.huber(g.constant([error], [1]), g.constant([0], [1]), g.constant([1], [1])))
    expect([of(0.5), of(-3)]).toEqual([0.125, 2.5])
  })
  test('the pinball loss weighs by its level', () => {
    const of = (target: number) =>
      evaluate(g => losses.quantile(g.constant([0], [1, 1]), g.constant([target], [1]), g.constant([1], [1]), [0.9]))
    expect(of(2)).toBeCloseTo(1.8, 6)
    expect(of(-2)).toBeCloseTo(0.2, 6)
  })
  test('learned task weights differentiate', () => {
    checkLayer((s, x) => losses.multiTask(s, {a: ops.reduceSum(ops.mul(x, x)), b: ops.reduceSum(ops.abs(x))}), [3])
  })
})
