import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {
  cornishFisher,
  filteredHistorical,
  fitPareto,
  historical,
  normal,
  normalTail,
  peaksOverThreshold,
  studentQuantile,
  studentT,
} from '../../src/risk/var.ts'
import {acerbiSzekely, baselZone, christoffersen, kupiec} from '../../src/risk/var-backtest.ts'

const x = [-3.1, 1.2, 0.4, -0.7, 2.2, -1.5, 0.9, 0.1, -0.2, 1.1, -4.0, 0.3, 0.8, -0.6, 1.9, -2.2, 0.5, 0.0, -0.9, 1.4]
const y = [-6.0, 5.2, 0.4, -0.7, 1.2, -1.5, 0.9, 0.1, -0.2, 1.1, -1.0, 0.3, 0.8, -0.6, 0.9, -1.2, 0.5, 0.0, -0.9, 0.4]

describe('historical', () => {
  test('the stated order statistic and the mean of the tail, by hand', () => {
    const profits = Array.from({length: 100}, (_, i) => -(i + 1))
    expect(historical(profits, 0.95)).toEqual({valueAtRisk: 95, expectedShortfall: expect.closeTo(98, 9)})
    expect(historical(profits, 0.99).valueAtRisk).toBe(99)
    // 97.5 %: the worst 2.5 observations: 100, 99 and half of 98.
    expect(historical(profits, 0.975).expectedShortfall).toBeCloseTo((100 + 99 + 0.5 * 98) / 2.5, 9)
  })
  test('shortfall is never below value at risk, and both grow with confidence', () => {
    let last = Number.NEGATIVE_INFINITY
    for (const p of [0.5, 0.8, 0.9, 0.95, 0.99]) {
      const {valueAtRisk, expectedShortfall} = historical(x, p)
      expect(expectedShortfall).toBeGreaterThanOrEqual(valueAtRisk)
      expect(valueAtRisk).toBeGreaterThanOrEqual(last)
      last = valueAtRisk
    }
  })
  test('of nothing is an error', () => expect(() => historical([], 0.99)).toThrow(RangeError))
})

describe('parametric estimators against scipy 1.17', () => {
  test('normal', () => {
    expect(normal(x, 0.99).valueAtRisk).toBeCloseTo(3.8609342851229718, 10)
    expect(normal(x, 0.99).expectedShortfall).toBeCloseTo(4.405855681923642, 10)
  })
  test.each([
    [4, 3.746947387979196, 4.3805730737285105, 6.056213708135928],
    [6.5, 3.063365510660112, 4.218772541892269, 5.32154842077038],
  ])('Student t with %d degrees', (degrees, quantile, valueAtRisk, shortfall) => {
    expect(studentQuantile(0.99, degrees)).toBeCloseTo(quantile, 9)
    expect(studentT(x, 0.99, degrees).valueAtRisk).toBeCloseTo(valueAtRisk, 8)
    expect(studentT(x, 0.99, degrees).expectedShortfall).toBeCloseTo(shortfall, 8)
  })
  test('Cornish–Fisher inside its domain, undefined outside it', () => {
    expect(cornishFisher(y, 0.99)?.valueAtRisk).toBeCloseTo(7.1584091559555745, 9)
    expect(cornishFisher(y, 0.99)?.expectedShortfall).toBeCloseTo(10.111368153112553, 1)
    expect(cornishFisher(x, 0.99)).toBeUndefined()
  })
})

describe('filtered historical simulation', () => {
  const rng = createRng(2)
  const calm = Array.from({length: 500}, () => rng.normal())
  const storm = Array.from({length: 40}, () => 4 * rng.normal())
  test('follows the volatility of today, which plain history does not', () => {
    const plain = historical([...calm, ...storm], 0.95).valueAtRisk
    const filtered = filteredHistorical([...calm, ...storm], 0.95).valueAtRisk
    expect(plain).toBeLessThan(3)
    expect(filtered).toBeGreaterThan(5)
    expect(filteredHistorical(calm, 0.99).valueAtRisk).toBeCloseTo(2.33, 0)
  })
})

describe('peaks over threshold', () => {
  test('recovers a generalised Pareto tail', () => {
    const rng = createRng(5)
    const [xi, beta] = [0.2, 1.5]
    const sample = Float64Array.from({length: 20_000}, () => (beta / xi) * ((1 - rng.uniform()) ** -xi - 1)).sort()
    const fit = fitPareto(sample)
    expect(fit?.shape).toBeCloseTo(xi, 1)
    expect(fit?.scale).toBeCloseTo(beta, 1)
  })
  test('extrapolates Student tails better than a normal does', () => {
    const rng = createRng(6)
    const student = () =>
      rng.normal() / Math.sqrt(Array.from({length: 4}, () => rng.normal() ** 2).reduce((a, b) => a + b) / 4)
    const profits = Array.from({length: 5000}, student)
    const truth = studentQuantile(0.999, 4)
    const tail = peaksOverThreshold(profits, 0.999)?.valueAtRisk ?? 0
    expect(Math.abs(tail - truth)).toBeLessThan(Math.abs(normal(profits, 0.999).valueAtRisk - truth) / 2)
  })
  test('is undefined with too few excesses', () => {
    expect(peaksOverThreshold(x, 0.99)).toBeUndefined()
  })
})

describe('back-tests of value at risk', () => {
  test.each([
    [0, 5.025],
    [1, 1.176],
    [2, 0.108],
    [3, 0.095],
    [4, 0.769],
    [5, 1.957],
    [6, 3.555],
    [7, 5.497],
    [10, 12.955],
  ])('Kupiec, 250 days at 99 %%, %d exceptions: %d', (exceptions, statistic) => {
    expect(kupiec(250, exceptions, 0.99).statistic).toBeCloseTo(statistic, 2)
  })
  test('Kupiec p-value of 3 exceptions', () => expect(kupiec(250, 3, 0.99).pValue).toBeCloseTo(0.758, 3))
  test('Christoffersen sees clusters that Kupiec does not', () => {
    const spread = Array.from({length: 1000}, (_, i) => i % 100 === 50)
    const clustered = Array.from({length: 1000}, (_, i) => i >= 500 && i < 510)
    expect(christoffersen(spread, 0.99).conditional.pValue).toBeGreaterThan(0.5)
    expect(christoffersen(clustered, 0.99).unconditional.pValue).toBeGreaterThan(0.9)
    expect(christoffersen(clustered, 0.99).independence.pValue).toBeLessThan(1e-6)
  })
  test('a right estimator is rejected at about the level of the test, a wrong one nearly always', () => {
    const rng = createRng(7)
    let [rejectedRight, rejectedWrong] = [0, 0]
    for (let trial = 0; trial < 200; trial++) {
      const losses = Array.from({length: 1000}, () => rng.normal())
      const count = (limit: number) => losses.filter(l => l > limit).length
      if (kupiec(1000, count(normalTail(0, 1, 0.99).valueAtRisk), 0.99).pValue < 0.05) rejectedRight++
      if (kupiec(1000, count(1.8), 0.99).pValue < 0.05) rejectedWrong++
    }
    expect(rejectedRight).toBeLessThan(22)
    expect(rejectedWrong).toBeGreaterThan(190)
  })
  test('Basel’s zones', () => {
    expect([4, 5, 9, 10].map(baselZone)).toEqual(['green', 'yellow', 'yellow', 'red'])
  })
  test('Acerbi–Székely accepts the true shortfall and rejects half of it', () => {
    const rng = createRng(8)
    const losses = Array.from({length: 5000}, () => rng.normal())
    const truth = normalTail(0, 1, 0.975)
    expect(
      Math.abs(
        acerbiSzekely(
          losses,
          losses.map(() => truth),
          0.975,
        ).z,
      ),
    ).toBeLessThan(0.2)
    const low = {valueAtRisk: truth.valueAtRisk / 2, expectedShortfall: truth.expectedShortfall / 2}
    expect(
      acerbiSzekely(
        losses,
        losses.map(() => low),
        0.975,
      ).isRejected,
    ).toBe(true)
  })
})
