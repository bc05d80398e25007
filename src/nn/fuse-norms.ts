// Typed arrays are indexed inside their bounds, hence the `!`.
import type {ConstantMatrix, FusionGraph} from './fusion-graph.ts'
import type {OnnxNode} from './onnx-model.ts'

/** A product by constants and what is added to it: x · weight + added. */
interface Affine {
  readonly product: OnnxNode
  readonly sum: OnnxNode
  readonly weight: ConstantMatrix
  /** [columns] or [rows, columns]. */
  readonly added: {readonly dims: readonly number[]; readonly values: Float32Array}
}

/**
 * Pre-norm blocks add products to one stream and normalise it before the next. Where every part of the stream is a product
 * whose columns can be made to add up to zero, the mean of a token is zero, and the normalisation need not take it away:
 * `LayerNormalization` becomes `RMSNormalization`, twice as fast, and its shift goes into the product that follows. The
 * same function of x, for a normalisation does not see what is added to all columns of a token alike. Gives how many.
 */
export const centreStream = (graph: FusionGraph): number => {
  const norms = graph.nodes.filter(({op}) => op === 'LayerNormalization')
  const stream = new Set<string>()
  const parts = new Map<string, Affine>()
  for (const norm of norms) if (!follow(graph, norm.inputs[0]!, stream, parts)) return 0
  // Whoever else looks at the stream would see that its mean is gone.
  const carriers = new Set(['Add', 'Compress', 'LayerNormalization'])
  for (const value of stream) {
    if (graph.isOutput(value) || graph.users(value).some(({op}) => !carriers.has(op))) return 0
    if (graph.users(value).some(({op, outputs}) => op === 'Add' && !stream.has(outputs[0]!))) return 0
  }
  const after = norms.map(norm => ({norm, next: affinesOf(graph, norm.outputs[0]!)}))
  const changed = after.filter(({next}) => next !== undefined)
  if (changed.length === 0) return 0
  for (const part of parts.values()) centre(graph, part)
  for (const {norm, next} of changed) {
    const shift = graph.numbers(norm.inputs[2])
    for (const each of shift === undefined ? [] : (next ?? [])) carry(graph, each, shift!.values)
    const epsilon = norm.attributes['epsilon'] ?? {kind: 'float', value: 1e-5}
    graph.change(norm, {
      op: 'RMSNormalization',
      inputs: norm.inputs.slice(0, 2),
      attributes: {axis: {kind: 'int', value: -1}, epsilon},
    })
  }
  return changed.length
}

/** Collects the products that a value is the sum of; false where it is anything else. */
const follow = (graph: FusionGraph, value: string, stream: Set<string>, parts: Map<string, Affine>): boolean => {
  if (stream.has(value)) return true
  const node = graph.producer(value)
  if (node === undefined) return false
  stream.add(value)
  if (node.op === 'Compress') return follow(graph, node.inputs[0]!, stream, parts)
  if (node.op !== 'Add') return false
  const part = affineOf(graph, node)
  if (part !== undefined) return parts.set(value, part) !== undefined
  return node.inputs.every(input => follow(graph, input, stream, parts))
}

const affineOf = (graph: FusionGraph, sum: OnnxNode): Affine | undefined => {
  const product = graph.producer(sum.inputs[0])
  const weight = product?.op === 'MatMul' ? graph.matrix(product.inputs[1]) : undefined
  const added = graph.numbers(sum.inputs[1])
  if (product === undefined || weight === undefined || added?.dims.at(-1) !== weight.columns) return undefined
  const constants = [product.inputs[1]!, sum.inputs[1]!]
  if (constants.some(name => graph.users(name).length > 1)) return undefined
  return graph.onlyUser(product.outputs[0]) === sum ? {product, sum, weight, added} : undefined
}

/** All users of a value as products and sums; undefined where one is something else. */
const affinesOf = (graph: FusionGraph, value: string): readonly Affine[] | undefined => {
  if (graph.isOutput(value)) return undefined
  const users = graph.users(value)
  const affines = users.flatMap(product => {
    const sum = product.op === 'MatMul' && product.inputs[0] === value ? graph.onlyUser(product.outputs[0]) : undefined
    return (sum?.op === 'Add' ? affineOf(graph, sum) : undefined) ?? []
  })
  return affines.length === users.length ? affines : undefined
}

const centre = (graph: FusionGraph, {product, sum, weight, added}: Affine): void => {
  const {rows, columns} = weight
  const [x = '', name = ''] = product.inputs
  const values = rowsCentred(weight.values, columns)
  graph.change(product, {inputs: [x, graph.floats(`${name}:centred`, [rows, columns], values)]})
  const [value = '', bias = ''] = sum.inputs
  const shift = graph.floats(`${bias}:centred`, added.dims, rowsCentred(added.values, columns))
  graph.change(sum, {inputs: [value, shift]})
}

const rowsCentred = (values: Float32Array, columns: number): Float32Array => {
  const centred = new Float32Array(values.length)
  for (let row = 0; row < values.length; row += columns) {
    let mean = 0
    for (let i = row; i < row + columns; i++) mean += values[i]! / columns
    for (let i = row; i < row + columns; i++) centred[i] = values[i]! - mean
  }
  return centred
}

/** (x + shift) · weight + added = x · weight + (added + shift · weight). */
const carry = (graph: FusionGraph, {sum, weight, added}: Affine, shift: Float32Array): void => {
  const [value = '', bias = ''] = sum.inputs
  const {rows, columns, values} = weight
  const carried = Float64Array.from(added.values)
  for (let i = 0; i < carried.length; i++)
    for (let row = 0; row < rows; row++) carried[i]! += shift[row]! * values[row * columns + (i % columns)]!
  graph.change(sum, {inputs: [value, graph.floats(`${bias}:carried`, added.dims, Float32Array.from(carried))]})
}
