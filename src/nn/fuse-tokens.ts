// Typed arrays are indexed inside their bounds, hence the `!`.
import type {FusionGraph} from './fusion-graph.ts'
import {type Selection, selectionOf} from './fusion-selection.ts'
import type {OnnxNode} from './onnx-model.ts'

/** Tokens of several kinds joined in one sequence, of which those that are absent are hidden from an attention. */
export interface HiddenTokens {
  /** [b, count, width]. */
  readonly tokens: string
  /** Kind by kind what `tokens` is joined from. */
  readonly parts: readonly string[]
  /** [b, count]: 1 where a token is there. */
  readonly present: string
  readonly count: number
  /** So many at the front are always there. */
  readonly first: number
}

/** The tokens of several kinds, joined as their flags are, where the mask of an attention is made of the flags. */
export const hiddenTokens = (graph: FusionGraph): HiddenTokens | undefined =>
  graph.nodes.map(node => tokensOf(graph, node)).find(each => each !== undefined)

const tokensOf = (graph: FusionGraph, attention: OnnxNode): HiddenTokens | undefined => {
  if (attention.op !== 'Attention') return undefined
  const flags = graph.upstream(attention.inputs[3], ['Add', 'Reshape', 'Mul', 'Sub'])
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
  if (absent === -1) return undefined
  return {tokens: joined.outputs[0]!, parts: joined.inputs, present, count: shape[1]!, first}
}

/** x · 0 + 1: how `modalityTokens` says that a kind of information is never absent. */
const isAlwaysOne = (graph: FusionGraph, value: string): boolean => {
  const sum = graph.producer(value)
  const zero = sum?.op === 'Add' && graph.scalar(sum.inputs[1]) === 1 ? graph.producer(sum.inputs[0]) : undefined
  return zero?.op === 'Mul' && graph.scalar(zero.inputs[1]) === 0
}

/**
 * Tokens that no window of the batch has are left out before the encoder: hidden from every other token and from the mean,
 * they cannot change an answer, only its cost. Needs attentions already fused, for their shapes then follow the tokens.
 */
export const dropAbsent = (graph: FusionGraph, {tokens, present, count, first}: HiddenTokens): number => {
  const after = graph.downstream([tokens, present])
  const reshapes = after.filter(({op}) => op === 'Reshape')
  const carried = reshapes.filter(({inputs}) => graph.integers(inputs[1])?.includes(count))
  const lost = reshapes.filter(node => !carried.includes(node) && graph.shapeOf(node.inputs[0])?.includes(count))
  const taken = after
    .filter(({op}) => op === 'Slice')
    .map(({inputs}) => [1, 2, 3].map(i => graph.integers(inputs[i])?.[0]))
  const isSafe = taken.every(([, end, axis]) => axis !== 1 || (end !== undefined && end > 0 && end <= first))
  const isBatchFirst = carried.every(({inputs}) => graph.integers(inputs[1])?.[0] === -1)
  const spread = after.flatMap(({op, inputs}) =>
    op === 'MatMul' ? [] : inputs.filter(name => graph.constantShape(name)?.slice(0, -1).includes(count)),
  )
  const columns = new Set(spread.filter(name => String(graph.constantShape(name)) === `${count},1`))
  if (lost.length > 0 || !isSafe || !isBatchFirst || spread.some(name => !columns.has(name))) return 0
  const name = (part: string): string => `${tokens}:${part}`
  const half = graph.float(name('half'), 0.5)
  for (const node of carried) {
    const target = graph.integers(node.inputs[1])!.map((size, i) => (i === 0 ? 0 : size === count ? -1 : size))
    graph.change(node, {inputs: [node.inputs[0]!, graph.int64s(`${node.outputs[0]}:target`, target)]})
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
  for (const value of [tokens, present, ...columns]) {
    graph.rename(value, `${value}:shown`, 'ReduceMax')
    graph.insertAfter(columns.has(value) ? [some] : [some, value], [
      {
        op: 'Compress',
        inputs: [value, some],
        outputs: [`${value}:shown`],
        attributes: {axis: {kind: 'int', value: columns.has(value) ? 0 : 1}},
      },
    ])
  }
  return 1
}

/** One token's part of the joint product: the row that it is read from and what its columns mean. */
interface Kind {
  readonly columns: Selection
  readonly weight: Float32Array
  /** Sum of what is added to the products, [tokens, width]. */
  readonly added: Float64Array
}

/**
 * Tokens that are products of columns of one row of the input each, by weights of their kind, and whose flags are such
 * columns too: the rows are gathered once, what is not a token's own is set to zero where the input is clipped, and one
 * product by all weights makes the tokens of every kind. Gives the number of kinds; 0 where something else is done.
 */
export const gatherTokens = (graph: FusionGraph, {tokens, parts, present, count}: HiddenTokens): number => {
  const width = graph.shapeOf(tokens)?.[2] ?? 0
  const flags = selectionOf(graph, present)
  const kinds = parts.map(part => kindOf(graph, part, width))
  if (flags === undefined || kinds.some(kind => kind?.columns.root !== flags.root)) return 0
  const scaling = clippingOf(graph, flags.root)
  const size = graph.shapeOf(flags.root)?.[2] ?? 0
  if (scaling === undefined) return 0

  const rows = new Int32Array(count).fill(-1)
  const owner = new Map<number, string>()
  const weights = new Float32Array(size * width)
  const added = new Float32Array(count * width)
  const isOwn = new Uint8Array(count * size)
  let at = 0
  for (const [kind, each] of (kinds as readonly Kind[]).entries()) {
    const {columns, weight} = each
    const [tall = 0, wide = 0] = columns.shape
    for (let token = 0; token < tall; token++, at++) {
      for (let k = 0; k < wide; k++) {
        const i = token * wide + k
        const [row, column] = [Math.floor(columns.from[i]! / size), columns.from[i]! % size]
        if (columns.scale[i] !== 1 || columns.shift[i] !== 0) return 0
        if (k > 0 && rows[at] !== row) return 0
        if (owner.has(column) && owner.get(column) !== `${kind}/${k}`) return 0
        owner.set(column, `${kind}/${k}`)
        rows[at] = row
        isOwn[at * size + column] = 1
        weights.set(weight.subarray(k * width, (k + 1) * width), column * width)
      }
      added.set(each.added.subarray(token * width, (token + 1) * width), at * width)
    }
  }
  // A flag is a column of its own; that of a token which is always there is a one in any flag's column.
  const shown = new Set<number>()
  const ones = new Map<number, number>()
  const varying = Array.from(flags.scale, (scale, token) => (scale === 0 ? -1 : flags.from[token]! % size))
  const some = varying.find(column => column !== -1)
  if (at !== count || some === undefined) return 0
  for (const [token, column] of varying.entries()) {
    if (column === -1) {
      if (flags.shift[token] !== 1) return 0
      ones.set(token * size + some, 1)
      continue
    }
    if (flags.scale[token] !== 1 || flags.shift[token] !== 0 || owner.has(column)) return 0
    if (rows[token] !== Math.floor(flags.from[token]! / size)) return 0
    isOwn[token * size + column] = 1
    shown.add(column)
  }

  const name = (part: string): string => `${tokens}:${part}`
  const nodes: OnnxNode[] = [
    {
      op: 'Gather',
      inputs: [scaling.input, graph.int64s(name('rows'), [...rows])],
      outputs: [name('gathered')],
      attributes: {axis: {kind: 'int', value: 1}},
    },
  ]
  let value = name('gathered')
  for (const [step, {op, values}] of scaling.steps.entries()) {
    const isClip = step >= scaling.steps.length - 2
    const idle = op === 'Mul' || op === 'Div' ? 1 : 0
    const constants = Float32Array.from(isOwn, (own, i) => {
      if (own === 1) return values[values.length === 1 ? 0 : i % size]!
      return isClip ? (ones.get(i) ?? 0) : idle
    })
    const next = name(`scaled${step}`)
    const constant = graph.floats(name(`constant${step}`), [count, size], constants)
    nodes.push({op, inputs: [value, constant], outputs: [next], attributes: {}})
    value = next
  }
  nodes.push(
    {
      op: 'MatMul',
      inputs: [value, graph.floats(name('weight'), [size, width], weights)],
      outputs: [name('product')],
      attributes: {},
    },
    {
      op: 'Add',
      inputs: [name('product'), graph.floats(name('added'), [count, width], added)],
      outputs: [tokens],
      attributes: {},
    },
    {
      op: 'Gather',
      inputs: [value, graph.int64s(name('columns'), [...shown])],
      outputs: [name('flags')],
      attributes: {axis: {kind: 'int', value: 2}},
    },
    {
      op: 'ReduceSum',
      inputs: [name('flags'), graph.int64s(name('last'), [2])],
      outputs: [present],
      attributes: {keepdims: {kind: 'int', value: 0}},
    },
  )
  const old = [tokens, present].map(made => graph.producer(made)!)
  graph.replaceFirst(old, nodes)
  return kinds.length
}

/** Sums of constants over one product of a selection. */
const kindOf = (graph: FusionGraph, part: string, width: number): Kind | undefined => {
  const count = graph.shapeOf(part)?.[1] ?? 0
  const added = new Float64Array(count * width)
  let node = graph.producer(part)
  for (; node?.op === 'Add'; node = graph.producer(node.inputs[0])) {
    const constant = graph.numbers(node.inputs[1])
    const size = constant?.values.length
    if (constant?.dims.at(-1) !== width || (size !== width && size !== count * width)) return undefined
    if (size !== width && constant.dims.at(-2) !== count) return undefined
    for (let i = 0; i < added.length; i++) added[i]! += constant.values[i % size]!
  }
  const weight = node?.op === 'MatMul' ? graph.matrix(node.inputs[1]) : undefined
  const columns = weight === undefined ? undefined : selectionOf(graph, node?.inputs[0])
  if (weight?.columns !== width || columns?.shape.length !== 2) return undefined
  if (columns.shape[0] !== count || columns.shape[1] !== weight.rows) return undefined
  return {columns, weight: weight.values, added}
}

interface Scaling {
  readonly input: string
  /** Constants: one, or one a column. */
  readonly steps: readonly {readonly op: string; readonly values: Float32Array}[]
}

/** What is done to an input [b, rows, columns] by constants of columns, clipped at the end, before it is `value`. */
const clippingOf = (graph: FusionGraph, value: string): Scaling | undefined => {
  const shape = graph.shapeOf(value)
  const steps: Scaling['steps'][number][] = []
  let input = value
  for (let node = graph.producer(value); node !== undefined; node = graph.producer(input)) {
    const constant = graph.numbers(node.inputs[1])
    if (!['Sub', 'Add', 'Mul', 'Div', 'Min', 'Max'].includes(node.op) || constant === undefined) return undefined
    const {dims, values} = constant
    if (values.length !== 1 && (values.length !== shape?.[2] || dims.at(-1) !== values.length)) return undefined
    steps.unshift({op: node.op, values})
    input = node.inputs[0]!
  }
  const last = steps.slice(-2).map(({op}) => op)
  return last.includes('Min') && last.includes('Max') ? {input, steps} : undefined
}
