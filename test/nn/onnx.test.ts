import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {Graph} from '../../src/nn/graph.ts'
import {lower} from '../../src/nn/lower.ts'
import {floatTensor, int64Tensor, type OnnxAttribute, type OnnxModel} from '../../src/nn/onnx-model.ts'
import {readOnnx} from '../../src/nn/onnx-reader.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import * as ops from '../../src/nn/ops.ts'
import {expectRuntimeAgrees, randomFeeds} from './support.ts'

const float = fc.float({noNaN: true})
const attribute: fc.Arbitrary<OnnxAttribute> = fc.oneof(
  fc.integer().map(value => ({kind: 'int' as const, value})),
  float.map(value => ({kind: 'float' as const, value})),
  fc.string().map(value => ({kind: 'string' as const, value})),
  fc.array(fc.integer()).map(value => ({kind: 'ints' as const, value})),
  fc.array(float).map(value => ({kind: 'floats' as const, value})),
  fc.array(fc.string()).map(value => ({kind: 'strings' as const, value})),
  fc
    .array(float, {maxLength: 4})
    .map(values => ({kind: 'tensor' as const, value: floatTensor('t', [values.length], values)})),
)
const name = fc.string({minLength: 1})
const anyModel: fc.Arbitrary<OnnxModel> = fc.record({
  producer: fc.string(),
  opsets: fc.constant({'': 20, 'com.microsoft': 1}),
  metadata: fc.dictionary(name, fc.string()),
  nodes: fc.array(
    fc.record({
      op: name,
      name: fc.string(),
      domain: fc.constantFrom('', 'com.microsoft'),
      inputs: fc.array(fc.string()),
      outputs: fc.array(name),
      attributes: fc.dictionary(name, attribute),
    }),
  ),
  initializers: fc.constant([int64Tensor('i', [2], [-1, 3])]),
  inputs: fc.constant([{name: 'x', type: 'float32' as const, dims: ['batch', 3]}]),
  outputs: fc.constant([{name: 'y', type: 'int64' as const, dims: []}]),
})

test('reading gives back what was written', () => {
  fc.assert(
    fc.property(anyModel, model => {
      expect(readOnnx(writeOnnx(model))).toEqual(model)
    }),
  )
})

test('an attribute may have any name, even one that JavaScript keeps for itself', () => {
  const attributes = Object.fromEntries([['__proto__', {kind: 'int', value: 7} as const]])
  const node = {op: 'Relu', name: '', domain: '', inputs: ['x'], outputs: ['y'], attributes}
  const empty = {producer: '', opsets: {'': 20}, metadata: {}, initializers: [], inputs: [], outputs: []}
  const read = readOnnx(writeOnnx({...empty, nodes: [node]}))
  expect(Object.entries(read.nodes[0]?.attributes ?? {})).toEqual([['__proto__', {kind: 'int', value: 7}]])
})

test('any truncation is refused or read, never a hang or a crash of another kind', () => {
  const graph = new Graph()
  graph.output('y', ops.add(graph.input('x', [2]), graph.constant([1, 2], [2])))
  const bytes = writeOnnx(lower(graph, {metadata: {a: 'b'}}))
  for (let length = 0; length < bytes.length; length++) {
    try {
      readOnnx(bytes.subarray(0, length))
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
    }
  }
})

describe('what the runtime says of a bad file reaches the caller', () => {
  test.each([
    ['empty', new Uint8Array(0)],
    ['noise', Uint8Array.from({length: 100}, (_, i) => (i * 37) % 256)],
  ])('%s', (_name, bytes) => {
    expect(() => openOrtSession(bytes, {threads: 1})).toThrow()
  })
})

test('the same graph gives the same bytes', () => {
  const build = () => {
    const graph = new Graph()
    graph.output('y', ops.softmax(graph.input('x', [2, 3])))
    return writeOnnx(lower(graph))
  }
  expect(build()).toEqual(build())
})

test('a constant factor goes into the product that it scales, and nothing else changes', () => {
  const build = () => {
    const graph = new Graph()
    const [a, b] = [graph.input('a', [2, 3]), graph.input('b', [3, 4])]
    const product = ops.matmul(a, b)
    const used = ops.matmul(a, b, {alpha: 2})
    graph.output('folded', ops.exp(ops.mul(ops.reshape(product, [8]), 0.25)))
    graph.output(
      'scalar',
      ops.exp(ops.mul(0.5, ops.reshape(ops.matmul(ops.slice(a, 0, 0, 1), ops.slice(b, 1, 0, 1)), []))),
    )
    // Used twice, and an output itself: these stay as they are.
    graph.output('kept', ops.add(ops.mul(used, 0.5), used))
    graph.output('named', ops.mul(ops.matmul(a, b), 3))
    return graph
  }
  const model = lower(build())
  expect(model.nodes.filter(({op}) => op === 'Mul')).toHaveLength(2)
  expectRuntimeAgrees(build(), randomFeeds(build(), 3))
})

test('an output bears its name where it is made; only an input or a second name is copied', () => {
  const graph = new Graph()
  const x = graph.input('x', [2])
  const y = ops.exp(x)
  graph.output('first', y)
  graph.output('second', y)
  graph.output('same', x)
  const model = lower(graph)
  expect(model.nodes.map(({op, outputs}) => `${op} ${outputs}`)).toEqual([
    'Exp first',
    'Identity second',
    'Identity same',
  ])
  expectRuntimeAgrees(graph, randomFeeds(graph, 1))
})
