import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {
  type AmericanInput,
  americanPrice,
  exerciseBoundary,
  exercisePremium,
  exercisePremiumSlope,
} from '../../src/options/american.ts'
import {americanChainGreeks} from '../../src/options/american-chain.ts'
import {americanImpliedVolatility} from '../../src/options/american-volatility.ts'
import {blackPrice} from '../../src/options/black.ts'
import {buildChain} from '../../src/options/chain.ts'
import {latticePrice} from '../../src/options/lattice.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {syntheticQuotes} from './synthetic-chain.ts'

const european = ({spot, strike, ttmYears, volatility, rate, yieldRate, right}: AmericanInput): number =>
  Math.exp(-rate * ttmYears) *
  blackPrice(spot * Math.exp((rate - yieldRate) * ttmYears), strike, volatility * Math.sqrt(ttmYears), right === 'call')

/** Richardson on two step counts: the lattice's own error falls as 1/steps. */
const latticeLimit = (input: AmericanInput): number =>
  2 * latticePrice(input, {steps: 2401}) - latticePrice(input, {steps: 1201})

describe('American prices', () => {
  test('premium of Andersen, Lake and Offengenden 2016, section 6: 0.106952702747', () => {
    const input = {
      spot: 100,
      strike: 100,
      ttmYears: 1,
      volatility: 0.25,
      rate: 0.05,
      yieldRate: 0.05,
      right: 'put',
    } as const
    expect(Math.abs((americanPrice(input) ?? 0) - european(input) - 0.106952702747)).toBeLessThan(2e-6)
  })

  test.each([
    [35, 0.0833, 0.006],
    [35, 0.3333, 0.2],
    [35, 0.5833, 0.433],
    [40, 0.0833, 0.852],
    [40, 0.3333, 1.58],
    [40, 0.5833, 1.99],
    [45, 0.0833, 5.0],
    [45, 0.3333, 5.088],
    [45, 0.5833, 5.267],
  ])('put of N. Ju 1998, table 1: strike %d, %d years is %d', (strike, ttmYears, want) => {
    const input = {spot: 40, strike, ttmYears, volatility: 0.2, rate: 0.0488, yieldRate: 0, right: 'put'} as const
    expect(Math.abs((americanPrice(input) ?? 0) - want)).toBeLessThan(1e-3)
  })

  test.each([
    [0.08, 0.12, 0.2, 3, 80],
    [0.08, 0.04, 0.2, 3, 100],
    [0.05, 0.01, 0.15, 0.1, 100],
    [0.03, 0.03, 0.3, 2, 120],
    [0.02, 0, 0.8, 1, 80],
  ])(
    'agrees with the lattice limit: rate %d yield %d volatility %d time %d spot %d',
    (rate, yieldRate, volatility, ttmYears, spot) => {
      for (const right of ['call', 'put'] as const) {
        const input = {spot, strike: 100, ttmYears, volatility, rate, yieldRate, right}
        expect(Math.abs((americanPrice(input) ?? 0) - latticeLimit(input))).toBeLessThan(3e-4)
      }
    },
  )

  test('is never below European or immediate exercise, and a call without yield is European', () => {
    fc.assert(
      fc.property(
        fc.double({min: 50, max: 200, noNaN: true}),
        fc.double({min: 0.02, max: 3, noNaN: true}),
        fc.double({min: 0.05, max: 1, noNaN: true}),
        fc.double({min: 0, max: 0.15, noNaN: true}),
        fc.double({min: 0, max: 0.15, noNaN: true}),
        fc.constantFrom('call' as const, 'put' as const),
        (spot, ttmYears, volatility, rate, yieldRate, right) => {
          const input = {spot, strike: 100, ttmYears, volatility, rate, yieldRate, right}
          const price = americanPrice(input) ?? Number.NaN
          expect(price).toBeGreaterThanOrEqual(european(input) - 1e-12)
          expect(price).toBeGreaterThanOrEqual(right === 'call' ? spot - 100 : 100 - spot)
          expect(price).toBeLessThan(right === 'call' ? spot + 1e-9 : 100 + 1e-9)
          const free = {...input, yieldRate: 0, right: 'call' as const}
          expect(americanPrice(free)).toBeCloseTo(european(free), 10)
        },
      ),
      {numRuns: 300},
    )
  })

  test('two exercise boundaries (negative rate above a lower yield) are said not to be handled', () => {
    const input = {
      spot: 100,
      strike: 100,
      ttmYears: 1,
      volatility: 0.2,
      rate: -0.01,
      yieldRate: -0.03,
      right: 'put',
    } as const
    expect(americanPrice(input)).toBeUndefined()
    expect(latticePrice(input)).toBeGreaterThan(0)
  })

  test('the slope of the premium is its derivative', () => {
    const boundary = exerciseBoundary({ttmYears: 0.7, volatility: 0.3, rate: 0.06, yieldRate: 0.02})
    if (boundary === undefined) throw new Error('a boundary exists')
    const h = 1e-3
    const slope = (exercisePremium(boundary, 100 + h, 105) - exercisePremium(boundary, 100 - h, 105)) / (2 * h)
    expect(exercisePremiumSlope(boundary, 100, 105)).toBeCloseTo(slope, 7)
  })
})

describe('lattice', () => {
  test('European limit', () => {
    const input = {
      spot: 100,
      strike: 110,
      ttmYears: 0.5,
      volatility: 0.3,
      rate: 0.04,
      yieldRate: 0.01,
      right: 'call',
    } as const
    expect(latticePrice(input, {style: 'european'})).toBeCloseTo(european(input), 5)
  })

  test('a cash dividend lowers the call, raises the put, and makes early exercise of the call worth something', () => {
    const call = {
      spot: 100,
      strike: 90,
      ttmYears: 0.5,
      volatility: 0.2,
      rate: 0.05,
      yieldRate: 0,
      right: 'call',
    } as const
    const dividends = [{timeYears: 0.45, amount: 4}]
    const american = latticePrice(call, {dividends})
    expect(american).toBeLessThan(latticePrice(call))
    expect(american).toBeGreaterThan(latticePrice(call, {dividends, style: 'european'}) + 0.1)
    expect(latticePrice({...call, right: 'put'}, {dividends})).toBeGreaterThan(latticePrice({...call, right: 'put'}))
    // Escrowed: European value is Black of the spot less the dividend's present value.
    const bare = {...call, spot: 100 - 4 * Math.exp(-0.05 * 0.45)}
    expect(latticePrice(call, {dividends, style: 'european'})).toBeCloseTo(european(bare), 4)
  })

  test('dividends beyond expiry do not count; more than the spot are refused', () => {
    const put = {
      spot: 100,
      strike: 100,
      ttmYears: 0.5,
      volatility: 0.2,
      rate: 0.05,
      yieldRate: 0,
      right: 'put',
    } as const
    expect(latticePrice(put, {dividends: [{timeYears: 0.6, amount: 5}]})).toBe(latticePrice(put))
    expect(() => latticePrice(put, {dividends: [{timeYears: 0.1, amount: 120}]})).toThrow(RangeError)
  })
})

describe('de-Americanised implied volatility', () => {
  test('price → volatility returns, continuous yield', () => {
    fc.assert(
      fc.property(
        fc.double({min: 80, max: 125, noNaN: true}),
        fc.double({min: 0.1, max: 0.9, noNaN: true}),
        fc.constantFrom('call' as const, 'put' as const),
        (spot, volatility, right) => {
          const input = {spot, strike: 100, ttmYears: 0.6, rate: 0.05, yieldRate: 0.03, right}
          const price = americanPrice({...input, volatility}) ?? Number.NaN
          fc.pre(price > 0.02 + Math.max(right === 'call' ? spot - 100 : 100 - spot, 0))
          const result = americanImpliedVolatility({...input, price})
          expect(result.status === 'ok' ? result.volatility : Number.NaN).toBeCloseTo(volatility, 6)
        },
      ),
      {numRuns: 40},
    )
  })

  test('price → volatility returns, cash dividends', () => {
    const input = {spot: 100, strike: 100, ttmYears: 0.5, rate: 0.05, yieldRate: 0, right: 'call'} as const
    const dividends = [{timeYears: 0.2, amount: 2}]
    const price = latticePrice({...input, volatility: 0.33}, {steps: 301, dividends})
    const result = americanImpliedVolatility({...input, price, dividends})
    expect(result.status === 'ok' ? result.volatility : Number.NaN).toBeCloseTo(0.33, 8)
  })

  test.each([
    [10, 'below-intrinsic'],
    [9, 'below-intrinsic'],
    [100, 'above-bound'],
  ] as const)('a put worth 10 at once, quoted %d, is %s', (price, status) => {
    const input = {spot: 90, strike: 100, ttmYears: 0.5, rate: 0.05, yieldRate: 0, right: 'put'} as const
    expect(americanImpliedVolatility({...input, price})).toEqual({status})
  })
})

describe('American chain', () => {
  const spot = 430
  const [rate, yieldRate] = [0.05, 0.013]
  const volatility = (strike: number): number => 0.2 - 0.2 * Math.log(strike / spot)
  const quotes = syntheticQuotes({
    root: 'SPY',
    spot,
    rate,
    yieldRate,
    expiries: ['2023-07-21', '2023-12-15', '2024-06-21'],
    strikes: Array.from({length: 41}, (_, i) => 330 + 5 * i),
    halfSpread: 0,
    volatility,
  }).map((quote): OptionQuote => {
    const ttmYears = buildChain([quote]).slices[0]?.ttmYears ?? Number.NaN
    const price =
      americanPrice({
        spot,
        strike: quote.strike,
        ttmYears,
        volatility: volatility(quote.strike),
        rate,
        yieldRate,
        right: quote.right,
      }) ?? 0
    return {...quote, bid: Math.max(price - 0.01, 0.005), ask: price + 0.01}
  })
  const chain = buildChain(quotes)
  const analysis = americanChainGreeks(chain)

  test('rate and forwards are recovered from American quotes', () => {
    analysis.forwards.forEach((f, s) => {
      const t = chain.slices[s]?.ttmYears ?? 0
      expect(Math.abs(f.rate - rate)).toBeLessThan(0.004)
      expect(Math.abs(f.forward / (spot * Math.exp((rate - yieldRate) * t)) - 1)).toBeLessThan(5e-4)
    })
  })

  test('given the rate, volatilities and deltas are those of the truth', () => {
    const known = americanChainGreeks(chain, {rate})
    let checked = 0
    quotes.forEach((quote, i) => {
      const intrinsic = Math.max(quote.right === 'call' ? spot - quote.strike : quote.strike - spot, 0)
      if (known.status[i] !== 'ok' || 0.5 * (quote.bid + quote.ask) < intrinsic + 2 || quote.bid < 0.2) return
      checked++
      expect(Math.abs((known.columns.impliedVolatility[i] ?? 0) - volatility(quote.strike))).toBeLessThan(3e-3)
    })
    expect(checked).toBeGreaterThan(150)
    const row = quotes.findIndex(q => q.right === 'put' && q.strike === 450 && q.expiry === '2023-12-15')
    const ttmYears = chain.slices[1]?.ttmYears ?? 0
    const at = (s: number): number =>
      americanPrice({spot: s, strike: 450, ttmYears, volatility: volatility(450), rate, yieldRate, right: 'put'}) ?? 0
    expect(known.columns.delta[row]).toBeCloseTo((at(spot + 0.1) - at(spot - 0.1)) / 0.2, 2)
  })

  test('contracts quoted at their exercise value are below-intrinsic', () => {
    const deep = quotes.findIndex(q => q.right === 'put' && q.strike === 530 && q.expiry === '2023-07-21')
    expect(analysis.status[deep]).toMatch(/below-intrinsic|ok/)
    const bent = quotes.map((q, i) => (i === deep ? {...q, bid: 99.8, ask: 99.9} : q))
    expect(americanChainGreeks(buildChain(bent)).status[deep]).toBe('below-intrinsic')
  })

  test('adjusted classes are not priced against the underlying', () => {
    const adjusted = quotes.map(q => ({...q, contract: q.contract.replace('SPY', 'SPY1')}))
    expect(new Set(americanChainGreeks(buildChain(adjusted)).status)).toEqual(new Set(['no-quote']))
  })
})
