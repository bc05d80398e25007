import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {buildChain} from '../../src/options/chain.ts'
import {chainGreeks} from '../../src/options/chain-greeks.ts'
import {fitSurface, surfaceVolatility} from '../../src/options/smile.ts'
import {poolAdjacent, ssviSlice} from '../../src/options/ssvi.ts'
import {
  arbitrageGrid,
  butterflyDensity,
  isButterflyFree,
  isCalendarFree,
  type Svi,
  sviVariance,
} from '../../src/options/svi.ts'
import {syntheticQuotes} from './synthetic-chain.ts'

/** J. Vogt's smile, the standard example of SVI with butterfly arbitrage (Gatheral and Jacquier 2014, section 5.1). */
const vogt: Svi = {a: -0.041, b: 0.1331, rho: 0.306, m: 0.3586, sigma: 0.4153}
const wide = arbitrageGrid(-1.5, 1.5)

describe('static arbitrage of a smile', () => {
  test("Vogt's smile has positive variance but a negative density near k = 0.8", () => {
    expect(isButterflyFree(vogt, wide)).toBe(false)
    expect(butterflyDensity(vogt, 0.8)).toBeLessThan(0)
    expect(Math.min(...wide.map(k => sviVariance(vogt, k)))).toBeGreaterThan(0)
  })

  test('scaling a smile down never makes it worse, as the fallback of the fit relies on', () => {
    const svi: Svi = {a: 0.01, b: 0.1, rho: -0.6, m: 0.02, sigma: 0.15}
    expect(isButterflyFree(svi, wide)).toBe(true)
    fc.assert(
      fc.property(fc.double({min: 0.01, max: 1, noNaN: true}), c => {
        expect(isButterflyFree({...svi, a: c * svi.a, b: c * svi.b}, wide)).toBe(true)
      }),
    )
  })

  test('SSVI inside its parameter bounds is free of butterfly and calendar arbitrage', () => {
    fc.assert(
      fc.property(
        fc.double({min: -0.95, max: 0.95, noNaN: true}),
        fc.double({min: 0.05, max: 1, noNaN: true}),
        fc.double({min: 0.05, max: 0.5, noNaN: true}),
        fc.double({min: 1e-4, max: 0.5, noNaN: true}),
        fc.double({min: 1, max: 3, noNaN: true}),
        (rho, share, gamma, theta, growth) => {
          const shape = {rho, eta: (2 * share) / (1 + Math.abs(rho)), gamma}
          const early = ssviSlice(shape, theta)
          const late = ssviSlice(shape, theta * growth)
          expect(sviVariance(early, 0)).toBeCloseTo(theta, 12)
          expect(isButterflyFree(early, wide)).toBe(true)
          expect(isCalendarFree(early, late, wide)).toBe(true)
        },
      ),
    )
  })

  test('pooling makes a sequence monotone and keeps one that is', () => {
    const ones = Float64Array.of(1, 1, 1, 1)
    expect([...poolAdjacent(Float64Array.of(1, 3, 2, 4), ones)]).toEqual([1, 2.5, 2.5, 4])
    expect([...poolAdjacent(Float64Array.of(1, 2, 3, 4), ones)]).toEqual([1, 2, 3, 4])
  })
})

const strikes = Array.from({length: 61}, (_, i) => 3400 + 30 * i)
const market = {
  spot: 4300,
  rate: 0.04,
  yieldRate: 0.01,
  expiries: ['2023-07-21', '2023-09-15', '2023-12-15'],
  strikes,
  halfSpread: 0.25,
}
const surfaceOf = (volatility: (strike: number, ttmYears: number, forward: number) => number) =>
  fitSurface(chainGreeks(buildChain(syntheticQuotes({...market, volatility}))))

describe('fitting', () => {
  test('an SSVI surface is recovered: every slice, and its three parameters', () => {
    const truth = {rho: -0.65, eta: 1.1, gamma: 0.4}
    const {fits, ssvi, ssviRmseVolPoints, ssviCoverage} = surfaceOf((strike, t, forward) =>
      Math.sqrt(sviVariance(ssviSlice(truth, 0.04 * t), Math.log(strike / forward)) / t),
    )
    expect(fits).toHaveLength(3)
    for (const fit of fits) {
      expect(fit).toMatchObject({butterflyFree: true, calendarFree: true, coverage: 1})
      expect(fit.rmseVolPoints).toBeLessThan(0.02)
    }
    expect(ssvi?.rho).toBeCloseTo(truth.rho, 2)
    expect(ssvi?.eta).toBeCloseTo(truth.eta, 1)
    expect(ssvi?.gamma).toBeCloseTo(truth.gamma, 1)
    expect(ssviRmseVolPoints).toBeLessThan(0.05)
    expect(ssviCoverage).toBe(1)
  })

  test('quotes that are themselves arbitrageable are fitted without arbitrage, and the error says so', () => {
    // The middle expiry is dearer than the last: total variance falls in time.
    const {fits} = surfaceOf((_strike, t) => (t > 0.2 && t < 0.3 ? 0.45 : 0.2))
    for (const fit of fits) expect(fit).toMatchObject({butterflyFree: true, calendarFree: true})
    expect(Math.max(...fits.map(f => f.rmseVolPoints))).toBeGreaterThan(3)
    expect(Math.min(...fits.map(f => f.coverage))).toBeLessThan(0.2)
  })

  test('between slices total variance is linear in time at fixed moneyness', () => {
    const surface = surfaceOf((strike, _t, forward) => 0.2 - 0.1 * Math.log(strike / forward))
    const [first, second] = surface.fits
    const t = 0.5 * ((first?.ttmYears ?? 0) + (second?.ttmYears ?? 0))
    const want = 0.5 * (sviVariance(first?.svi as Svi, 0.05) + sviVariance(second?.svi as Svi, 0.05))
    expect(surfaceVolatility(surface, 0.05, t) ** 2 * t).toBeCloseTo(want, 12)
    expect(surfaceVolatility(surface, 0, 0.01)).toBeCloseTo(0.2, 2)
    expect(surfaceVolatility(surface, 0, 5)).toBeGreaterThan(0.1)
  })
})
