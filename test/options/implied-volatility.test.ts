import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {blackPrice, normalisedBlack, normalisedBlackComplement, normalisedVega} from '../../src/options/black.ts'
import {impliedVolatility, normalisedImpliedVolatility} from '../../src/options/implied-volatility.ts'

/** [x, s, b(x, s)] from 60-digit arithmetic (mpmath 1.3). */
const golden = [
  [-1e-12, 1e-6, 3.9894178040161553e-7],
  [-0.001, 0.02, 0.0074886845871202055],
  [-0.1, 0.05, 0.00042443083085118717],
  [-0.05, 0.4, 0.13478683788775228],
  [-0.5, 0.1, 5.339911785800865e-9],
  [-1, 0.25, 1.773660688937808e-6],
  [-1.5, 1.9, 0.1795589185054184],
  [-2, 0.3, 5.58778356385508e-13],
  [-2.5, 0.7, 2.9103426874321944e-5],
  [-5, 2, 0.0026498666737864492],
  [-5, 8, 0.08203188510569137],
  [-20, 1.5, 6.239644462189789e-42],
  [-50, 6, 3.465520651495061e-19],
  [0, 0.01, 0.003989406181481645],
  [0, 1.2, 0.45149376449985285],
  [-0.3, 3.5, 0.7807973225163543],
  [-0.001, 12, 0.999500123005994],
] as const

describe('normalised Black, 60-digit golden values', () => {
  test.each(golden)('b(%d, %d)', (x, s, want) => {
    // The conditioning of b in its own arguments is (x/s)² + 1: no double algorithm can do better.
    const bound = 1.2e-15 * (1 + (x / s) ** 2)
    expect(Math.abs(normalisedBlack(x, s) - want) / want).toBeLessThan(bound)
  })
  test.each(golden)('and back: s from b(%d, %d)', (x, s, want) => {
    const conditioning = 1 + want / (s * normalisedVega(x, s))
    expect(Math.abs(normalisedImpliedVolatility(want, x) - s) / s).toBeLessThan(1e-15 * conditioning)
  })
})

const logUniform = (low: number, high: number) =>
  fc.double({min: Math.log(low), max: Math.log(high), noNaN: true}).map(Math.exp)

test('volatility → price → volatility returns to a few ulp times the conditioning, over x in [−50, 0], s in [1e-4, 10]', () => {
  fc.assert(
    fc.property(fc.oneof(fc.constant(0), logUniform(1e-8, 50)), logUniform(1e-4, 10), (absX, s) => {
      const x = -absX
      const beta = normalisedBlack(x, s)
      fc.pre(beta > 1e-300 && beta < Math.exp(0.5 * x))
      const conditioning = 1 + beta / (s * normalisedVega(x, s))
      expect(Math.abs(normalisedImpliedVolatility(beta, x) - s) / s).toBeLessThan(8 * 2.22e-16 * conditioning)
    }),
    {numRuns: 30_000},
  )
})

test('b rises with s, and b plus its complement is the upper bound', () => {
  fc.assert(
    fc.property(fc.double({min: -20, max: 0, noNaN: true}), logUniform(1e-3, 8), (x, s) => {
      expect(normalisedBlack(x, s * 1.001)).toBeGreaterThanOrEqual(normalisedBlack(x, s))
      fc.pre(s * s > -2 * x)
      const bound = Math.exp(0.5 * x)
      expect(Math.abs(normalisedBlack(x, s) + normalisedBlackComplement(x, s) - bound)).toBeLessThan(1e-15 * bound)
    }),
    {numRuns: 3_000},
  )
})

test('put-call parity and the no-arbitrage bounds hold for Black prices', () => {
  fc.assert(
    fc.property(
      logUniform(1, 1e4),
      fc.double({min: 0.2, max: 5, noNaN: true}),
      logUniform(1e-3, 4),
      (forward, ratio, s) => {
        const strike = forward * ratio
        const call = blackPrice(forward, strike, s, true)
        const put = blackPrice(forward, strike, s, false)
        expect(Math.abs(call - put - (forward - strike))).toBeLessThan(1e-14 * (forward + strike))
        expect(call).toBeGreaterThanOrEqual(Math.max(forward - strike, 0))
        expect(call).toBeLessThanOrEqual(forward * (1 + 1e-15))
        expect(put).toBeLessThanOrEqual(strike * (1 + 1e-15))
      },
    ),
    {numRuns: 3_000},
  )
})

test('a higher price never implies a lower volatility', () => {
  fc.assert(
    fc.property(
      fc.double({min: 0.5, max: 2, noNaN: true}),
      fc.double({min: 0, max: 0.999, noNaN: true}),
      (strike, u) => {
        const intrinsic = Math.max(1 - strike, 0)
        const price = intrinsic + (1 - intrinsic) * u
        const volatility = (p: number): number => {
          const result = impliedVolatility({price: p, forward: 1, strike, ttmYears: 1, right: 'call'})
          return result.status === 'ok'
            ? result.volatility
            : result.status === 'above-bound'
              ? Number.POSITIVE_INFINITY
              : -1
        }
        expect(volatility(price * (1 + 1e-12))).toBeGreaterThanOrEqual(volatility(price) * (1 - 1e-15))
      },
    ),
    {numRuns: 3_000},
  )
})

describe('prices that no volatility explains are a status', () => {
  const base = {forward: 100, strike: 90, ttmYears: 0.5} as const
  test.each([
    {price: 9.99, right: 'call', status: 'below-intrinsic'},
    {price: 100, right: 'call', status: 'above-bound'},
    {price: 90, right: 'put', status: 'above-bound'},
    {price: -0.01, right: 'put', status: 'below-intrinsic'},
    {price: Number.POSITIVE_INFINITY, right: 'put', status: 'above-bound'},
  ] as const)('$right at $price is $status', ({price, right, status}) => {
    expect(impliedVolatility({...base, price, right})).toEqual({status})
  })
  test('exactly intrinsic is zero volatility', () => {
    expect(impliedVolatility({...base, price: 10, right: 'call'})).toEqual({status: 'ok', volatility: 0})
  })
  test.each([{forward: -1}, {strike: 0}, {ttmYears: 0}, {price: Number.NaN}, {forward: Number.NaN}])(
    'an input that is not a number above zero is refused: %o',
    change => {
      expect(() => impliedVolatility({...base, price: 12, right: 'call', ...change})).toThrow(RangeError)
    },
  )
})
