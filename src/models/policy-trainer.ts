import type {Rng} from '../domain/rng.ts'
import type {WeightLimits} from '../features/strategy-weights.ts'
import type {OpenSession} from '../nn/execution.ts'
import type {Weights} from '../nn/nn.ts'
import {policyRun} from './policy-baselines.ts'
import type {PolicyTrainingState, PolicyValidation} from './policy-checkpoint.ts'
import {PolicyRunner, type PolicySpec} from './policy-network.ts'
import type {PolicyMarket, PolicySplit} from './policy-streams.ts'
import {PPO_DEFAULTS, type PpoOptions, trainPolicy} from './ppo.ts'
import {type Ground, strategyEnvironment} from './strategy-environment.ts'

export interface PolicyTrainerOptions extends WeightLimits {
  readonly hidden: number
  /** Rows of a minibatch; a rollout has four. */
  readonly batch: number
  /** Optimiser steps, rounded up to whole updates of 16. */
  readonly maxSteps: number
  readonly validateEvery: number
  /** Validations without gain before stopping. */
  readonly patience: number
  readonly drawdownPenalty: number
  readonly episode: number
  readonly learningRate: number
  readonly discount: number
}

/** A market with the stretches it is used in. */
export interface PolicyGround {
  readonly market: PolicyMarket
  readonly split: PolicySplit
}

export interface PolicyStep {
  readonly step: number
  readonly total: number
  readonly loss: number
  readonly validation?: PolicyValidation
  readonly state: () => PolicyTrainingState
}

export interface TrainedPolicy {
  readonly spec: PolicySpec
  /** Of the best validation. */
  readonly weights: Weights
  readonly best: {readonly step: number; readonly validReward: number}
  readonly steps: number
  readonly history: readonly PolicyValidation[]
  readonly trainLoss: number
  readonly stoppedBy: 'steps' | 'patience' | 'signal'
}

const ENVIRONMENTS = 8
/** Optimiser steps of one update: epochs times minibatches. */
export const STEPS_AN_UPDATE = PPO_DEFAULTS.epochs * PPO_DEFAULTS.minibatches

export const ppoOptionsOf = ({hidden, batch, maxSteps, learningRate, discount}: PolicyTrainerOptions): PpoOptions => {
  const rollout = (batch * PPO_DEFAULTS.minibatches) / ENVIRONMENTS
  return {
    ...PPO_DEFAULTS,
    environments: ENVIRONMENTS,
    rollout,
    learningRate,
    discount,
    entropy: 0,
    hidden,
    totalSteps: Math.ceil(maxSteps / STEPS_AN_UPDATE) * rollout * ENVIRONMENTS,
  }
}

/**
 * Trains a weight policy by PPO on the training stretches of all markets and keeps the weights that did best on the
 * validation stretches. `onStep` may return false to end; resumed from a state, the same bytes come out.
 */
export const trainWeightPolicy = (
  grounds: readonly PolicyGround[],
  options: PolicyTrainerOptions,
  rng: Rng,
  open: OpenSession,
  onStep: (step: PolicyStep) => boolean = () => true,
  resume?: PolicyTrainingState,
): TrainedPolicy => {
  const {minWeight, maxTurnover, drawdownPenalty, episode, validateEvery, patience} = options
  const places: Ground[] = grounds.map(({market, split}) => ({market, stretch: split.train}))
  const spec: PolicySpec = {
    observationSize: grounds[0]?.market.width ?? 0,
    actions: (grounds[0]?.market.streams.strategies.length ?? 0) + 1,
    isContinuous: true,
    hidden: options.hidden,
  }
  const history: PolicyValidation[] = [...(resume?.history ?? [])]
  let best = resume?.best
  let stoppedBy: TrainedPolicy['stoppedBy'] = 'steps'
  let steps = resume?.ppo.optimiser.step ?? 0
  let trainLoss = history.at(-1)?.trainLoss ?? Number.NaN
  const validate = (weights: Weights, step: number, meanReturn: number): PolicyValidation => {
    const runner = new PolicyRunner(spec, weights, open)
    const validReward = rewardOn(grounds, 'valid', runner, options)
    runner.dispose()
    const validation = {step, validReward, trainLoss, meanReturn: Number.isFinite(meanReturn) ? meanReturn : null}
    history.push(validation)
    if (best === undefined || validReward > best.validReward) best = {step, validReward, weights}
    return validation
  }
  const isStale = (): boolean => history.filter(({step}) => step > (best?.step ?? 0)).length >= patience
  if (resume === undefined || !isStale()) {
    trainPolicy(
      () => strategyEnvironment(places, {minWeight, maxTurnover, drawdownPenalty, episode}),
      ppoOptionsOf(options),
      rng,
      open,
      ({update, updates, loss, meanReturn, weights, state}) => {
        steps = (update + 1) * STEPS_AN_UPDATE
        trainLoss = loss
        const isLast = update + 1 === updates
        const isDue = Math.floor(steps / validateEvery) > Math.floor((steps - STEPS_AN_UPDATE) / validateEvery)
        const validation = isDue || isLast ? validate(weights(), steps, meanReturn) : undefined
        const goesOn = onStep({
          step: steps,
          total: updates * STEPS_AN_UPDATE,
          loss,
          ...(validation === undefined ? {} : {validation}),
          state: () => ({ppo: state(), best, history: [...history]}),
        })
        if (!goesOn) {
          stoppedBy = 'signal'
          // Stopped before the first validation there must still be something to serve.
          if (best === undefined) validate(weights(), steps, meanReturn)
        } else if (!isLast && validation !== undefined && isStale()) stoppedBy = 'patience'
        return stoppedBy === 'steps'
      },
      resume?.ppo,
    )
  } else stoppedBy = 'patience'
  if (best === undefined) throw new RangeError('no update was made, so there is no policy')
  return {spec, weights: best.weights, best, steps, history, trainLoss, stoppedBy}
}

/** Mean reward a period of the mean action on one part of every market, each period counting alike. */
const rewardOn = (
  grounds: readonly PolicyGround[],
  part: keyof PolicySplit,
  runner: PolicyRunner,
  {minWeight, maxTurnover, drawdownPenalty}: PolicyTrainerOptions,
): number => {
  let [sum, periods] = [0, 0]
  for (const {market, split} of grounds) {
    const {returns} = policyRun(market, split[part], runner, {minWeight, maxTurnover})
    let [wealth, peak, reward] = [1, 1, 0]
    for (const net of returns) {
      const depth = 1 - wealth / peak
      wealth *= 1 + net
      peak = Math.max(peak, wealth)
      reward += Math.log(1 + net) - drawdownPenalty * Math.max(0, 1 - wealth / peak - depth)
    }
    sum += reward / market.scale
    periods += returns.length
  }
  return sum / Math.max(1, periods)
}
