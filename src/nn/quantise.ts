// Weights are indexed inside their bounds, hence the `!`.
import {floatsOf, MICROSOFT_DOMAIN, type OnnxModel, type OnnxNode, type OnnxTensor} from './onnx-model.ts'

export interface QuantiseOptions {
  /** Products with fewer weights than this stay float: quantising their input would cost more than it saves. */
  readonly minWeights?: number
  /** Products with fewer terms a sum than this stay float: those of raw features, whose range is wide for eight bits. */
  readonly minRows?: number
  /** Products with fewer columns than this stay float: heads are too narrow to gain, and an error there is an answer's. */
  readonly minColumns?: number
  /** Weights (by name) that stay float. */
  readonly keep?: ReadonlySet<string>
}

export interface Quantised {
  readonly model: OnnxModel
  /** Products that became int8. */
  readonly quantised: number
  /** Weights that were quantised, by name. */
  readonly names: readonly string[]
  /** Weights left in float32. */
  readonly kept: number
}

/**
 * Post-training int8 for every product with a constant right side: weights symmetric per column, activations quantised
 * as they come (`DynamicQuantizeMatMul` of com.microsoft, one scale a tensor), the bias with the product, and Gelu by
 * tanh where only such products read it. Nothing else changes. A pure function of the model.
 *
 * One scale a tensor means that a window run in one call with others is rounded as they are; gpi's predictors therefore
 * run windows one by one. `MatMulNBits`, whose scales are of rows, takes 1.6 times as long at these sizes.
 */
export const quantiseInt8 = (
  model: OnnxModel,
  {minWeights = 1024, minRows = 64, minColumns = 16, keep = new Set()}: QuantiseOptions = {},
): Quantised => {
  const weights = new Map(model.initializers.map(tensor => [tensor.name, tensor]))
  const added: OnnxTensor[] = []
  const removed = new Set<string>()
  let quantised = 0
  const uses = countUses(model.nodes)
  const shifts = shiftsOf(model, weights, uses)
  const done = new Set<OnnxNode>()
  const nodes = model.nodes.map(node => {
    const weight = weights.get(node.inputs[1] ?? '')
    if (!isPlainProduct(node) || weight?.type !== 'float32' || weight.dims.length !== 2) return node
    if (keep.has(weight.name) || sizeOfTensor(weight) < minWeights || uses.get(weight.name) !== 1) return node
    const [rows = 0, columns = 0] = isTransposed(node) ? weight.dims.toReversed() : weight.dims
    if (rows < minRows || columns < minColumns) return node
    const parts = quantiseColumns(weight, isTransposed(node))
    added.push(parts.values, parts.scales)
    removed.add(weight.name)
    quantised++
    // The operator adds the bias as it turns integers into floats: one pass over the result instead of two.
    const shift = shifts.get(node.outputs[0] ?? '')
    if (shift !== undefined) done.add(shift.node)
    return {
      op: 'DynamicQuantizeMatMul',
      domain: MICROSOFT_DOMAIN,
      inputs: [
        node.inputs[0]!,
        parts.values.name,
        parts.scales.name,
        // No zero point: symmetric weights have none, and the kernel then skips its corrections.
        '',
        ...(shift === undefined ? [] : [shift.bias]),
      ],
      outputs: shift === undefined ? node.outputs : shift.node.outputs,
      attributes: {},
    } satisfies OnnxNode
  })
  const kept = model.initializers.filter(tensor => !removed.has(tensor.name))
  const left = nodes.filter(node => !done.has(node))
  return {
    model: {...model, nodes: withTanhGelu(left, model.outputs), initializers: [...kept, ...added]},
    quantised,
    names: [...removed],
    kept: kept.filter(({type}) => type === 'float32').reduce((sum, tensor) => sum + sizeOfTensor(tensor), 0),
  }
}

/**
 * Gelu by tanh where only int8 products read it: at most 0.0005 off, a fraction of the step of an activation there, and
 * an eighth faster.
 */
const withTanhGelu = (nodes: readonly OnnxNode[], outputs: OnnxModel['outputs']): readonly OnnxNode[] => {
  const shown = new Set(outputs.map(({name}) => name))
  const isRounded = (value: string): boolean => {
    if (shown.has(value)) return false
    const users = nodes.filter(({inputs}) => inputs.includes(value))
    return users.length > 0 && users.every(({op, inputs}) => op === 'DynamicQuantizeMatMul' && inputs[0] === value)
  }
  return nodes.map(node =>
    node.op === 'Gelu' && isRounded(node.outputs[0] ?? '')
      ? {...node, attributes: {...node.attributes, approximate: {kind: 'string', value: 'tanh'}}}
      : node,
  )
}

const isTransposed = (node: OnnxNode): boolean => node.attributes['transB']?.value === 1

const isPlainProduct = (node: OnnxNode): boolean => {
  if (node.op === 'MatMul') return true
  const {transA, alpha} = node.attributes
  return node.op === 'FusedMatMul' && (transA?.value ?? 0) === 0 && (alpha?.value ?? 1) === 1
}

/** Additions of one constant a column that alone use a value: the bias of the product that makes it, by that value. */
const shiftsOf = (
  {nodes, outputs}: OnnxModel,
  weights: ReadonlyMap<string, OnnxTensor>,
  uses: ReadonlyMap<string, number>,
): ReadonlyMap<string, {readonly node: OnnxNode; readonly bias: string}> => {
  const shown = new Set(outputs.map(({name}) => name))
  return new Map(
    nodes.flatMap(node => {
      const [value = '', bias = ''] = node.inputs
      const isShift = node.op === 'Add' && uses.get(value) === 1 && weights.get(bias)?.dims.length === 1
      return isShift && !shown.has(value) ? [[value, {node, bias}] as const] : []
    }),
  )
}

const sizeOfTensor = ({dims}: OnnxTensor): number => dims.reduce((product, d) => product * d, 1)

const countUses = (nodes: readonly OnnxNode[]): ReadonlyMap<string, number> => {
  const uses = new Map<string, number>()
  for (const input of nodes.flatMap(node => node.inputs)) uses.set(input, (uses.get(input) ?? 0) + 1)
  return uses
}

/** w[k, n] ≈ values[k, n] · scales[n], values in [-127, 127]. */
const quantiseColumns = (weight: OnnxTensor, transposed: boolean) => {
  const [rows, columns] = (transposed ? [weight.dims[1]!, weight.dims[0]!] : weight.dims) as readonly [number, number]
  const floats = floatsOf(weight)
  const at = (row: number, column: number): number => (transposed ? column * rows + row : row * columns + column)
  const values = new Int8Array(rows * columns)
  const scales = new Float32Array(columns)
  for (let column = 0; column < columns; column++) {
    let largest = 0
    for (let row = 0; row < rows; row++) largest = Math.max(largest, Math.abs(floats[at(row, column)]!))
    const scale = largest === 0 ? 1 : largest / 127
    scales[column] = scale
    for (let row = 0; row < rows; row++) values[row * columns + column] = Math.round(floats[at(row, column)]! / scale)
  }
  const raw = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  return {
    values: {name: `${weight.name}:int8`, type: 'int8', dims: [rows, columns], raw: raw(values)} satisfies OnnxTensor,
    scales: {name: `${weight.name}:scale`, type: 'float32', dims: [columns], raw: raw(scales)} satisfies OnnxTensor,
  }
}
