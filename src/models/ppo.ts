import type {Rng} from '../domain/rng.ts'
import type {OpenSession} from '../nn/execution.ts'
import type {Tensor} from '../nn/graph.ts'
import {buildTraining, initialWeights, type Objective, type Weights} from '../nn/nn.ts'
import {writeOnnx} from '../nn/onnx-writer.ts'
import * as ops from '../nn/ops.ts'
import {initialState, Optimisation, type OptimiserState} from '../nn/optimisation.ts'
import type {Scope} from '../nn/scope.ts'
import {LOG_2PI, PolicyRunner, type PolicySpec, policyNetwork} from './policy-network.ts'
import {
  Collector,
  type CollectorState,
  type Environment,
  permutation,
  type RolloutOptions,
  takeRows,
} from './policy-rollout.ts'

/** Defaults are those of CleanRL's ppo.py (Huang et al. 2022). */
export interface PpoOptions extends RolloutOptions {
  readonly epochs: number
  readonly minibatches: number
  readonly learningRate: number
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

export interface PpoProgress {
  /** Steps of all worlds so far. */
  readonly steps: number
  readonly update: number
  /** Updates of the whole run. */
  readonly updates: number
  /** Mean undiscounted return of the last hundred episodes; NaN before the first ends. */
  readonly meanReturn: number
  readonly loss: number
  readonly approximateKl: number
  readonly clipFraction: number
  /** Copies, made when asked for. */
  readonly weights: () => Weights
  readonly state: () => PpoState
}

/** Everything a run is between two updates: with the same options and generator it goes on bit for bit. */
export interface PpoState {
  /** Updates done. */
  readonly updates: number
  readonly optimiser: OptimiserState
  readonly collector: CollectorState
}

/**
 * Trains a policy. Deterministic for a seeded `rng`, each update drawing from streams of its own. `onUpdate` may return
 * false to end early; `resume` goes on from a saved state.
 */
export const trainPolicy = (
  makeEnvironment: (index: number) => Environment,
  options: PpoOptions,
  rng: Rng,
  open: OpenSession,
  onUpdate: (progress: PpoProgress) => boolean = () => true,
  resume?: PpoState,
): {readonly spec: PolicySpec; readonly weights: Weights; readonly steps: number} => {
  const environments = Array.from({length: options.environments}, (_, index) => makeEnvironment(index))
  const first = environments[0] as Environment
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
  const fresh = (): OptimiserState => initialState(training, initialWeights(training.parameters, rng.fork('weights')))
  const optimisation = new Optimisation(training, session, resume?.optimiser ?? fresh())
  const collector = new Collector(environments, spec, options, resume?.collector ?? rng.fork('start'))
  const updates = Math.ceil(options.totalSteps / size)
  for (let update = resume?.updates ?? 0; update < updates; update++) {
    const runner = new PolicyRunner(spec, optimisation.weights(), open)
    const rollout = collector.collect(runner, rng.fork(`act/${update}`))
    runner.dispose()
    const shuffle = rng.fork(`shuffle/${update}`)
    const rate = options.learningRate * (1 - update / updates)
    let loss = Number.NaN
    let parts: Readonly<Record<string, number>> = {}
    for (let epoch = 0; epoch < options.epochs; epoch++) {
      const order = permutation(size, shuffle)
      for (let from = 0; from < size; from += minibatch) {
        const batch = takeRows(rollout, order.subarray(from, from + minibatch))
        ;({loss, parts} = optimisation.run(batch, rate, shuffle))
      }
    }
    const progress = {
      steps: (update + 1) * size,
      update,
      updates,
      meanReturn: collector.meanReturn,
      loss,
      approximateKl: parts['approximate-kl'] ?? Number.NaN,
      clipFraction: parts['clip-fraction'] ?? Number.NaN,
      weights: () => optimisation.weights(),
      state: () => ({updates: update + 1, optimiser: optimisation.state(), collector: collector.state()}),
    }
    if (!onUpdate(progress)) break
  }
  const weights = optimisation.weights()
  session.dispose()
  return {spec, weights, steps: optimisation.step}
}
