import {readFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../../src/domain/rng.ts'
import {adf} from '../../../src/strategies/statistics/adf.ts'
import {engleGranger} from '../../../src/strategies/statistics/engle-granger.ts'
import {johansen} from '../../../src/strategies/statistics/johansen.ts'
import {KalmanHedge} from '../../../src/strategies/statistics/kalman-hedge.ts'
import {mackinnonCritical, mackinnonP} from '../../../src/strategies/statistics/mackinnon.ts'
import {benjaminiHochberg, halfLife} from '../../../src/strategies/statistics/mean-reversion.ts'
import {nestedSsr, ols} from '../../../src/strategies/statistics/ols.ts'
import {pairStatistic} from '../../../src/strategies/statistics/pair-statistic.ts'

interface Fixture {
  readonly series: number[][]
  readonly adf: {
    k: number
    regression: 'n' | 'c' | 'ct'
    statistic: number
    p: number
    lag: number
    nobs: number
    critical: number[]
  }[]
  readonly coint: {trend: 'c' | 'ct'; cols: number[]; statistic: number; p: number; critical: number[]}[]
  readonly cointAic: {statistic: number; p: number}
  readonly johansen: {k: number; eig: number[]; trace: number[]; maxeig: number[]; cvt: number[][]; vec0: number[]}[]
}
const fixture: Fixture = JSON.parse(readFileSync(new URL('cointegration-fixture.json', import.meta.url), 'utf8'))
const series = fixture.series.map(s => Float64Array.from(s))

describe('agreement with statsmodels 0.15 (which agrees with Stata)', () => {
  test.each(fixture.adf)('adf of series $k, $regression', golden => {
    const result = adf(series[golden.k]!, {deterministic: golden.regression})
    expect(result.usedLag).toBe(golden.lag)
    expect(result.observations).toBe(golden.nobs)
    expect(result.statistic).toBeCloseTo(golden.statistic, 9)
    expect(result.pValue).toBeCloseTo(golden.p, 9)
    expect(result.criticalValues?.fivePercent).toBeCloseTo(golden.critical[1]!, 9)
  })
  test.each(fixture.coint)('Engle–Granger on $cols, $trend', golden => {
    const result = engleGranger(
      series[0]!,
      golden.cols.map(c => series[c]!),
      {
        deterministic: golden.trend,
        maxLag: 4,
        lagChoice: 'fixed',
      },
    )
    expect(result.statistic).toBeCloseTo(golden.statistic, 8)
    expect(result.pValue).toBeCloseTo(golden.p, 8)
    const {onePercent, fivePercent, tenPercent} = result.criticalValues
    for (const [i, value] of [onePercent, fivePercent, tenPercent].entries())
      expect(value).toBeCloseTo(golden.critical[i]!, 9)
  })
  test('Engle–Granger with AIC lags; the Stata figure for constant and trend', () => {
    const result = engleGranger(series[0]!, [series[1]!])
    expect(result.statistic).toBeCloseTo(fixture.cointAic.statistic, 8)
    const stata = engleGranger(series[0]!, [series[1]!], {deterministic: 'ct', maxLag: 4, lagChoice: 'fixed'})
    expect(stata.statistic).toBeCloseTo(-5.615251442239, 7)
  })
  test.each(fixture.johansen)('Johansen with $k lagged differences', golden => {
    const result = johansen(series, golden.k)
    for (let r = 0; r < 4; r++) {
      expect(result.eigenvalues[r]!).toBeCloseTo(golden.eig[r]!, 9)
      expect(result.trace[r]!).toBeCloseTo(golden.trace[r]!, 6)
      expect(result.maxEigenvalue[r]!).toBeCloseTo(golden.maxeig[r]!, 6)
      expect(result.traceCritical[r]).toEqual(golden.cvt[r])
      expect(result.vectors[0]![r]! / result.vectors[0]![0]!).toBeCloseTo(golden.vec0[r]!, 6)
    }
  })
})

describe('MacKinnon tables', () => {
  test('critical values of the paper', () => {
    const {onePercent, fivePercent, tenPercent} = mackinnonCritical('c', 1)
    expect([onePercent, fivePercent, tenPercent]).toEqual([-3.43035, -2.86154, -2.56677])
    expect(mackinnonCritical('c', 2, 100).fivePercent).toBeCloseTo(-3.33613 - 6.1101 / 100 - 6.823 / 1e4, 12)
  })
  test('p-values fall with the statistic and stay in [0, 1]', () => {
    for (const series of [1, 2, 3]) {
      let last = 0
      for (let t = -30; t < 4; t += 0.05) {
        const p = mackinnonP(t, 'c', series)
        expect(p).toBeGreaterThanOrEqual(last - 1e-3)
        expect(p).toBeLessThanOrEqual(1)
        last = p
      }
    }
  })
})

/** Random walk and, unless `cointegrated`, a second one; else a mean-reverting distance from twice the first. */
const pairOf = (seed: number, n: number, cointegrated: boolean, reversion = 0.2) => {
  const rng = createRng(seed)
  const x = new Float64Array(n)
  const y = new Float64Array(n)
  let spread = 0
  for (let i = 1; i < n; i++) {
    x[i] = x[i - 1]! + rng.normal()
    spread = (1 - reversion) * spread + rng.normal()
    y[i] = cointegrated ? 2 * x[i]! + 5 + spread : y[i - 1]! + rng.normal()
  }
  return {x, y}
}

describe('size and power of the pair test', () => {
  test('rejects about 5 % of independent walks and nearly all cointegrated pairs', () => {
    let falseAlarms = 0
    let found = 0
    const trials = 300
    for (let seed = 1; seed <= trials; seed++) {
      const {x, y} = pairOf(seed, 250, false)
      if (engleGranger(y, [x], {maxLag: 1, lagChoice: 'fixed'}).pValue < 0.05) falseAlarms++
      const pair = pairOf(seed + 10_000, 250, true)
      if (engleGranger(pair.y, [pair.x], {maxLag: 1, lagChoice: 'fixed'}).pValue < 0.05) found++
    }
    // Binomial(300, 0.05) lies in [5, 27] with probability 0.999.
    expect(falseAlarms).toBeGreaterThanOrEqual(5)
    expect(falseAlarms).toBeLessThanOrEqual(27)
    expect(found / trials).toBeGreaterThan(0.95)
  })
  test('the screening statistic is the full test’s, and knows a series from itself', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const {x, y} = pairOf(seed, 120, seed % 2 === 0)
      const full = engleGranger(y, [x], {maxLag: 1, lagChoice: 'fixed'}).statistic
      expect(pairStatistic(y, x)).toBeCloseTo(full, 8)
      expect(pairStatistic(x, x)).toBe(Number.NEGATIVE_INFINITY)
    }
  })
  test('a series against itself is collinear, not a discovery to trade', () => {
    const {x} = pairOf(1, 100, false)
    expect(engleGranger(x, [x]).statistic).toBe(Number.NEGATIVE_INFINITY)
  })
  test('Johansen sees cointegration where it is, mostly not where it is not, and the hedge ratio', () => {
    let found = 0
    let falseAlarms = 0
    for (let seed = 1; seed <= 200; seed++) {
      const {x, y} = pairOf(seed, 400, true)
      const result = johansen([y, x])
      if (result.rank >= 1) found++
      expect(Math.abs(-result.vectors[0]![1]! / result.vectors[0]![0]! - 2)).toBeLessThan(0.2)
      const walks = pairOf(seed, 400, false)
      if (johansen([walks.y, walks.x]).rank >= 1) falseAlarms++
    }
    expect(found).toBeGreaterThanOrEqual(195)
    // Without drift the table, made for series with drift, rejects more often than its 5 %.
    expect(falseAlarms / 200).toBeLessThan(0.15)
  })
})

describe('mean reversion', () => {
  test('half-life of an AR(1) with coefficient 0.9 is ln 2 / −ln 0.9', () => {
    const rng = createRng(11)
    const s = new Float64Array(20_000)
    for (let i = 1; i < s.length; i++) s[i] = 1 + 0.9 * s[i - 1]! + rng.normal()
    const estimate = halfLife(s)
    expect(estimate.observations).toBeCloseTo(-Math.LN2 / Math.log(0.9), 0)
    expect(estimate.low).toBeLessThan(estimate.observations)
    expect(estimate.high).toBeGreaterThan(estimate.observations)
    expect(estimate.mean).toBeCloseTo(10, 0)
    expect(estimate.deviation).toBeCloseTo(1 / Math.sqrt(1 - 0.81), 0)
  })
  test('a trending series has none', () => {
    expect(halfLife(Float64Array.from({length: 50}, (_, i) => 1.1 ** i)).observations).toBe(Number.POSITIVE_INFINITY)
  })
  test('Benjamini–Hochberg, the example of the 1995 paper: four of fifteen at 5 %', () => {
    const p = [
      0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1,
    ]
    expect(benjaminiHochberg(p, 0.05).filter(Boolean)).toHaveLength(4)
    expect(benjaminiHochberg([...p].reverse(), 0.05).lastIndexOf(true)).toBe(14)
    expect(benjaminiHochberg([], 0.05)).toEqual([])
  })
})

describe('KalmanHedge', () => {
  test('without state noise and with a wide prior it is least squares', () => {
    const {x, y} = pairOf(5, 300, true)
    const filter = new KalmanHedge({delta: 0, initialVariance: 1e9, observationVariance: 1})
    for (let i = 0; i < x.length; i++) filter.update(x[i]!, y[i]!)
    const fit = ols([x, new Float64Array(x.length).fill(1)], y)
    expect(filter.beta).toBeCloseTo(fit.coefficients[0]!, 5)
    expect(filter.alpha).toBeCloseTo(fit.coefficients[1]!, 5)
  })
  test('follows a hedge ratio that drifts', () => {
    const rng = createRng(7)
    const filter = new KalmanHedge({delta: 1e-3, observationVariance: 0.01})
    let beta = 1
    for (let i = 0; i < 4000; i++) {
      beta += 0.0005
      const x = 5 + rng.normal()
      filter.update(x, beta * x + 0.1 * rng.normal())
    }
    expect(filter.beta).toBeCloseTo(beta, 0)
    expect(Math.abs(filter.beta - beta)).toBeLessThan(0.15)
  })
})

describe('ols', () => {
  test('standard errors of the straight line through four points, by hand', () => {
    // y = 1, 3, 2, 5 on x = 0…3: slope 1.1, intercept 1.1, ssr 2.7, s² = 1.35, se(slope) = √(1.35/5).
    const fit = ols([Float64Array.of(0, 1, 2, 3), Float64Array.of(1, 1, 1, 1)], Float64Array.of(1, 3, 2, 5))
    expect(fit.coefficients[0]).toBeCloseTo(1.1, 12)
    expect(fit.coefficients[1]).toBeCloseTo(1.1, 12)
    expect(fit.standardErrors[0]).toBeCloseTo(Math.sqrt(1.35 / 5), 12)
  })
  test('residual sums of the first columns from one reduction are those of a fit each', () => {
    const {x, y} = pairOf(3, 80, true)
    const columns = [x, new Float64Array(80).fill(1), y.map((v, i) => Math.sin(i) * v), x.map(v => v * v)]
    const nested = nestedSsr(columns, y)
    expect(nested[0]).toBeCloseTo(
      y.reduce((sum, v) => sum + v * v, 0),
      6,
    )
    for (let k = 1; k <= columns.length; k++) expect(nested[k]! / ols(columns.slice(0, k), y).ssr).toBeCloseTo(1, 10)
  })
  test('refuses more columns than rows', () => {
    expect(() => ols([Float64Array.of(1)], Float64Array.of(1))).toThrow(RangeError)
  })
})
