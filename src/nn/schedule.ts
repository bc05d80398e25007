/** Learning rate at `step` (from 0): linear warm-up, then half a cosine down to `floor` times the peak. */
export const warmupCosine = (step: number, {peak, warmup, total, floor = 0.05}: WarmupCosine): number => {
  if (step < warmup) return (peak * (step + 1)) / warmup
  const progress = Math.min(1, (step - warmup) / Math.max(1, total - warmup))
  return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)))
}

export interface WarmupCosine {
  readonly peak: number
  /** Steps. */
  readonly warmup: number
  readonly total: number
  readonly floor?: number
}
