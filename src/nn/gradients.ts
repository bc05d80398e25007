// Shapes and attributes are indexed inside their bounds, hence the `!`.
import type {GraphNode, Tensor} from './graph.ts'
import * as ops from './ops.ts'
import {type Shape, ShapeError, sameShape} from './shape.ts'

/**
 * Given the derivative of a loss with respect to each output (undefined where none reaches it), gives that with respect
 * to each input, as new nodes of the same graph. Undefined: no derivative flows there.
 */
type GradientRule = (node: GraphNode, grads: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[]

/** Sums a broadcast gradient back to the shape that was stretched. */
export const sumTo = (gradient: Tensor, shape: Shape): Tensor => {
  if (sameShape(gradient.shape, shape)) return gradient
  const extra = gradient.shape.length - shape.length
  const axes = gradient.shape.flatMap((d, axis) =>
    axis < extra || (shape[axis - extra] === 1 && d !== 1) ? [axis] : [],
  )
  return ops.reshape(ops.reduceSum(gradient, axes, true), shape)
}

/** A rule for one output and derivatives that all depend on it. */
const rule =
  (
    derive: (dy: Tensor, inputs: readonly Tensor[], y: Tensor, node: GraphNode) => readonly (Tensor | undefined)[],
  ): GradientRule =>
  (node, [dy]) => {
    if (dy === undefined) return node.inputs.map(() => undefined)
    return derive(dy, node.inputs, node.outputs[0] as Tensor, node)
  }

const binary = (derive: (dy: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [Tensor, Tensor]): GradientRule =>
  rule((dy, [a, b], y) => {
    const [da, db] = derive(dy, a!, b!, y)
    return [sumTo(da, a!.shape), sumTo(db, b!.shape)]
  })

const unary = (derive: (dy: Tensor, x: Tensor, y: Tensor) => Tensor): GradientRule =>
  rule((dy, [x], y) => [derive(dy, x!, y)])

const none: GradientRule = node => node.inputs.map(() => undefined)

export const gradientRules: Readonly<Record<string, GradientRule>> = {
  Add: binary(dy => [dy, dy]),
  Sub: binary(dy => [dy, ops.neg(dy)]),
  Mul: binary((dy, a, b) => [ops.mul(dy, b), ops.mul(dy, a)]),
  Div: binary((dy, _a, b, y) => {
    const da = ops.div(dy, b)
    return [da, ops.neg(ops.mul(da, y))]
  }),
  // Where both sides are equal the left one takes the whole derivative: a valid subgradient, and deterministic.
  Max: binary((dy, a, b) => {
    const left = ops.mul(dy, ops.toFloat(ops.greaterOrEqual(a, b)))
    return [left, ops.sub(dy, left)]
  }),
  Min: binary((dy, a, b) => {
    const left = ops.mul(dy, ops.toFloat(ops.greaterOrEqual(b, a)))
    return [left, ops.sub(dy, left)]
  }),
  Neg: unary(dy => ops.neg(dy)),
  Exp: unary((dy, _x, y) => ops.mul(dy, y)),
  Log: unary((dy, x) => ops.div(dy, x)),
  Sqrt: unary((dy, _x, y) => ops.div(ops.mul(dy, 0.5), y)),
  Tanh: unary((dy, _x, y) => ops.mul(dy, ops.sub(1, ops.mul(y, y)))),
  Sigmoid: unary((dy, _x, y) => ops.mul(dy, ops.mul(y, ops.sub(1, y)))),
  Relu: unary((dy, x) => ops.mul(dy, ops.toFloat(ops.greater(x, 0)))),
  Erf: unary((dy, x) => ops.mul(ops.mul(dy, 2 / Math.sqrt(Math.PI)), ops.exp(ops.neg(ops.mul(x, x))))),
  Abs: unary((dy, x) => ops.mul(dy, ops.sign(x))),
  // With u = x/√2: Φ(x) + x φ(x) = ½ (1 + erf u + u · 2/√π · exp(-u²)); as few passes over the widest tensor as it takes,
  // and the ½ goes into the product that gave dy when the graph is lowered.
  Gelu: unary((dy, x) => {
    const u = ops.mul(x, Math.SQRT1_2)
    const bell = ops.exp(ops.sub(Math.log(2 / Math.sqrt(Math.PI)), ops.mul(u, u)))
    return ops.mul(ops.mul(dy, 0.5), ops.add(ops.add(ops.erf(u), ops.mul(u, bell)), 1))
  }),
  Sign: none,
  Identity: none,
  Cast: none,
  Greater: none,
  GreaterOrEqual: none,
  Equal: none,
  Where: rule((dy, [condition, a, b]) => {
    const mask = ops.toFloat(condition!)
    const left = ops.mul(dy, mask)
    return [undefined, sumTo(left, a!.shape), sumTo(ops.sub(dy, left), b!.shape)]
  }),
  MatMul: rule((dy, [a, b], _y, {attributes}) => {
    const {transA, transB, alpha} = attributes as {transA: boolean; transB: boolean; alpha: number}
    const da = transA
      ? ops.matmul(b!, dy, {transA: transB, transB: true, alpha})
      : ops.matmul(dy, b!, {transB: !transB, alpha})
    const db = transB
      ? ops.matmul(dy, a!, {transA: true, transB: transA, alpha})
      : ops.matmul(a!, dy, {transA: !transA, alpha})
    return [sumTo(da, a!.shape), sumTo(db, b!.shape)]
  }),
  ReduceSum: rule((dy, [x], _y, {attributes}) => {
    const axes = attributes['axes'] as readonly number[]
    const kept = x!.shape.map((d, axis) => (axes.includes(axis) ? 1 : d))
    return [ops.expand(ops.reshape(dy, kept), x!.shape)]
  }),
  ReduceSumSquare: rule((dy, [x]) => [ops.mul(ops.mul(x!, 2), dy)]),
  Reshape: rule((dy, [x]) => [ops.reshape(dy, x!.shape)]),
  Transpose: rule((dy, _inputs, _y, {attributes}) => {
    const perm = attributes['perm'] as readonly number[]
    return [
      ops.transpose(
        dy,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
    ]
  }),
  Expand: rule((dy, [x]) => [sumTo(dy, x!.shape)]),
  Concat: rule((dy, inputs, _y, {attributes}) => {
    const axis = attributes['axis'] as number
    let start = 0
    return inputs.map(part => {
      const end = start + part.shape[axis]!
      const piece = ops.slice(dy, axis, start, end)
      start = end
      return piece
    })
  }),
  Split: (node, grads) => {
    if (grads.every(grad => grad === undefined)) return [undefined]
    const parts = node.outputs.map((part, i) => grads[i] ?? ops.mul(part, 0))
    return [ops.concat(parts, node.attributes['axis'] as number)]
  },
  Slice: rule((dy, [x], _y, {attributes}) => {
    const {axis, start, step} = attributes as {axis: number; start: number; step: number}
    const spread = step === 1 ? dy : dilate(dy, axis, step)
    return [ops.pad(spread, axis, start, x!.shape[axis]! - start - spread.shape[axis]!)]
  }),
  Pad: rule((dy, [x], _y, {attributes}) => {
    const {axis, before} = attributes as {axis: number; before: number}
    return [ops.slice(dy, axis, before, before + x!.shape[axis]!)]
  }),
  // A one-hot product instead of a scatter: exact for repeated indices and fast for the small tables used here.
  Gather: rule((dy, [table, indices]) => {
    const rows = table!.shape[0]!
    const positions = dy.graph.constant(
      Array.from({length: rows}, (_, i) => i),
      [rows],
      'int64',
    )
    const oneHot = ops.toFloat(ops.equal(ops.reshape(indices!, [-1, 1]), positions))
    const flat = ops.reshape(dy, [oneHot.shape[0]!, -1])
    return [ops.reshape(ops.matmul(oneHot, flat, {transA: true}), table!.shape), undefined]
  }),
  Softmax: rule((dy, _inputs, y, {attributes}) => {
    const axis = attributes['axis'] as number
    const weighted = ops.mul(dy, y)
    return [ops.sub(weighted, ops.mul(y, ops.reduceSum(weighted, [axis], true)))]
  }),
  LogSoftmax: rule((dy, _inputs, y, {attributes}) => {
    const axis = attributes['axis'] as number
    return [ops.sub(dy, ops.mul(ops.exp(y), ops.reduceSum(dy, [axis], true)))]
  }),
  LayerNormalization: rule((dy, [x, scale, bias], _y, node) => {
    const [, mean, inverseDeviation] = node.outputs
    const last = x!.shape.length - 1
    const normal = ops.mul(ops.sub(x!, mean!), inverseDeviation!)
    const scaled = ops.mul(dy, scale!)
    const centre = ops.reduceMean(scaled, [last], true)
    const projection = ops.mul(normal, ops.reduceMean(ops.mul(scaled, normal), [last], true))
    const dx = ops.mul(ops.sub(ops.sub(scaled, centre), projection), inverseDeviation!)
    return [dx, sumTo(ops.mul(dy, normal), scale!.shape), sumTo(dy, bias!.shape)]
  }),
  Conv: rule((dy, [x, w], _y, {attributes}) => {
    const {stride, dilation, padBefore, padAfter} = attributes as Record<string, number>
    const options = {stride: stride!, dilation: dilation!, padBefore: padBefore!, padAfter: padAfter!}
    const dx = ops.convTranspose1d(dy, w!, x!.shape[2]!, options)
    // dw[o,i,k] = Σ_b,t x[b,i,t·stride + k·dilation] dy[b,o,t]: a correlation over the batch, with the two steps swapped.
    const swapped = {stride: dilation!, dilation: stride!, padBefore: padBefore!, padAfter: padAfter!}
    const raw = ops.conv1d(ops.transpose(x!, [1, 0, 2]), ops.transpose(dy, [1, 0, 2]), swapped)
    const dw = ops.transpose(ops.slice(raw, 2, 0, w!.shape[2]!), [1, 0, 2])
    return [dx, dw]
  }),
  ConvTranspose: () => {
    throw new ShapeError('ConvTranspose has no derivative rule: second derivatives of a convolution are not supported')
  },
  LSTM: () => {
    throw new ShapeError('the fused LSTM is for serving only: build the training graph with the unrolled cell')
  },
}

/** Puts `step - 1` zeros between the elements of an axis. */
const dilate = (x: Tensor, axis: number, step: number): Tensor => {
  const split = [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)]
  const wide = ops.pad(ops.reshape(x, split), axis + 1, 0, step - 1)
  const merged = x.shape.map((d, i) => (i === axis ? d * step : d))
  return ops.slice(ops.reshape(wide, merged), axis, 0, (x.shape[axis]! - 1) * step + 1)
}
