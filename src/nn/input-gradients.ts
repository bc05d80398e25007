import {gradients} from './autodiff.ts'
import {Graph, type Tensor} from './graph.ts'
import {lower} from './lower.ts'
import type {InputSpec, Network, Objective} from './nn.ts'
import type {OnnxModel} from './onnx-model.ts'
import {type MaskSpec, type ParameterSpec, Scope} from './scope.ts'

export interface InputGradients {
  readonly graph: Graph
  readonly model: OnnxModel
  readonly batch: number
  readonly inputs: readonly InputSpec[]
  readonly parameters: readonly ParameterSpec[]
  /** Dropout masks of the training graph; ones switch it off. */
  readonly masks: readonly MaskSpec[]
}

/**
 * The loss of a network and its derivative by each of the network's own inputs (`d:NAME`), by the same reverse mode that
 * trains it: which way an input would have to move for the loss to rise.
 */
export const buildInputGradients = (network: Network, objective: Objective, batch: number): InputGradients => {
  const graph = new Graph()
  const scope = new Scope(graph, 'train')
  const declare = (inputs: readonly InputSpec[]): Record<string, Tensor> =>
    Object.fromEntries(inputs.map(({name, shape, dtype}) => [name, graph.input(name, [batch, ...shape], dtype)]))
  const own = declare(network.inputs)
  const loss = objective.loss(scope, network.forward(scope, own), declare(objective.inputs))
  const names = network.inputs.map(({name}) => name)
  const found = gradients(
    loss,
    names.map(name => own[name] as Tensor),
  )
  graph.output('loss', loss)
  for (const [i, name] of names.entries()) graph.output(`d:${name}`, found[i] as Tensor)
  const inputs = [...network.inputs, ...objective.inputs]
  return {graph, model: lower(graph), batch, inputs, parameters: scope.parameters, masks: scope.masks}
}
