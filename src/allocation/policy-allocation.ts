// Indices run below the number of strategies, fixed at construction, so `!` cannot miss here.
import {US_PER_MINUTE} from '../domain/units.ts'
import {StrategyFeatures, writeHoldings} from '../features/strategy-features.ts'
import {stepTowards, type WeightLimits, weightsOfScores} from '../features/strategy-weights.ts'
import type {AllocationOptions, WeightAllocator, WeightRecord} from './allocation.ts'

/** The port of a trained policy: `StrategyFeatures` in, a score a strategy and one for cash out. Blocks until it has. */
export interface WeightPolicy {
  /** How many strategies it weighs, in its own order. */
  readonly strategies: number
  readonly limits: WeightLimits
  readonly act: (observation: Float32Array) => ArrayLike<number>
}

export interface PolicyAllocationOptions
  extends Pick<AllocationOptions, 'base' | 'capitalMicros' | 'onWeights' | 'leastSamples'> {
  /** Place of each running strategy among the policy's. */
  readonly slots: readonly number[]
  /** Weights to go on from; the base weights by default. */
  readonly start?: readonly number[]
  /** Market time of a period: returns are measured and weights decided once in each that saw the market. */
  readonly periodUs?: number
}

/**
 * Lets a policy set the weights, within the sum of the base weights, the same way it was trained: features of periods
 * that are over, a least share for every strategy that trades, a bounded step; one that has not traded lately keeps its
 * base weight. Until `leastSamples` periods are over the base weights hold. Scores that are no numbers keep the weights as they are.
 */
export const policyAllocation = (options: PolicyAllocationOptions, policy: WeightPolicy): WeightAllocator => {
  const {base, slots, capitalMicros, periodUs = US_PER_MINUTE, leastSamples = 10, onWeights} = options
  const total = base.reduce((sum, weight) => sum + weight, 0)
  if (base.some(weight => !(weight >= 0)) || total > 1 + 1e-9)
    throw new RangeError(`weights must be at least 0 and sum to at most 1, were ${base.join(', ')}`)
  const count = slots.length
  const available = Array.from({length: policy.strategies}, (_, s) => slots.includes(s))
  const features = new StrategyFeatures(available)
  const observation = new Float32Array(features.width)
  /** Of the policy's strategies, summing to at most 1: what it believes it holds. */
  const held = new Float64Array(policy.strategies)
  /** Of the policy's strategies: what the base weights give each. */
  const shares = new Float64Array(policy.strategies)
  if (total > 0) for (let k = 0; k < count; k++) shares[slots[k]!] = base[k]! / total
  const current = Float64Array.from(options.start ?? base)
  for (let k = 0; k < count; k++) held[slots[k]!] = total > 0 ? current[k]! / total : 0
  const history: WeightRecord[] = []
  const started = new Float64Array(count)
  const seen = new Float64Array(count)
  const carried = new Float64Array(count)
  const returns = new Float64Array(policy.strategies)
  let cell = Number.NaN
  let peakMicros = capitalMicros
  const equity = (profits: Float64Array): number => profits.reduce((sum, profit) => sum + profit, capitalMicros)

  const record = (tsUs: number): void => {
    const entry = {tsUs, weights: Float64Array.from(current), profitMicros: Float64Array.from(seen)}
    history.push(entry)
    onWeights?.(entry)
  }
  /** Return of each strategy since `started`, on the capital it has had since then. */
  const earned = (profits: Float64Array, k: number): number => {
    const capital = current[k]! * Math.max(1, equity(started))
    return capital > 0 ? (profits[k]! - started[k]!) / capital : 0
  }
  /**
   * A period ended with the sample before this one. What has happened since (a night, say) belongs to the new period, but
   * was earned with the weights of the old one, so it is measured before they change.
   */
  const closePeriod = (profits: Float64Array): void => {
    for (let k = 0; k < count; k++) returns[slots[k]!] = carried[k]! + earned(seen, k)
    features.push(returns)
    started.set(seen)
    for (let k = 0; k < count; k++) carried[k] = earned(profits, k)
    started.set(profits)
  }
  const decide = (): boolean => {
    const drawdown = peakMicros > 0 ? Math.max(0, 1 - equity(seen) / peakMicros) : 0
    features.write(observation)
    writeHoldings(observation, held, drawdown)
    const scores = policy.act(observation)
    for (let s = 0; s <= policy.strategies; s++) if (!Number.isFinite(scores[s])) return false
    const wanted = weightsOfScores(scores, available, shares, slot => features.hasMoved(slot), policy.limits)
    const moved = stepTowards(held, wanted, policy.limits.maxTurnover)
    for (let k = 0; k < count; k++) current[k] = total * held[slots[k]!]!
    return moved >= 1e-4
  }
  return {
    weights: () => current,
    history: () => history,
    observe(tsUs, profitMicros) {
      const now = Math.floor(tsUs / periodUs)
      if (history.length === 0) {
        cell = now
        started.set(profitMicros)
        seen.set(profitMicros)
        record(tsUs)
        return
      }
      const isOver = now !== cell
      if (isOver) closePeriod(profitMicros)
      seen.set(profitMicros)
      peakMicros = Math.max(peakMicros, equity(seen))
      if (!isOver) return
      cell = now
      if (features.periods >= leastSamples && decide()) record(tsUs)
    },
  }
}
