// Numeric kernel: indices run below lengths read in the same function, so `!` cannot miss here.
import {sortedQuantile} from './bootstrap.ts'
import {moments} from './returns.ts'

/** Periods that a regime is judged by, all of them before the one it is a regime of. */
export const REGIME_LOOKBACK = 20
/** Earlier lookbacks that the present volatility is compared with before it has a name. */
const LEAST_HISTORY = 10
/** Standard errors of the lookback's mean return from which a market counts as trending. */
const TREND = 1
const LEAST_FOR_SHARPE = 10

export type VolatilityRegime = 'calm' | 'volatile'
export type TrendRegime = 'rising' | 'sideways' | 'falling'

export interface RegimeRow {
  readonly dimension: 'volatility' | 'trend'
  readonly regime: VolatilityRegime | TrendRegime
  readonly periods: number
  /** Compounded over the periods of this regime. */
  readonly totalReturn: number
  readonly marketReturn: number
  /** Annualised; null below ten periods. */
  readonly sharpe: number | null
}

/**
 * The regime of each period, known before the period began. Volatility: the standard deviation of the market's last
 * twenty returns against the median of all earlier such deviations. Trend: the sum of those twenty returns against one
 * standard error of it. Undefined while there is too little history.
 */
export const regimesOf = (
  market: ArrayLike<number>,
): readonly ({readonly volatility: VolatilityRegime; readonly trend: TrendRegime} | undefined)[] => {
  const history: number[] = []
  return Array.from({length: market.length}, (_, t) => {
    if (t < REGIME_LOOKBACK) return undefined
    const window = Float64Array.from({length: REGIME_LOOKBACK}, (__, k) => market[t - REGIME_LOOKBACK + k]!)
    const {mean, deviation} = moments(window)
    const place = firstAbove(history, deviation)
    const typical = history.length >= LEAST_HISTORY ? sortedQuantile(history, 0.5) : undefined
    history.splice(place, 0, deviation)
    if (typical === undefined) return undefined
    const errors = deviation > 0 ? (mean * Math.sqrt(REGIME_LOOKBACK)) / deviation : 0
    return {
      volatility: deviation > typical ? 'volatile' : 'calm',
      trend: errors > TREND ? 'rising' : errors < -TREND ? 'falling' : 'sideways',
    }
  })
}

const firstAbove = (sorted: readonly number[], value: number): number => {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low
}

/** A run's returns by regime of its market. Both are simple returns of the same periods; `market` may be log. */
export const regimeTable = (
  returns: ArrayLike<number>,
  market: ArrayLike<number>,
  periodsPerYear: number,
): RegimeRow[] => {
  const regimes = regimesOf(market)
  const row = <D extends RegimeRow['dimension']>(dimension: D, regime: RegimeRow['regime']): RegimeRow[] => {
    const periods = regimes.flatMap((found, t) => (found?.[dimension] === regime ? [t] : []))
    if (periods.length === 0) return []
    const own = periods.map(t => returns[t]!)
    const {mean, deviation} = moments(own)
    return [
      {
        dimension,
        regime,
        periods: periods.length,
        totalReturn: own.reduce((product, r) => product * (1 + r), 1) - 1,
        marketReturn: Math.expm1(periods.reduce((sum, t) => sum + market[t]!, 0)),
        sharpe:
          periods.length >= LEAST_FOR_SHARPE && deviation > 0 ? (mean / deviation) * Math.sqrt(periodsPerYear) : null,
      },
    ]
  }
  return [
    ...row('volatility', 'calm'),
    ...row('volatility', 'volatile'),
    ...row('trend', 'rising'),
    ...row('trend', 'sideways'),
    ...row('trend', 'falling'),
  ]
}
