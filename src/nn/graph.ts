import {type Shape, ShapeError, sizeOf} from './shape.ts'

export type DType = 'float32' | 'int64' | 'bool'

/** A value of the graph. Its numbers exist only while the graph runs. */
export interface Tensor {
  readonly id: number
  readonly name: string
  readonly shape: Shape
  readonly dtype: DType
  readonly graph: Graph
}

export type AttributeValue = number | readonly number[] | string | boolean

/** One operation. `op` is the ONNX operator it is written as, except where `lower.ts` says otherwise. */
export interface GraphNode {
  readonly op: string
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly attributes: Readonly<Record<string, AttributeValue>>
}

export interface Constant {
  readonly tensor: Tensor
  readonly values: Float32Array | readonly number[]
}

/**
 * A static dataflow graph in the making: nodes are appended in an order in which every input already exists, and every
 * shape is known when its node is made, so a mistake is reported at the line that makes it.
 */
export class Graph {
  readonly nodes: GraphNode[] = []
  readonly inputs: Tensor[] = []
  readonly constants: Constant[] = []
  readonly outputs = new Map<string, Tensor>()
  readonly #producer = new Map<Tensor, GraphNode>()
  readonly #scalars = new Map<number, Tensor>()
  #count = 0

  input(name: string, shape: Shape, dtype: DType = 'float32'): Tensor {
    if (this.inputs.some(existing => existing.name === name)) throw new ShapeError(`input "${name}" was declared twice`)
    const tensor = this.#tensor(shape, dtype, name)
    this.inputs.push(tensor)
    return tensor
  }

  constant(values: Float32Array | readonly number[], shape: Shape, dtype: DType = 'float32', name?: string): Tensor {
    if (values.length !== sizeOf(shape)) {
      throw new ShapeError(`a constant of shape [${shape}] needs ${sizeOf(shape)} values, was ${values.length}`)
    }
    const tensor = this.#tensor(shape, dtype, name)
    this.constants.push({tensor, values})
    return tensor
  }

  /** A float32 constant of rank 0, made once a value. */
  scalar(value: number): Tensor {
    const known = this.#scalars.get(value)
    if (known !== undefined) return known
    const tensor = this.constant([value], [])
    this.#scalars.set(value, tensor)
    return tensor
  }

  /** Appends an operation whose output shapes the caller has worked out. */
  append(
    op: string,
    inputs: readonly Tensor[],
    attributes: GraphNode['attributes'],
    results: readonly {readonly shape: Shape; readonly dtype: DType}[],
  ): readonly Tensor[] {
    for (const input of inputs) {
      if (input.graph !== this) throw new ShapeError(`${op}: input ${input.name} belongs to another graph`)
    }
    const outputs = results.map(({shape, dtype}) => this.#tensor(shape, dtype))
    const node: GraphNode = {op, inputs, outputs, attributes}
    this.nodes.push(node)
    for (const output of outputs) this.#producer.set(output, node)
    return outputs
  }

  /** Names a result. One tensor may bear several names. */
  output(name: string, tensor: Tensor): void {
    if (this.outputs.has(name)) throw new ShapeError(`output "${name}" was declared twice`)
    this.outputs.set(name, tensor)
  }

  producerOf(tensor: Tensor): GraphNode | undefined {
    return this.#producer.get(tensor)
  }

  #tensor(shape: Shape, dtype: DType, name?: string): Tensor {
    const id = this.#count++
    return {id, name: name ?? `t${id}`, shape, dtype, graph: this}
  }
}
