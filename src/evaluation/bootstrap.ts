// Indices are reduced modulo the length, so `!` cannot miss here.
import normalCdf from '@stdlib/stats-base-dists-normal-cdf'
import tCdf from '@stdlib/stats-base-dists-t-cdf'
import type {Rng} from '../domain/rng.ts'

export interface Interval {
  readonly low: number
  readonly high: number
}

export interface BootstrapOptions {
  readonly rng: Rng
  readonly draws?: number
  /** Two-sided coverage. */
  readonly confidence?: number
  /** Mean block length; n^⅓ when absent. */
  readonly meanBlock?: number
}

/**
 * Percentile interval of a statistic by the stationary bootstrap (Politis and Romano 1994): blocks of geometric length
 * keep the dependence between neighbours. It is expanded (Hesterberg, "What Teachers Should Know About the Bootstrap",
 * 2015): resamples scatter less than samples do, and a bare percentile interval of few values is too short. Draws on which the statistic is undefined do not count; undefined when fewer
 * than half remain.
 */
export const bootstrapInterval = (
  values: ArrayLike<number>,
  statistic: (sample: Float64Array) => number | undefined,
  {rng, draws = 1000, confidence = 0.9, meanBlock}: BootstrapOptions,
): Interval | undefined => {
  const n = values.length
  if (n < 3 || draws < 1) return undefined
  const block = meanBlock ?? Math.max(1, Math.cbrt(n))
  const continueProbability = 1 - 1 / block
  const sample = new Float64Array(n)
  const results: number[] = []
  for (let d = 0; d < draws; d++) {
    let at = rng.below(n)
    for (let i = 0; i < n; i++) {
      sample[i] = values[at]!
      at = rng.uniform() < continueProbability ? (at + 1) % n : rng.below(n)
    }
    const value = statistic(sample)
    if (value !== undefined && Number.isFinite(value)) results.push(value)
  }
  if (results.length < draws / 2) return undefined
  results.sort((a, b) => a - b)
  const tail = normalCdf(-Math.sqrt(n / Math.max(1, n - block)) * tQuantile((1 + confidence) / 2, n - 1), 0, 1)
  return {low: sortedQuantile(results, tail), high: sortedQuantile(results, 1 - tail)}
}

/** Above one half, by bisection of Student's distribution function. */
const tQuantile = (p: number, freedom: number): number => {
  let [low, high] = [0, 1]
  while (tCdf(high, freedom) < p && high < 1e6) high *= 2
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2
    if (tCdf(middle, freedom) < p) low = middle
    else high = middle
  }
  return high
}

/** Linear interpolation between order statistics (type 7 of Hyndman and Fan). */
export const sortedQuantile = (sorted: ArrayLike<number>, p: number): number => {
  const at = p * (sorted.length - 1)
  const low = Math.floor(at)
  const high = Math.min(sorted.length - 1, low + 1)
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!)
}
