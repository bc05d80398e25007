import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {buildChain} from '../../src/options/chain.ts'
import {chainGreeks, greeksRecords} from '../../src/options/chain-greeks.ts'
import {impliedForwards, median} from '../../src/options/forward.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {NOON, occ, syntheticQuotes} from './synthetic-chain.ts'

const strikes = Array.from({length: 41}, (_, i) => 3800 + 25 * i)
const truth = {
  spot: 4300,
  rate: 0.05,
  yieldRate: 0.015,
  expiries: ['2023-06-16', '2023-07-21', '2023-12-15'],
  strikes,
  halfSpread: 0.1,
  volatility: (strike: number) => 0.2 - 0.15 * Math.log(strike / 4300),
} as const
const quotes = syntheticQuotes(truth)

describe('building', () => {
  test('slices are by class and expiry, strikes ascending, whatever the order of the quotes', () => {
    const chain = buildChain(quotes.toReversed())
    expect(chain.slices.map(s => s.expiry)).toEqual(truth.expiries)
    expect([...(chain.slices[0]?.strike ?? [])]).toEqual(strikes)
    expect(chain).toMatchObject({symbol: 'SPX', tsUs: NOON, underlying: 4300})
  })

  test('morning and evening contracts of one day are different slices', () => {
    const both = [...quotes, ...syntheticQuotes({...truth, root: 'SPX', expiries: ['2023-06-16']})]
    const slices = buildChain(both).slices.filter(s => s.expiry === '2023-06-16')
    expect(slices.map(s => [s.root, s.settlement])).toEqual([
      ['SPX', 'am'],
      ['SPXW', 'pm'],
    ])
    expect(((slices[1]?.expiryUs ?? 0) - (slices[0]?.expiryUs ?? 0)) / 3.6e9).toBe(6.5)
  })

  test('the later quote of a contract replaces the earlier', () => {
    const again = {...(quotes[0] as OptionQuote), tsUs: NOON + 1, bid: 1, ask: 2}
    const analysis = chainGreeks(buildChain([again, ...quotes]))
    expect(analysis.sliceOf[1]).toBe(-1)
    expect([...greeksRecords(analysis)]).toHaveLength(quotes.length)
    expect([...greeksRecords(analysis)][0]).toMatchObject({bid: 1, ask: 2})
  })

  test('two underlyings, or none, are refused', () => {
    expect(() => buildChain([])).toThrow(RangeError)
    expect(() => buildChain([...quotes, {...(quotes[0] as OptionQuote), symbol: 'NDX'}])).toThrow(/SPX and NDX/)
  })
})

describe('implied forward and discount', () => {
  const check = (bent: readonly OptionQuote[], toleranceForward: number, toleranceRate: number): void => {
    const {slices} = buildChain(bent)
    impliedForwards(slices).forEach((f, i) => {
      const t = slices[i]?.ttmYears ?? 0
      expect(Math.abs(f.forward - truth.spot * Math.exp(0.035 * t))).toBeLessThan(toleranceForward)
      expect(Math.abs(f.rate - truth.rate)).toBeLessThan(toleranceRate)
      expect(f.method).toBe('parity')
    })
  }

  test('recovered from exact quotes', () => check(quotes, 1e-6, 1e-6))

  test('a fifth of the calls quoted 30 points too high moves the forward by less than a spread', () => {
    check(
      quotes.map((q, i) => (i % 10 === 0 ? {...q, bid: q.bid + 30, ask: q.ask + 30} : q)),
      0.1,
      1e-3,
    )
  })

  test('the outliers are counted', () => {
    const {slices} = buildChain(quotes.map((q, i) => (i % 20 === 0 ? {...q, bid: q.bid + 30, ask: q.ask + 30} : q)))
    expect(impliedForwards(slices).map(f => f.outliers)).toEqual([3, 4, 4]) // two of the first slice fall on strikes whose put has no bid
  })

  test('a slice without pairs is carried from its neighbours', () => {
    const callsOnly = quotes.filter(q => q.expiry !== '2023-07-21' || q.right === 'call')
    const {slices, underlying} = buildChain(callsOnly)
    const forward = impliedForwards(slices, {underlying})[1]
    expect(forward?.method).toBe('carried')
    expect(forward?.forward).toBeCloseTo(truth.spot * Math.exp(0.035 * (slices[1]?.ttmYears ?? 0)), 3)
  })
})

describe('records', () => {
  const contract = occ('SPXW', '2023-07-21', 'call', 4300)
  const recordOf = (change: Partial<OptionQuote>) =>
    [
      ...greeksRecords(chainGreeks(buildChain(quotes.map(q => (q.contract === contract ? {...q, ...change} : q))))),
    ].find(r => r.contract === contract)

  test('volatility and greeks of the truth', () => {
    const r = recordOf({})
    expect(r).toMatchObject({kind: 'greeks', status: 'ok'})
    expect(r?.impliedVolatility).toBeCloseTo(0.2, 6)
    expect(r?.delta).toBeGreaterThan(0.5)
    expect(r?.theta).toBeLessThan(0)
  })

  test.each([
    [{bid: 0, ask: 0}, 'no-quote'],
    [{bid: 50, ask: 49}, 'crossed'],
    [{strike: 4300, bid: 5000, ask: 5001}, 'above-bound'],
    [{bid: Number.NaN, ask: 1}, 'no-quote'],
  ] as const)('%o is %s and carries nulls, never NaN', (change, status) => {
    const r = recordOf(change)
    expect(r?.status).toBe(status)
    expect(r).toMatchObject({impliedVolatility: null, delta: null, gamma: null, vega: null, theta: null, rho: null})
  })

  test('an in-the-money call below intrinsic', () => {
    const deep = occ('SPXW', '2023-07-21', 'call', 3800)
    const bent = quotes.map(q => (q.contract === deep ? {...q, bid: 400, ask: 401} : q))
    const r = [...greeksRecords(chainGreeks(buildChain(bent)))].find(x => x.contract === deep)
    expect(r?.status).toBe('below-intrinsic')
  })

  test('an expired contract is no quote', () => {
    const late = quotes.map(q => ({...q, tsUs: NOON + 30 * 86_400_000_000}))
    const r = [...greeksRecords(chainGreeks(buildChain(late)))].find(x => x.expiry === '2023-06-16')
    expect(r).toMatchObject({status: 'no-quote', impliedVolatility: null})
  })
})

test('the median is that of sorting', () => {
  fc.assert(
    fc.property(fc.array(fc.double({noNaN: true, min: -9, max: 9}), {minLength: 1, maxLength: 40}), values => {
      const sorted = values.toSorted((a, b) => a - b)
      const n = sorted.length
      const want = n % 2 === 1 ? sorted[n >> 1] : 0.5 * ((sorted[(n >> 1) - 1] ?? 0) + (sorted[n >> 1] ?? 0))
      expect(median(Float64Array.from(values))).toBe(want)
    }),
  )
})
