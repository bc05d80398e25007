// Kernels index dense arrays inside their bounds, hence the `!`.
import {erf} from './erf.ts'
import type {GraphNode} from './graph.ts'
import {type Shape, sizeOf, stridesOf} from './shape.ts'

export interface NdArray {
  readonly shape: Shape
  readonly data: Float64Array
}

type Kernel = (
  inputs: readonly NdArray[],
  attributes: GraphNode['attributes'],
  shapes: readonly Shape[],
) => readonly Float64Array[]

/** Offsets into an array of `shape` for each element of the `to` it broadcasts to. */
const broadcastOffsets = (shape: Shape, to: Shape): Int32Array => {
  const strides = stridesOf(shape)
  const shift = to.length - shape.length
  const steps = to.map((_, axis) => (axis < shift || shape[axis - shift] === 1 ? 0 : strides[axis - shift]!))
  return walk(to, steps)
}

/** Offset of each element of a row-major `shape` when axis i advances by `steps[i]`. */
const walk = (shape: Shape, steps: readonly number[], start = 0): Int32Array => {
  const offsets = new Int32Array(sizeOf(shape))
  const at = new Array<number>(shape.length).fill(0)
  let offset = start
  for (let i = 0; i < offsets.length; i++) {
    offsets[i] = offset
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += steps[axis]!
      if (++at[axis]! < shape[axis]!) break
      offset -= steps[axis]! * shape[axis]!
      at[axis] = 0
    }
  }
  return offsets
}

const binary =
  (f: (a: number, b: number) => number): Kernel =>
  ([a, b], _attributes, [shape]) => {
    const left = broadcastOffsets(a!.shape, shape!)
    const right = broadcastOffsets(b!.shape, shape!)
    return [Float64Array.from(left, (offset, i) => f(a!.data[offset]!, b!.data[right[i]!]!))]
  }

const unary =
  (f: (x: number) => number): Kernel =>
  ([x]) => [x!.data.map(f)]

/** [outer, axis, inner] view of a shape around one axis. */
const around = (shape: Shape, axis: number) =>
  [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))] as const

const softmaxLike =
  (finish: (x: number, max: number, total: number) => number): Kernel =>
  ([x], attributes) => {
    const [outer, n, inner] = around(x!.shape, attributes['axis'] as number)
    const out = new Float64Array(x!.data.length)
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const at = (k: number): number => (o * n + k) * inner + i
        let max = Number.NEGATIVE_INFINITY
        for (let k = 0; k < n; k++) max = Math.max(max, x!.data[at(k)]!)
        let total = 0
        for (let k = 0; k < n; k++) total += Math.exp(x!.data[at(k)]! - max)
        for (let k = 0; k < n; k++) out[at(k)] = finish(x!.data[at(k)]!, max, total)
      }
    }
    return [out]
  }

const matmul: Kernel = ([a, b], attributes, [shape]) => {
  const {transA, transB, alpha} = attributes as {transA: boolean; transB: boolean; alpha: number}
  const [m, n] = shape!.slice(-2) as [number, number]
  const k = a!.shape[a!.shape.length - (transA ? 2 : 1)]!
  const batch = shape!.slice(0, -2)
  const left = broadcastOffsets(a!.shape.slice(0, -2), batch)
  const right = broadcastOffsets(b!.shape.slice(0, -2), batch)
  const out = new Float64Array(sizeOf(shape!))
  for (let at = 0; at < left.length; at++) {
    const baseA = left[at]! * m * k
    const baseB = right[at]! * k * n
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0
        for (let p = 0; p < k; p++) {
          sum += a!.data[baseA + (transA ? p * m + i : i * k + p)]! * b!.data[baseB + (transB ? j * k + p : p * n + j)]!
        }
        out[(at * m + i) * n + j] = alpha * sum
      }
    }
  }
  return [out]
}

const reduceSum: Kernel = ([x], attributes, [shape]) => {
  const axes = attributes['axes'] as readonly number[]
  const kept = x!.shape.map((d, axis) => (axes.includes(axis) ? 1 : d))
  const offsets = broadcastOffsets(kept, x!.shape)
  const out = new Float64Array(sizeOf(shape!))
  for (let i = 0; i < offsets.length; i++) out[offsets[i]!]! += x!.data[i]!
  return [out]
}

const concat: Kernel = (inputs, attributes, [shape]) => {
  const axis = attributes['axis'] as number
  const [outer, total, inner] = around(shape!, axis)
  const out = new Float64Array(sizeOf(shape!))
  let done = 0
  for (const part of inputs) {
    const width = part.shape[axis]! * inner
    for (let o = 0; o < outer; o++) out.set(part.data.subarray(o * width, (o + 1) * width), o * total * inner + done)
    done += width
  }
  return [out]
}

const layerNormalization: Kernel = ([x, scale, bias], attributes) => {
  const width = scale!.data.length
  const rows = x!.data.length / width
  const [out, means, inverse] = [new Float64Array(x!.data.length), new Float64Array(rows), new Float64Array(rows)]
  for (let row = 0; row < rows; row++) {
    const values = x!.data.subarray(row * width, (row + 1) * width)
    const mean = values.reduce((sum, v) => sum + v, 0) / width
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width
    means[row] = mean
    inverse[row] = 1 / Math.sqrt(variance + (attributes['epsilon'] as number))
    for (let i = 0; i < width; i++)
      out[row * width + i] = (values[i]! - mean) * inverse[row]! * scale!.data[i]! + bias!.data[i]!
  }
  return [out, means, inverse]
}

const conv: Kernel = ([x, w], attributes, [shape]) => {
  const {stride, dilation, padBefore} = attributes as Record<string, number>
  const [batch, channels, length] = x!.shape as [number, number, number]
  const [outs, , kernel] = w!.shape as [number, number, number]
  const steps = shape![2]!
  const out = new Float64Array(sizeOf(shape!))
  for (let b = 0; b < batch; b++)
    for (let o = 0; o < outs; o++)
      for (let t = 0; t < steps; t++) {
        let sum = 0
        for (let c = 0; c < channels; c++)
          for (let k = 0; k < kernel; k++) {
            const at = t * stride! + k * dilation! - padBefore!
            if (at >= 0 && at < length)
              sum += x!.data[(b * channels + c) * length + at]! * w!.data[(o * channels + c) * kernel + k]!
          }
        out[(b * outs + o) * steps + t] = sum
      }
  return [out]
}

const convTranspose: Kernel = ([y, w], attributes, [shape]) => {
  const {stride, dilation, padBefore} = attributes as Record<string, number>
  const [batch, outs, steps] = y!.shape as [number, number, number]
  const [, channels, kernel] = w!.shape as [number, number, number]
  const length = shape![2]!
  const out = new Float64Array(sizeOf(shape!))
  for (let b = 0; b < batch; b++)
    for (let o = 0; o < outs; o++)
      for (let t = 0; t < steps; t++)
        for (let c = 0; c < channels; c++)
          for (let k = 0; k < kernel; k++) {
            const at = t * stride! + k * dilation! - padBefore!
            if (at < 0 || at >= length) continue
            out[(b * channels + c) * length + at]! +=
              y!.data[(b * outs + o) * steps + t]! * w!.data[(o * channels + c) * kernel + k]!
          }
  return [out]
}

/** ONNX LSTM, forward, no peepholes, zero initial state; gate order i, o, f, c. */
const lstm: Kernel = ([x, w, r, b], _attributes, [shape]) => {
  const [time, , batch, hidden] = shape as [number, number, number, number]
  const width = x!.shape[2]!
  const logistic = (v: number): number => 1 / (1 + Math.exp(-v))
  const out = new Float64Array(sizeOf(shape!))
  const h = new Float64Array(batch * hidden)
  const c = new Float64Array(batch * hidden)
  for (let t = 0; t < time; t++) {
    const next = new Float64Array(batch * hidden)
    for (let n = 0; n < batch; n++)
      for (let j = 0; j < hidden; j++) {
        const gate = (g: number): number => {
          const row = g * hidden + j
          let sum = b!.data[row]! + b!.data[4 * hidden + row]!
          for (let i = 0; i < width; i++) sum += w!.data[row * width + i]! * x!.data[(t * batch + n) * width + i]!
          for (let i = 0; i < hidden; i++) sum += r!.data[row * hidden + i]! * h[n * hidden + i]!
          return sum
        }
        const at = n * hidden + j
        c[at] = logistic(gate(2)) * c[at]! + logistic(gate(0)) * Math.tanh(gate(3))
        next[at] = logistic(gate(1)) * Math.tanh(c[at]!)
      }
    h.set(next)
    out.set(next, t * batch * hidden)
  }
  return [out]
}

export const kernels: Readonly<Record<string, Kernel>> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Max: binary(Math.max),
  Min: binary(Math.min),
  Greater: binary((a, b) => (a > b ? 1 : 0)),
  GreaterOrEqual: binary((a, b) => (a >= b ? 1 : 0)),
  Equal: binary((a, b) => (a === b ? 1 : 0)),
  Neg: unary(x => -x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Tanh: unary(Math.tanh),
  Sigmoid: unary(x => 1 / (1 + Math.exp(-x))),
  Relu: unary(x => Math.max(x, 0)),
  Erf: unary(erf),
  Abs: unary(Math.abs),
  Sign: unary(Math.sign),
  Gelu: unary(x => 0.5 * x * (1 + erf(x * Math.SQRT1_2))),
  Identity: unary(x => x),
  Cast: unary(x => x),
  Where: ([condition, a, b], _attributes, [shape]) => {
    const [test, left, right] = [condition!, a!, b!].map(part => broadcastOffsets(part.shape, shape!))
    return [
      Float64Array.from(test!, (offset, i) =>
        condition!.data[offset] === 0 ? b!.data[right![i]!]! : a!.data[left![i]!]!,
      ),
    ]
  },
  MatMul: matmul,
  ReduceSum: reduceSum,
  ReduceSumSquare: ([x]) => [Float64Array.of(x!.data.reduce((sum, value) => sum + value * value, 0))],
  Reshape: ([x]) => [x!.data],
  Transpose: ([x], attributes, [shape]) => {
    const strides = stridesOf(x!.shape)
    const steps = (attributes['perm'] as readonly number[]).map(axis => strides[axis]!)
    return [Float64Array.from(walk(shape!, steps), offset => x!.data[offset]!)]
  },
  Expand: ([x], _attributes, [shape]) => [
    Float64Array.from(broadcastOffsets(x!.shape, shape!), offset => x!.data[offset]!),
  ],
  Concat: concat,
  Split: ([x], attributes, shapes) => {
    const axis = attributes['axis'] as number
    const strides = stridesOf(x!.shape)
    return shapes.map((shape, part) =>
      Float64Array.from(walk(shape, strides, part * shape[axis]! * strides[axis]!), offset => x!.data[offset]!),
    )
  },
  Slice: ([x], attributes, [shape]) => {
    const {axis, start, step} = attributes as {axis: number; start: number; step: number}
    const strides = stridesOf(x!.shape)
    const steps = strides.map((stride, i) => (i === axis ? stride * step : stride))
    return [Float64Array.from(walk(shape!, steps, start * strides[axis]!), offset => x!.data[offset]!)]
  },
  Pad: ([x], attributes, [shape]) => {
    const {axis, before} = attributes as {axis: number; before: number}
    const strides = stridesOf(shape!)
    const out = new Float64Array(sizeOf(shape!))
    const offsets = walk(x!.shape, strides, before * strides[axis]!)
    for (let i = 0; i < offsets.length; i++) out[offsets[i]!] = x!.data[i]!
    return [out]
  },
  Gather: ([table, indices], _attributes, [shape]) => {
    const width = sizeOf(table!.shape.slice(1))
    const out = new Float64Array(sizeOf(shape!))
    for (const [i, row] of indices!.data.entries())
      out.set(table!.data.subarray(row * width, (row + 1) * width), i * width)
    return [out]
  },
  Softmax: softmaxLike((x, max, total) => Math.exp(x - max) / total),
  LogSoftmax: softmaxLike((x, max, total) => x - max - Math.log(total)),
  LayerNormalization: layerNormalization,
  Conv: conv,
  ConvTranspose: convTranspose,
  LSTM: lstm,
}
