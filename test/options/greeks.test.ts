import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {
  greeksBatch,
  greeksColumns,
  impliedVolatilityAndGreeksBatch,
  impliedVolatilityBatch,
  optionColumns,
  STATUS,
} from '../../src/options/batch.ts'
import {type Greeks, type GreeksInput, greeks} from '../../src/options/greeks.ts'

/** Greeks of a spot-rate-yield option, the variables the sensitivities are taken in. */
const at = (v: {s: number; k: number; t: number; r: number; q: number; vol: number; right: 'call' | 'put'}): Greeks =>
  greeks({
    forward: v.s * Math.exp((v.r - v.q) * v.t),
    strike: v.k,
    ttmYears: v.t,
    volatility: v.vol,
    discount: Math.exp(-v.r * v.t),
    right: v.right,
    spot: v.s,
  })

test('J. C. Hull, Options, Futures and Other Derivatives, chapter "The Greek letters", the running example', () => {
  const g = at({s: 49, k: 50, t: 0.3846, r: 0.05, q: 0, vol: 0.2, right: 'call'})
  expect(g.price).toBeCloseTo(2.4, 2)
  expect(g.delta).toBeCloseTo(0.522, 3)
  expect(g.gamma).toBeCloseTo(0.0655, 3)
  expect(g.vega).toBeCloseTo(12.1, 1)
  expect(g.theta).toBeCloseTo(-4.31, 2)
  expect(g.rho).toBeCloseTo(8.91, 1)
})

const market = fc.record({
  s: fc.double({min: 50, max: 200, noNaN: true}),
  k: fc.double({min: 60, max: 160, noNaN: true}),
  t: fc.double({min: 0.05, max: 3, noNaN: true}),
  r: fc.double({min: -0.02, max: 0.1, noNaN: true}),
  q: fc.double({min: -0.02, max: 0.1, noNaN: true}),
  vol: fc.double({min: 0.08, max: 1.2, noNaN: true}),
  right: fc.constantFrom('call' as const, 'put' as const),
})

describe('every greek is the derivative it claims to be', () => {
  const central = (f: (h: number) => number, h: number): number =>
    (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
  const near = (got: number, want: number, scale: number): void =>
    expect(Math.abs(got - want)).toBeLessThan(1e-5 * (scale + Math.abs(want)))

  test('against five-point central differences', () => {
    fc.assert(
      fc.property(market, v => {
        const g = at(v)
        const h = 1e-3
        near(g.delta, central(e => at({...v, s: v.s * (1 + e)}).price, h) / v.s, 1)
        near(
          g.gamma * v.s,
          central(e => at({...v, s: v.s * (1 + e)}).delta, h),
          1,
        )
        near(
          g.vega,
          central(e => at({...v, vol: v.vol + e}).price, h),
          v.s,
        )
        near(g.theta, -central(e => at({...v, t: v.t * (1 + e)}).price, h) / v.t, v.s)
        near(
          g.rho,
          central(e => at({...v, r: v.r + e}).price, h),
          v.s,
        )
        near(
          g.vanna,
          central(e => at({...v, vol: v.vol + e}).delta, h),
          1,
        )
        near(
          g.volga,
          central(e => at({...v, vol: v.vol + e}).vega, h),
          v.s,
        )
        near(g.charm, -central(e => at({...v, t: v.t * (1 + e)}).delta, h) / v.t, 1)
      }),
      {numRuns: 400},
    )
  })

  test('put-call parity of the greeks', () => {
    fc.assert(
      fc.property(market, v => {
        const call = at({...v, right: 'call'})
        const put = at({...v, right: 'put'})
        const carry = Math.exp(-v.q * v.t)
        expect(call.delta - put.delta).toBeCloseTo(carry, 12)
        expect(call.gamma).toBe(put.gamma)
        expect(call.vega).toBe(put.vega)
        expect(call.rho - put.rho).toBeCloseTo(v.t * v.k * Math.exp(-v.r * v.t), 9)
      }),
    )
  })
})

test('zero volatility gives the limits, not NaN', () => {
  const input: GreeksInput = {
    forward: 100,
    strike: 90,
    ttmYears: 1,
    volatility: 0,
    discount: 0.95,
    right: 'call',
    spot: 95,
  }
  expect(greeks(input)).toMatchObject({price: 9.5, delta: 1, gamma: 0, vega: 0, vanna: 0, volga: 0})
  expect(greeks({...input, right: 'put'})).toMatchObject({price: 0, gamma: 0})
  expect(() => greeks({...input, ttmYears: 0})).toThrow(RangeError)
})

describe('batch', () => {
  const rows = fc.sample(market, {numRuns: 500, seed: 7})
  const options = optionColumns(rows.length)
  const price = new Float64Array(rows.length)
  rows.forEach((v, i) => {
    options.strike[i] = v.k
    options.forward[i] = v.s * Math.exp((v.r - v.q) * v.t)
    options.discount[i] = Math.exp(-v.r * v.t)
    options.ttmYears[i] = v.t
    options.spot[i] = v.s
    options.call[i] = v.right === 'call' ? 1 : 0
    price[i] = at(v).price
  })

  test('one pass and two passes equal the scalar functions', () => {
    const one = greeksColumns(rows.length)
    impliedVolatilityAndGreeksBatch(options, price, one)
    const two = greeksColumns(rows.length)
    impliedVolatilityBatch(options, price, two.impliedVolatility, two.status)
    greeksBatch(options, two.impliedVolatility, two)
    expect(two).toEqual(one)
    rows.forEach((v, i) => {
      const want = at(v)
      if (want.vega < 1e-3 * v.s) return // the volatility is not determined by a price this flat
      expect(one.impliedVolatility[i]).toBeCloseTo(v.vol, 9)
      expect(one.delta[i]).toBeCloseTo(want.delta, 9)
      expect(one.theta[i]).toBeCloseTo(want.theta, 6)
      expect(one.rho[i]).toBeCloseTo(want.rho, 6)
    })
  })

  test('unusable rows are marked and hold NaN', () => {
    const out = greeksColumns(rows.length)
    const bad = price.slice()
    bad[0] = Number.NaN
    bad[1] = -1
    bad[2] = 1e6
    impliedVolatilityAndGreeksBatch(options, bad, out)
    expect([...out.status.slice(0, 3)]).toEqual([STATUS.noPrice, STATUS.belowIntrinsic, STATUS.aboveBound])
    expect(out.impliedVolatility[0]).toBeNaN()
    expect(out.delta[1]).toBeNaN()
  })

  test('a column that is too short is refused', () => {
    expect(() => impliedVolatilityBatch(options, price.slice(1), price, new Uint8Array(rows.length))).toThrow(
      RangeError,
    )
  })
})
