// Shapes are indexed inside their bounds, hence the `!`.
import type {DType, GraphNode, Tensor} from './graph.ts'
import {broadcastShapes, normalAxis, resolveReshape, type Shape, ShapeError, sameShape} from './shape.ts'

/** What may stand where a tensor is expected: a number becomes a rank-0 constant. */
export type Operand = Tensor | number

const single = (
  op: string,
  inputs: readonly Tensor[],
  shape: Shape,
  attributes: GraphNode['attributes'] = {},
  dtype: DType = 'float32',
): Tensor => (inputs[0] as Tensor).graph.append(op, inputs, attributes, [{shape, dtype}])[0] as Tensor

const tensorsOf = (a: Operand, b: Operand): readonly [Tensor, Tensor] => {
  if (typeof a !== 'number') return [a, typeof b === 'number' ? a.graph.scalar(b) : b]
  if (typeof b !== 'number') return [b.graph.scalar(a), b]
  throw new ShapeError('an operation needs at least one tensor, was two numbers')
}

const binary =
  (op: string, dtype: DType = 'float32') =>
  (left: Operand, right: Operand): Tensor => {
    const [a, b] = tensorsOf(left, right)
    if (a.dtype !== b.dtype) throw new ShapeError(`${op}: ${a.dtype} and ${b.dtype} do not mix`)
    return single(op, [a, b], broadcastShapes(op, a.shape, b.shape), {}, dtype)
  }

export const add = binary('Add')
export const sub = binary('Sub')
export const mul = binary('Mul')
export const div = binary('Div')
export const maximum = binary('Max')
export const minimum = binary('Min')
/** bool: left > right. */
export const greater = binary('Greater', 'bool')
export const greaterOrEqual = binary('GreaterOrEqual', 'bool')
export const equal = binary('Equal', 'bool')

const unary =
  (op: string) =>
  (x: Tensor): Tensor =>
    single(op, [x], x.shape)

export const neg = unary('Neg')
export const exp = unary('Exp')
export const log = unary('Log')
export const sqrt = unary('Sqrt')
export const tanh = unary('Tanh')
export const sigmoid = unary('Sigmoid')
export const relu = unary('Relu')
export const erf = unary('Erf')
export const abs = unary('Abs')
export const sign = unary('Sign')
/** x Φ(x), with the exact normal distribution function. */
export const gelu = unary('Gelu')

/** bool → 0 or 1. */
export const toFloat = (x: Tensor): Tensor => single('Cast', [x], x.shape, {to: 'float32'})

/** `a` where the condition holds, else `b`; all three broadcast. */
export const where = (condition: Tensor, left: Operand, right: Operand): Tensor => {
  if (condition.dtype !== 'bool') throw new ShapeError(`Where: the condition must be bool, was ${condition.dtype}`)
  const a = typeof left === 'number' ? condition.graph.scalar(left) : left
  const b = typeof right === 'number' ? condition.graph.scalar(right) : right
  const shape = broadcastShapes('Where', condition.shape, broadcastShapes('Where', a.shape, b.shape))
  return single('Where', [condition, a, b], shape)
}

export interface MatMulOptions {
  readonly transA?: boolean
  readonly transB?: boolean
  /** The product is multiplied by this. */
  readonly alpha?: number
}

/** alpha · op(a) · op(b) over the last two axes; leading axes broadcast. */
export const matmul = (
  a: Tensor,
  b: Tensor,
  {transA = false, transB = false, alpha = 1}: MatMulOptions = {},
): Tensor => {
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(`MatMul: both sides need rank 2 or more, were [${a.shape}] and [${b.shape}]`)
  }
  const [m, k] = lastTwo(a.shape, transA)
  const [k2, n] = lastTwo(b.shape, transB)
  if (k !== k2) {
    throw new ShapeError(
      `MatMul: [${a.shape}]${transA ? 'ᵀ' : ''} · [${b.shape}]${transB ? 'ᵀ' : ''}: inner sizes ${k} and ${k2} differ`,
    )
  }
  const batch = broadcastShapes('MatMul', a.shape.slice(0, -2), b.shape.slice(0, -2))
  return single('MatMul', [a, b], [...batch, m, n], {transA, transB, alpha})
}

const lastTwo = (shape: Shape, transposed: boolean): readonly [number, number] => {
  const rows = shape[shape.length - 2]!
  const columns = shape[shape.length - 1]!
  return transposed ? [columns, rows] : [rows, columns]
}

/** Sum over the axes (all of them by default). */
export const reduceSum = (x: Tensor, axes: readonly number[] = x.shape.map((_, i) => i), keepDims = false): Tensor => {
  const normal = axes.map(axis => normalAxis('ReduceSum', axis, x.shape.length)).sort((p, q) => p - q)
  if (normal.length === 0) return x
  return single('ReduceSum', [x], reducedShape(x.shape, normal, keepDims), {axes: normal, keepDims})
}

/** Sum of the squares of all elements. */
export const reduceSumSquare = (x: Tensor): Tensor => single('ReduceSumSquare', [x], [])

export const reduceMean = (x: Tensor, axes: readonly number[] = x.shape.map((_, i) => i), keepDims = false): Tensor => {
  const count = axes.reduce((product, axis) => product * x.shape[normalAxis('ReduceMean', axis, x.shape.length)]!, 1)
  return mul(reduceSum(x, axes, keepDims), 1 / count)
}

const reducedShape = (shape: Shape, axes: readonly number[], keepDims: boolean): Shape =>
  keepDims ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i))

export const reshape = (x: Tensor, to: Shape): Tensor => {
  const shape = resolveReshape(x.shape, to)
  return sameShape(shape, x.shape) ? x : single('Reshape', [x], shape, {}, x.dtype)
}

/** Output axis i is input axis `perm[i]`. */
export const transpose = (x: Tensor, perm: readonly number[]): Tensor => {
  if (
    perm.length !== x.shape.length ||
    new Set(perm).size !== perm.length ||
    perm.some(p => x.shape[p] === undefined)
  ) {
    throw new ShapeError(`Transpose: [${perm}] is not a permutation of the axes of [${x.shape}]`)
  }
  return single(
    'Transpose',
    [x],
    perm.map(p => x.shape[p]!),
    {perm},
  )
}

export const expand = (x: Tensor, shape: Shape): Tensor => {
  if (!sameShape(broadcastShapes('Expand', x.shape, shape), shape)) {
    throw new ShapeError(`Expand: [${x.shape}] does not stretch to [${shape}]`)
  }
  return sameShape(x.shape, shape) ? x : single('Expand', [x], shape, {}, x.dtype)
}

export const concat = (parts: readonly Tensor[], axis: number): Tensor => {
  const first = parts[0]
  if (first === undefined) throw new ShapeError('Concat: needs at least one tensor')
  if (parts.length === 1) return first
  const at = normalAxis('Concat', axis, first.shape.length)
  for (const part of parts) {
    if (part.shape.length !== first.shape.length || part.shape.some((d, i) => i !== at && d !== first.shape[i])) {
      throw new ShapeError(`Concat: [${first.shape}] and [${part.shape}] differ outside axis ${at}`)
    }
  }
  const total = parts.reduce((sum, part) => sum + part.shape[at]!, 0)
  return single(
    'Concat',
    parts,
    first.shape.map((d, i) => (i === at ? total : d)),
    {axis: at},
  )
}

/** Equal parts of one axis, in order. */
export const split = (x: Tensor, axis: number, parts: number): readonly Tensor[] => {
  const at = normalAxis('Split', axis, x.shape.length)
  const length = x.shape[at]! / parts
  if (!Number.isInteger(length)) throw new ShapeError(`Split: axis ${at} of [${x.shape}] does not part into ${parts}`)
  const shape = x.shape.map((d, i) => (i === at ? length : d))
  const results = Array.from({length: parts}, () => ({shape, dtype: x.dtype}))
  return x.graph.append('Split', [x], {axis: at}, results)
}

/** Elements start (included) to end (excluded) of one axis, every `step`-th. */
export const slice = (x: Tensor, axis: number, start: number, end: number, step = 1): Tensor => {
  const at = normalAxis('Slice', axis, x.shape.length)
  if (start < 0 || end > x.shape[at]! || start >= end || step < 1) {
    throw new ShapeError(`Slice: ${start}..${end} step ${step} is outside axis ${at} of [${x.shape}]`)
  }
  if (start === 0 && end === x.shape[at] && step === 1) return x
  const length = Math.ceil((end - start) / step)
  return single(
    'Slice',
    [x],
    x.shape.map((d, i) => (i === at ? length : d)),
    {axis: at, start, end, step},
  )
}

/** Zeros before and after along one axis. */
export const pad = (x: Tensor, axis: number, before: number, after: number): Tensor => {
  const at = normalAxis('Pad', axis, x.shape.length)
  if (before < 0 || after < 0) throw new ShapeError(`Pad: widths must not be negative, were ${before} and ${after}`)
  if (before === 0 && after === 0) return x
  return single(
    'Pad',
    [x],
    x.shape.map((d, i) => (i === at ? d + before + after : d)),
    {axis: at, before, after},
  )
}

/** Rows of `table` [n, …] picked by int64 `indices` […]: shape [...indices, …]. */
export const gather = (table: Tensor, indices: Tensor): Tensor => {
  if (indices.dtype !== 'int64') throw new ShapeError(`Gather: indices must be int64, were ${indices.dtype}`)
  return single('Gather', [table, indices], [...indices.shape, ...table.shape.slice(1)])
}

export const softmax = (x: Tensor, axis = -1): Tensor =>
  single('Softmax', [x], x.shape, {axis: normalAxis('Softmax', axis, x.shape.length)})

export const logSoftmax = (x: Tensor, axis = -1): Tensor =>
  single('LogSoftmax', [x], x.shape, {axis: normalAxis('LogSoftmax', axis, x.shape.length)})

/** Normalises the last axis to mean 0 and variance 1, then scales and shifts it. */
export const layerNormalization = (x: Tensor, scale: Tensor, bias: Tensor, epsilon = 1e-5): Tensor => {
  const width = x.shape[x.shape.length - 1]
  if (!sameShape(scale.shape, [width ?? -1]) || !sameShape(bias.shape, scale.shape)) {
    throw new ShapeError(
      `LayerNormalization: [${x.shape}] needs scale and bias of [${width}], were [${scale.shape}] and [${bias.shape}]`,
    )
  }
  const statistics = {shape: [...x.shape.slice(0, -1), 1], dtype: 'float32'} as const
  const results = [{shape: x.shape, dtype: 'float32'} as const, statistics, statistics]
  return x.graph.append('LayerNormalization', [x, scale, bias], {epsilon}, results)[0] as Tensor
}

export interface ConvolutionOptions {
  readonly stride?: number
  readonly dilation?: number
  readonly padBefore?: number
  readonly padAfter?: number
}

/** 1-d cross-correlation: x [batch, in, length] with w [out, in, kernel] → [batch, out, length']. */
export const conv1d = (
  x: Tensor,
  w: Tensor,
  {stride = 1, dilation = 1, padBefore = 0, padAfter = 0}: ConvolutionOptions = {},
): Tensor => {
  const [batch, channels, length] = x.shape
  const [out, inner, kernel] = w.shape
  if (x.shape.length !== 3 || w.shape.length !== 3 || channels !== inner) {
    throw new ShapeError(`Conv: x [batch, in, length] and w [out, in, kernel] were [${x.shape}] and [${w.shape}]`)
  }
  const span = length! + padBefore + padAfter - dilation * (kernel! - 1) - 1
  if (span < 0) throw new ShapeError(`Conv: a kernel of ${kernel} (dilation ${dilation}) does not fit length ${length}`)
  const shape = [batch!, out!, Math.floor(span / stride) + 1]
  return single('Conv', [x, w], shape, {stride, dilation, padBefore, padAfter})
}

/** Gradient of `conv1d` with respect to its input; `length` is that of the input. */
export const convTranspose1d = (
  y: Tensor,
  w: Tensor,
  length: number,
  {stride = 1, dilation = 1, padBefore = 0, padAfter = 0}: ConvolutionOptions = {},
): Tensor => {
  const reached = (y.shape[2]! - 1) * stride + dilation * (w.shape[2]! - 1) + 1 - padBefore - padAfter
  const outputPadding = length - reached
  if (outputPadding < 0 || outputPadding >= stride) {
    throw new ShapeError(`ConvTranspose: length ${length} cannot come from [${y.shape}] by [${w.shape}]`)
  }
  const shape = [y.shape[0]!, w.shape[1]!, length]
  return single('ConvTranspose', [y, w], shape, {stride, dilation, padBefore, padAfter, outputPadding})
}

/**
 * The fused forward LSTM, for serving only: x [time, batch, in], w [1, 4h, in], r [1, 4h, h], b [1, 8h], gates in ONNX's
 * order i, o, f, c. Gives all hidden states [time, 1, batch, h]. Training unrolls `lstmCell` of layers/lstm.ts.
 */
export const fusedLstm = (x: Tensor, w: Tensor, r: Tensor, b: Tensor): Tensor => {
  const hidden = r.shape[2]!
  return single('LSTM', [x, w, r, b], [x.shape[0]!, 1, x.shape[1]!, hidden], {hidden})
}

/** Passes the value on, but no derivative back. */
export const stopGradient = (x: Tensor): Tensor => single('Identity', [x], x.shape)
