// Probabilities are indexed inside their bounds, hence the `!`.
import type {Tensor} from '../nn/graph.ts'
import type {Network, Weights} from '../nn/nn.ts'
import * as ops from '../nn/ops.ts'
import {CLASSES} from './dataset.ts'
import {SIGNAL_OUTPUTS} from './networks.ts'

/**
 * Weights of a mixture of probability forecasts that minimise its log loss on held-out rows, by exponentiated gradient:
 * convex, so where it starts does not matter. They are not negative and sum to 1.
 */
export const fitMixture = (truth: ArrayLike<number>, members: readonly Float32Array[], turns = 300): number[] => {
  let weights = members.map(() => 1 / members.length)
  for (let turn = 0; turn < turns; turn++) {
    const gain = members.map(() => 0)
    for (let i = 0; i < truth.length; i++) {
      const at = CLASSES * i + truth[i]!
      const mixed = members.reduce((sum, member, m) => sum + weights[m]! * member[at]!, 0)
      for (const [m, member] of members.entries()) gain[m]! += member[at]! / Math.max(1e-9, mixed) / truth.length
    }
    const raised = weights.map((weight, m) => weight * Math.exp(0.5 * (gain[m]! - 1)))
    const total = raised.reduce((sum, weight) => sum + weight, 0)
    weights = raised.map(weight => weight / total)
  }
  return weights
}

/** Members side by side in one graph, their outputs averaged by fixed weights. For serving: members train alone. */
export const ensembleNetwork = (members: readonly Network[], weights: readonly number[]): Network => ({
  inputs: members[0]!.inputs,
  forward(scope, inputs) {
    const outputs = members.map((member, m) => member.forward(scope.child(memberName(m)), inputs))
    const average = (name: string): Tensor =>
      outputs.map((output, m) => ops.mul(output[name] as Tensor, weights[m]!)).reduce((sum, term) => ops.add(sum, term))
    return Object.fromEntries(SIGNAL_OUTPUTS.map(name => [name, average(name)]))
  },
})

const memberName = (m: number): string => `member${m}`

/** Weights of all members under the names that `ensembleNetwork` gives them. */
export const ensembleWeights = (members: readonly Weights[]): Map<string, Float32Array> =>
  new Map(
    members.flatMap((weights, m) =>
      [...weights].map(([name, values]) => [`${memberName(m)}/${name}`, values] as const),
    ),
  )
