// Indices run below the number of strategies, fixed at construction, so `!` cannot miss here.
import {US_PER_HOUR, US_PER_MINUTE} from '../domain/units.ts'
import {riskBudgetWeights} from './risk-parity.ts'
import {StrategyReturns} from './strategy-returns.ts'

/** Shares of capital by strategy index, at least 0 and together the sum of the base weights. The engine's `Allocator`. */
export interface WeightAllocator {
  readonly weights: () => Float64Array
  /** What each strategy has earned since the start, micros, at an equity sample. */
  readonly observe: (tsUs: number, profitMicros: Float64Array) => void
  /** Every change of weights, for attribution. */
  readonly history: () => readonly WeightRecord[]
}
export interface WeightRecord {
  readonly tsUs: number
  readonly weights: Float64Array
  /** Profits so far when these weights began. */
  readonly profitMicros: Float64Array
}

export interface AllocationOptions {
  /** Configured weights: the answer until enough is known, and the risk budget afterwards. */
  readonly base: readonly number[]
  /** Capital the weights share. */
  readonly capitalMicros: number
  readonly sampleUs?: number
  readonly rebalanceUs?: number
  /** Return samples before weights may leave the base. */
  readonly leastSamples?: number
  /** Largest sum of absolute weight changes of one rebalancing. */
  readonly maxTurnover?: number
  /** Told of the weights at the start and of every change, as they take effect. */
  readonly onWeights?: (record: WeightRecord) => void
}

/** Turns what is known of the strategies' returns into weights; undefined while it cannot say. */
export type WeightRule = (
  returns: StrategyReturns,
  base: Float64Array,
  current: Float64Array,
) => Float64Array | undefined

export const staticAllocation = (options: AllocationOptions): WeightAllocator =>
  createAllocator(options, () => undefined)

/** Weight proportional to budget over volatility. Strategies that have not moved keep their base weight. */
export const inverseVolatility = (options: AllocationOptions): WeightAllocator =>
  createAllocator(options, (returns, base) =>
    amongActive(returns, base, active => active.map(i => base[i]! / returns.volatility(i))),
  )

/** Every strategy contributes its budget's share to the volatility of the sum. Strategies that have not moved keep their base weight. */
export const riskParity = (options: AllocationOptions): WeightAllocator =>
  createAllocator(options, (returns, base) =>
    amongActive(returns, base, active =>
      riskBudgetWeights(
        active.map(i => active.map(j => returns.covariance(i, j))),
        active.map(i => base[i]!),
      ),
    ),
  )

const createAllocator = (options: AllocationOptions, rule: WeightRule): WeightAllocator => {
  const {capitalMicros, rebalanceUs = US_PER_HOUR, leastSamples = 60, maxTurnover = 0.2} = options
  const base = Float64Array.from(options.base)
  const total = base.reduce((a, b) => a + b, 0)
  if (base.some(w => !(w >= 0)) || total > 1 + 1e-9)
    throw new RangeError(`weights must be at least 0 and sum to at most 1, were ${options.base.join(', ')}`)
  const returns = new StrategyReturns(base.length, options.sampleUs ?? US_PER_MINUTE)
  const current = Float64Array.from(base)
  const history: WeightRecord[] = []
  const record = (tsUs: number, profitMicros: Float64Array): void => {
    const entry = {tsUs, weights: Float64Array.from(current), profitMicros: Float64Array.from(profitMicros)}
    history.push(entry)
    options.onWeights?.(entry)
  }
  let nextUs = 0
  return {
    weights: () => current,
    history: () => history,
    observe(tsUs, profitMicros) {
      if (history.length === 0) {
        record(tsUs, profitMicros)
        nextUs = tsUs + rebalanceUs
      }
      returns.observe(tsUs, profitMicros, current, capitalMicros)
      if (tsUs < nextUs || returns.samples < leastSamples) return
      nextUs = tsUs + rebalanceUs
      const wanted = rule(returns, base, current)
      if (wanted === undefined) return
      if (moveTowards(current, scaledTo(wanted, total), maxTurnover)) record(tsUs, profitMicros)
    },
  }
}

/** Weights of the strategies that have moved, sharing what the others leave. */
const amongActive = (
  returns: StrategyReturns,
  base: Float64Array,
  weigh: (active: number[]) => ArrayLike<number>,
): Float64Array | undefined => {
  const active = Array.from(base.keys()).filter(i => base[i]! > 0 && returns.volatility(i) > 0)
  if (active.length < 2) return undefined
  const share = active.reduce((sum, i) => sum + base[i]!, 0)
  const raw = Float64Array.from(weigh(active))
  const scaled = scaledTo(raw, share)
  const out = Float64Array.from(base)
  active.forEach((i, k) => {
    out[i] = scaled[k]!
  })
  return out
}

const scaledTo = (weights: Float64Array, total: number): Float64Array => {
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map(w => (w / sum) * total)
}

/** Moves by at most `maxTurnover`; false when nothing worth a trade changed. */
const moveTowards = (current: Float64Array, wanted: Float64Array, maxTurnover: number): boolean => {
  const distance = wanted.reduce((sum, w, i) => sum + Math.abs(w - current[i]!), 0)
  if (distance < 1e-4) return false
  const step = Math.min(1, maxTurnover / distance)
  for (let i = 0; i < current.length; i++) current[i]! += step * (wanted[i]! - current[i]!)
  return true
}
