import {floatsOf, floatTensor, int64Tensor, type OnnxModel, type OnnxNode, type OnnxTensor} from './onnx-model.ts'

/** Sizes of a value; -1 is the batch, which comes first. */
export type KnownShape = readonly number[]

/** A constant of two axes, or of one as a row. */
export interface ConstantMatrix {
  readonly rows: number
  readonly columns: number
  /** Row by row. */
  readonly values: Float32Array
}

/** A model's nodes while they are rewritten: who makes and who uses a value, and its shape where that can be told. */
export interface FusionGraph {
  /** The nodes as they stand, in an order in which they can run. */
  readonly nodes: readonly OnnxNode[]
  producer(value: string | undefined): OnnxNode | undefined
  users(value: string): readonly OnnxNode[]
  isOutput(value: string): boolean
  /** The one node that uses a value; undefined where there are more, or where it is an output of the model. */
  onlyUser(value: string | undefined): OnnxNode | undefined
  /** Values of a constant of integers. */
  integers(value: string | undefined): readonly number[] | undefined
  constantShape(value: string | undefined): readonly number[] | undefined
  shapeOf(value: string | undefined): KnownShape | undefined
  /**
   * An additive mask as [b or 1, 1, t, t]: itself, or one of keys alone [b, 1, 1, t] spread over the queries; made once for
   * each mask. Undefined where it is of another shape.
   */
  squareMask(value: string | undefined, count: number): string | undefined
  /** Puts nodes in the place of the last of `old`. */
  replace(old: readonly OnnxNode[], by: readonly OnnxNode[]): void
  /** Puts nodes in the place of the first of `old`. */
  replaceFirst(old: readonly OnnxNode[], by: readonly OnnxNode[]): void
  change(node: OnnxNode, changes: Partial<OnnxNode>): void
  /** Lets those who use one value use another, but for nodes of one operator. */
  rename(from: string, to: string, except?: string): void
  /** Puts nodes where all of `values` are made. */
  insertAfter(values: readonly string[], nodes: readonly OnnxNode[]): void
  /** Nodes that need any of the values, directly or not. */
  downstream(values: readonly string[]): readonly OnnxNode[]
  /** What a value is made of in the end, going up by operators of these kinds alone. */
  upstream(value: string | undefined, through: readonly string[]): OnnxNode | undefined
  /** Value of a constant that is one number. */
  scalar(value: string | undefined): number | undefined
  /** Adds a constant and gives its name back. */
  int64s(name: string, values: readonly number[]): string
  float(name: string, value: number): string
  floats(name: string, dims: readonly number[], values: Float32Array): string
  /** Values of a constant of numbers, row by row. */
  numbers(value: string | undefined): {readonly dims: readonly number[]; readonly values: Float32Array} | undefined
  matrix(value: string | undefined): ConstantMatrix | undefined
  /** What the outputs need. */
  toModel(): OnnxModel
}

export const fusionGraph = (model: OnnxModel): FusionGraph => new Rewriter(model)

/** Operators whose result has the shape of their first input. */
const KEEPS_SHAPE: ReadonlySet<string> = new Set([
  'LayerNormalization',
  'RMSNormalization',
  'SkipLayerNormalization',
  'Attention',
  'MultiHeadAttention',
  'Gelu',
  'Softmax',
  'Sigmoid',
  'Tanh',
  'Relu',
])
const BROADCASTS: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max'])

class Rewriter implements FusionGraph {
  nodes: OnnxNode[]
  readonly #model: OnnxModel
  readonly #constants: ReadonlyMap<string, OnnxTensor>
  readonly #outputs: ReadonlySet<string>
  readonly #inputs: ReadonlyMap<string, KnownShape>
  readonly #added: OnnxTensor[] = []
  readonly #masks = new Map<string, string>()

  constructor(model: OnnxModel) {
    this.#model = model
    this.nodes = [...model.nodes]
    this.#constants = new Map(model.initializers.map(tensor => [tensor.name, tensor]))
    this.#outputs = new Set(model.outputs.map(({name}) => name))
    this.#inputs = new Map(
      model.inputs.map(({name, dims}) => [name, dims.map((d, i) => (typeof d === 'number' && i > 0 ? d : -1))]),
    )
  }

  producer(value: string | undefined): OnnxNode | undefined {
    return value === undefined ? undefined : this.nodes.find(node => node.outputs.includes(value))
  }

  users(value: string): readonly OnnxNode[] {
    return this.nodes.filter(node => node.inputs.includes(value))
  }

  isOutput(value: string): boolean {
    return this.#outputs.has(value)
  }

  onlyUser(value: string | undefined): OnnxNode | undefined {
    if (value === undefined || value === '' || this.#outputs.has(value)) return undefined
    const users = this.users(value)
    return users.length === 1 ? users[0] : undefined
  }

  integers(value: string | undefined): readonly number[] | undefined {
    const tensor = this.#constants.get(value ?? '') ?? this.#added.find(({name}) => name === value)
    if (tensor?.type !== 'int64') return undefined
    return Array.from(new BigInt64Array(tensor.raw.slice().buffer), Number)
  }

  constantShape(value: string | undefined): readonly number[] | undefined {
    return (this.#constants.get(value ?? '') ?? this.#added.find(({name}) => name === value))?.dims
  }

  shapeOf(value: string | undefined): KnownShape | undefined {
    const given = this.#inputs.get(value ?? '')
    if (given !== undefined) return given
    const node = this.producer(value)
    if (node === undefined) return undefined
    const [first] = node.inputs
    if (node.op === 'Split') return this.#parted(node)
    if (node.outputs[0] !== value && node.op !== 'SkipLayerNormalization') return undefined
    if (node.op === 'Reshape') return this.integers(node.inputs[1])
    if (KEEPS_SHAPE.has(node.op)) return this.shapeOf(first)
    if (node.op === 'MatMul') {
      const [left, right] = [this.shapeOf(first), this.constantShape(node.inputs[1])]
      return left === undefined || right?.length !== 2 ? undefined : [...left.slice(0, -1), right[1] as number]
    }
    if (BROADCASTS.has(node.op)) return this.#broadcast(node.inputs)
    if (node.op === 'Concat') return this.#joined(node)
    if (node.op === 'Slice') return this.#taken(node)
    if (node.op === 'Compress') return this.shapeOf(first)?.map((size, axis) => (axis === 1 ? -1 : size))
    return undefined
  }

  /** Of two shapes, the one the other can be spread over. */
  #broadcast(inputs: readonly string[]): KnownShape | undefined {
    const shapes = inputs.map(name => this.constantShape(name) ?? this.shapeOf(name))
    const [a, b] = shapes
    if (a === undefined || b === undefined) return undefined
    const [wide, narrow] = a.length >= b.length ? [a, b] : [b, a]
    const fits = narrow.every((size, i) => size === 1 || size === wide[wide.length - narrow.length + i])
    return fits ? wide : undefined
  }

  #parted(node: OnnxNode): KnownShape | undefined {
    if (node.inputs.length > 1) return undefined
    const [axis, parts] = ['axis', 'num_outputs'].map(name => Number(node.attributes[name]?.value ?? 0)) as [
      number,
      number,
    ]
    return this.shapeOf(node.inputs[0])?.map((size, i) => (i === axis ? size / parts : size))
  }

  #joined(node: OnnxNode): KnownShape | undefined {
    const axis = Number(node.attributes['axis']?.value ?? 0)
    const shapes = node.inputs.map(name => this.shapeOf(name))
    const [first] = shapes
    if (first === undefined || axis < 1 || shapes.some(shape => shape?.length !== first.length)) return undefined
    return first.map((size, i) =>
      i === axis ? shapes.reduce((sum, shape) => sum + (shape as KnownShape)[i]!, 0) : size,
    )
  }

  /** Of a slice by steps of one, whose starts and ends count from the front. */
  #taken({inputs}: OnnxNode): KnownShape | undefined {
    const shape = this.shapeOf(inputs[0])
    const [starts, ends, axes, steps] = [1, 2, 3, 4].map(i => this.integers(inputs[i]))
    if (shape === undefined || starts === undefined || ends === undefined || axes === undefined) return undefined
    if (steps?.some(step => step !== 1) || [...starts, ...ends, ...axes].some(at => at < 0)) return undefined
    return shape.map((size, axis) => {
      const at = axes.indexOf(axis)
      return at === -1 || size === -1 ? size : Math.min(size, ends[at] as number) - (starts[at] as number)
    })
  }

  squareMask(value: string | undefined, count: number): string | undefined {
    if (value === undefined) return undefined
    const shape = this.constantShape(value) ?? this.shapeOf(value)
    if (shape?.length !== 4 || shape[1] !== 1 || shape[3] !== count) return undefined
    if (shape[2] === count) return value
    if (shape[2] !== 1 || this.producer(value) === undefined) return undefined
    const known = this.#masks.get(value)
    if (known !== undefined) return known
    const name = `${value}:square`
    const column = this.floats(`${value}:column`, [count, 1], new Float32Array(count))
    this.insertAfter([value], [{op: 'Add', inputs: [value, column], outputs: [name], attributes: {}}])
    this.#masks.set(value, name)
    return name
  }

  replace(old: readonly OnnxNode[], by: readonly OnnxNode[]): void {
    const last = Math.max(...old.map(node => this.nodes.indexOf(node)))
    this.nodes = this.nodes.flatMap((node, i) => (i === last ? by : old.includes(node) ? [] : [node]))
  }

  replaceFirst(old: readonly OnnxNode[], by: readonly OnnxNode[]): void {
    const first = Math.min(...old.map(node => this.nodes.indexOf(node)))
    this.nodes = this.nodes.flatMap((node, i) => (i === first ? by : old.includes(node) ? [] : [node]))
  }

  change(node: OnnxNode, changes: Partial<OnnxNode>): void {
    this.nodes = this.nodes.map(each => (each === node ? {...node, ...changes} : each))
  }

  rename(from: string, to: string, except?: string): void {
    this.nodes = this.nodes.map(node =>
      node.op !== except && node.inputs.includes(from)
        ? {...node, inputs: node.inputs.map(name => (name === from ? to : name))}
        : node,
    )
  }

  insertAfter(values: readonly string[], nodes: readonly OnnxNode[]): void {
    const at = Math.max(...values.map(value => this.nodes.findIndex(node => node.outputs.includes(value))))
    this.nodes.splice(at + 1, 0, ...nodes)
  }

  downstream(values: readonly string[]): readonly OnnxNode[] {
    const reached = new Set(values)
    return this.nodes.filter(({inputs, outputs}) => {
      if (!inputs.some(name => reached.has(name))) return false
      for (const name of outputs) reached.add(name)
      return true
    })
  }

  upstream(value: string | undefined, through: readonly string[]): OnnxNode | undefined {
    const node = this.producer(value)
    if (node === undefined || !through.includes(node.op)) return node
    return this.upstream(
      node.inputs.find(name => this.producer(name) !== undefined),
      through,
    )
  }

  scalar(value: string | undefined): number | undefined {
    const {values} = this.numbers(value) ?? {}
    return values?.length === 1 ? values[0] : undefined
  }

  numbers(value: string | undefined): {readonly dims: readonly number[]; readonly values: Float32Array} | undefined {
    const tensor = this.#constants.get(value ?? '') ?? this.#added.find(({name}) => name === value)
    return tensor?.type === 'float32' ? {dims: tensor.dims, values: floatsOf(tensor)} : undefined
  }

  int64s(name: string, values: readonly number[]): string {
    this.#added.push(int64Tensor(name, [values.length], values))
    return name
  }

  floats(name: string, dims: readonly number[], values: Float32Array): string {
    this.#added.push(floatTensor(name, dims, values))
    return name
  }

  matrix(value: string | undefined): ConstantMatrix | undefined {
    const {dims = [], values} = this.numbers(value) ?? {}
    if (values === undefined || dims.length === 0 || dims.length > 2) return undefined
    const [rows, columns] = dims.length === 1 ? [1, ...dims] : dims
    return {rows: rows as number, columns: columns as number, values}
  }

  float(name: string, value: number): string {
    this.#added.push(floatTensor(name, [], [value]))
    return name
  }

  toModel(): OnnxModel {
    const needed = new Set(this.#outputs)
    const nodes = this.nodes.toReversed().filter(({inputs, outputs}) => {
      if (!outputs.some(name => needed.has(name))) return false
      for (const name of inputs) needed.add(name)
      return true
    })
    const initializers = [...this.#model.initializers, ...this.#added].filter(({name}) => needed.has(name))
    return {...this.#model, nodes: nodes.toReversed(), initializers}
  }
}
