import {type ConstantMatrix, type FusionGraph, fusionGraph} from './fusion-graph.ts'
import {MICROSOFT_DOMAIN, type OnnxModel, type OnnxNode} from './onnx-model.ts'

/** How often each thing was put together. */
export interface Fusions {
  /** Attentions that became one `MultiHeadAttention`. */
  readonly attentions: number
  /** Pairs of reshapes around a product that were left out. */
  readonly reshapes: number
  /** 1 where tokens that no window of a batch has are left out. */
  readonly absent: number
  /** Narrow products of one input that became a part of one. */
  readonly heads: number
}

/**
 * Puts together what a transformer encoder of this package is made of, for ONNX Runtime's contributed operators, and leaves
 * out tokens that are absent: the same function of the same weights, in fewer and smaller kernels. What does not match
 * stays as it is. `SkipLayerNormalization` is not used: its kernel for CPUs is slower than the two it replaces.
 */
export const fuseEncoder = (model: OnnxModel): Fusions & {readonly model: OnnxModel} => {
  const graph = fusionGraph(model)
  const reshapes = count(graph, unflatten)
  const attentions = count(graph, fuseAttention)
  const absent = dropAbsent(graph)
  const heads = mergeProducts(graph)
  dropStatistics(graph)
  return {model: graph.toModel(), attentions, reshapes, absent, heads}
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

/** softmax(q kᵀ · scale + mask) v over heads that were cut out of one product [b, t, 3 · heads · size]. */
const fuseAttention: Rule = (graph, turned) => {
  if (turned.op !== 'Transpose' || !isHeadSwap(turned)) return false
  const cut = graph.producer(turned.inputs[0])
  const parts = graph.onlyUser(turned.outputs[0])
  if (cut?.op !== 'Reshape' || graph.onlyUser(cut.outputs[0]) !== turned || parts?.op !== 'Split') return false
  if (parts.attributes['axis']?.value !== 1 || parts.outputs.length !== 3) return false
  const [q = '', k = '', v = ''] = parts.outputs
  const scores = graph.onlyUser(q)
  if (scores?.op !== 'FusedMatMul' || scores.inputs[0] !== q || scores.inputs[1] !== k) return false
  if (scores.attributes['transB']?.value !== 1 || graph.onlyUser(k) !== scores) return false
  const next = graph.onlyUser(scores.outputs[0])
  const masked = next?.op === 'Add' ? next : undefined
  const softmax = masked === undefined ? next : graph.onlyUser(masked.outputs[0])
  const mixed = softmax?.op === 'Softmax' ? graph.onlyUser(softmax.outputs[0]) : undefined
  if (softmax === undefined || mixed?.op !== 'MatMul' || mixed.inputs[1] !== v || graph.onlyUser(v) !== mixed)
    return false
  const back = graph.onlyUser(mixed.outputs[0])
  if (back?.op !== 'Transpose' || !isHeadSwap(back)) return false
  const joined = graph.onlyUser(back.outputs[0])
  const heads = graph.integers(cut.inputs[1])
  const target = joined?.op === 'Reshape' ? graph.integers(joined.inputs[1]) : undefined
  const from = graph.shapeOf(cut.inputs[0])
  if (joined === undefined || heads?.length !== 4 || target?.length !== 3 || from?.length !== 3) return false
  const hidden = masked === undefined ? '' : graph.keyMask(masked.inputs[1])
  if (hidden === undefined) return false
  const [name = ''] = cut.outputs
  const third = [0, 1, 2].map(i => `${name}:${i}`)
  const scale = scores.attributes['alpha']
  graph.replace(
    [cut, turned, parts, scores, ...(masked === undefined ? [] : [masked]), softmax, mixed, back, joined],
    [
      {
        op: 'Split',
        inputs: [cut.inputs[0] as string],
        outputs: third,
        attributes: {axis: {kind: 'int', value: 2}, num_outputs: {kind: 'int', value: 3}},
      },
      {
        op: 'MultiHeadAttention',
        domain: MICROSOFT_DOMAIN,
        inputs: [...third, ...(hidden === '' ? [] : ['', hidden])],
        outputs: [joined.outputs[0] as string],
        attributes: {
          num_heads: {kind: 'int', value: (heads[2] as number) / 3},
          ...(scale === undefined ? {} : {scale}),
        },
      },
    ],
  )
  return true
}

const isHeadSwap = (node: OnnxNode): boolean => String(node.attributes['perm']?.value) === '0,2,1,3'

/** Mean and deviation of a normalisation, which only training asks for. */
const dropStatistics = (graph: FusionGraph): void => {
  for (const node of graph.nodes) {
    const [output = '', ...statistics] = node.outputs
    if (node.op !== 'LayerNormalization' || statistics.some(name => graph.users(name).length > 0)) continue
    graph.change(node, {outputs: [output]})
  }
}

interface Head {
  readonly product: OnnxNode
  readonly added: OnnxNode
  readonly weight: ConstantMatrix
  readonly bias: Float32Array
}

/** x · W1 + b1, x · W2 + b2, … → one product of W1 | W2 | …, cut afterwards: how many heads were put together. */
const mergeProducts = (graph: FusionGraph): number => {
  const byInput = Map.groupBy(
    graph.nodes.flatMap(node => headOf(graph, node) ?? []),
    ({product}) => product.inputs[0] as string,
  )
  let merged = 0
  for (const [input, heads] of byInput) {
    const rows = heads[0]?.weight.rows ?? 0
    if (heads.length < 2 || heads.some(({weight}) => weight.rows !== rows)) continue
    const widths = heads.map(({weight}) => weight.columns)
    const total = widths.reduce((sum, width) => sum + width, 0)
    const values = new Float32Array(rows * total)
    for (let row = 0, at = 0; row < rows; row++)
      for (const {weight} of heads) {
        values.set(weight.values.subarray(row * weight.columns, (row + 1) * weight.columns), at)
        at += weight.columns
      }
    const name = (part: string): string => `${input}:heads:${part}`
    const nodes = heads.flatMap(({product, added}) => [product, added])
    graph.replaceFirst(nodes, [
      {
        op: 'MatMul',
        inputs: [input, graph.floats(name('weight'), [rows, total], values)],
        outputs: [name('product')],
        attributes: {},
      },
      {
        op: 'Add',
        inputs: [
          name('product'),
          graph.floats(name('bias'), [total], Float32Array.from(heads.flatMap(({bias}) => [...bias]))),
        ],
        outputs: [name('sum')],
        attributes: {},
      },
      {
        op: 'Split',
        inputs: [name('sum'), graph.int64s(name('widths'), widths)],
        outputs: heads.map(({added}) => added.outputs[0] as string),
        attributes: {axis: {kind: 'int', value: 1}},
      },
    ])
    merged += heads.length
  }
  return merged
}

/** Columns beyond which a product is worth a kernel of its own. */
const WIDEST_HEAD = 16

const headOf = (graph: FusionGraph, product: OnnxNode): Head | undefined => {
  const added = product.op === 'MatMul' ? graph.onlyUser(product.outputs[0]) : undefined
  const weight = graph.matrix(product.inputs[1])
  const bias = graph.matrix(added?.inputs[1])
  if (added?.op !== 'Add' || weight === undefined || bias === undefined || weight.columns > WIDEST_HEAD)
    return undefined
  if (bias.rows !== 1 || bias.columns !== weight.columns) return undefined
  return graph.shapeOf(product.inputs[0])?.length === 3 ? undefined : {product, added, weight, bias: bias.values}
}

/**
 * Tokens that no window of the batch has are left out before the encoder: hidden from every other token and from the mean,
 * they cannot change an answer, only its cost. Needs attentions already fused, for their shapes then follow the tokens.
 */
const dropAbsent = (graph: FusionGraph): number => {
  const found = graph.nodes.map(node => tokensHidden(graph, node)).find(each => each !== undefined)
  if (found === undefined) return 0
  const {tokens, present, count, first} = found
  const after = graph.downstream([tokens, present])
  const reshapes = after.filter(({op}) => op === 'Reshape')
  const carried = reshapes.filter(({inputs}) => graph.integers(inputs[1])?.includes(count))
  const lost = reshapes.filter(node => !carried.includes(node) && graph.shapeOf(node.inputs[0])?.includes(count))
  const taken = after
    .filter(({op}) => op === 'Slice')
    .map(({inputs}) => [1, 2, 3].map(i => graph.integers(inputs[i])?.[0]))
  const isSafe = taken.every(([, end, axis]) => axis !== 1 || (end !== undefined && end > 0 && end <= first))
  const isBatchFirst = carried.every(({inputs}) => graph.integers(inputs[1])?.[0] === -1)
  if (lost.length > 0 || !isSafe || !isBatchFirst) return 0
  const name = (part: string): string => `${tokens}:${part}`
  const half = graph.float(name('half'), 0.5)
  for (const node of carried) {
    const target = (graph.integers(node.inputs[1]) as number[]).map((size, i) =>
      i === 0 ? 0 : size === count ? -1 : size,
    )
    graph.change(node, {inputs: [node.inputs[0] as string, graph.int64s(`${node.outputs[0]}:target`, target)]})
  }
  const [most, some] = [name('most'), name('some')]
  const plain = {attributes: {}}
  graph.insertAfter(
    [tokens, present],
    [
      {
        op: 'ReduceMax',
        inputs: [present, graph.int64s(name('axes'), [0])],
        outputs: [most],
        attributes: {keepdims: {kind: 'int', value: 0}},
      },
      {op: 'Greater', inputs: [most, half], outputs: [some], ...plain},
    ],
  )
  for (const value of [tokens, present]) {
    graph.rename(value, `${value}:shown`, 'ReduceMax')
    graph.insertAfter(
      [some, value],
      [
        {
          op: 'Compress',
          inputs: [value, some],
          outputs: [`${value}:shown`],
          attributes: {axis: {kind: 'int', value: 1}},
        },
      ],
    )
  }
  return 1
}

interface HiddenTokens {
  /** [b, count, width]. */
  readonly tokens: string
  /** [b, count]: 1 where a token is there. */
  readonly present: string
  readonly count: number
  /** So many at the front are always there. */
  readonly first: number
}

/** The tokens of several kinds, joined as their flags are, where the mask of an attention is made of the flags. */
const tokensHidden = (graph: FusionGraph, attention: OnnxNode): HiddenTokens | undefined => {
  if (attention.op !== 'MultiHeadAttention') return undefined
  const flags = graph.upstream(attention.inputs[4], ['Cast', 'Greater', 'Reshape', 'Mul', 'Sub'])
  const present = flags?.outputs[0]
  if (flags?.op !== 'Concat' || flags.attributes['axis']?.value !== 1 || present === undefined) return undefined
  const all = graph.nodes.filter(
    ({op, inputs, attributes}) =>
      op === 'Concat' && attributes['axis']?.value === 1 && inputs.length === flags.inputs.length,
  )
  const joined = all.find(node => graph.shapeOf(node.outputs[0])?.length === 3)
  const shape = graph.shapeOf(joined?.outputs[0])
  if (joined === undefined || shape === undefined) return undefined
  const sizes = joined.inputs.map(part => graph.shapeOf(part)?.[1] ?? 0)
  const absent = flags.inputs.findIndex(part => !isAlwaysOne(graph, part))
  const first = sizes.slice(0, absent === -1 ? sizes.length : absent).reduce((sum, size) => sum + size, 0)
  return absent === -1 ? undefined : {tokens: joined.outputs[0] as string, present, count: shape[1] as number, first}
}

/** x · 0 + 1: how `modalityTokens` says that a kind of information is never absent. */
const isAlwaysOne = (graph: FusionGraph, value: string): boolean => {
  const sum = graph.producer(value)
  const zero = sum?.op === 'Add' && graph.scalar(sum.inputs[1]) === 1 ? graph.producer(sum.inputs[0]) : undefined
  return zero?.op === 'Mul' && graph.scalar(zero.inputs[1]) === 0
}
