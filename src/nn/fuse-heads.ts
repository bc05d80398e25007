import type {ConstantMatrix, FusionGraph} from './fusion-graph.ts'
import type {OnnxNode} from './onnx-model.ts'

interface Head {
  readonly product: OnnxNode
  readonly added: OnnxNode
  readonly weight: ConstantMatrix
  readonly bias: Float32Array
}

/** x · W1 + b1, x · W2 + b2, … → one product of W1 | W2 | …, cut afterwards: how many heads were put together. */
export const mergeProducts = (graph: FusionGraph): number => {
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
 * One token beside the mean of those that are there, [b, t, w] → [b, 2 w]: the mean as a product of the flags, which reads
 * the tokens once.
 */
export const poolTokens = (graph: FusionGraph): number =>
  graph.nodes.filter(node => node.op === 'Concat' && pooled(graph, node)).length

const pooled = (graph: FusionGraph, joined: OnnxNode): boolean => {
  const [one, mean] = joined.inputs.map(input => graph.producer(input))
  const [sum, total] = mean?.op === 'Div' ? mean.inputs.map(input => graph.producer(input)) : []
  const shown = sum?.op === 'ReduceSum' ? graph.producer(sum.inputs[0]) : undefined
  const flags = shown?.op === 'Mul' ? graph.producer(shown.inputs[1]) : undefined
  const taken = one?.op === 'Reshape' ? graph.producer(one.inputs[0]) : undefined
  if (joined.inputs.length !== 2 || joined.attributes['axis']?.value !== 1 || taken?.op !== 'Slice') return false
  if (sum === undefined || shown === undefined || total?.op !== 'ReduceSum' || flags?.op !== 'Reshape') return false
  const [state = '', present = ''] = [shown.inputs[0], flags.inputs[0]]
  const width = graph.shapeOf(state)?.[2]
  if (taken.inputs[0] !== state || total.inputs[0] !== present || width === undefined) return false
  const turned = graph.integers(flags.inputs[1])
  const sums = [sum, total].every(node => String(graph.integers(node.inputs[1])) === '1')
  const keeps = [sum, total].map(({attributes}) => attributes['keepdims']?.value ?? 1)
  const [start, end, axis] = [1, 2, 3].map(i => graph.integers(taken.inputs[i])?.[0] ?? -1) as [number, number, number]
  if (!sums || String(keeps) !== '0,1' || turned?.length !== 3 || turned[2] !== 1) return false
  if (axis !== 1 || start < 0 || end !== start + 1) return false
  const name = (part: string): string => `${joined.outputs[0]}:${part}`
  const int = (value: number) => ({kind: 'int', value}) as const
  const plain = {attributes: {}}
  graph.replace(
    [joined],
    [
      {
        op: 'Reshape',
        inputs: [present, graph.int64s(name('row'), [0, 1, -1])],
        outputs: [name('flags')],
        ...plain,
      },
      {op: 'MatMul', inputs: [name('flags'), state], outputs: [name('sum')], ...plain},
      {
        op: 'ReduceSum',
        inputs: [name('flags'), graph.int64s(name('axes'), [2])],
        outputs: [name('count')],
        attributes: {keepdims: int(1)},
      },
      {op: 'Div', inputs: [name('sum'), name('count')], outputs: [name('mean')], ...plain},
      {
        op: 'Concat',
        inputs: [taken.outputs[0] as string, name('mean')],
        outputs: [name('both')],
        attributes: {axis: int(2)},
      },
      {
        op: 'Reshape',
        inputs: [name('both'), graph.int64s(name('flat'), [-1, 2 * width])],
        outputs: joined.outputs,
        ...plain,
      },
    ],
  )
  return true
}
