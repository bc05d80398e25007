// Periods and strategies are indexed inside their bounds, hence the `!`.
import {StrategyFeatures, writeHoldings} from '../features/strategy-features.ts'
import type {WeightLimits} from '../features/strategy-weights.ts'
import type {PolicyRunner} from './policy-network.ts'
import type {PolicyMarket, StrategyStreams, Stretch} from './policy-streams.ts'
import {type AllocationRun, allocate, equalWeights, type WeightsRule, weightsAsked} from './strategy-environment.ts'

export const BASELINES = ['equalWeight', 'inverseVolatility', 'bestFixed', 'cash', 'oracle'] as const
export type BaselineName = (typeof BASELINES)[number]

/**
 * The rules a policy is shown beside. `bestFixed` is the strategy that grew most in training, held for ever. `oracle` is
 * an upper mark that nobody can reach: each period the best of all strategies and cash, known beforehand and reached for
 * nothing.
 */
export const baselineRuns = (
  {streams}: PolicyMarket,
  train: Stretch,
  test: Stretch,
): Readonly<Record<BaselineName, AllocationRun>> => {
  const equal = equalWeights(streams.available)
  const zero = new Float64Array(equal.length)
  const best = bestStrategy(streams, train)
  const fixed = Float64Array.from(equal, (_, s) => (s === best ? 1 : 0))
  return {
    equalWeight: allocate(streams, test, () => equal),
    inverseVolatility: allocate(streams, test, inverseVolatilityRule(streams, test)),
    bestFixed: allocate(streams, test, () => fixed),
    cash: allocate(streams, test, () => zero, {start: zero}),
    oracle: oracleRun(streams, test),
  }
}

/** Of those that run; the first of equals. */
export const bestStrategy = ({returns, available}: StrategyStreams, {from, to}: Stretch): number => {
  const count = available.length
  const growth = available.map((runs, s) => {
    if (!runs) return Number.NEGATIVE_INFINITY
    let log = 0
    for (let at = from; at < to; at++) log += Math.log(Math.max(1e-6, 1 + returns[at * count + s]!))
    return log
  })
  return growth.indexOf(Math.max(...growth))
}

/** Shares in proportion to one over volatility among the strategies that have moved; the others keep an equal share. */
const inverseVolatilityRule = ({available, returns}: StrategyStreams, {from}: Stretch): WeightsRule => {
  const count = available.length
  const equal = equalWeights(available)
  const tracker = new StrategyFeatures(available)
  for (let at = 0; at < from; at++) tracker.push(returns, at * count)
  return at => {
    if (at > from) tracker.push(returns, (at - 1) * count)
    const raw = available.map((_, s) => (tracker.hasMoved(s) ? 1 / tracker.deviation(s) : 0))
    const total = raw.reduce((sum, value) => sum + value, 0)
    const share = equal.reduce((sum, weight, s) => (raw[s]! > 0 ? sum + weight : sum), 0)
    return equal.map((weight, s) => (raw[s]! > 0 ? (share * raw[s]!) / total : weight))
  }
}

const oracleRun = ({strategies, returns}: StrategyStreams, {from, to}: Stretch): AllocationRun => {
  const count = strategies.length
  const best = Float64Array.from({length: to - from}, (_, k) => {
    let top = 0
    for (let s = 0; s < count; s++) top = Math.max(top, returns[(from + k) * count + s]!)
    return top
  })
  return {returns: best, weights: new Float64Array(best.length * count), turnover: Number.NaN, cash: Number.NaN}
}

/** What a trained policy does over a stretch: its mean action in each period. */
export const policyRun = (
  market: PolicyMarket,
  stretch: Stretch,
  runner: Pick<PolicyRunner, 'act'>,
  limits: WeightLimits,
): AllocationRun => {
  const {streams, features, width} = market
  const observation = new Float32Array(width)
  const rule: WeightsRule = (at, held, drawdown) => {
    observation.set(features.subarray(at * width, (at + 1) * width))
    writeHoldings(observation, held, drawdown)
    return weightsAsked(market, at, runner.act(observation), limits)
  }
  return allocate(streams, stretch, rule, limits)
}
