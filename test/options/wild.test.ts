import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {americanChainGreeks} from '../../src/options/american-chain.ts'
import {buildChain} from '../../src/options/chain.ts'
import {greeksRecords} from '../../src/options/chain-greeks.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {readChain} from '../../src/options/options.ts'
import {fitSurface} from '../../src/options/smile.ts'
import {smileSvg} from '../../src/options/smile-svg.ts'
import {findViolations} from '../../src/options/violations.ts'
import {newYork} from '../support/option-chains.ts'
import {occ, syntheticQuotes} from './synthetic-chain.ts'

const STATUSES = ['ok', 'below-intrinsic', 'above-bound', 'no-quote', 'crossed']

/** Runs everything that a chain goes through, and checks that no number of a record is NaN. */
const survives = (quotes: readonly OptionQuote[], options: {rate?: number; style?: 'american' | 'european'} = {}) => {
  const {rate, style = 'auto'} = options
  const analysis = americanChainGreeks(buildChain(quotes, style), rate === undefined ? {} : {rate})
  const records = [...greeksRecords(analysis)]
  for (const record of records) {
    expect(STATUSES).toContain(record.status)
    const numbers = [record.impliedVolatility, record.delta, record.gamma, record.vega, record.theta, record.rho]
    for (const value of numbers) expect(value === null || Number.isFinite(value)).toBe(true)
    if (record.status === 'ok') for (const value of numbers) expect(value, record.contract).not.toBeNull()
    if (record.vega !== null) expect(record.vega, record.contract).toBeGreaterThanOrEqual(-1e-9 * record.strike)
    else expect(record.impliedVolatility, record.status).toBeNull()
  }
  for (const violation of findViolations(analysis.chain, analysis.forwards))
    expect(Number.isFinite(violation.edgeAfterCosts)).toBe(true)
  const surface = fitSurface(analysis)
  expect(smileSvg(analysis, surface)).not.toMatch(/NaN|Infinity|undefined/)
  const {tensor} = readChain(quotes, options)
  for (const values of [tensor.cells, tensor.mask, tensor.rows]) expect(values.every(Number.isFinite)).toBe(true)
  return records
}

const base = (root: string): OptionQuote[] =>
  syntheticQuotes({
    ...{root, spot: 430, rate: 0.05, yieldRate: 0.013, expiries: ['2023-06-16', '2023-07-21', '2023-12-15']},
    ...{strikes: Array.from({length: 15}, (_, i) => 360 + 10 * i), halfSpread: 0.05},
    volatility: (strike, _t, forward) => 0.2 - 0.2 * Math.log(strike / forward),
  })
const price = fc.oneof(
  fc.constantFrom(0, Number.NaN, 1e-9, 1e9, -1, Number.POSITIVE_INFINITY),
  fc.double({min: 0, max: 600, noNaN: true}),
)

describe.each(['SPY', 'SPXW'])('a chain of %s', root => {
  test('with any quotes whatever', () => {
    const quotes = base(root)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(quotes.length - 1), price, price), {maxLength: 60}),
        fc.option(fc.double({min: -0.05, max: 0.2, noNaN: true}), {nil: undefined}),
        (changes, rate) => {
          const bent = [...quotes]
          for (const [at, bid, ask] of changes) bent[at] = {...(bent[at] as OptionQuote), bid, ask}
          survives(bent, rate === undefined ? {} : {rate})
        },
      ),
      // A price below the error of an early exercise premium had a negative vega and no rho.
      {
        numRuns: 25,
        examples: [
          [
            [
              [86, 0, 0],
              [73, 1e-9, 1e-9],
              [62, 0, 0],
            ],
            0.19950569984003316,
          ],
        ],
      },
    )
  })

  test('of one contract, one strike, one expiry, one right', () => {
    const quotes = base(root)
    survives(quotes.slice(0, 1))
    survives(quotes.filter(q => q.strike === 430))
    survives(quotes.filter(q => q.expiry === '2023-07-21'))
    survives(quotes.filter(q => q.right === 'put'))
  })

  test('without bids, without asks, crossed, all zero', () => {
    const quotes = base(root)
    const statuses = (change: (q: OptionQuote) => Partial<OptionQuote>) =>
      new Set(survives(quotes.map(q => ({...q, ...change(q)}))).map(r => r.status))
    expect(statuses(() => ({ask: 0}))).toEqual(new Set(['no-quote']))
    expect(statuses(() => ({bid: Number.NaN, ask: Number.NaN}))).toEqual(new Set(['no-quote']))
    expect(statuses(() => ({bid: 0, ask: 0}))).toEqual(new Set(['no-quote']))
    expect(statuses(q => ({bid: q.ask + 1}))).toEqual(new Set(['crossed']))
    statuses(() => ({bid: 0}))
  })

  test('on its last second, its last instant and after it', () => {
    const quotes = base(root).filter(q => q.expiry === '2023-06-16')
    const at = (tsUs: number) => survives(quotes.map(q => ({...q, tsUs})))
    const second = at(newYork('2023-06-16', 15, 59) + 59e6)
    expect(second.every(record => record.ttmYears > 0)).toBe(true)
    for (const tsUs of [newYork('2023-06-16', 16), newYork('2023-06-20', 16)])
      expect(new Set(at(tsUs).map(r => r.status))).toEqual(new Set(['no-quote']))
  })

  test('far in the money at their exercise value, and beyond every bound', () => {
    const quotes = base(root).map(q => {
      const intrinsic = Math.max(q.right === 'call' ? 430 - q.strike : q.strike - 430, 0)
      return {...q, bid: intrinsic, ask: intrinsic}
    })
    survives(quotes)
    const dear = survives(
      base(root).map(q => ({...q, bid: 5_000, ask: 5_001})),
      {rate: 0.05},
    )
    expect(new Set(dear.map(r => r.status))).toEqual(new Set(['above-bound']))
  })
})

test('negative rates: exercise with two boundaries goes through the lattice', () => {
  const quotes = base('SPY').filter(q => q.expiry !== '2023-06-16')
  const records = survives(quotes, {rate: -0.04})
  expect(records.filter(r => r.status === 'ok').length).toBeGreaterThan(30)
})

test('strikes of a cent and of a million, and a contract quoted twice', () => {
  const quotes = base('SPY')
  const odd = [0.01, 1e6].map(strike => ({
    ...(quotes[0] as OptionQuote),
    strike,
    contract: occ('SPY', '2023-07-21', 'call', strike),
    expiry: '2023-07-21',
  }))
  expect(survives([...quotes, ...odd, ...quotes.slice(0, 5)])).toHaveLength(quotes.length + 2)
})
