import {describe, expect, test} from 'vitest'
import {hestonCalls} from '../../src/options/heston.ts'
import {gaussLegendre} from '../../src/options/quadrature.ts'

const parameters = {kappa: 1.5768, theta: 0.0398, xi: 0.5751, rho: -0.5711, v0: 0.0175}
const price = (ttmYears: number): number => hestonCalls(parameters, 100, [100], ttmYears)[0] ?? Number.NaN

describe('Heston', () => {
  // 40-digit integration of the same formula (mpmath 1.3). The widely copied 22.31894579147459 for ten years, of Fang and
  // Oosterlee 2008, is that number to 3.2e-10.
  test.each([
    [1, 5.785155434376189, 1e-12],
    [10, 22.31894579115449, 1e-12],
    [10, 22.31894579147459, 4e-10],
  ])('golden call, %d years', (ttmYears, want, tolerance) => {
    expect(Math.abs(price(ttmYears) - want)).toBeLessThan(tolerance)
  })

  test('many strikes at once equal one at a time, fall in strike and are convex', () => {
    const strikes = [60, 80, 90, 100, 110, 120, 150]
    const together = hestonCalls(parameters, 100, strikes, 0.05)
    for (const [i, strike] of strikes.entries())
      expect(hestonCalls(parameters, 100, [strike], 0.05)[0]).toBeCloseTo(together[i] ?? 0, 13)
    for (let i = 1; i < strikes.length - 1; i++) {
      const [a, b, c] = [strikes[i - 1] ?? 0, strikes[i] ?? 0, strikes[i + 1] ?? 0]
      const line = ((c - b) * (together[i - 1] ?? 0) + (b - a) * (together[i + 1] ?? 0)) / (c - a)
      expect(together[i]).toBeLessThanOrEqual(line + 1e-12)
    }
    expect(together[0]).toBeCloseTo(40, 6)
  })
})

test('Gauss–Legendre integrates polynomials of degree 2n − 1 exactly', () => {
  const {node, weight} = gaussLegendre(5)
  const integrate = (power: number): number => node.reduce((sum, x, i) => sum + (weight[i] ?? 0) * x ** power, 0)
  for (let power = 0; power <= 9; power++)
    expect(integrate(power)).toBeCloseTo(power % 2 === 0 ? 2 / (power + 1) : 0, 14)
})
