import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {fuseEncoder} from '../../src/nn/fuse.ts'
import type {Tensor} from '../../src/nn/graph.ts'
import {causalMask, paddingMask, transformerEncoder} from '../../src/nn/layers/attention.ts'
import {linear} from '../../src/nn/layers/basic.ts'
import {buildInference, exportInference, initialWeights, type Network} from '../../src/nn/nn.ts'
import type {OnnxModel} from '../../src/nn/onnx-model.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import * as ops from '../../src/nn/ops.ts'
import {quantiseInt8} from '../../src/nn/quantise.ts'

const [TIME, WIDTH, BATCH] = [6, 32, 3]
const exported = (network: Network): OnnxModel =>
  // Biases start at zero, gains at one: moved, one that is lost shows.
  exportInference(
    network,
    new Map(
      [...initialWeights(buildInference(network).scope.parameters, createRng(3))].map(([name, values], at) => [
        name,
        values.map((value, i) => value + 0.1 * Math.sin(at + 2 * i)),
      ]),
    ),
  )
const encoder = (maskOf?: 'padding' | 'causal' | 'heads', isProjected = false): OnnxModel =>
  exported({
    inputs: [
      {name: 'x', shape: [TIME, WIDTH]},
      {name: 'present', shape: [TIME]},
    ],
    forward: (scope, inputs) => {
      const {x, present} = inputs as Record<'x' | 'present', Tensor>
      const masks = {
        padding: () => paddingMask(present),
        causal: () => causalMask(scope, TIME),
        heads: () => scope.graph.constant(Array(4 * TIME * TIME).fill(-1), [1, 4, TIME, TIME]),
      }
      const mask = maskOf === undefined ? undefined : masks[maskOf]()
      const options = {heads: 4, layers: 2, ...(mask === undefined ? {} : {mask})}
      const tokens = isProjected ? linear(scope, 'token', x, WIDTH) : x
      return {y: linear(scope, 'head', transformerEncoder(scope, 'e', tokens, options), 3)}
    },
  })
const x = Float32Array.from({length: BATCH * TIME * WIDTH}, (_, i) => Math.sin(i * 1.7))
const present = Float32Array.from({length: BATCH * TIME}, (_, i) => (i % TIME > 3 + Math.floor(i / TIME) ? 0 : 1))
const run = (onnx: OnnxModel): Float32Array => {
  const session = openOrtSession(writeOnnx(onnx), {threads: 1})
  const given = {
    x: {type: 'float32' as const, dims: [BATCH, TIME, WIDTH], data: x},
    present: {type: 'float32' as const, dims: [BATCH, TIME], data: present},
  }
  const y = session.run(given)['y']?.data as Float32Array
  session.dispose()
  return y.slice()
}
const farthest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0)

describe('an encoder put together', () => {
  test.each([
    ['no mask', undefined],
    ['a padding mask', 'padding'],
    ['a causal mask', 'causal'],
  ] as const)('says the same with %s', (_, mask) => {
    const model = encoder(mask)
    const {model: fused, attentions, reshapes, centred, absent} = fuseEncoder(model)
    // The stream starts with what is fed, whose mean is what it is.
    expect({attentions, reshapes, centred, absent}).toEqual({attentions: 2, reshapes: 9, centred: 0, absent: 0})
    expect(fused.nodes.filter(({op}) => op === 'Softmax')).toEqual([])
    expect(fused.nodes.length).toBeLessThan(0.6 * model.nodes.length)
    const before = run(model)
    expect(farthest(before, run(fused))).toBeLessThan(1e-5)
    expect(before.some(value => Math.abs(value) > 0.1)).toBe(true)
  })

  test('keeps attentions whose mask is not one for all heads', () => {
    const model = encoder('heads')
    const {model: fused, attentions} = fuseEncoder(model)
    expect(attentions).toBe(0)
    expect(farthest(run(model), run(fused))).toBeLessThan(1e-5)
  })

  test('takes the mean out of the weights of a stream instead of its tokens', () => {
    const model = encoder('padding', true)
    const {model: fused, centred} = fuseEncoder(model)
    // Two a layer, and the last, whose shift goes into the head.
    expect(centred).toBe(5)
    expect(fused.nodes.filter(({op}) => op === 'LayerNormalization')).toEqual([])
    expect(farthest(run(model), run(fused))).toBeLessThan(1e-5)
  })

  test('leaves a stream alone whose mean is seen elsewhere', () => {
    const model = exported({
      inputs: [
        {name: 'x', shape: [TIME, WIDTH]},
        {name: 'present', shape: [TIME]},
      ],
      forward: (scope, inputs) => {
        const {x, present} = inputs as Record<'x' | 'present', Tensor>
        const tokens = linear(scope, 'token', x, WIDTH)
        const state = transformerEncoder(scope, 'e', tokens, {heads: 4, layers: 1, mask: paddingMask(present)})
        return {y: ops.add(state, ops.relu(tokens))}
      },
    })
    const {model: fused, attentions, centred} = fuseEncoder(model)
    expect([attentions, centred]).toEqual([1, 0])
    expect(farthest(run(model), run(fused))).toBeLessThan(1e-5)
  })

  test('joins narrow products of one input, in the order of their outputs', () => {
    const model = exported({
      inputs: [
        {name: 'x', shape: [TIME, WIDTH]},
        {name: 'present', shape: [TIME]},
      ],
      forward: (scope, {x: rows, present: flags}) => {
        const flat = ops.reshape(rows as Tensor, [-1, TIME * WIDTH])
        const [a, b] = [linear(scope, 'a', flat, 3), linear(scope, 'b', flat, 2)]
        const wide = ops.reduceSum(linear(scope, 'wide', flat, 40), [1], true)
        return {y: ops.concat([b, a, wide, ops.reduceSum(flags as Tensor, [1], true)], 1)}
      },
    })
    const {model: fused, heads} = fuseEncoder(model)
    expect(heads).toBe(2)
    expect(fused.nodes.filter(({op}) => op === 'MatMul')).toHaveLength(2)
    expect(farthest(run(model), run(fused))).toBeLessThan(1e-5)
    const {quantised, names} = quantiseInt8(fused, {minWeights: 1})
    expect([quantised, names]).toEqual([1, ['wide/weight']])
  })

  test('carries its biases into int8 products', () => {
    const {model: small, quantised} = quantiseInt8(fuseEncoder(encoder('padding')).model)
    const products = small.nodes.filter(({op}) => op === 'DynamicQuantizeMatMul')
    expect(products).toHaveLength(quantised)
    // Input, weights, scales, no zero point, bias.
    expect(products.every(({inputs}) => inputs.length === 5 && inputs[3] === '')).toBe(true)
    expect(small.nodes.filter(({op}) => op === 'LayerNormalization').every(({outputs}) => outputs.length === 1)).toBe(
      true,
    )
    expect(farthest(run(encoder('padding')), run(small))).toBeLessThan(0.05)
  })
})
