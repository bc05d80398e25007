// Numeric kernel: simplex rows are indexed with `!` below their length.

export interface NelderMeadOptions {
  /** First step in each coordinate. */
  readonly steps: readonly number[]
  readonly maxEvaluations?: number
  /** Stops when the simplex's values differ by less than this fraction. */
  readonly tolerance?: number
}

/** Derivative-free minimum of a function of a few variables (J. A. Nelder and R. Mead, Computer Journal 7, 1965). Deterministic. */
export const nelderMead = (
  f: (point: Float64Array) => number,
  start: readonly number[],
  {steps, maxEvaluations = 400, tolerance = 1e-9}: NelderMeadOptions,
): {readonly point: Float64Array; readonly value: number} => {
  const n = start.length
  const simplex = Array.from({length: n + 1}, (_, i): {point: Float64Array; value: number} => {
    const point = Float64Array.from(start)
    if (i > 0) point[i - 1]! += steps[i - 1]!
    return {point, value: f(point)}
  })
  let evaluations = n + 1
  const centroid = new Float64Array(n)
  const along = (factor: number): {point: Float64Array; value: number} => {
    const worst = simplex[n]!.point
    const point = Float64Array.from(centroid, (c, j) => c + factor * (worst[j]! - c))
    evaluations++
    return {point, value: f(point)}
  }
  while (evaluations < maxEvaluations) {
    simplex.sort((a, b) => a.value - b.value)
    const best = simplex[0]!
    const worst = simplex[n]!
    if (worst.value - best.value <= tolerance * (Math.abs(best.value) + 1e-300)) break
    centroid.fill(0)
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) centroid[j]! += simplex[i]!.point[j]! / n
    const reflected = along(-1)
    if (reflected.value < best.value) {
      const expanded = along(-2)
      simplex[n] = expanded.value < reflected.value ? expanded : reflected
    } else if (reflected.value < simplex[n - 1]!.value) simplex[n] = reflected
    else {
      const contracted = reflected.value < worst.value ? along(-0.5) : along(0.5)
      if (contracted.value < Math.min(reflected.value, worst.value)) simplex[n] = contracted
      else
        for (let i = 1; i <= n; i++) {
          const point = simplex[i]!.point.map((x, j) => 0.5 * (x + best.point[j]!))
          simplex[i] = {point, value: f(point)}
          evaluations++
        }
    }
  }
  simplex.sort((a, b) => a.value - b.value)
  return simplex[0]!
}
