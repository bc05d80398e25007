// Rollouts are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import type {GraphSession, OpenSession, SessionTensor} from '../nn/execution.ts'
import type {Tensor} from '../nn/graph.ts'
import {constantInit, orthogonalInit} from '../nn/initialisers.ts'
import {linear} from '../nn/layers/basic.ts'
import {buildTraining, exportInference, initialWeights, type Network, type Objective, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import * as ops from '../nn/ops.ts'
import {initialState, Optimisation} from '../nn/optimisation.ts'
import type {Scope} from '../nn/scope.ts'

export interface Transition {
  readonly observation: Float32Array
  readonly reward: number
  /** The episode ended by itself: nothing comes after. */
  readonly terminated: boolean
  /** It was cut off by a time limit: its value is bootstrapped. */
  readonly truncated: boolean
}

/** A world to act in. `actions` discrete choices, or as many real numbers when `isContinuous`. */
export interface Environment {
  readonly observationSize: number
  readonly actions: number
  readonly isContinuous?: boolean
  readonly reset: (rng: Rng) => Float32Array
  /** One number, the choice, or `actions` numbers. Valid until the next call. */
  readonly step: (action: Float32Array) => Transition
}

/** Defaults are those of CleanRL's ppo.py (Huang et al. 2022). */
export interface PpoOptions {
  readonly environments: number
  readonly rollout: number
  readonly epochs: number
  readonly minibatches: number
  readonly learningRate: number
  readonly discount: number
  readonly lambda: number
  readonly clip: number
  readonly entropy: number
  readonly valueWeight: number
  readonly hidden: number
  readonly totalSteps: number
}

export const PPO_DEFAULTS: PpoOptions = {
  environments: 4,
  rollout: 128,
  epochs: 4,
  minibatches: 4,
  learningRate: 2.5e-4,
  discount: 0.99,
  lambda: 0.95,
  clip: 0.2,
  entropy: 0.01,
  valueWeight: 0.5,
  hidden: 64,
  totalSteps: 500_000,
}

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
    const tower = (name: string, out: number, gain: number): Tensor => {
      const inner = scope.child(name)
      const layer = (at: string, x: Tensor): Tensor =>
        ops.tanh(linear(inner, at, x, hidden, {init: orthogonalInit(Math.SQRT2)}))
      return linear(inner, 'head', layer('second', layer('first', observation as Tensor)), out, {
        init: orthogonalInit(gain),
      })
    }
    const policy = tower('actor', actions, 0.01)
    const value = ops.reshape(tower('critic', 1, 1), [-1])
    if (!isContinuous) return {policy, value}
    // Where nothing depends on the state the deviation still has to be a row per observation: an output of the network.
    const logDeviation = ops.add(
      ops.mul(policy, 0),
      scope.parameter('actor-spread', [actions], constantInit(-0.5), false),
    )
    return {policy, value, 'log-deviation': logDeviation}
  },
})

const LOG_2PI = Math.log(2 * Math.PI)

/** Clipped surrogate, clipped value loss and entropy bonus (Schulman et al. 2017). */
export const ppoObjective = (
  {actions, isContinuous}: PolicySpec,
  {clip, entropy, valueWeight}: PpoOptions,
): Objective => ({
  inputs: [
    {name: 'action', shape: [actions]},
    {name: 'old-log-probability', shape: []},
    {name: 'advantage', shape: []},
    {name: 'return', shape: []},
    {name: 'old-value', shape: []},
  ],
  loss(scope, outputs, targets) {
    const target = (name: string): Tensor => targets[name] as Tensor
    const {logProbability, spread} = isContinuous
      ? gaussian(outputs, target('action'))
      : categorical(outputs['policy'] as Tensor, target('action'))
    const ratio = ops.exp(ops.sub(logProbability, target('old-log-probability')))
    const clipped = ops.minimum(ops.maximum(ratio, 1 - clip), 1 + clip)
    const gain = ops.minimum(ops.mul(ratio, target('advantage')), ops.mul(clipped, target('advantage')))
    const value = outputs['value'] as Tensor
    const moved = ops.sub(value, target('old-value'))
    const near = ops.add(target('old-value'), ops.minimum(ops.maximum(moved, -clip), clip))
    const square = (t: Tensor): Tensor => ops.mul(t, t)
    const valueLoss = ops.maximum(square(ops.sub(value, target('return'))), square(ops.sub(near, target('return'))))
    report(scope, logProbability, target('old-log-probability'), ratio, clip)
    const value05 = ops.mul(ops.reduceMean(valueLoss), 0.5 * valueWeight)
    return ops.sub(ops.add(ops.neg(ops.reduceMean(gain)), value05), ops.mul(ops.reduceMean(spread), entropy))
  },
})

const categorical = (logits: Tensor, action: Tensor) => {
  const logs = ops.logSoftmax(logits)
  return {
    logProbability: ops.reduceSum(ops.mul(logs, action), [1]),
    spread: ops.neg(ops.reduceSum(ops.mul(ops.exp(logs), logs), [1])),
  }
}

const gaussian = (outputs: Readonly<Record<string, Tensor>>, action: Tensor) => {
  const logDeviation = outputs['log-deviation'] as Tensor
  const z = ops.mul(ops.sub(action, outputs['policy'] as Tensor), ops.exp(ops.neg(logDeviation)))
  const density = ops.add(ops.add(ops.mul(ops.mul(z, z), 0.5), logDeviation), LOG_2PI / 2)
  return {
    logProbability: ops.neg(ops.reduceSum(density, [1])),
    spread: ops.reduceSum(ops.add(logDeviation, (1 + LOG_2PI) / 2), [1]),
  }
}

/** What tells a healthy run from a sick one: the k3 estimate of the KL divergence, and how often the clip bites. */
const report = (scope: Scope, now: Tensor, before: Tensor, ratio: Tensor, clip: number): void => {
  const logRatio = ops.sub(now, before)
  scope.graph.output('approximate-kl', ops.reduceMean(ops.sub(ops.sub(ratio, 1), logRatio)))
  scope.graph.output('clip-fraction', ops.reduceMean(ops.toFloat(ops.greater(ops.abs(ops.sub(ratio, 1)), clip))))
}

/**
 * Generalised advantage estimation (Schulman et al. 2016) of one environment. `values` has one more entry than rewards:
 * the value after the last step. `ends[t]` 1: the episode ended at t. A truncated step adds the value it was cut off
 * from: pass it in `bootstraps`.
 */
export const advantagesOf = (
  rewards: Float64Array,
  values: Float64Array,
  ends: Uint8Array,
  bootstraps: Float64Array,
  {discount, lambda}: Pick<PpoOptions, 'discount' | 'lambda'>,
): Float64Array => {
  const out = new Float64Array(rewards.length)
  let running = 0
  for (let t = rewards.length - 1; t >= 0; t--) {
    const next = ends[t] === 1 ? bootstraps[t]! : values[t + 1]!
    const delta = rewards[t]! + discount * next - values[t]!
    running = delta + (ends[t] === 1 ? 0 : discount * lambda * running)
    out[t] = running
  }
  return out
}

export interface PpoProgress {
  readonly steps: number
  readonly update: number
  /** Mean undiscounted return of the last hundred episodes; NaN before the first ends. */
  readonly meanReturn: number
  readonly approximateKl: number
  readonly clipFraction: number
}

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

/** Trains a policy. Deterministic for a seeded `rng`. `onUpdate` may return false to end early. */
export const trainPolicy = (
  makeEnvironment: () => Environment,
  options: PpoOptions,
  rng: Rng,
  open: OpenSession,
  onUpdate: (progress: PpoProgress) => boolean = () => true,
): {readonly spec: PolicySpec; readonly weights: Weights; readonly steps: number} => {
  const environments = Array.from({length: options.environments}, makeEnvironment)
  const first = environments[0]!
  const {observationSize, actions, isContinuous = false} = first
  const spec = {observationSize, actions, isContinuous, hidden: options.hidden}
  const size = options.environments * options.rollout
  const minibatch = size / options.minibatches
  const training = buildTraining(policyNetwork(spec), ppoObjective(spec, options), {
    batch: minibatch,
    weightDecay: 0,
    epsilon: 1e-5,
    clipNorm: 0.5,
  })
  const session = open(writeOnnx(training.model), {threads: 1})
  const optimisation = new Optimisation(
    training,
    session,
    initialState(training, initialWeights(training.parameters, rng.fork('weights'))),
  )
  const collector = new Collector(environments, spec, options, rng.fork('act'))
  const shuffle = rng.fork('shuffle')
  const updates = Math.ceil(options.totalSteps / size)
  for (let update = 0; update < updates; update++) {
    const runner = new PolicyRunner(spec, optimisation.weights(), open)
    const rollout = collector.collect(runner)
    runner.dispose()
    const rate = options.learningRate * (1 - update / updates)
    let last: Readonly<Record<string, number>> = {}
    for (let epoch = 0; epoch < options.epochs; epoch++) {
      const order = permutation(size, shuffle)
      for (let from = 0; from < size; from += minibatch) {
        last = optimisation.run(takeRows(rollout, order.subarray(from, from + minibatch)), rate, shuffle).parts
      }
    }
    const progress = {
      steps: (update + 1) * size,
      update,
      meanReturn: collector.meanReturn,
      approximateKl: last['approximate-kl'] ?? Number.NaN,
      clipFraction: last['clip-fraction'] ?? Number.NaN,
    }
    if (!onUpdate(progress)) break
  }
  const weights = optimisation.weights()
  session.dispose()
  return {spec, weights, steps: optimisation.step}
}

type Rollout = Readonly<Record<string, {readonly data: Float32Array; readonly width: number}>>

/** Rows of a rollout as a batch, its advantages standardised over the minibatch. */
const takeRows = (rollout: Rollout, rows: Int32Array): Record<string, Float32Array> => {
  const batch: Record<string, Float32Array> = {}
  for (const [name, {data, width}] of Object.entries(rollout)) {
    const out = new Float32Array(rows.length * width)
    for (const [i, row] of rows.entries()) out.set(data.subarray(row * width, (row + 1) * width), i * width)
    batch[name] = out
  }
  const advantage = batch['advantage']!
  const mean = advantage.reduce((sum, value) => sum + value, 0) / advantage.length
  const deviation = Math.sqrt(advantage.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (advantage.length - 1))
  for (let i = 0; i < advantage.length; i++) advantage[i] = (advantage[i]! - mean) / (deviation + 1e-8)
  return batch
}

const permutation = (size: number, rng: Rng): Int32Array => {
  const out = Int32Array.from({length: size}, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const j = rng.below(i + 1)
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}

/** Plays all environments side by side and remembers what PPO needs. */
class Collector {
  readonly #environments: readonly Environment[]
  readonly #spec: PolicySpec
  readonly #options: PpoOptions
  readonly #rng: Rng
  readonly #observations: Float32Array
  readonly #returns: Float64Array
  readonly #finished: number[] = []

  constructor(environments: readonly Environment[], spec: PolicySpec, options: PpoOptions, rng: Rng) {
    this.#environments = environments
    this.#spec = spec
    this.#options = options
    this.#rng = rng
    this.#observations = new Float32Array(environments.length * spec.observationSize)
    this.#returns = new Float64Array(environments.length)
    for (const [i, environment] of environments.entries())
      this.#observations.set(environment.reset(rng), i * spec.observationSize)
  }

  get meanReturn(): number {
    const recent = this.#finished.slice(-100)
    return recent.reduce((sum, value) => sum + value, 0) / recent.length
  }

  collect(runner: PolicyRunner): Rollout {
    const {rollout, environments: count} = this.#options
    const {observationSize, actions} = this.#spec
    const size = rollout * count
    const out = {
      observation: {data: new Float32Array(size * observationSize), width: observationSize},
      action: {data: new Float32Array(size * actions), width: actions},
      'old-log-probability': {data: new Float32Array(size), width: 1},
      advantage: {data: new Float32Array(size), width: 1},
      return: {data: new Float32Array(size), width: 1},
      'old-value': {data: new Float32Array(size), width: 1},
    }
    // Rows of one environment are contiguous, in time order.
    const rewards = new Float64Array(size)
    const ends = new Uint8Array(size)
    const bootstraps = new Float64Array(size)
    for (let t = 0; t < rollout; t++) {
      const heads = runner.evaluate(this.#observations, count)
      for (let e = 0; e < count; e++) {
        const row = e * rollout + t
        const slot = this.#observations.subarray(e * observationSize, (e + 1) * observationSize)
        out.observation.data.set(slot, row * observationSize)
        const {action, encoded, logProbability} = drawAction(this.#spec, heads, e, this.#rng)
        out.action.data.set(encoded, row * actions)
        out['old-log-probability'].data[row] = logProbability
        out['old-value'].data[row] = heads.value[e]!
        const {observation, reward, terminated, truncated} = this.#environments[e]!.step(action)
        rewards[row] = reward
        this.#returns[e]! += reward
        if (terminated || truncated) {
          ends[row] = 1
          bootstraps[row] = terminated ? 0 : runner.evaluate(observation, 1).value[0]!
          this.#finished.push(this.#returns[e]!)
          this.#returns[e] = 0
          slot.set(this.#environments[e]!.reset(this.#rng))
        } else slot.set(observation)
      }
    }
    const last = runner.evaluate(this.#observations, count).value
    for (let e = 0; e < count; e++) this.#finish(out, e, last[e]!, {rewards, ends, bootstraps})
    return out
  }

  #finish(
    out: Rollout,
    e: number,
    lastValue: number,
    {
      rewards,
      ends,
      bootstraps,
    }: {readonly rewards: Float64Array; readonly ends: Uint8Array; readonly bootstraps: Float64Array},
  ): void {
    const {rollout} = this.#options
    const [from, to] = [e * rollout, (e + 1) * rollout]
    const oldValue = out['old-value']!.data
    const values = Float64Array.from({length: rollout + 1}, (_, t) => (t < rollout ? oldValue[from + t]! : lastValue))
    const found = advantagesOf(
      rewards.subarray(from, to),
      values,
      ends.subarray(from, to),
      bootstraps.subarray(from, to),
      this.#options,
    )
    for (let t = 0; t < rollout; t++) {
      out['advantage']!.data[from + t] = found[t]!
      out['return']!.data[from + t] = found[t]! + values[t]!
    }
  }
}
