import type {Graph, Tensor} from './graph.ts'
import {type Initialiser, normalInit} from './initialisers.ts'
import {mul} from './ops.ts'
import {type Shape, ShapeError} from './shape.ts'

/** `train` draws dropout masks and unrolls recurrences; `serve` emits the operators ONNX Runtime fuses. */
export type Mode = 'train' | 'serve'

export interface ParameterSpec {
  readonly name: string
  readonly shape: Shape
  readonly init: Initialiser
  /** Whether weight decay applies: to matrices, not to biases, scales or embeddings of one value. */
  readonly decay: boolean
}

export interface MaskSpec {
  readonly name: string
  readonly shape: Shape
  /** Share of elements that are zero; the others are 1 / (1 - rate). */
  readonly rate: number
}

interface Registry {
  readonly parameters: ParameterSpec[]
  readonly tensors: Map<string, Tensor>
  readonly masks: MaskSpec[]
}

/**
 * Where a model's layers declare their parameters. The same model function run on a `train` and on a `serve` scope
 * declares the same names, which is what makes weights of the one fit the other.
 */
export class Scope {
  readonly graph: Graph
  readonly mode: Mode
  readonly #prefix: string
  readonly #registry: Registry

  constructor(
    graph: Graph,
    mode: Mode,
    prefix = '',
    registry: Registry = {parameters: [], tensors: new Map(), masks: []},
  ) {
    this.graph = graph
    this.mode = mode
    this.#prefix = prefix
    this.#registry = registry
  }

  child(name: string): Scope {
    return new Scope(this.graph, this.mode, `${this.#prefix}${name}/`, this.#registry)
  }

  /** A trainable tensor, an input of the graph named by its path. */
  parameter(name: string, shape: Shape, init: Initialiser = normalInit(0.02), decay = shape.length > 1): Tensor {
    const path = `${this.#prefix}${name}`
    if (this.#registry.tensors.has(path)) throw new ShapeError(`parameter "${path}" was declared twice`)
    const tensor = this.graph.input(path, shape)
    this.#registry.tensors.set(path, tensor)
    this.#registry.parameters.push({name: path, shape, init, decay})
    return tensor
  }

  /** Zeroes a share of the elements while training, by a mask that the caller feeds; the identity when serving. */
  dropout(x: Tensor, rate: number): Tensor {
    if (this.mode === 'serve' || rate === 0) return x
    if (rate < 0 || rate >= 1) throw new ShapeError(`a dropout rate must be in [0, 1), was ${rate}`)
    const name = `dropout/${this.#registry.masks.length}`
    this.#registry.masks.push({name, shape: x.shape, rate})
    return mul(x, this.graph.input(name, x.shape))
  }

  get parameters(): readonly ParameterSpec[] {
    return this.#registry.parameters
  }
  get masks(): readonly MaskSpec[] {
    return this.#registry.masks
  }
  tensorOf(parameter: string): Tensor {
    const tensor = this.#registry.tensors.get(parameter)
    if (tensor === undefined) throw new ShapeError(`no parameter "${parameter}"`)
    return tensor
  }
}
