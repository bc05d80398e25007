import type {Rng} from '../domain/rng.ts'
import {type AdamWOptions, appendAdamW, type ResolvedAdamW, resolveAdamW} from './adamw.ts'
import {gradients} from './autodiff.ts'
import {type DType, Graph, type Tensor} from './graph.ts'
import {lower, SYMBOLIC_BATCH} from './lower.ts'
import type {OnnxModel} from './onnx-model.ts'
import {type MaskSpec, type ParameterSpec, Scope} from './scope.ts'
import type {Shape} from './shape.ts'

/** An input of a model without its batch axis, which comes first. */
export interface InputSpec {
  readonly name: string
  readonly shape: Shape
  readonly dtype?: DType
}

/** A network: from inputs [batch, …] to named outputs [batch, …], its parameters declared on the scope. */
export interface Network {
  readonly inputs: readonly InputSpec[]
  readonly forward: (scope: Scope, inputs: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>
}

/** What a network is trained against: further inputs and a scalar loss over its outputs. */
export interface Objective {
  readonly inputs: readonly InputSpec[]
  readonly loss: (
    scope: Scope,
    outputs: Readonly<Record<string, Tensor>>,
    targets: Readonly<Record<string, Tensor>>,
  ) => Tensor
}

export type Weights = ReadonlyMap<string, Float32Array>

/** One training step as one graph: forward, backward, clipping and AdamW. */
export interface TrainingGraph {
  readonly graph: Graph
  readonly model: OnnxModel
  readonly batch: number
  readonly inputs: readonly InputSpec[]
  readonly parameters: readonly ParameterSpec[]
  readonly masks: readonly MaskSpec[]
  readonly optimiser: ResolvedAdamW
}

const declare = (graph: Graph, inputs: readonly InputSpec[], batch: number): Record<string, Tensor> =>
  Object.fromEntries(inputs.map(({name, shape, dtype}) => [name, graph.input(name, [batch, ...shape], dtype)]))

/** Builds the training step of a network for one batch size. Outputs: `loss`, `gradient-norm`, and the next state. */
export const buildTraining = (
  network: Network,
  objective: Objective,
  {batch, ...adamw}: AdamWOptions & {readonly batch: number},
): TrainingGraph => {
  const optimiser = resolveAdamW(adamw)
  const {graph, scope, loss} = buildLoss(network, objective, batch)
  const found = gradients(
    loss,
    scope.parameters.map(({name}) => scope.tensorOf(name)),
  )
  graph.output('loss', loss)
  appendAdamW(graph, scope, found, optimiser)
  const inputs = [...network.inputs, ...objective.inputs]
  return {graph, model: lower(graph), batch, inputs, parameters: scope.parameters, masks: scope.masks, optimiser}
}

/** The loss and its derivatives (`d:NAME`) without an optimiser: what gradient checks compare. */
export const buildGradients = (
  network: Network,
  objective: Objective,
  batch: number,
): {readonly graph: Graph; readonly scope: Scope} => {
  const {graph, scope, loss} = buildLoss(network, objective, batch)
  const found = gradients(
    loss,
    scope.parameters.map(({name}) => scope.tensorOf(name)),
  )
  graph.output('loss', loss)
  for (const [i, {name}] of scope.parameters.entries()) graph.output(`d:${name}`, found[i] as Tensor)
  return {graph, scope}
}

const buildLoss = (network: Network, objective: Objective, batch: number) => {
  const graph = new Graph()
  const scope = new Scope(graph, 'train')
  const outputs = network.forward(scope, declare(graph, network.inputs, batch))
  const loss = objective.loss(scope, outputs, declare(graph, objective.inputs, batch))
  return {graph, scope, loss}
}

/** The graph to serve: forward only, fused operators, any batch unless one is given. */
export const buildInference = (
  network: Network,
  batch: number = SYMBOLIC_BATCH,
): {readonly graph: Graph; readonly scope: Scope} => {
  const graph = new Graph()
  const scope = new Scope(graph, 'serve')
  const outputs = network.forward(scope, declare(graph, network.inputs, batch))
  for (const [name, tensor] of Object.entries(outputs)) graph.output(name, tensor)
  return {graph, scope}
}

/** The served model with its weights inside. */
export const exportInference = (
  network: Network,
  weights: Weights,
  metadata: Readonly<Record<string, string>> = {},
): OnnxModel => lower(buildInference(network).graph, {metadata, weights, symbolicBatch: true})

/** First weights of every parameter; each draws from its own stream, so adding a layer never shifts another's. */
export const initialWeights = (parameters: readonly ParameterSpec[], rng: Rng): Map<string, Float32Array> =>
  new Map(parameters.map(({name, shape, init}) => [name, init(shape, rng.fork(name))]))
