// Numeric kernel: rows and columns are bounded by the common length checked at the door, so `!` cannot miss here.
import {CholeskyDecomposition, EigenvalueDecomposition, inverse, Matrix, pseudoInverse} from 'ml-matrix'

/**
 * Critical values at 90, 95 and 99 % for n − r = 1…6 series left, constant term (MacKinnon, Haug and Michelis 1999,
 * "Numerical distribution functions of likelihood ratio tests for cointegration", J. Applied Econometrics 14).
 */
const TRACE = [
  [2.7055, 3.8415, 6.6349],
  [13.4294, 15.4943, 19.9349],
  [27.0669, 29.7961, 35.4628],
  [44.4929, 47.8545, 54.6815],
  [65.8202, 69.8189, 77.8202],
  [91.109, 95.7542, 104.9637],
] as const
const MAXIMUM_EIGENVALUE = [
  [2.7055, 3.8415, 6.6349],
  [12.2971, 14.2639, 18.52],
  [18.8928, 21.1314, 25.865],
  [25.1236, 27.5858, 32.7172],
  [31.2379, 33.8777, 39.3693],
  [37.2786, 40.0763, 45.8662],
] as const

export interface JohansenResult {
  readonly eigenvalues: Float64Array
  /** Statistic of "rank ≤ r" for r = 0…n−1, with critical values at 90, 95 and 99 %. */
  readonly trace: Float64Array
  readonly traceCritical: readonly (readonly [number, number, number])[]
  readonly maxEigenvalue: Float64Array
  readonly maxEigenvalueCritical: readonly (readonly [number, number, number])[]
  /** Cointegrating vectors by falling eigenvalue; vector r's weights of the series. */
  readonly vectors: readonly Float64Array[]
  /**
   * Rank accepted by the trace test at 95 %. The tables assume drift in the levels: without it the last step (full rank)
   * rejects about 30 % of the time, so read it as "at least 1" and no more.
   */
  readonly rank: number
}

/** Johansen's test with a constant (`det_order` 0 of statsmodels) on `series` of equal length; symmetric in them. */
export const johansen = (series: readonly Float64Array[], lagDifferences = 1): JohansenResult => {
  const n = series.length
  const length = series[0]?.length ?? 0
  if (n < 2 || n > 6) throw new RangeError(`Johansen's tables are for 2 to 6 series, was ${n}`)
  const rows = length - 1 - lagDifferences
  if (rows <= n * (lagDifferences + 1) + 1) throw new RangeError(`Johansen's test needs more points, was ${length}`)
  const levels = series.map(demeaned)
  const differences = levels.map(s => Float64Array.from({length: length - 1}, (_, i) => s[i + 1]! - s[i]!))

  const dx = matrixOf(differences.map(d => demeaned(d.subarray(lagDifferences))))
  const lagged: Float64Array[] = []
  for (let lag = 1; lag <= lagDifferences; lag++)
    for (const d of differences) lagged.push(demeaned(d.subarray(lagDifferences - lag, length - 1 - lag)))
  const lx = matrixOf(levels.map(s => demeaned(s.subarray(1, length - lagDifferences))))

  const z = lagged.length > 0 ? matrixOf(lagged) : undefined
  const r0 = residual(dx, z)
  const rk = residual(lx, z)
  const skk = rk.transpose().mmul(rk).div(rows)
  const sk0 = rk.transpose().mmul(r0).div(rows)
  const s00 = r0.transpose().mmul(r0).div(rows)
  const sigma = sk0.mmul(inverse(s00)).mmul(sk0.transpose())

  // |λ Skk − Sk0 S00⁻¹ S0k| = 0 made symmetric by the Cholesky factor of Skk.
  const lowerInverse = inverse(new CholeskyDecomposition(skk).lowerTriangularMatrix)
  const symmetric = lowerInverse.mmul(sigma).mmul(lowerInverse.transpose())
  const eigen = new EigenvalueDecomposition(symmetric.add(symmetric.transpose()).div(2), {assumeSymmetric: true})
  const order = eigen.realEigenvalues
    .map((_, i) => i)
    .sort((a, b) => eigen.realEigenvalues[b]! - eigen.realEigenvalues[a]!)
  const eigenvalues = Float64Array.from(order, i => Math.min(Math.max(eigen.realEigenvalues[i]!, 0), 1 - 1e-15))
  const allVectors = lowerInverse.transpose().mmul(eigen.eigenvectorMatrix)

  const maxEigenvalue = eigenvalues.map(l => -rows * Math.log(1 - l))
  const trace = maxEigenvalue.map((_, r) => maxEigenvalue.subarray(r).reduce((a, b) => a + b, 0))
  const traceCritical = order.map((_, r) => TRACE[n - r - 1]!)
  const accepted = Array.from(trace).findIndex((value, r) => value < traceCritical[r]![1])
  return {
    eigenvalues,
    trace,
    traceCritical,
    maxEigenvalue,
    maxEigenvalueCritical: order.map((_, r) => MAXIMUM_EIGENVALUE[n - r - 1]!),
    vectors: order.map(i => Float64Array.from(allVectors.getColumn(i))),
    rank: accepted === -1 ? n : accepted,
  }
}

const demeaned = (s: Float64Array): Float64Array => {
  const mean = s.reduce((a, b) => a + b, 0) / s.length
  return s.map(v => v - mean)
}
const matrixOf = (columns: readonly Float64Array[]): Matrix => new Matrix(columns.map(c => Array.from(c))).transpose()
const residual = (y: Matrix, x: Matrix | undefined): Matrix =>
  x === undefined ? y : Matrix.sub(y, x.mmul(pseudoInverse(x).mmul(y)))
