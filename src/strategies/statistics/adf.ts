// Numeric kernel: rows and lags are bounded by lengths checked at the door, so `!` cannot miss here.
import {type CriticalValues, type Deterministic, mackinnonCritical, mackinnonP} from './mackinnon.ts'
import {constantColumn, nestedSsr, type OlsFit, ols, trendColumn} from './ols.ts'

export interface AdfOptions {
  readonly deterministic?: Deterministic
  /** Most lagged differences; default Schwert's ⌈12 (n/100)^¼⌉, bounded by the sample. */
  readonly maxLag?: number
  /** `aic` searches 0…maxLag on one common sample (as statsmodels does); `fixed` uses maxLag itself. */
  readonly lagChoice?: 'aic' | 'fixed'
  /** Number of integrated series behind the residuals tested; 1 for an observed series. */
  readonly series?: number
}
export interface AdfResult {
  readonly statistic: number
  readonly pValue: number
  readonly usedLag: number
  readonly observations: number
  readonly criticalValues: CriticalValues | undefined
}

/**
 * Augmented Dickey–Fuller test of a unit root (Said and Dickey 1984): t of y₋₁ in Δy on y₋₁, the deterministic terms and
 * lagged Δy. The null is the unit root: a small p-value speaks for mean reversion.
 */
export const adf = (series: Float64Array, options: AdfOptions = {}): AdfResult => {
  const {deterministic = 'c', lagChoice = 'aic', series: count = 1} = options
  const terms = deterministic === 'n' ? 0 : deterministic === 'c' ? 1 : 2
  const bound = Math.floor(series.length / 2) - terms - 1
  const maxLag = Math.min(options.maxLag ?? Math.ceil(12 * (series.length / 100) ** 0.25), bound)
  if (maxLag < 0)
    throw new RangeError(`a unit-root test needs at least ${2 * (terms + 1)} points, was ${series.length}`)
  const usedLag = lagChoice === 'fixed' ? maxLag : bestLag(series, maxLag, deterministic)
  const fit = regress(series, usedLag, usedLag, deterministic)
  const statistic = fit.coefficients[0]! / fit.standardErrors[0]!
  return {
    statistic,
    pValue: mackinnonP(statistic, deterministic, count),
    usedLag,
    observations: fit.rows,
    criticalValues: deterministic === 'n' && count > 1 ? undefined : mackinnonCritical(deterministic, count, fit.rows),
  }
}

interface Design {
  readonly y: Float64Array
  /** y₋₁, the deterministic terms, then the lagged differences. */
  readonly x: readonly Float64Array[]
}

/** Of `lags` lagged differences on the sample that `trimmed` lags leave. */
const design = (series: Float64Array, lags: number, trimmed: number, deterministic: Deterministic): Design => {
  const rows = series.length - 1 - trimmed
  const differences = new Float64Array(series.length - 1)
  for (let t = 1; t < series.length; t++) differences[t - 1] = series[t]! - series[t - 1]!
  const x: Float64Array[] = [series.subarray(trimmed, trimmed + rows)]
  if (deterministic !== 'n') x.push(constantColumn(rows))
  if (deterministic === 'ct') x.push(trendColumn(rows))
  for (let lag = 1; lag <= lags; lag++) x.push(differences.subarray(trimmed - lag, trimmed - lag + rows))
  return {y: differences.subarray(trimmed), x}
}

const regress = (series: Float64Array, lags: number, trimmed: number, deterministic: Deterministic): OlsFit => {
  const {x, y} = design(series, lags, trimmed, deterministic)
  return ols(x, y)
}

/** Least AIC of 0…maxLag lags on one common sample; all of them from one reduction of the largest design. */
const bestLag = (series: Float64Array, maxLag: number, deterministic: Deterministic): number => {
  const {x, y} = design(series, maxLag, maxLag, deterministic)
  const ssr = nestedSsr(x, y)
  const fewest = x.length - maxLag
  let best = 0
  let bestAic = Number.POSITIVE_INFINITY
  for (let lag = 0; lag <= maxLag; lag++) {
    const value = y.length * Math.log(ssr[fewest + lag]! / y.length) + 2 * (fewest + lag)
    if (value < bestAic) {
      bestAic = value
      best = lag
    }
  }
  return best
}
