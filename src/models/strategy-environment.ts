// Return columns are indexed inside their bounds, hence the `!`.
import type {Rng} from '../domain/rng.ts'
import type {Environment} from './policy-rollout.ts'

export interface StrategyReturns {
  readonly strategies: readonly string[]
  /** [periods, strategies]: simple returns after each strategy's own costs. */
  readonly returns: Float64Array
}

export interface StrategyEnvironmentOptions {
  /** Cost of moving the whole capital once, as a fraction. */
  readonly turnoverCost: number
  /** Charged on each new depth of drawdown, as a multiple of it. */
  readonly drawdownPenalty: number
  /** Periods of an episode, which starts anywhere it fits. */
  readonly episode: number
  /** Range of periods that may be seen: training and test share nothing. */
  readonly from: number
  readonly to: number
  /** Shows the next period's returns: only for the test that a policy which knows the future wins. */
  readonly leaksFuture?: boolean
}

const FAST = 2 / (5 + 1)
const SLOW = 2 / (30 + 1)
const PER_STRATEGY = 4

/** Long-only weights that sum to 1, from any real numbers. */
export const softmaxWeights = (action: ArrayLike<number>): Float64Array => {
  let max = Number.NEGATIVE_INFINITY
  for (let i = 0; i < action.length; i++) max = Math.max(max, action[i]!)
  const out = Float64Array.from({length: action.length}, (_, i) => Math.exp(Math.max(-20, action[i]! - max)))
  const total = out.reduce((sum, value) => sum + value, 0)
  return out.map(value => value / total)
}

/** Running statistics of the strategies, all from periods that are over. */
class Track {
  readonly count: number
  readonly fast: Float64Array
  readonly slow: Float64Array
  readonly variance: Float64Array
  readonly last: Float64Array

  constructor(count: number) {
    this.count = count
    this.fast = new Float64Array(count)
    this.slow = new Float64Array(count)
    this.variance = new Float64Array(count).fill(1e-6)
    this.last = new Float64Array(count)
  }
  push(returns: Float64Array, at: number): void {
    for (let s = 0; s < this.count; s++) {
      const value = returns[at * this.count + s]!
      this.fast[s]! += FAST * (value - this.fast[s]!)
      this.slow[s]! += SLOW * (value - this.slow[s]!)
      this.variance[s]! += SLOW * (value * value - this.variance[s]!)
      this.last[s] = value
    }
  }
}

/**
 * Weights over strategies, decided before each period from what earlier periods showed: momentum and volatility of each
 * strategy, the weights held, the drawdown. Reward is the log growth after turnover costs, less a charge on new
 * drawdown, in hundredths.
 */
export const strategyEnvironment = (
  {strategies, returns}: StrategyReturns,
  options: StrategyEnvironmentOptions,
): Environment => {
  const count = strategies.length
  const {turnoverCost, drawdownPenalty, episode, from, to, leaksFuture = false} = options
  if (to - from < episode + 1) throw new RangeError(`${to - from} periods are too few for episodes of ${episode}`)
  let track = new Track(count)
  let weights = new Float64Array(count).fill(1 / count)
  let [at, end, wealth, peak] = [from, from, 1, 1]
  const observe = (): Float32Array => {
    const out = new Float32Array(count * PER_STRATEGY + count + 1 + (leaksFuture ? count : 0))
    for (let s = 0; s < count; s++) {
      const deviation = Math.sqrt(track.variance[s]!)
      const bounded = (value: number): number => Math.max(-5, Math.min(5, value))
      out[s * PER_STRATEGY] = bounded(track.last[s]! / deviation)
      out[s * PER_STRATEGY + 1] = bounded(track.fast[s]! / deviation)
      out[s * PER_STRATEGY + 2] = bounded((3 * track.slow[s]!) / deviation)
      out[s * PER_STRATEGY + 3] = bounded(Math.log(deviation * 100))
      out[count * PER_STRATEGY + s] = weights[s]!
      if (leaksFuture && at < to)
        out[count * (PER_STRATEGY + 1) + 1 + s] = bounded(returns[at * count + s]! / deviation)
    }
    out[count * (PER_STRATEGY + 1)] = 10 * (wealth / peak - 1)
    return out
  }
  return {
    observationSize: count * (PER_STRATEGY + 1) + 1 + (leaksFuture ? count : 0),
    actions: count,
    isContinuous: true,
    reset(rng: Rng) {
      track = new Track(count)
      weights = new Float64Array(count).fill(1 / count)
      ;[wealth, peak] = [1, 1]
      at = from + rng.below(to - from - episode)
      end = at + episode
      for (let past = Math.max(from, at - 30); past < at; past++) track.push(returns, past)
      return observe()
    },
    step(action) {
      const next = softmaxWeights(action)
      const {growth, held} = periodOf(returns, at, weights, next, turnoverCost)
      const before = 1 - wealth / peak
      wealth *= growth
      peak = Math.max(peak, wealth)
      const reward = 100 * (Math.log(growth) - drawdownPenalty * Math.max(0, 1 - wealth / peak - before))
      weights = held
      track.push(returns, at)
      at++
      return {observation: observe(), reward, terminated: false, truncated: at >= end}
    },
  }
}

/** Growth over one period of `next`, reached from `held`, after turnover costs; and the weights that drift leaves. */
const periodOf = (returns: Float64Array, at: number, held: Float64Array, next: Float64Array, turnoverCost: number) => {
  let [turnover, gross] = [0, 0]
  for (let s = 0; s < next.length; s++) {
    turnover += Math.abs(next[s]! - held[s]!) / 2
    gross += next[s]! * returns[at * next.length + s]!
  }
  const growth = Math.max(1e-6, 1 + gross - turnover * turnoverCost)
  return {growth, held: next.map((w, s) => (w * (1 + returns[at * next.length + s]!)) / Math.max(1e-6, 1 + gross))}
}

export interface AllocationOutcome {
  readonly totalReturn: number
  readonly maxDrawdown: number
  /** Mean over deviation of period returns; not annualised. */
  readonly sharpePerPeriod: number
  /** Mean share of the capital moved a period. */
  readonly turnover: number
}

/** Runs any rule for weights over a stretch of periods, with the environment's costs. */
export const allocate = (
  {strategies, returns}: StrategyReturns,
  {from, to, turnoverCost}: Pick<StrategyEnvironmentOptions, 'from' | 'to' | 'turnoverCost'>,
  rule: (at: number, held: Float64Array) => Float64Array,
): AllocationOutcome => {
  let held = new Float64Array(strategies.length).fill(1 / strategies.length)
  let [wealth, peak, maxDrawdown, sum, square, turnover] = [1, 1, 0, 0, 0, 0]
  for (let at = from; at < to; at++) {
    const next = rule(at, held)
    turnover += next.reduce((total, w, s) => total + Math.abs(w - held[s]!) / 2, 0)
    const period = periodOf(returns, at, held, next, turnoverCost)
    held = period.held
    wealth *= period.growth
    peak = Math.max(peak, wealth)
    maxDrawdown = Math.max(maxDrawdown, 1 - wealth / peak)
    sum += period.growth - 1
    square += (period.growth - 1) ** 2
  }
  const periods = to - from
  const mean = sum / periods
  const deviation = Math.sqrt(Math.max(0, square / periods - mean * mean))
  return {
    totalReturn: wealth - 1,
    maxDrawdown,
    sharpePerPeriod: deviation === 0 ? 0 : mean / deviation,
    turnover: turnover / periods,
  }
}

/** The rules a policy is shown beside. `bestFixed` knows the whole stretch and is an upper mark, not a strategy. */
export const allocationBaselines = (
  data: StrategyReturns,
  options: Pick<StrategyEnvironmentOptions, 'from' | 'to' | 'turnoverCost'>,
) => {
  const count = data.strategies.length
  const equal = new Float64Array(count).fill(1 / count)
  const track = new Track(count)
  const inverse = (at: number): Float64Array => {
    if (at > options.from) track.push(data.returns, at - 1)
    const raw = track.variance.map(variance => 1 / Math.sqrt(variance))
    const total = raw.reduce((sum, value) => sum + value, 0)
    return raw.map(value => value / total)
  }
  const fixed = Array.from({length: count}, (_, s) =>
    allocate(data, options, () => equal.map((_w, i) => (i === s ? 1 : 0))),
  )
  const best = fixed.reduce((top, outcome) => (outcome.totalReturn > top.totalReturn ? outcome : top))
  return {
    equalWeight: allocate(data, options, () => equal),
    inverseVolatility: allocate(data, options, inverse),
    bestFixed: best,
  }
}
