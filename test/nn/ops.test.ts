import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {Graph, type Tensor} from '../../src/nn/graph.ts'
import * as ops from '../../src/nn/ops.ts'
import {broadcastShapes, type Shape} from '../../src/nn/shape.ts'
import {expectGradients, randomFeeds, runOnnx} from './support.ts'

const dimension = fc.integer({min: 1, max: 4})
const anyShape = fc.array(dimension, {minLength: 1, maxLength: 4})
const seed = fc.integer({min: 0, max: 1e6})
const runs = {numRuns: 12}

/** Two shapes that broadcast: some axes of one are stretched, and it may have fewer axes. */
const broadcastPair = anyShape.chain(full =>
  fc
    .record({
      stretched: fc.array(fc.boolean(), {minLength: 4, maxLength: 4}),
      dropped: fc.nat({max: full.length - 1}),
      swap: fc.boolean(),
    })
    .map(({stretched, dropped, swap}) => {
      const small = full.map((d, i) => (stretched[i] === true ? 1 : d)).slice(dropped)
      return swap ? ([small, full] as const) : ([full, small] as const)
    }),
)

describe('elementwise operations of two tensors', () => {
  test.each([
    ['add', ops.add, -1],
    ['sub', ops.sub, -1],
    ['mul', ops.mul, -1],
    ['div', ops.div, 0.5],
    ['maximum', ops.maximum, -1],
    ['minimum', ops.minimum, -1],
  ] as const)('%s differentiates under broadcasting', (_name, op, low) => {
    fc.assert(
      fc.property(broadcastPair, seed, ([left, right], draw) => {
        const graph = new Graph()
        const [a, b] = [graph.input('a', left), graph.input('b', right)]
        const y = op(a, b)
        expect(y.shape).toEqual(broadcastShapes('test', left, right))
        expectGradients(graph, y, [a, b], randomFeeds(graph, draw, low, 2))
      }),
      runs,
    )
  })
})

/** A function in which every part of a split goes another way. */
const thirds = (x: Tensor): Tensor => {
  const [a, b, c] = ops.split(ops.concat([x, ops.exp(x), ops.mul(x, x)], 0), 0, 3) as [Tensor, Tensor, Tensor]
  return ops.add(ops.mul(a, b), c)
}

describe('elementwise operations of one tensor', () => {
  test.each([
    ['neg', ops.neg, -2],
    ['exp', ops.exp, -2],
    ['log', ops.log, 0.2],
    ['sqrt', ops.sqrt, 0.2],
    ['tanh', ops.tanh, -2],
    ['sigmoid', ops.sigmoid, -2],
    ['relu', ops.relu, -2],
    ['erf', ops.erf, -2],
    ['abs', ops.abs, -2],
    ['gelu', ops.gelu, -3],
    ['softmax', (x: Tensor) => ops.softmax(x, 0), -2],
    ['logSoftmax', (x: Tensor) => ops.logSoftmax(x), -2],
    ['reduceMean', (x: Tensor) => ops.reduceMean(x, [-1], true), -2],
    ['reduceSum', (x: Tensor) => ops.reduceSum(x, [0]), -2],
    ['expand', (x: Tensor) => ops.expand(x, [3, ...x.shape]), -2],
    ['pad', (x: Tensor) => ops.pad(x, -1, 2, 1), -2],
    ['transpose', (x: Tensor) => ops.transpose(x, [...x.shape.keys()].reverse()), -2],
    ['reshape', (x: Tensor) => ops.reshape(x, [-1, 1]), -2],
    ['slice', (x: Tensor) => ops.slice(ops.concat([x, x], 0), 0, 1, 2 * (x.shape[0] as number), 2), -2],
    ['reduceSumSquare', (x: Tensor) => ops.reduceSumSquare(x), -2],
    ['split', (x: Tensor) => thirds(x), -2],
    ['split with a part that nothing uses', (x: Tensor) => ops.split(ops.concat([x, x], -1), -1, 2)[1] as Tensor, -2],
    ['concat', (x: Tensor) => ops.concat([x, ops.mul(x, x)], -1), -2],
  ] as const)('%s differentiates', (_name, op, low) => {
    fc.assert(
      fc.property(anyShape, seed, (shape, draw) => {
        const graph = new Graph()
        const x = graph.input('x', shape)
        expectGradients(graph, op(x), [x], randomFeeds(graph, draw, low, 2))
      }),
      runs,
    )
  })
})

test('where passes each derivative to the side that was taken', () => {
  fc.assert(
    fc.property(broadcastPair, seed, ([left, right], draw) => {
      const graph = new Graph()
      const [a, b] = [graph.input('a', left), graph.input('b', right)]
      expectGradients(graph, ops.where(ops.greater(a, 0.3), ops.mul(a, 2), b), [a, b], randomFeeds(graph, draw))
    }),
    runs,
  )
})

test('matmul differentiates for every transposition, with broadcast batches', () => {
  const sizes = fc.record({m: dimension, k: dimension, n: dimension, batch: fc.array(dimension, {maxLength: 2})})
  fc.assert(
    fc.property(
      sizes,
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      seed,
      ({m, k, n, batch}, transA, transB, flat, draw) => {
        const graph = new Graph()
        const a = graph.input('a', [...batch, ...(transA ? [k, m] : [m, k])])
        const b = graph.input('b', [...(flat ? [] : batch), ...(transB ? [n, k] : [k, n])])
        const y = ops.matmul(a, b, {transA, transB, alpha: 0.7})
        expect(y.shape).toEqual([...batch, m, n])
        expectGradients(graph, y, [a, b], randomFeeds(graph, draw))
      },
    ),
    {numRuns: 30},
  )
})

test('layer normalisation differentiates by input, scale and bias', () => {
  fc.assert(
    fc.property(fc.array(dimension, {maxLength: 2}), fc.integer({min: 2, max: 6}), seed, (lead, width, draw) => {
      const graph = new Graph()
      const x = graph.input('x', [...lead, width])
      const [scale, bias] = [graph.input('scale', [width]), graph.input('bias', [width])]
      expectGradients(
        graph,
        ops.layerNormalization(x, scale, bias, 1e-2),
        [x, scale, bias],
        randomFeeds(graph, draw),
        1e-5,
      )
    }),
    runs,
  )
})

test('convolution differentiates for any stride, dilation and padding', () => {
  const sizes = fc.record({
    batch: dimension,
    inner: dimension,
    outer: dimension,
    kernel: fc.integer({min: 1, max: 3}),
    length: fc.integer({min: 7, max: 10}),
    stride: fc.integer({min: 1, max: 3}),
    dilation: fc.integer({min: 1, max: 2}),
    padBefore: fc.nat({max: 2}),
    padAfter: fc.nat({max: 2}),
  })
  fc.assert(
    fc.property(sizes, seed, ({batch, inner, outer, kernel, length, ...options}, draw) => {
      const graph = new Graph()
      const x = graph.input('x', [batch, inner, length])
      const w = graph.input('w', [outer, inner, kernel])
      expectGradients(graph, ops.conv1d(x, w, options), [x, w], randomFeeds(graph, draw))
    }),
    {numRuns: 30},
  )
})

test('gather adds up the derivatives of a row that is picked twice', () => {
  fc.assert(
    fc.property(
      fc.integer({min: 1, max: 5}),
      fc.array(fc.nat({max: 4}), {minLength: 1, maxLength: 6}),
      seed,
      (rows, picks, draw) => {
        const graph = new Graph()
        const table = graph.input('table', [rows, 3])
        const indices = graph.constant(
          picks.map(pick => pick % rows),
          [picks.length],
          'int64',
        )
        expectGradients(graph, ops.gather(table, indices), [table], randomFeeds(graph, draw))
      },
    ),
    runs,
  )
})

test('a stopped gradient does not flow, the value does', () => {
  const graph = new Graph()
  const x = graph.input('x', [3])
  expectGradients(graph, ops.add(x, ops.stopGradient(ops.mul(x, 0))), [x], randomFeeds(graph, 1))
})

describe('shapes that do not fit are refused where they meet, by name', () => {
  const graph = new Graph()
  const input = (name: string, shape: Shape) => graph.input(name, shape)
  const [a, b, c] = [input('a', [2, 3]), input('b', [4, 3]), input('c', [2, 3, 5])]
  test.each([
    ['Add: [2,3] and [4,3] do not broadcast: axis 0 is 2 on the left, 4 on the right', () => ops.add(a, b)],
    ['MatMul: [2,3] · [4,3]: inner sizes 3 and 4 differ', () => ops.matmul(a, b)],
    ['Reshape: [2,3] has 6 elements, which do not fit [4]', () => ops.reshape(a, [4])],
    ['Concat: [2,3] and [4,3] differ outside axis 1', () => ops.concat([a, b], 1)],
    ['Slice: 1..9 step 1 is outside axis 1 of [2,3]', () => ops.slice(a, 1, 1, 9)],
    ['ReduceSum: axis 2 is outside a tensor of rank 2', () => ops.reduceSum(a, [2])],
    ['Conv: x [batch, in, length] and w [out, in, kernel] were [2,3,5] and [2,3]', () => ops.conv1d(c, a)],
    ['Gather: indices must be int64, were float32', () => ops.gather(a, b)],
    ['Add: input a belongs to another graph', () => ops.add(new Graph().input('x', [2, 3]), a)],
  ])('%s', (message, build) => {
    expect(build).toThrow(message)
  })
})

test('an int64 input reaches the runtime as such', () => {
  const graph = new Graph()
  graph.output('y', ops.gather(graph.constant([5, 6, 7], [3, 1]), graph.input('i', [2], 'int64')))
  expect([...(runOnnx(graph, {i: Float32Array.of(2, 0)})['y'] as Float32Array)]).toEqual([7, 5])
})
