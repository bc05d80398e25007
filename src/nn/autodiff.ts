import {gradientRules} from './gradients.ts'
import type {Graph, GraphNode, Tensor} from './graph.ts'
import {add} from './ops.ts'
import {ShapeError} from './shape.ts'

/**
 * Appends the reverse-mode derivatives of a scalar `loss` to its graph and gives the gradient of each tensor in `of`,
 * in order. Only nodes on a path from `of` to the loss are visited. A tensor that the loss does not depend on is an
 * error: it is a parameter that would silently never learn.
 */
export const gradients = (loss: Tensor, of: readonly Tensor[]): readonly Tensor[] => {
  if (loss.shape.length !== 0) throw new ShapeError(`a loss must be a scalar, was of shape [${loss.shape}]`)
  const graph = loss.graph
  const forward = [...graph.nodes]
  const wanted = dependents(forward, of)
  const partial = new Map<Tensor, Tensor>([[loss, graph.scalar(1)]])

  for (const node of forward.reverse()) {
    if (!node.outputs.some(output => partial.has(output)) || !node.inputs.some(input => wanted.has(input))) continue
    const rule = gradientRules[node.op]
    if (rule === undefined) throw new ShapeError(`${node.op} has no derivative rule`)
    const found = rule(
      node,
      node.outputs.map(output => partial.get(output)),
    )
    accumulate(node, found, wanted, partial)
  }
  return of.map(tensor => {
    const gradient = partial.get(tensor)
    if (gradient === undefined) throw new ShapeError(`the loss does not depend on ${tensor.name} [${tensor.shape}]`)
    return gradient
  })
}

const accumulate = (
  node: GraphNode,
  found: readonly (Tensor | undefined)[],
  wanted: ReadonlySet<Tensor>,
  partial: Map<Tensor, Tensor>,
): void => {
  for (const [i, input] of node.inputs.entries()) {
    const gradient = found[i]
    if (gradient === undefined || !wanted.has(input)) continue
    if (gradient.shape.join() !== input.shape.join()) {
      throw new ShapeError(
        `derivative of ${node.op} input ${i} has shape [${gradient.shape}], expected [${input.shape}]`,
      )
    }
    const sofar = partial.get(input)
    partial.set(input, sofar === undefined ? gradient : add(sofar, gradient))
  }
}

/** Every tensor that depends on one of the sources, the sources included. */
const dependents = (nodes: Graph['nodes'], sources: readonly Tensor[]): ReadonlySet<Tensor> => {
  const reached = new Set(sources)
  for (const node of nodes) {
    if (!node.inputs.some(input => reached.has(input))) continue
    for (const output of node.outputs) reached.add(output)
  }
  return reached
}
