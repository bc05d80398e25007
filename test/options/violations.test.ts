import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {optionFromOcc} from '../../src/domain/instrument.ts'
import {buildChain} from '../../src/options/chain.ts'
import {impliedForwards} from '../../src/options/forward.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {findViolations, type Violation, type ViolationOptions} from '../../src/options/violations.ts'
import {occ, syntheticQuotes} from './synthetic-chain.ts'

const truth = {
  spot: 4300,
  rate: 0.05,
  yieldRate: 0.015,
  expiries: ['2023-07-21', '2023-08-18'],
  strikes: Array.from({length: 31}, (_, i) => 3900 + 25 * i),
  halfSpread: 0.2,
  volatility: () => 0.2,
}
const clean = syntheticQuotes(truth)
const [EARLY, LATE] = truth.expiries as [string, string]

const find = (quotes: readonly OptionQuote[], options: ViolationOptions = {}): Violation[] => {
  const chain = buildChain(quotes)
  return findViolations(chain, impliedForwards(chain.slices), options)
}
/** Quotes with one contract's bid and ask moved. */
const moved = (contract: string, by: number): OptionQuote[] =>
  clean.map(q => (q.contract === contract ? {...q, bid: q.bid + by, ask: q.ask + by} : q))
const discountOf = (quotes: readonly OptionQuote[], expiry: string): number => {
  const {slices} = buildChain(quotes)
  const s = slices.findIndex(slice => slice.expiry === expiry)
  return impliedForwards(slices)[s]?.discount ?? Number.NaN
}
/** Least value today of the legs at expiry over all settlements, plus what they bring in now; dollars. */
const worstCase = ({legs}: Violation, discount: number): number => {
  const strikes = legs.map(l => optionFromOcc(l.contract)?.option?.strike ?? Number.NaN)
  let worst = Number.POSITIVE_INFINITY
  for (const settlement of [0, ...strikes, 1e5]) {
    let value = 0
    for (const l of legs) {
      const option = optionFromOcc(l.contract)?.option
      const strike = option?.strike ?? Number.NaN
      const payoff = Math.max(option?.right === 'call' ? settlement - strike : strike - settlement, 0)
      value += (l.side === 'buy' ? 1 : -1) * l.quantity * (discount * payoff - l.price) * 100
    }
    worst = Math.min(worst, value)
  }
  return worst
}

test('a chain of Black prices holds none', () => {
  expect(find(clean)).toEqual([])
})

describe('planted', () => {
  test('a high call dearer than the low one is a vertical, with its legs and money', () => {
    const quotes = moved(occ('SPXW', EARLY, 'call', 4400), 60)
    const vertical = find(quotes).find(v => v.type === 'vertical')
    const low = quotes.find(q => q.contract === occ('SPXW', EARLY, 'call', 4375))
    const high = quotes.find(q => q.contract === occ('SPXW', EARLY, 'call', 4400))
    const edge = 100 * ((high?.bid ?? 0) - (low?.ask ?? 0))
    expect(vertical?.legs).toEqual([
      {contract: low?.contract, side: 'buy', quantity: 1, price: low?.ask},
      {contract: high?.contract, side: 'sell', quantity: 1, price: high?.bid},
    ])
    expect(vertical?.edge).toBeCloseTo(edge, 9)
    expect(vertical?.edgeAfterCosts).toBeCloseTo(edge - 2 * 0.69, 9)
    expect(vertical?.capacity).toBe(10)
  })

  test('a dear body is a butterfly of one, two, one', () => {
    const butterfly = find(moved(occ('SPXW', EARLY, 'put', 4300), 4)).find(v => v.type === 'butterfly')
    expect(butterfly?.legs.map(l => [l.side, l.quantity])).toEqual([
      ['buy', 1],
      ['sell', 2],
      ['buy', 1],
    ])
    expect(butterfly?.capacity).toBe(5)
  })

  test('one bent pair is a box between neighbours and a parity break in the slice', () => {
    const types = new Set(find(moved(occ('SPXW', EARLY, 'call', 4200), 3)).map(v => v.type))
    expect(types).toContain('box')
    expect(types).toContain('parity')
  })

  test('a nearer option dearer than the farther one is a calendar', () => {
    const calendar = find(moved(occ('SPXW', EARLY, 'put', 4100), 60)).find(v => v.type === 'calendar')
    expect(calendar?.legs[0]).toMatchObject({contract: occ('SPXW', EARLY, 'put', 4100), side: 'sell'})
    expect(calendar?.legs[1]).toMatchObject({contract: occ('SPXW', LATE, 'put', 4125), side: 'buy'})
  })

  test('what the spread or the fees eat is not reported', () => {
    const contract = occ('SPXW', EARLY, 'put', 4300)
    expect(find(moved(contract, 0.3)).filter(v => v.type === 'butterfly')).toEqual([])
    const rich = find(moved(contract, 4)).find(v => v.type === 'butterfly')
    const fee = (rich?.edge ?? 0) / 4 + 1
    expect(find(moved(contract, 4), {feePerContract: fee}).filter(v => v.type === 'butterfly')).toEqual([])
  })

  test('a crossed or one-sided quote is nobody to trade with', () => {
    const contract = occ('SPXW', EARLY, 'call', 4400)
    const crossed = clean.map(q => (q.contract === contract ? {...q, bid: 500, ask: 400} : q))
    expect(find(crossed)).toEqual([])
  })
})

test('whatever is bent, the worst settlement leaves the edge that is claimed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(clean.length - 1), fc.double({min: -15, max: 30, noNaN: true})), {
        minLength: 1,
        maxLength: 6,
      }),
      bends => {
        const quotes = clean.map(q => ({...q}))
        for (const [i, by] of bends) {
          const q = quotes[i] as OptionQuote & {bid: number; ask: number}
          q.ask = Math.max(q.ask + by, 0.05)
          q.bid = Math.min(Math.max(q.bid + by, 0), q.ask)
        }
        for (const violation of find(quotes)) {
          if (violation.type === 'calendar') continue
          const worst = worstCase(violation, discountOf(quotes, violation.expiry))
          expect(worst).toBeGreaterThanOrEqual(violation.edge - 1e-6)
        }
      },
    ),
    {numRuns: 150},
  )
})

describe('American chains', () => {
  const american = clean.map(q => ({...q, symbol: 'SPY', contract: q.contract.replace('SPXW', 'SPY')}))
  const bend = (right: 'call' | 'put', strike: number, expiry: string, by: number): OptionQuote[] =>
    american.map(q =>
      q.right === right && q.strike === strike && q.expiry === expiry ? {...q, bid: q.bid + by, ask: q.ask + by} : q,
    )
  const typesOf = (quotes: readonly OptionQuote[]): Set<string> => new Set(find(quotes).map(v => v.type))

  test('European prices of American contracts break no bound', () => {
    expect(find(american)).toEqual([])
  })

  test('a nearer option dearer than the farther of its strike is a calendar, with both legs', () => {
    const near = american.find(q => q.right === 'call' && q.strike === 4300 && q.expiry === EARLY)
    const far = american.find(q => q.right === 'call' && q.strike === 4300 && q.expiry === LATE)
    const by = (far?.ask ?? 0) - (near?.bid ?? 0) + 1
    const found = find(bend('call', 4300, EARLY, by)).find(v => v.type === 'calendar')
    expect(found?.legs.map(({contract, side}) => ({contract, side}))).toEqual([
      {contract: near?.contract, side: 'sell'},
      {contract: far?.contract, side: 'buy'},
    ])
    expect(found?.edge).toBeCloseTo(100, 6)
    expect(found?.edgeAfterCosts).toBeCloseTo(100 - 2 * 0.69, 6)
  })

  test('a box below its payoff is one; one above it is none, for its legs may be exercised', () => {
    const cheap = american.map(q =>
      q.right === 'call' && q.strike === 4300 && q.expiry === EARLY ? {...q, bid: q.bid - 8, ask: q.ask - 8} : q,
    )
    expect(typesOf(cheap)).toContain('box')
    const dear = american.map(q =>
      q.right === 'put' && q.strike === 4300 && q.expiry === EARLY ? {...q, bid: q.bid - 8, ask: q.ask - 8} : q,
    )
    for (const box of find(dear).filter(v => v.type === 'box')) expect(worstCase(box, 1)).toBeGreaterThanOrEqual(0)
  })

  test('parity allows for interest on the strike and what the underlying pays, no more', () => {
    const interest = 4300 * (1 - discountOf(american, EARLY))
    expect(typesOf(bend('call', 4300, EARLY, 0.4 * interest))).not.toContain('parity')
    const found = find(bend('call', 4300, EARLY, 4 * interest)).find(v => v.type === 'parity')
    expect(found?.legs).toHaveLength(4)
    expect(found?.edge).toBeLessThan(100 * 4 * interest)
  })

  test('a vertical sold for more than its width is one, undiscounted', () => {
    const found = find(bend('call', 4300, EARLY, 30)).find(
      v => v.type === 'vertical' && v.legs.some(l => l.side === 'sell' && l.contract.includes('C04300000')),
    )
    expect(found).toBeDefined()
  })
})
