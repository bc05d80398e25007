import stdlibErfc from '@stdlib/math-base-special-erfc'
import stdlibErfcx from '@stdlib/math-base-special-erfcx'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {
  erfc,
  erfcx,
  millsFirstMoment,
  millsRatio,
  normalCdf,
  normalPdf,
  normalQuantile,
} from '../../src/options/normal.ts'

const relative = (got: number, want: number): number => Math.abs(got - want) / Math.abs(want)

describe('against 60-digit values (mpmath 1.3)', () => {
  test.each([
    [0.1, 0.887537083981715, 0.8964569799691267],
    [0.5, 0.4795001221869535, 0.6156903441929259],
    [1, 0.15729920705028513, 0.427583576155807],
    [2.5, 0.0004069520174449589, 0.2108063640611436],
    [5, 1.537459794428035e-12, 0.11070463773306863],
    [10, 2.088487583762545e-45, 0.05614099274382259],
    [20, 5.395865611607901e-176, 0.02817434874105132],
    [26, 5.663192408856143e-296, 0.021683584850562907],
  ])('erfc and erfcx at %d', (z, wantErfc, wantErfcx) => {
    expect(relative(erfc(z), wantErfc)).toBeLessThan(1e-15)
    expect(relative(erfcx(z), wantErfcx)).toBeLessThan(1e-15)
  })

  test.each([
    [-20, 2.7536241186062337e-89],
    [-8.3, 5.205569744890254e-17],
    [-3, 0.0013498980316300946],
    [-1, 0.15865525393145705],
    [-0.2, 0.42074029056089696],
    [0.7, 0.758036347776927],
    [3, 0.9986501019683699],
  ])('normal distribution at %d', (x, want) => {
    expect(relative(normalCdf(x), want)).toBeLessThan(1e-15)
  })
})

test('erfc and erfcx agree with @stdlib within both error bounds over the whole domain', () => {
  fc.assert(
    fc.property(fc.double({min: -5, max: 26, noNaN: true}), z => {
      expect(relative(erfc(z), stdlibErfc(z))).toBeLessThan(2e-15)
      // Beyond 20 @stdlib's own error in exp(z²) for negative z grows with z²; compare where both are well conditioned.
      expect(relative(erfcx(z), stdlibErfcx(z))).toBeLessThan(2e-15 * (1 + (z < 0 ? z * z : 0)))
    }),
    {numRuns: 5_000},
  )
})

describe('quantile', () => {
  // @stdlib's normal quantile goes through erfinv(2p − 1) and is off by 1e-13 at p = 5e-6, so it is no reference here.
  test.each([
    [1e-300, -37.0470962993612],
    [1e-50, -14.933337534788489],
    [1e-12, -7.034483825301132],
    [5.2e-6, -4.408685334423086],
    [0.001, -3.0902323061678136],
    [0.02425, -1.972961051311885],
    [0.1, -1.2815515655446004],
    [0.3, -0.5244005127080408],
  ])('60-digit value at %d', (p, want) => {
    expect(relative(normalQuantile(p), want)).toBeLessThan(1e-15)
  })

  test('inverts the distribution down to 1e-300', () => {
    fc.assert(
      fc.property(fc.double({min: -300, max: -0.01, noNaN: true}), exponent => {
        const p = 10 ** exponent
        const x = normalQuantile(p)
        // d ln Φ/dx ≈ −x: the relative error of the probability is about x² times that of x.
        expect(relative(normalCdf(x), p)).toBeLessThan(2e-15 * (4 + x * x))
      }),
      {numRuns: 5_000},
    )
  })
})

test('millsFirstMoment is 1 − y·millsRatio where that does not cancel, and both join smoothly at 4', () => {
  fc.assert(
    fc.property(fc.double({min: 0, max: 8, noNaN: true}), y => {
      const direct = 1 - y * millsRatio(y)
      expect(Math.abs(millsFirstMoment(y) - direct)).toBeLessThan(4e-16)
    }),
  )
  expect(relative(millsRatio(4), millsRatio(4.000000000000001))).toBeLessThan(1e-15)
  expect(relative(millsFirstMoment(4), millsFirstMoment(4.000000000000001))).toBeLessThan(2e-15)
})

test('edges: infinities and NaN are answered, not guessed', () => {
  expect(normalCdf(Number.NEGATIVE_INFINITY)).toBe(0)
  expect(normalCdf(Number.POSITIVE_INFINITY)).toBe(1)
  expect(normalCdf(Number.NaN)).toBeNaN()
  expect(normalQuantile(0)).toBe(Number.NEGATIVE_INFINITY)
  expect(normalQuantile(1)).toBe(Number.POSITIVE_INFINITY)
  expect(normalQuantile(-0.1)).toBeNaN()
  expect(normalPdf(0)).toBe(0.3989422804014327)
})
