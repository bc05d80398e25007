// Periods and strategies are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import {writeHoldings} from '../features/strategy-features.ts'
import {stepTowards, type WeightLimits, weightsOfScores} from '../features/strategy-weights.ts'
import type {Environment} from './policy-rollout.ts'
import type {PolicyMarket, StrategyStreams, Stretch} from './policy-streams.ts'

export interface StrategyEnvironmentOptions extends WeightLimits {
  /** Charged on each new depth of drawdown, as a multiple of it. */
  readonly drawdownPenalty: number
  /** Periods of an episode, which starts anywhere it fits. */
  readonly episode: number
  /** Shows the next period's returns: only for the test that a policy which knows the future wins. */
  readonly leaksFuture?: boolean
}

/** A market and the stretch of it that may be seen. */
export interface Ground {
  readonly market: PolicyMarket
  readonly stretch: Stretch
}

/** Equal shares of the strategies that run. */
export const equalWeights = (available: readonly boolean[]): Float64Array => {
  const running = available.filter(Boolean).length
  return Float64Array.from(available, runs => (runs ? 1 / running : 0))
}

/** Weights that scores ask for before period `at`: those that do not trade keep their equal share. */
export const weightsAsked = (
  {streams: {available}, moved}: Pick<PolicyMarket, 'streams' | 'moved'>,
  at: number,
  scores: ArrayLike<number>,
  limits: Pick<WeightLimits, 'minWeight'>,
): Float64Array =>
  weightsOfScores(scores, available, equalWeights(available), s => moved[at * available.length + s] === 1, limits)

/**
 * Return of a period in which `weights` were held, after the cost of coming from `before`: what had been in the market of
 * a strategy whose share changes is traded at the market's cost rate.
 */
export const periodReturn = (
  {returns, exposure, costRate}: StrategyStreams,
  at: number,
  before: ArrayLike<number>,
  weights: ArrayLike<number>,
): number => {
  const count = weights.length
  let net = 0
  for (let s = 0; s < count; s++) {
    net += weights[s]! * returns[at * count + s]!
    if (at > 0) net -= Math.abs(weights[s]! - before[s]!) * exposure[(at - 1) * count + s]! * costRate
  }
  return Math.max(-0.999999, net)
}

/**
 * Weights over strategies and cash, decided before each period from what earlier periods showed. An action is a score a
 * strategy and one for cash. Reward: log growth after switching costs, less a charge on new drawdown, in the market's
 * own deviations. Every episode plays one of the grounds, from anywhere in its stretch.
 */
export const strategyEnvironment = (
  grounds: readonly Ground[],
  {minWeight, maxTurnover, drawdownPenalty, episode, leaksFuture = false}: StrategyEnvironmentOptions,
): Environment => {
  const first = grounds[0]
  if (first === undefined) throw new RangeError('there is no market to play on')
  for (const {stretch, market} of grounds)
    if (stretch.to - stretch.from < episode)
      throw new RangeError(`${market.streams.market}: ${stretch.to - stretch.from} periods, episodes have ${episode}`)
  const count = first.market.streams.strategies.length
  const observationSize = first.market.width + (leaksFuture ? count : 0)
  let [ground, at, end, wealth, peak] = [0, 0, 0, 1, 1]
  let weights: Float64Array = new Float64Array(count)
  const observe = (): Float32Array => {
    const {market} = grounds[ground]!
    const out = new Float32Array(observationSize)
    // After the last period of the data there is nothing more to know: the last row stands for it.
    const row = Math.min(at, market.streams.endUs.length - 1)
    out.set(market.features.subarray(row * market.width, (row + 1) * market.width))
    writeHoldings(out, weights, 1 - wealth / peak)
    if (leaksFuture && at < market.streams.endUs.length)
      for (let s = 0; s < count; s++)
        out[market.width + s] = Math.max(-5, Math.min(5, market.streams.returns[at * count + s]! / market.scale))
    return out
  }
  return {
    observationSize,
    actions: count + 1,
    isContinuous: true,
    reset(rng: Rng) {
      ground = rng.below(grounds.length)
      const {market, stretch} = grounds[ground]!
      at = stretch.from + rng.below(stretch.to - stretch.from - episode + 1)
      end = at + episode
      weights = equalWeights(market.streams.available)
      ;[wealth, peak] = [1, 1]
      return observe()
    },
    step(action) {
      const {market} = grounds[ground]!
      const {streams, scale} = market
      const before = weights.slice()
      stepTowards(weights, weightsAsked(market, at, action, {minWeight}), maxTurnover)
      const growth = 1 + periodReturn(streams, at, before, weights)
      const depth = 1 - wealth / peak
      wealth *= growth
      peak = Math.max(peak, wealth)
      const deeper = Math.max(0, 1 - wealth / peak - depth)
      at++
      return {
        observation: observe(),
        reward: (Math.log(growth) - drawdownPenalty * deeper) / scale,
        terminated: false,
        truncated: at >= end,
      }
    },
    save: () => [ground, at, end, wealth, peak, ...weights],
    restore(saved) {
      ;[ground, at, end, wealth, peak] = saved as [number, number, number, number, number]
      weights = Float64Array.from(saved.slice(5))
    },
  }
}

/** Says the weights wanted in period `at`, from what was known before it. */
export type WeightsRule = (at: number, held: Float64Array, drawdown: number) => ArrayLike<number>

export interface AllocationRun {
  /** Net return of each period. */
  readonly returns: Float64Array
  /** [periods, strategies] as held. */
  readonly weights: Float64Array
  /** Mean sum of absolute changes of the weights a period. */
  readonly turnover: number
  /** Mean share in cash. */
  readonly cash: number
}

/** Runs any rule over a stretch with the environment's costs, starting from equal shares. */
export const allocate = (
  streams: StrategyStreams,
  {from, to}: Stretch,
  rule: WeightsRule,
  {maxTurnover = Infinity, start}: {readonly maxTurnover?: number; readonly start?: Float64Array} = {},
): AllocationRun => {
  const count = streams.strategies.length
  const held = start === undefined ? equalWeights(streams.available) : Float64Array.from(start)
  const returns = new Float64Array(to - from)
  const weights = new Float64Array((to - from) * count)
  let [wealth, peak, moved, invested] = [1, 1, 0, 0]
  for (let at = from; at < to; at++) {
    const before = held.slice()
    moved += stepTowards(held, rule(at, held, 1 - wealth / peak), maxTurnover)
    const net = periodReturn(streams, at, before, held)
    wealth *= 1 + net
    peak = Math.max(peak, wealth)
    returns[at - from] = net
    weights.set(held, (at - from) * count)
    invested += held.reduce((sum, weight) => sum + weight, 0)
  }
  const periods = Math.max(1, to - from)
  return {returns, weights, turnover: moved / periods, cash: 1 - invested / periods}
}
