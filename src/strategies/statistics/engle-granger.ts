// Numeric kernel: rows are bounded by the series' common length, so `!` cannot miss here.
import {adf} from './adf.ts'
import {type CriticalValues, mackinnonCritical, mackinnonP} from './mackinnon.ts'
import {constantColumn, ols, trendColumn} from './ols.ts'

export interface EngleGrangerOptions {
  readonly deterministic?: 'c' | 'ct'
  readonly maxLag?: number
  readonly lagChoice?: 'aic' | 'fixed'
}
export interface EngleGrangerResult {
  readonly statistic: number
  readonly pValue: number
  readonly criticalValues: CriticalValues
  /** Slopes on the regressors, in their order, and the constant. */
  readonly slopes: Float64Array
  readonly intercept: number
  readonly residuals: Float64Array
}

/** R² at or above this is one series twice: residuals are rounding, no test is possible. */
const COLLINEAR = 1 - 100 * Math.sqrt(Number.EPSILON)

/**
 * Engle–Granger two-step test of no cointegration: `y` on `x` with deterministic terms, then ADF of the residuals without
 * any, against MacKinnon's tables for 1 + x.length series. Not symmetric: swapping y and x gives another statistic.
 * Collinear input answers −∞ with p = 0 (as statsmodels does): callers must refuse it as a pair.
 */
export const engleGranger = (
  y: Float64Array,
  x: readonly Float64Array[],
  {deterministic = 'c', ...lags}: EngleGrangerOptions = {},
): EngleGrangerResult => {
  const n = y.length
  const regressors = [...x, constantColumn(n), ...(deterministic === 'ct' ? [trendColumn(n)] : [])]
  const fit = ols(regressors, y)
  const series = x.length + 1
  const mean = y.reduce((a, b) => a + b, 0) / n
  const total = y.reduce((sum, v) => sum + (v - mean) ** 2, 0)
  const isCollinear = 1 - fit.ssr / total >= COLLINEAR
  const test = isCollinear ? undefined : adf(fit.residuals, {deterministic: 'n', ...lags})
  const statistic = test?.statistic ?? Number.NEGATIVE_INFINITY
  return {
    statistic,
    pValue: mackinnonP(statistic, deterministic, series),
    criticalValues: mackinnonCritical(deterministic, series, n - 1),
    slopes: fit.coefficients.slice(0, x.length),
    intercept: fit.coefficients[x.length]!,
    residuals: fit.residuals,
  }
}
