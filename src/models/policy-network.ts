// Rows of observations are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import type {GraphSession, OpenSession, SessionTensor} from '../nn/execution.ts'
import type {Tensor} from '../nn/graph.ts'
import {constantInit, orthogonalInit} from '../nn/initialisers.ts'
import {linear} from '../nn/layers/basic.ts'
import {exportInference, type Network, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import * as ops from '../nn/ops.ts'
import type {Scope} from '../nn/scope.ts'

export interface PolicySpec {
  readonly observationSize: number
  readonly actions: number
  readonly isContinuous: boolean
  readonly hidden: number
}

/** Separate actor and critic of two tanh layers each, orthogonal weights: √2 inside, 0.01 and 1 at the heads. */
export const policyNetwork = ({observationSize, actions, isContinuous, hidden}: PolicySpec): Network => ({
  inputs: [{name: 'observation', shape: [observationSize]}],
  forward(scope, {observation}) {
    const policy = tower(scope.child('actor'), observation as Tensor, hidden, {out: actions, gain: ACTOR_GAIN})
    const critic = tower(scope.child('critic'), observation as Tensor, hidden, {out: 1, gain: 1})
    const value = ops.reshape(critic, [-1])
    if (!isContinuous) return {policy, value}
    // Where nothing depends on the state the deviation still has to be a row per observation: an output of the network.
    const logDeviation = ops.add(
      ops.mul(policy, 0),
      scope.parameter('actor-spread', [actions], constantInit(-0.5), false),
    )
    return {policy, value, 'log-deviation': logDeviation}
  },
})

/** The actor alone, over the same weights: what is served. Output `policy` [batch, actions]. */
export const actorNetwork = ({observationSize, actions, hidden}: PolicySpec): Network => ({
  inputs: [{name: 'observation', shape: [observationSize]}],
  forward: (scope, {observation}) => ({
    policy: tower(scope.child('actor'), observation as Tensor, hidden, {out: actions, gain: ACTOR_GAIN}),
  }),
})

const ACTOR_GAIN = 0.01

const tower = (
  scope: Scope,
  observation: Tensor,
  hidden: number,
  {out, gain}: {readonly out: number; readonly gain: number},
): Tensor => {
  const layer = (at: string, x: Tensor): Tensor =>
    ops.tanh(linear(scope, at, x, hidden, {init: orthogonalInit(Math.SQRT2)}))
  return linear(scope, 'head', layer('second', layer('first', observation)), out, {init: orthogonalInit(gain)})
}

/** Log density of a standard normal at zero, negated and doubled. */
export const LOG_2PI = Math.log(2 * Math.PI)

/** A policy that acts: most likely action, or one drawn by `rng`. */
export class PolicyRunner {
  readonly #spec: PolicySpec
  readonly #session: GraphSession

  constructor(spec: PolicySpec, weights: Weights, open: OpenSession) {
    this.#spec = spec
    this.#session = open(writeOnnx(exportInference(policyNetwork(spec), weights)), {threads: 1})
  }

  /** Policy head and value of `rows` observations. */
  evaluate(observations: Float32Array, rows: number) {
    const feed: SessionTensor = {type: 'float32', dims: [rows, this.#spec.observationSize], data: observations}
    const results = this.#session.run({observation: feed})
    const read = (name: string): Float32Array => results[name]?.data as Float32Array
    return {
      policy: read('policy'),
      value: read('value'),
      logDeviation: results['log-deviation']?.data as Float32Array | undefined,
    }
  }

  /** Deterministic action: the most likely choice, or the mean. */
  act(observation: Float32Array): Float32Array {
    const {policy} = this.evaluate(observation, 1)
    return this.#spec.isContinuous ? policy.slice() : Float32Array.of(policy.indexOf(Math.max(...policy)))
  }

  dispose(): void {
    this.#session.dispose()
  }
}

/** Action and log probability of row `row`, drawn by `rng`; for discrete spaces also its one-hot form. */
export const drawAction = (
  {actions, isContinuous}: PolicySpec,
  {policy, logDeviation}: {readonly policy: Float32Array; readonly logDeviation: Float32Array | undefined},
  row: number,
  rng: Rng,
): {readonly action: Float32Array; readonly encoded: Float32Array; readonly logProbability: number} => {
  const at = row * actions
  if (isContinuous) {
    let logProbability = 0
    const action = Float32Array.from({length: actions}, (_, i) => {
      const z = rng.normal()
      const log = logDeviation![at + i]!
      logProbability -= 0.5 * z * z + log + LOG_2PI / 2
      return policy[at + i]! + Math.exp(log) * z
    })
    return {action, encoded: action, logProbability}
  }
  let max = Number.NEGATIVE_INFINITY
  for (let i = 0; i < actions; i++) max = Math.max(max, policy[at + i]!)
  let total = 0
  for (let i = 0; i < actions; i++) total += Math.exp(policy[at + i]! - max)
  let left = rng.uniform() * total
  let choice = 0
  for (; choice < actions - 1; choice++) {
    left -= Math.exp(policy[at + choice]! - max)
    if (left <= 0) break
  }
  const encoded = new Float32Array(actions)
  encoded[choice] = 1
  return {action: Float32Array.of(choice), encoded, logProbability: policy[at + choice]! - max - Math.log(total)}
}
