// Numeric kernel: rows run below the common length, so `!` cannot miss here.

/**
 * Engle–Granger statistic of `y` on `x` with a constant and one lagged difference, in one pass and without allocation:
 * the same number as `engleGranger(y, [x], {maxLag: 1, lagChoice: 'fixed'}).statistic`, a hundred times faster, for
 * screening thousands of pairs. −Infinity for collinear series.
 */
export const pairStatistic = (y: Float64Array, x: Float64Array): number => {
  const n = y.length
  let [meanX, meanY] = [0, 0]
  for (let i = 0; i < n; i++) {
    meanX += x[i]! / n
    meanY += y[i]! / n
  }
  let [sxx, sxy, syy] = [0, 0, 0]
  for (let i = 0; i < n; i++) {
    const dx = x[i]! - meanX
    const dy = y[i]! - meanY
    sxx += dx * dx
    sxy += dx * dy
    syy += dy * dy
  }
  if (!(sxx > 0 && syy > 0)) return Number.NEGATIVE_INFINITY
  const beta = sxy / sxx
  if ((sxy * sxy) / (sxx * syy) >= 1 - 100 * Math.sqrt(Number.EPSILON)) return Number.NEGATIVE_INFINITY
  // Δe_t = ρ e_{t−1} + γ Δe_{t−1}: two regressors, so the normal equations are four sums.
  let [aa, ab, bb, ay, by, yy] = [0, 0, 0, 0, 0, 0]
  let before = residual(y, x, 0, beta, meanX, meanY)
  let level = residual(y, x, 1, beta, meanX, meanY)
  for (let t = 2; t < n; t++) {
    const now = residual(y, x, t, beta, meanX, meanY)
    const lagged = level - before
    const change = now - level
    aa += level * level
    ab += level * lagged
    bb += lagged * lagged
    ay += level * change
    by += lagged * change
    yy += change * change
    before = level
    level = now
  }
  const determinant = aa * bb - ab * ab
  if (!(determinant > 0)) return Number.NEGATIVE_INFINITY
  const rho = (bb * ay - ab * by) / determinant
  const gamma = (aa * by - ab * ay) / determinant
  const variance = Math.max(0, yy - rho * ay - gamma * by) / (n - 4)
  return rho / Math.sqrt((variance * bb) / determinant)
}

const residual = (y: Float64Array, x: Float64Array, i: number, beta: number, meanX: number, meanY: number): number =>
  y[i]! - meanY - beta * (x[i]! - meanX)
