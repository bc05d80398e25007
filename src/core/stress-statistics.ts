/**
 * Empirical quantile by the inverse of the distribution function (Hyndman and Fan 1996, type 1): the smallest observed
 * value that at least the share `p` of the observations do not exceed. No interpolation, so with fewer than 100 paths the
 * 99 % quantile is the worst path, which errs on the safe side.
 */
export const quantile = (values: ArrayLike<number>, p: number): number => {
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0) return Number.NaN
  // The tolerance keeps 0.99 * 200 = 198.00000000000003 from becoming rank 199.
  const rank = Math.max(1, Math.ceil(p * sorted.length - 1e-9))
  return sorted[rank - 1] as number
}

/**
 * Mean of the worst `1 - p` of the losses, the boundary observation counted by the fraction that falls in the tail
 * (Rockafellar and Uryasev 2002, for discrete distributions); never below the quantile.
 */
export const tailMean = (losses: ArrayLike<number>, p: number): number => {
  const sorted = Float64Array.from(losses).sort().reverse()
  if (sorted.length === 0) return Number.NaN
  let left = Math.max((1 - p) * sorted.length, 1e-12)
  const weight = left
  let sum = 0
  for (const loss of sorted) {
    const share = Math.min(1, left)
    sum += share * loss
    left -= share
    if (left <= 1e-12) break
  }
  return sum / weight
}
