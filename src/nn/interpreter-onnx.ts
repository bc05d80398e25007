// Kernels index dense arrays inside their bounds, hence the `!`.
import {kernels, type NdArray} from './interpreter-kernels.ts'
import {floatsOf, type OnnxModel, type OnnxNode, type OnnxTensor} from './onnx-model.ts'
import {broadcastShapes, ShapeError, sizeOf, stridesOf} from './shape.ts'

type Attributes = Readonly<Record<string, unknown>>
type Evaluate = (
  inputs: readonly (NdArray | undefined)[],
  attributes: Attributes,
  outputs: number,
) => readonly NdArray[]

/**
 * `interpret` for a model as it is served: float64 and plain loops, for what `fuseEncoder` and `quantiseInt8` write. Int8
 * products round as the operator's definition says, ties to even, one scale a tensor.
 *
 * @returns the model's outputs, by name
 */
export const interpretOnnx = (
  model: OnnxModel,
  feeds: Readonly<Record<string, NdArray>>,
): ReadonlyMap<string, NdArray> => {
  const values = new Map<string, NdArray>(Object.entries(feeds))
  for (const tensor of model.initializers) values.set(tensor.name, {shape: tensor.dims, data: numbersOf(tensor)})
  for (const node of model.nodes) {
    const evaluate = operators[node.op]
    if (evaluate === undefined) throw new ShapeError(`${node.op} has no float64 kernel`)
    const inputs = node.inputs.map(name => values.get(name))
    const results = evaluate(inputs, plain(node), node.outputs.length)
    for (const [i, name] of node.outputs.entries()) if (results[i] !== undefined) values.set(name, results[i])
  }
  return new Map(model.outputs.map(({name}) => [name, values.get(name) as NdArray]))
}

const numbersOf = (tensor: OnnxTensor): Float64Array => {
  if (tensor.type === 'int8') return Float64Array.from(new Int8Array(tensor.raw.slice().buffer))
  if (tensor.type === 'int64') return Float64Array.from(new BigInt64Array(tensor.raw.slice().buffer), Number)
  return Float64Array.from(floatsOf(tensor))
}

const plain = ({attributes}: OnnxNode): Attributes =>
  Object.fromEntries(Object.entries(attributes).map(([name, {value}]) => [name, value]))

const run = (op: string, inputs: readonly NdArray[], attributes: Attributes, shape: readonly number[]): NdArray => ({
  shape,
  data: kernels[op]!(inputs, attributes as never, [shape])[0]!,
})
const given = (inputs: readonly (NdArray | undefined)[]): readonly NdArray[] =>
  inputs.filter(each => each !== undefined)
const integers = (list: NdArray | undefined): readonly number[] => [...(list?.data ?? [])]
const axisOf = (axis: unknown, {shape}: NdArray): number => (Number(axis ?? 0) + shape.length) % shape.length

const elementwise =
  (op: string): Evaluate =>
  inputs => {
    const all = given(inputs)
    return [
      run(
        op,
        all,
        {},
        all.map(({shape}) => shape).reduce((a, b) => broadcastShapes(op, a, b)),
      ),
    ]
  }

const product = (a: NdArray, b: NdArray, alpha = 1): NdArray => {
  const shape = [
    ...broadcastShapes('MatMul', a.shape.slice(0, -2), b.shape.slice(0, -2)),
    a.shape.at(-2)!,
    b.shape.at(-1)!,
  ]
  return run('MatMul', [a, b], {transA: false, transB: false, alpha}, shape)
}

/** Elements along one axis, by their places. */
const along = ({shape, data}: NdArray, axis: number, places: readonly number[]): NdArray => {
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))]
  const out = new Float64Array(outer * places.length * inner)
  for (let o = 0; o < outer; o++)
    for (const [i, place] of places.entries()) {
      const from = (o * shape[axis]! + place) * inner
      out.set(data.subarray(from, from + inner), (o * places.length + i) * inner)
    }
  return {shape: shape.with(axis, places.length), data: out}
}
const range = (from: number, to: number): readonly number[] => Array.from({length: to - from}, (_, i) => from + i)

const reduce =
  (start: number, f: (a: number, b: number) => number): Evaluate =>
  ([x, axes], {keepdims = 1}) => {
    const list = integers(axes)
    const kept = x!.shape.map((size, axis) => (list.includes(axis) ? 1 : size))
    const strides = stridesOf(kept)
    const out = new Float64Array(sizeOf(kept)).fill(start)
    const from = stridesOf(x!.shape)
    for (let i = 0; i < x!.data.length; i++) {
      let at = 0
      for (const [axis, size] of x!.shape.entries())
        if (!list.includes(axis)) at += (Math.floor(i / from[axis]!) % size) * strides[axis]!
      out[at] = f(out[at]!, x!.data[i]!)
    }
    return [{shape: keepdims === 0 ? kept.filter((_, axis) => !list.includes(axis)) : kept, data: out}]
  }

/** [b, t, heads · size] as [b, heads, t, size], and back. */
const turned = ({data}: NdArray, [b, t, h, d]: readonly number[], isBack = false): NdArray => {
  const [rows, columns] = isBack ? [h!, t!] : [t!, h!]
  const out = new Float64Array(data.length)
  for (let i = 0; i < b!; i++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) {
        const from = ((i * rows + r) * columns + c) * d!
        out.set(data.subarray(from, from + d!), ((i * columns + c) * rows + r) * d!)
      }
  return {shape: isBack ? [b!, t!, h! * d!] : [b!, h!, t!, d!], data: out}
}

const attention: Evaluate = ([q, k, v, mask], {q_num_heads: heads, scale}) => {
  const [b, t, width] = q!.shape as [number, number, number]
  const sizes = [b, t, Number(heads), width / Number(heads)]
  const [one, two, three] = [q!, k!, v!].map(each => turned(each, sizes)) as [NdArray, NdArray, NdArray]
  const square = [b, Number(heads), t, t]
  const scores = run('MatMul', [one, two], {transA: false, transB: true, alpha: Number(scale)}, square)
  const shown = mask === undefined ? scores : run('Add', [scores, mask], {}, square)
  return [turned(product(run('Softmax', [shown], {axis: 3}, square), three), sizes, true)]
}

const roundEven = (x: number): number => {
  const down = Math.floor(x)
  if (x - down !== 0.5) return Math.round(x)
  return down % 2 === 0 ? down : down + 1
}

/** As `DynamicQuantizeLinear` of ONNX: unsigned bytes over a range that holds zero. */
const rounded = ({shape, data}: NdArray): NdArray => {
  const [low, high] = [data.reduce((m, x) => Math.min(m, x), 0), data.reduce((m, x) => Math.max(m, x), 0)]
  const scale = high === low ? 1 : (high - low) / 255
  const zero = Math.min(255, Math.max(0, roundEven(-low / scale)))
  return {shape, data: data.map(x => (Math.min(255, Math.max(0, roundEven(x / scale) + zero)) - zero) * scale)}
}

const operators: Readonly<Record<string, Evaluate>> = {
  ...Object.fromEntries(
    ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Greater', 'Sigmoid', 'Tanh', 'Relu'].map(op => [op, elementwise(op)]),
  ),
  Gelu: ([x], {approximate}) => [
    approximate === 'tanh'
      ? {...x!, data: x!.data.map(v => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))))}
      : run('Gelu', [x!], {}, x!.shape),
  ],
  MatMul: ([a, b]) => [product(a!, b!)],
  DynamicQuantizeMatMul: ([x, w, scales, , bias]) => {
    const columns = w!.shape.at(-1)!
    const weight = {shape: w!.shape, data: w!.data.map((value, i) => value * scales!.data[i % columns]!)}
    const sum = product(rounded(x!), weight)
    return [bias === undefined ? sum : run('Add', [sum, bias], {}, sum.shape)]
  },
  Attention: attention,
  LayerNormalization: ([x, scale, bias], {epsilon}) => [
    {shape: x!.shape, data: kernels['LayerNormalization']!([x!, scale!, bias!], {epsilon} as never, [])[0]!},
  ],
  RMSNormalization: ([x, scale], {epsilon}) => {
    const width = scale!.data.length
    const out = new Float64Array(x!.data.length)
    for (let row = 0; row < out.length; row += width) {
      const values = x!.data.subarray(row, row + width)
      const square = values.reduce((sum, v) => sum + v * v, 0) / width
      for (let i = 0; i < width; i++)
        out[row + i] = (values[i]! / Math.sqrt(square + Number(epsilon))) * scale!.data[i]!
    }
    return [{shape: x!.shape, data: out}]
  },
  Softmax: ([x], {axis}) => [run('Softmax', [x!], {axis: axisOf(axis ?? -1, x!)}, x!.shape)],
  ReduceSum: reduce(0, (a, b) => a + b),
  ReduceMax: reduce(Number.NEGATIVE_INFINITY, Math.max),
  Reshape: ([x, target]) => {
    const sizes = integers(target).map((size, i) => (size === 0 ? x!.shape[i]! : size))
    const rest = x!.data.length / sizes.reduce((all, size) => (size === -1 ? all : all * size), 1)
    return [{shape: sizes.map(size => (size === -1 ? rest : size)), data: x!.data}]
  },
  Concat: (inputs, {axis}) => {
    const all = given(inputs)
    const at = axisOf(axis, all[0]!)
    const shape = all[0]!.shape.with(
      at,
      all.reduce((sum, each) => sum + each.shape[at]!, 0),
    )
    return [run('Concat', all, {axis: at}, shape)]
  },
  Split: ([x, widths], {axis}, outputs) => {
    const at = axisOf(axis, x!)
    const sizes = widths === undefined ? Array<number>(outputs).fill(x!.shape[at]! / outputs) : integers(widths)
    const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((sum, size) => sum + size, 0))
    return sizes.map((size, i) => along(x!, at, range(ends[i]! - size, ends[i]!)))
  },
  Slice: ([x, starts, ends, axes]) => [
    integers(axes).reduce((value, axis, i) => {
      const end = Math.min(integers(ends)[i]!, value.shape[axis]!)
      return along(value, axis, range(integers(starts)[i]!, end))
    }, x!),
  ],
  Gather: ([x, places], {axis}) => [along(x!, axisOf(axis, x!), integers(places))],
  Compress: ([x, flags], {axis}) => [
    along(
      x!,
      axisOf(axis, x!),
      integers(flags).flatMap((flag, i) => (flag === 0 ? [] : [i])),
    ),
  ],
}
