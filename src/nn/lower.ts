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
  const needed = reachable(graph)
  const kept = graph.nodes.filter(node => needed.has(node))
  const lowering = new Lowering(symbolicBatch, outputNames(graph), foldedScales(graph, kept))
  const nodes = kept.flatMap(node => lowering.node(node))
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
  const renames = [...graph.outputs].flatMap(([name, tensor]) => {
    const given = lowering.nameOf(tensor)
    return given === name ? [] : [lowering.plain('Identity', [given], [name])]
  })
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

/**
 * Results that can bear their output's name where they are made: those of a node, under the first name they were given.
 * The others (an input that is an output too, a second name) are copied.
 */
const outputNames = (graph: Graph): ReadonlyMap<Tensor, string> => {
  const taken = new Set([...graph.inputs, ...graph.constants.map(({tensor}) => tensor)].map(({name}) => name))
  const names = new Map<Tensor, string>()
  for (const [name, tensor] of graph.outputs) {
    if (graph.producerOf(tensor) === undefined || names.has(tensor) || taken.has(name)) continue
    names.set(tensor, name)
  }
  return names
}

interface FoldedScales {
  /** Factor that a product takes over. */
  readonly factors: ReadonlyMap<GraphNode, number>
  /** Multiplications that are then the identity, and what they multiplied. */
  readonly dropped: ReadonlyMap<GraphNode, Tensor>
}

/** Multiplications by a constant of what a product alone gives (reshaped or not): the product can scale on its way. */
const foldedScales = (graph: Graph, nodes: readonly GraphNode[]): FoldedScales => {
  const uses = new Map<Tensor, number>()
  for (const tensor of [...nodes.flatMap(node => node.inputs), ...graph.outputs.values()])
    uses.set(tensor, (uses.get(tensor) ?? 0) + 1)
  const scalars = new Map(
    graph.constants
      .filter(({tensor}) => tensor.shape.length === 0 && tensor.dtype === 'float32')
      .map(({tensor, values}) => [tensor, values[0] as number]),
  )
  const factors = new Map<GraphNode, number>()
  const dropped = new Map<GraphNode, Tensor>()
  const outputs = new Set(graph.outputs.values())
  for (const node of nodes) {
    const [a, b] = node.inputs as readonly [Tensor, Tensor]
    if (node.op !== 'Mul' || node.outputs.some(output => outputs.has(output))) continue
    const factor = scalars.get(b) ?? scalars.get(a)
    const multiplied = scalars.has(b) ? a : b
    let source = multiplied
    if (factor === undefined || scalars.has(source)) continue
    let producer = graph.producerOf(source)
    while (producer?.op === 'Reshape' && uses.get(source) === 1) {
      source = producer.inputs[0] as Tensor
      producer = graph.producerOf(source)
    }
    if (producer?.op !== 'MatMul' || uses.get(source) !== 1 || factors.has(producer)) continue
    factors.set(producer, factor)
    dropped.set(node, multiplied)
  }
  return {factors, dropped}
}

const int = (value: number): OnnxAttribute => ({kind: 'int', value})
const ints = (value: readonly number[]): OnnxAttribute => ({kind: 'ints', value})
const float = (value: number): OnnxAttribute => ({kind: 'float', value})

class Lowering {
  readonly extra: OnnxTensor[] = []
  readonly #symbolicBatch: boolean
  readonly #known = new Map<string, string>()
  readonly #names: ReadonlyMap<Tensor, string>
  readonly #scales: FoldedScales
  /** Results of dropped multiplications, and what stands for them. */
  readonly #stands = new Map<Tensor, Tensor>()

  constructor(symbolicBatch: boolean, names: ReadonlyMap<Tensor, string>, scales: FoldedScales) {
    this.#symbolicBatch = symbolicBatch
    this.#names = names
    this.#scales = scales
  }

  nameOf(tensor: Tensor): string {
    const stands = this.#stands.get(tensor)
    return stands === undefined ? (this.#names.get(tensor) ?? tensor.name) : this.nameOf(stands)
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
    const multiplied = this.#scales.dropped.get(node)
    if (multiplied !== undefined) {
      this.#stands.set(node.outputs[0] as Tensor, multiplied)
      return []
    }
    const inputs = node.inputs.map(tensor => this.nameOf(tensor))
    const outputs = node.outputs.map(tensor => this.nameOf(tensor))
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
      case 'Split':
        return [
          this.plain('Split', inputs, outputs, {axis: int(number('axis')), num_outputs: int(node.outputs.length)}),
        ]
      case 'ReduceSumSquare':
        return [this.plain('ReduceSumSquare', inputs, outputs, {keepdims: int(0)})]
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
    const {transA, transB} = node.attributes as {transA: boolean; transB: boolean}
    const alpha = (node.attributes['alpha'] as number) * (this.#scales.factors.get(node) ?? 1)
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
