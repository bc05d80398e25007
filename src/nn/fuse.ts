import {ATTENTION_OPSET, fuseAttention} from './fuse-attention.ts'
import {mergeProducts, poolTokens} from './fuse-heads.ts'
import {centreStream} from './fuse-norms.ts'
import {dropAbsent, gatherTokens, hiddenTokens} from './fuse-tokens.ts'
import {type FusionGraph, fusionGraph} from './fusion-graph.ts'
import type {OnnxModel, OnnxNode} from './onnx-model.ts'

/** How often each thing was put together. */
export interface Fusions {
  /** Attentions that became one `Attention`. */
  readonly attentions: number
  /** Pairs of reshapes around a product that were left out. */
  readonly reshapes: number
  /** Normalisations of a stream without a mean. */
  readonly centred: number
  /** Kinds of tokens that came to be made by one product. */
  readonly tokens: number
  /** 1 where tokens that no window of a batch has are left out. */
  readonly absent: number
  /** Narrow products of one input that became a part of one. */
  readonly heads: number
}

/**
 * Puts together what a transformer encoder of this package is made of and leaves out tokens that are absent: the same
 * function of the same weights, in fewer and smaller kernels. What does not match stays as it is. `MultiHeadAttention`
 * and `SkipLayerNormalization` are not used: on CPUs the one turns heads round and back, which `Attention` need not, and
 * the other is slower than the two that it replaces.
 */
export const fuseEncoder = (model: OnnxModel): Fusions & {readonly model: OnnxModel} => {
  const graph = fusionGraph(model)
  const reshapes = count(graph, unflatten)
  const attentions = count(graph, fuseAttention)
  const hidden = hiddenTokens(graph)
  const tokens = hidden === undefined ? 0 : gatherTokens(graph, hidden)
  const absent = hidden === undefined ? 0 : dropAbsent(graph, hidden)
  poolTokens(graph)
  const heads = mergeProducts(graph)
  dropStatistics(graph)
  // What it makes belongs to the same opset as `Attention`.
  const centred = attentions === 0 ? 0 : centreStream(graph)
  const fused = graph.toModel()
  const opsets = attentions === 0 ? fused.opsets : {...fused.opsets, '': ATTENTION_OPSET}
  return {model: {...fused, opsets}, attentions, reshapes, centred, tokens, absent, heads}
}

type Rule = (graph: FusionGraph, node: OnnxNode) => boolean

/** How often a rule applies. A rule may replace nodes, so each is asked for again by what it makes. */
const count = (graph: FusionGraph, rule: Rule): number =>
  graph.nodes
    .map(({outputs}) => outputs[0])
    .filter(value => {
      const node = graph.producer(value)
      return node !== undefined && rule(graph, node)
    }).length

/** X [b, t, k] → [b·t, k] → · W (+ bias) → [b, t, n]: a product takes any number of leading axes. */
const unflatten: Rule = (graph, first) => {
  if (first.op !== 'Reshape') return false
  const [from = '', flat = ''] = [first.inputs[0], first.outputs[0]]
  const shape = graph.shapeOf(from)
  const product = graph.onlyUser(flat)
  if (shape === undefined || shape.length < 3 || product?.op !== 'MatMul' || product.inputs[0] !== flat) return false
  if (graph.integers(first.inputs[1])?.length !== 2) return false
  const added = graph.onlyUser(product.outputs[0])
  const hasBias = added?.op === 'Add' && graph.constantShape(added.inputs[1])?.length === 1
  const made = hasBias ? added : product
  const last = graph.onlyUser(made.outputs[0])
  const target = last?.op === 'Reshape' ? graph.integers(last.inputs[1]) : undefined
  if (last === undefined || target === undefined || target.length !== shape.length) return false
  if (target[0] !== -1 || target.slice(1, -1).some((size, i) => size !== shape[i + 1])) return false
  const inputs = [from, product.inputs[1] as string]
  const {outputs} = last
  graph.replace([first, last], [])
  graph.change(product, made === product ? {inputs, outputs} : {inputs})
  if (made !== product) graph.change(made, {outputs})
  return true
}

/** Mean and deviation of a normalisation, which only training asks for. */
const dropStatistics = (graph: FusionGraph): void => {
  for (const node of graph.nodes) {
    const [output = '', ...statistics] = node.outputs
    if (node.op !== 'LayerNormalization' || statistics.some(name => graph.users(name).length > 0)) continue
    graph.change(node, {outputs: [output]})
  }
}
