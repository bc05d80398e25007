import type {Graph, GraphNode, Tensor} from './graph.ts'
import {
  floatTensor,
  int64Tensor,
  MICROSOFT_DOMAIN,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
  OPSET,
} from './onnx-model.ts'
import type {Shape} from './shape.ts'

/**
 * The batch size to build a graph with when it shall serve any batch: a prime that no other dimension is a multiple of,
 * so that `lower` can tell which axes depend on it.
 */
export const SYMBOLIC_BATCH = 7919

export interface LowerOptions {
  readonly metadata?: Readonly<Record<string, string>>
  /** Write axes that are multiples of `SYMBOLIC_BATCH` as symbolic. */
  readonly symbolicBatch?: boolean
  /** Values of inputs that shall become constants of the file, by input name. */
  readonly weights?: ReadonlyMap<string, Float32Array>
}

/** A graph as an ONNX model of opset 20, plus `com.microsoft` for transposed products. */
export const lower = (
  graph: Graph,
  {metadata = {}, symbolicBatch = false, weights = new Map()}: LowerOptions = {},
): OnnxModel => {
  const lowering = new Lowering(symbolicBatch)
  const needed = reachable(graph)
  const nodes = graph.nodes.filter(node => needed.has(node)).flatMap(node => lowering.node(node))
  const used = new Set(nodes.flatMap(node => node.inputs))
  const constants = graph.constants
    .filter(({tensor}) => used.has(tensor.name))
    .map(({tensor, values}) =>
      tensor.dtype === 'int64'
        ? int64Tensor(tensor.name, tensor.shape, Array.from(values))
        : floatTensor(tensor.name, tensor.shape, values),
    )
  const fixed = graph.inputs.flatMap(input => {
    const values = weights.get(input.name)
    return values === undefined || !used.has(input.name) ? [] : [floatTensor(input.name, input.shape, values)]
  })
  const outputs = [...graph.outputs].map(([name, tensor]) => lowering.valueInfo(name, tensor))
  const renames = [...graph.outputs].map(([name, tensor]) => lowering.plain('Identity', [tensor.name], [name]))
  return {
    producer: 'gpi',
    opsets: {'': OPSET, [MICROSOFT_DOMAIN]: 1},
    nodes: [...nodes, ...renames],
    initializers: [...constants, ...fixed, ...lowering.extra],
    inputs: graph.inputs.filter(input => !weights.has(input.name)).map(input => lowering.valueInfo(input.name, input)),
    outputs,
    metadata,
  }
}

/** Nodes that some output needs. */
const reachable = (graph: Graph): ReadonlySet<GraphNode> => {
  const needed = new Set<GraphNode>()
  const pending = [...graph.outputs.values()]
  for (let tensor = pending.pop(); tensor !== undefined; tensor = pending.pop()) {
    const node = graph.producerOf(tensor)
    if (node === undefined || needed.has(node)) continue
    needed.add(node)
    pending.push(...node.inputs)
  }
  return needed
}

const int = (value: number): OnnxAttribute => ({kind: 'int', value})
const ints = (value: readonly number[]): OnnxAttribute => ({kind: 'ints', value})
const float = (value: number): OnnxAttribute => ({kind: 'float', value})

class Lowering {
  readonly extra: OnnxTensor[] = []
  readonly #symbolicBatch: boolean
  readonly #known = new Map<string, string>()

  constructor(symbolicBatch: boolean) {
    this.#symbolicBatch = symbolicBatch
  }

  plain(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: OnnxNode['attributes'] = {},
  ): OnnxNode {
    return {op, inputs, outputs, attributes}
  }

  valueInfo(name: string, tensor: Tensor): OnnxValueInfo {
    const dims = tensor.shape.map(d => {
      if (!this.#symbolicBatch || d === 0 || d % SYMBOLIC_BATCH !== 0) return d
      return d === SYMBOLIC_BATCH ? 'batch' : `batch*${d / SYMBOLIC_BATCH}`
    })
    return {name, type: tensor.dtype, dims}
  }

  node(node: GraphNode): readonly OnnxNode[] {
    const inputs = node.inputs.map(tensor => tensor.name)
    const outputs = node.outputs.map(tensor => tensor.name)
    const attributes = node.attributes
    const number = (key: string): number => attributes[key] as number
    switch (node.op) {
      case 'MatMul':
        return [this.#matmul(node, inputs, outputs)]
      case 'ReduceSum':
        return [
          this.plain('ReduceSum', [...inputs, this.#ints(attributes['axes'] as readonly number[])], outputs, {
            keepdims: int(attributes['keepDims'] === true ? 1 : 0),
          }),
        ]
      case 'Reshape':
      case 'Expand':
        return [
          this.plain(node.op, [...inputs, this.#ints(this.#target(node.op, node.outputs[0]?.shape ?? []))], outputs),
        ]
      case 'Transpose':
        return [this.plain('Transpose', inputs, outputs, {perm: ints(attributes['perm'] as readonly number[])})]
      case 'Concat':
      case 'Softmax':
      case 'LogSoftmax':
        return [this.plain(node.op, inputs, outputs, {axis: int(number('axis'))})]
      case 'Slice': {
        const range = [[number('start')], [number('end')], [number('axis')], [number('step')]]
        return [this.plain('Slice', [...inputs, ...range.map(value => this.#ints(value))], outputs)]
      }
      case 'Pad': {
        const pads = [number('before'), number('after')]
        return [this.plain('Pad', [...inputs, this.#ints(pads), '', this.#ints([number('axis')])], outputs)]
      }
      case 'Cast':
        return [this.plain('Cast', inputs, outputs, {to: int(1)})]
      case 'LayerNormalization':
        return [this.plain('LayerNormalization', inputs, outputs, {axis: int(-1), epsilon: float(number('epsilon'))})]
      case 'Conv':
      case 'ConvTranspose':
        return [this.plain(node.op, inputs, outputs, convolutionAttributes(node))]
      case 'LSTM':
        return [this.plain('LSTM', inputs, outputs, {hidden_size: int(number('hidden'))})]
      default:
        return [this.plain(node.op, inputs, outputs)]
    }
  }

  #matmul(node: GraphNode, inputs: readonly string[], outputs: readonly string[]): OnnxNode {
    const {transA, transB, alpha} = node.attributes as {transA: boolean; transB: boolean; alpha: number}
    if (!transA && !transB && alpha === 1) return this.plain('MatMul', inputs, outputs)
    const attributes = {transA: int(transA ? 1 : 0), transB: int(transB ? 1 : 0), alpha: float(alpha)}
    return {...this.plain('FusedMatMul', inputs, outputs, attributes), domain: MICROSOFT_DOMAIN}
  }

  /** A target shape in which the axis that holds the symbolic batch is left to the runtime. */
  #target(op: string, shape: Shape): readonly number[] {
    if (!this.#symbolicBatch) return shape
    const symbolic = shape.filter(d => d !== 0 && d % SYMBOLIC_BATCH === 0).length
    if (symbolic > 1 || (symbolic > 0 && op === 'Expand')) {
      throw new RangeError(`${op} to [${shape}] cannot be written with a symbolic batch`)
    }
    return shape.map(d => (d !== 0 && d % SYMBOLIC_BATCH === 0 ? -1 : d))
  }

  #ints(values: readonly number[]): string {
    const key = `ints:${values.join(',')}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.#known.set(key, key)
    this.extra.push(int64Tensor(key, [values.length], values))
    return key
  }
}

const convolutionAttributes = (node: GraphNode): OnnxNode['attributes'] => {
  const {stride, dilation, padBefore, padAfter, outputPadding} = node.attributes as Record<string, number>
  return {
    strides: ints([stride ?? 1]),
    dilations: ints([dilation ?? 1]),
    pads: ints([padBefore ?? 0, padAfter ?? 0]),
    ...(outputPadding === undefined ? {} : {output_padding: ints([outputPadding])}),
  }
}
