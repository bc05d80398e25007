// Kernels index dense arrays inside their bounds, hence the `!`.
import type {Graph, GraphNode, Tensor} from './graph.ts'
import {kernels, type NdArray} from './interpreter-kernels.ts'
import {ShapeError, sizeOf} from './shape.ts'

export type {NdArray} from './interpreter-kernels.ts'

/**
 * Evaluates a graph in float64 with plain loops, one kernel an operator, sharing nothing with ONNX Runtime: the oracle
 * that its results and its derivatives are checked against. Slow by intent. Integers and booleans travel as numbers.
 *
 * @param feeds values of every input, by name, in row-major order
 * @returns the named outputs
 */
export const interpret = (
  graph: Graph,
  feeds: Readonly<Record<string, ArrayLike<number>>>,
): ReadonlyMap<string, NdArray> => {
  const values = new Map<Tensor, NdArray>()
  for (const input of graph.inputs) {
    const given = feeds[input.name]
    if (given === undefined) throw new ShapeError(`input "${input.name}" was not fed`)
    if (given.length !== sizeOf(input.shape)) {
      throw new ShapeError(
        `input "${input.name}" [${input.shape}] needs ${sizeOf(input.shape)} values, was ${given.length}`,
      )
    }
    values.set(input, {shape: input.shape, data: Float64Array.from(given)})
  }
  for (const {tensor, values: numbers} of graph.constants) {
    values.set(tensor, {shape: tensor.shape, data: Float64Array.from(numbers)})
  }
  for (const node of graph.nodes) evaluateNode(node, values)
  return new Map([...graph.outputs].map(([name, tensor]) => [name, values.get(tensor) as NdArray]))
}

const evaluateNode = (node: GraphNode, values: Map<Tensor, NdArray>): void => {
  const kernel = kernels[node.op]
  if (kernel === undefined) throw new ShapeError(`${node.op} has no float64 kernel`)
  const results = kernel(
    node.inputs.map(input => values.get(input) as NdArray),
    node.attributes,
    node.outputs.map(output => output.shape),
  )
  for (const [i, output] of node.outputs.entries()) {
    const data = results[i]!
    if (data.length !== sizeOf(output.shape))
      throw new ShapeError(`${node.op} gave ${data.length} values for [${output.shape}]`)
    values.set(output, {shape: output.shape, data})
  }
}
