// Indices run below the number of strategies, so `!` cannot miss here.

/** How scores become weights; part of what a policy was trained for, so it travels with it. */
export interface WeightLimits {
  /** Least share of every strategy that runs: what gets nothing trades nothing, and is never heard of again. */
  readonly minWeight: number
  /** Largest sum of absolute changes of one step. */
  readonly maxTurnover: number
}

/**
 * Long-only weights that sum to at most 1, from one score a strategy and a last one for cash: a softmax over those that
 * run, above each one's least share. A strategy that does not run gets 0.
 */
export const policyWeights = (
  scores: ArrayLike<number>,
  available: readonly boolean[],
  {minWeight}: Pick<WeightLimits, 'minWeight'>,
): Float64Array => {
  const n = available.length
  const running = available.filter(Boolean).length
  let max = scores[n]!
  for (let s = 0; s < n; s++) if (available[s] === true) max = Math.max(max, scores[s]!)
  const out = new Float64Array(n)
  let total = Math.exp(Math.max(-20, scores[n]! - max))
  for (let s = 0; s < n; s++) {
    if (available[s] !== true) continue
    out[s] = Math.exp(Math.max(-20, scores[s]! - max))
    total += out[s]!
  }
  const least = Math.min(minWeight, 1 / Math.max(1, running))
  for (let s = 0; s < n; s++) if (available[s] === true) out[s] = least + ((1 - running * least) * out[s]!) / total
  return out
}

/**
 * What a policy's scores come to: a strategy that has not traded lately keeps its own share, because nothing is known of it:
 * more would park capital where it may begin to be lost any time, less would starve it of the trades that it is judged
 * by. The scores decide over what those leave, between the strategies that trade and cash. Training, measuring and serving
 * all ask for it, so that no policy learns what it will not be allowed.
 */
export const weightsOfScores = (
  scores: ArrayLike<number>,
  available: readonly boolean[],
  shares: ArrayLike<number>,
  hasMoved: (strategy: number) => boolean,
  limits: Pick<WeightLimits, 'minWeight'>,
): Float64Array => {
  const active = available.map((runs, s) => runs && hasMoved(s))
  const isIdle = (s: number): boolean => available[s] === true && active[s] !== true
  const weights = policyWeights(scores, active, limits)
  let left = 1
  for (let s = 0; s < weights.length; s++) if (isIdle(s)) left -= shares[s]!
  for (let s = 0; s < weights.length; s++) weights[s] = isIdle(s) ? shares[s]! : Math.max(0, left) * weights[s]!
  return weights
}

/** Moves `current` in place towards `wanted`, by at most `maxTurnover` in sum; what was moved is returned. */
export const stepTowards = (current: Float64Array, wanted: ArrayLike<number>, maxTurnover: number): number => {
  let distance = 0
  for (let s = 0; s < current.length; s++) distance += Math.abs(wanted[s]! - current[s]!)
  const share = distance > maxTurnover ? maxTurnover / distance : 1
  for (let s = 0; s < current.length; s++) current[s]! += share * (wanted[s]! - current[s]!)
  return distance * share
}
