// Numeric kernel: every index is bounded by the row and column counts checked at the door, so `!` cannot miss here.

export interface OlsFit {
  readonly coefficients: Float64Array
  readonly standardErrors: Float64Array
  readonly residuals: Float64Array
  /** Sum of squared residuals. */
  readonly ssr: number
  readonly rows: number
}

/**
 * Least squares of `y` on the columns of `x` by Householder QR. Standard errors use ssr / (rows − columns).
 * Throws RangeError when there are fewer rows than columns; a column that depends on others gets an infinite error.
 */
export const ols = (x: readonly Float64Array[], y: Float64Array): OlsFit => {
  const n = y.length
  const k = x.length
  if (n <= k) throw new RangeError(`least squares of ${k} columns needs more than ${k} rows, was ${n}`)
  const {columns, diagonal, rhs} = reduce(x, y)
  const coefficients = new Float64Array(k)
  for (let j = k - 1; j >= 0; j--) {
    let sum = rhs[j]!
    for (let c = j + 1; c < k; c++) sum -= columns[c]![j]! * coefficients[c]!
    coefficients[j] = diagonal[j] === 0 ? 0 : sum / diagonal[j]!
  }
  const residuals = new Float64Array(n)
  let ssr = 0
  for (let i = 0; i < n; i++) {
    let fitted = 0
    for (let j = 0; j < k; j++) fitted += x[j]![i]! * coefficients[j]!
    const r = y[i]! - fitted
    residuals[i] = r
    ssr += r * r
  }
  const variance = ssr / (n - k)
  const unscaled = inverseRowNorms(columns, diagonal, k)
  const standardErrors = unscaled.map(s => Math.sqrt(variance * s))
  return {coefficients, standardErrors, residuals, ssr, rows: n}
}

/**
 * Sums of squared residuals of `y` on the first 0, 1, … columns of `x`, from one reduction: what is left of `y` beyond row k
 * is what k columns do not explain.
 */
export const nestedSsr = (x: readonly Float64Array[], y: Float64Array): Float64Array => {
  const {rhs} = reduce(x, y)
  const ssr = new Float64Array(x.length + 1)
  let tail = 0
  for (let i = y.length - 1; i >= 0; i--) {
    tail += rhs[i]! * rhs[i]!
    if (i <= x.length) ssr[i] = tail
  }
  return ssr
}

interface Reduced {
  /** Above the diagonal R, below it the reflections. */
  readonly columns: readonly Float64Array[]
  readonly diagonal: Float64Array
  readonly rhs: Float64Array
}

/** Householder QR of copies of the columns, applied to a copy of `y`. */
const reduce = (x: readonly Float64Array[], y: Float64Array): Reduced => {
  const [n, k] = [y.length, x.length]
  const columns = x.map(column => column.slice())
  const rhs = y.slice()
  const diagonal = new Float64Array(k)
  for (let j = 0; j < k; j++) {
    const v = columns[j]!
    let norm = 0
    for (let i = j; i < n; i++) norm += v[i]! * v[i]!
    norm = Math.sqrt(norm)
    const alpha = v[j]! > 0 ? -norm : norm
    diagonal[j] = alpha
    if (norm === 0) continue
    v[j]! -= alpha
    let vv = 0
    for (let i = j; i < n; i++) vv += v[i]! * v[i]!
    for (let c = j + 1; c < k; c++) reflect(v, columns[c]!, j, n, vv)
    reflect(v, rhs, j, n, vv)
  }
  return {columns, diagonal, rhs}
}

const reflect = (v: Float64Array, target: Float64Array, from: number, n: number, vv: number): void => {
  let dot = 0
  for (let i = from; i < n; i++) dot += v[i]! * target[i]!
  const scale = (2 * dot) / vv
  for (let i = from; i < n; i++) target[i]! -= scale * v[i]!
}

/** Diagonal of (XᵀX)⁻¹: the squared row norms of R⁻¹. */
const inverseRowNorms = (r: readonly Float64Array[], diagonal: Float64Array, k: number): Float64Array => {
  const norms = new Float64Array(k)
  const column = new Float64Array(k)
  for (let c = 0; c < k; c++) {
    column.fill(0)
    for (let i = c; i >= 0; i--) {
      let sum = i === c ? 1 : 0
      for (let j = i + 1; j <= c; j++) sum -= r[j]![i]! * column[j]!
      column[i] = diagonal[i] === 0 ? Number.POSITIVE_INFINITY : sum / diagonal[i]!
      norms[i]! += column[i]! * column[i]!
    }
  }
  return norms
}

export const constantColumn = (rows: number): Float64Array => new Float64Array(rows).fill(1)
export const trendColumn = (rows: number): Float64Array => Float64Array.from({length: rows}, (_, i) => i + 1)
