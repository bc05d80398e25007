import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {americanPrice} from '../../src/options/american.ts'
import {americanChainGreeks} from '../../src/options/american-chain.ts'
import {americanGreeks} from '../../src/options/american-greeks.ts'
import {americanImpliedVolatility} from '../../src/options/american-volatility.ts'
import {blackPrice} from '../../src/options/black.ts'
import {buildChain} from '../../src/options/chain.ts'
import {dividendKernel} from '../../src/options/dividend-kernel.ts'
import {exerciseGrid, solvePremiums} from '../../src/options/exercise-grid.ts'
import {boundaryKernel, emptyPremium} from '../../src/options/exercise-kernel.ts'
import {greeks} from '../../src/options/greeks.ts'
import {escrowed, latticePremium, latticePrice} from '../../src/options/lattice.ts'
import {latticeKernel} from '../../src/options/lattice-kernel.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {readCboe} from '../support/option-chains.ts'
import {noTestData} from '../support/test-data.ts'
import {syntheticQuotes} from './synthetic-chain.ts'

const european = (spot: number, strike: number, years: number, sigma: number, rate: number, q: number, call: boolean) =>
  Math.exp(-rate * years) * blackPrice(spot * Math.exp((rate - q) * years), strike, sigma * Math.sqrt(years), call)

describe('premium kernels', () => {
  test('value and derivatives agree with the precise price, over the smile of a kernel', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.double({min: 0.02, max: 2, noNaN: true}),
        fc.double({min: 0.01, max: 0.08, noNaN: true}),
        fc.double({min: 0, max: 0.05, noNaN: true}),
        fc.double({min: 0.16, max: 0.55, noNaN: true}),
        fc.double({min: -1.5, max: 1.5, noNaN: true}),
        (call, years, rate, q, sigma, z) => {
          const kernel = boundaryKernel({call, spot: 100, ttmYears: years, rate, yieldRate: q, low: 0.15, high: 0.6})
          const out = emptyPremium()
          const strike = 100 * Math.exp(z * sigma * Math.sqrt(years))
          kernel?.into(out, strike, sigma, true)
          const right = call ? 'call' : 'put'
          const premium = (spot: number, v: number, r: number): number =>
            (americanPrice({spot, strike, ttmYears: years, volatility: v, rate: r, yieldRate: q, right}) ??
              Number.NaN) - european(spot, strike, years, v, r, q, call)
          const intrinsic = call ? 100 - strike : strike - 100
          const price = premium(100, sigma, rate) + european(100, strike, years, sigma, rate, q, call)
          if (out.exercised) {
            expect(price - intrinsic).toBeLessThan(0.01)
            return
          }
          expect(Math.abs(out.value - premium(100, sigma, rate))).toBeLessThan(0.008)
          // At the boundary the price has a kink in its slope's slope that differences smear.
          fc.pre(price > intrinsic + 0.3)
          const slope = (premium(100.05, sigma, rate) - premium(99.95, sigma, rate)) / 0.1
          const vega = (premium(100, sigma + 1e-3, rate) - premium(100, sigma - 1e-3, rate)) / 2e-3
          const rho = (premium(100, sigma, rate + 1e-3) - premium(100, sigma, rate - 1e-3)) / 2e-3
          expect(Math.abs(out.slope - slope)).toBeLessThan(2e-3)
          expect(Math.abs(out.vega - vega)).toBeLessThan(0.25)
          expect(Math.abs(out.rho - rho)).toBeLessThan(1.5 + 0.05 * Math.abs(rho))
          // Second order by differences of the kernel's own first order.
          const [up, down] = [emptyPremium(), emptyPremium()]
          kernel?.into(up, strike, sigma * 1.001, true)
          kernel?.into(down, strike, sigma / 1.001, true)
          const width = sigma * (1.001 - 1 / 1.001)
          expect(out.vanna).toBeCloseTo((up.slope - down.slope) / width, 2)
          expect(Math.abs(out.volga - (up.vega - down.vega) / width)).toBeLessThan(0.5 + 0.01 * Math.abs(out.volga))
          const at = (spot: number): number => {
            const moved = boundaryKernel({call, spot, ttmYears: years, rate, yieldRate: q, low: 0.15, high: 0.6})
            moved?.into(up, strike, sigma, true)
            return up.curvature
          }
          expect(out.speed).toBeCloseTo((at(100.01) - at(99.99)) / 0.02, 2)
        },
      ),
      {numRuns: 300},
    )
  })

  test('the lattice kernel without dividends is the boundary kernel', () => {
    const put = {call: false, spot: 100, ttmYears: 0.5, rate: 0.05, yieldRate: 0.01, low: 0.2, high: 0.3}
    const fast = boundaryKernel(put)
    const slow = latticeKernel({...put, dividends: [], lowStrike: 85, highStrike: 115})
    const [a, b] = [emptyPremium(), emptyPremium()]
    for (const strike of [88, 95, 100, 104, 110]) {
      fast?.into(a, strike, 0.24, true)
      slow.into(b, strike, 0.24, true)
      expect(Math.abs(b.value - a.value)).toBeLessThan(0.015)
      expect(b.slope).toBeCloseTo(a.slope, 2)
      expect(b.vega).toBeCloseTo(a.vega, 0)
      expect(Math.abs(b.rho - a.rho)).toBeLessThan(0.5)
    }
  })

  test('the dividend kernel without a dividend that matters is the boundary kernel', () => {
    for (const call of [true, false]) {
      const option = {call, spot: 100, ttmYears: 0.5, rate: 0.05, yieldRate: 0.03, low: 0.2, high: 0.3}
      const fast = boundaryKernel(option)
      const grid = dividendKernel({
        ...option,
        ...{dividends: [{timeYears: 0.3, amount: 1e-9}], lowStrike: 80, highStrike: 120},
      })
      const [a, b] = [emptyPremium(), emptyPremium()]
      for (const strike of call ? [90, 97, 100, 110] : [90, 100, 104, 109]) {
        fast?.into(a, strike, 0.24, true)
        grid.into(b, strike, 0.24, true)
        expect(Math.abs(b.value - a.value)).toBeLessThan(0.01)
        expect(b.slope).toBeCloseTo(a.slope, 2)
        expect(b.vega).toBeCloseTo(a.vega, 0)
        expect(b.vanna).toBeCloseTo(a.vanna, 1)
        expect(Math.abs(b.rho - a.rho)).toBeLessThan(0.5)
      }
    }
  })

  test('premiums under cash dividends agree with the lattice to 0.1 % of the strike', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.double({min: 0.05, max: 2, noNaN: true}),
        fc.double({min: 0.01, max: 0.08, noNaN: true}),
        fc.double({min: -0.01, max: 0.03, noNaN: true}),
        fc.double({min: 0.12, max: 0.6, noNaN: true}),
        fc.double({min: -2.5, max: 1.5, noNaN: true}),
        fc.double({min: 0.1, max: 0.95, noNaN: true}),
        fc.integer({min: 1, max: 4}),
        fc.double({min: 0.02, max: 0.25, noNaN: true}),
        (call, years, rate, q, sigma, z, first, count, share) => {
          // Up to a quarter of a standard deviation each, and 8 % of the spot together.
          const amount = Math.min(share * 100 * sigma * Math.sqrt(years), 8 / count)
          const dividends = Array.from({length: count}, (_, i) => ({
            timeYears: years * (first + ((1 - first) * i) / count),
            amount,
          }))
          const strike = 100 * Math.exp((call ? 1 : -1) * z * sigma * Math.sqrt(years))
          const option = {spot: 100, ttmYears: years, rate, yieldRate: q}
          const kernel = dividendKernel({
            ...option,
            ...{call, dividends, low: 0.01, high: 8, lowStrike: 10, highStrike: 900},
          })
          const out = emptyPremium()
          kernel.into(out, strike, sigma, true)
          const lattice = (steps: number): number =>
            latticePremium({...option, strike, volatility: sigma, right: call ? 'call' : 'put'}, steps, dividends).value
          // The lattice's dates move by half a step: two of them tell how far it is off itself.
          const [rough, fine] = [lattice(401), lattice(801)]
          expect(Math.abs(out.value - fine)).toBeLessThan(1e-3 * strike + 2 * Math.abs(fine - rough))
        },
      ),
      {numRuns: 200},
    )
  })

  test('two exercise boundaries are none for the fast kernel', () => {
    const input = {call: false, spot: 100, ttmYears: 1, rate: -0.01, yieldRate: -0.03, low: 0.1, high: 0.3}
    expect(boundaryKernel(input)).toBeUndefined()
  })
})

describe('greeks of one option', () => {
  test('a call without yield has the European ones, to second order', () => {
    const option = {spot: 100, strike: 95, ttmYears: 0.5, volatility: 0.25, rate: 0.05, yieldRate: 0} as const
    const twin = greeks({
      ...{forward: 100 * Math.exp(0.025), discount: Math.exp(-0.025), strike: 95},
      ...{ttmYears: 0.5, volatility: 0.25, right: 'call'},
    })
    const american = americanGreeks({...option, right: 'call'})
    for (const [name, value] of Object.entries(american))
      expect(value / twin[name as keyof typeof twin], name).toBeCloseTo(1, 2)
  })

  test('the put’s solve the pricing equation where it is held', () => {
    const option = {spot: 100, strike: 105, ttmYears: 0.7, volatility: 0.3, rate: 0.06, yieldRate: 0.02} as const
    const {price, delta, gamma, theta} = americanGreeks({...option, right: 'put'})
    expect(theta + (0.06 - 0.02) * 100 * delta + 0.5 * (0.3 * 100) ** 2 * gamma - 0.06 * price).toBeCloseTo(0, 2)
  })

  test('where exercise is best only delta is left; bad input is refused', () => {
    const deep = {
      spot: 50,
      strike: 100,
      ttmYears: 0.5,
      volatility: 0.2,
      rate: 0.05,
      yieldRate: 0,
      right: 'put',
    } as const
    expect(americanGreeks(deep)).toMatchObject({price: 50, delta: -1, gamma: 0, vega: 0, theta: 0, charm: 0})
    expect(() => americanGreeks({...deep, volatility: 0})).toThrow(RangeError)
  })

  test('a dividend to come is in the call’s price and delta', () => {
    const call = {
      spot: 100,
      strike: 95,
      ttmYears: 0.5,
      volatility: 0.2,
      rate: 0.05,
      yieldRate: 0,
      right: 'call',
    } as const
    const [free, paid] = [americanGreeks(call), americanGreeks({...call, dividends: [{timeYears: 0.3, amount: 3}]})]
    expect(paid.price).toBeLessThan(free.price - 1)
    expect(paid.price).toBeCloseTo(latticePrice({...call}, {steps: 2001, dividends: [{timeYears: 0.3, amount: 3}]}), 2)
  })
})

describe('cash dividends in a chain', () => {
  const spot = 100
  const rate = 0.05
  const dividends = [
    {timeYears: 0.1, amount: 1.5},
    {timeYears: 0.35, amount: 1.5},
  ]
  const sigma = 0.25
  const strikes = Array.from({length: 17}, (_, i) => 80 + 2.5 * i)
  const quotes = syntheticQuotes({
    ...{root: 'KO', spot, rate, yieldRate: 0, expiries: ['2023-09-15', '2023-12-15'], strikes},
    ...{halfSpread: 0, volatility: () => sigma},
  }).map((quote): OptionQuote => {
    const ttmYears = buildChain([quote]).slices[0]?.ttmYears ?? Number.NaN
    const {strike, right} = quote
    const price = latticePrice(
      {spot, strike, ttmYears, volatility: sigma, rate, yieldRate: 0, right},
      {steps: 801, dividends},
    )
    return {...quote, symbol: 'KO', bid: Math.max(price - 0.005, 0.001), ask: price + 0.005, underlying: spot}
  })
  const chain = buildChain(quotes, 'american')

  test('volatility, delta and theta come back when the schedule is given', () => {
    const known = americanChainGreeks(chain, {rate, dividends})
    let checked = 0
    quotes.forEach((quote, i) => {
      const intrinsic = Math.max(quote.right === 'call' ? spot - quote.strike : quote.strike - spot, 0)
      if (known.status[i] !== 'ok' || 0.5 * (quote.bid + quote.ask) < intrinsic + 1) return
      checked++
      expect(Math.abs((known.columns.impliedVolatility[i] ?? 0) - sigma), quote.contract).toBeLessThan(1e-3)
    })
    expect(checked).toBeGreaterThan(40)
    const row = quotes.findIndex(q => q.right === 'call' && q.strike === 100 && q.expiry === '2023-12-15')
    const ttmYears = chain.slices[1]?.ttmYears ?? 0
    const exact = americanGreeks({
      ...{spot, strike: 100, ttmYears, volatility: sigma, rate, yieldRate: 0, right: 'call', dividends},
    })
    expect(known.columns.delta[row]).toBeCloseTo(exact.delta, 1)
    expect((known.columns.theta[row] ?? 0) / exact.theta).toBeCloseTo(1, 1)
    expect((known.columns.rho[row] ?? 0) / exact.rho).toBeCloseTo(1, 1)
    for (const name of ['vanna', 'charm'] as const)
      expect(Math.abs((known.columns[name][row] ?? Number.NaN) - exact[name]), name).toBeLessThan(
        0.03 + 0.1 * Math.abs(exact[name]),
      )
  })

  test('second order under dividends agrees with differences of single solutions on a fine grid', () => {
    const ttmYears = 0.52
    const grid = exerciseGrid(ttmYears, dividends, {nodes: 801, steps: 300, leastSteps: 4})
    const bare = spot - escrowed(dividends, rate, ttmYears)
    for (const call of [true, false])
      for (const strike of call ? [90, 100] : [100, 108]) {
        const direct = (volatility: number, at: number): number => {
          const inStrikes = dividends.map(({timeYears, amount}) => ({timeYears, amount: amount / strike}))
          const [one] = solvePremiums(grid, [{call, volatility, rate, yieldRate: 0, dividends: inStrikes}])
          const deviation = ((call ? -1 : 1) * Math.log(at / strike)) / (volatility * Math.sqrt(ttmYears))
          const x = (deviation + grid.reach - (one?.shift ?? 0)) / grid.gap
          const [k, weight] = [Math.floor(x), x - Math.floor(x)]
          const value = (i: number): number => one?.value[i] ?? Number.NaN
          const bend = 0.25 * weight * (weight - 1) * (value(k - 1) - value(k) - value(k + 1) + value(k + 2))
          return strike * ((1 - weight) * value(k) + weight * value(k + 1) + bend)
        }
        const out = emptyPremium()
        const input = {call, spot, ttmYears, rate, yieldRate: 0, dividends, low: 0.01, high: 8}
        dividendKernel({...input, lowStrike: 80, highStrike: 120}).into(out, strike, sigma, true)
        const [h, w] = [0.02, 1]
        const volga = (direct(sigma + h, bare) - 2 * direct(sigma, bare) + direct(sigma - h, bare)) / (h * h)
        const cross = (dv: number): number => (direct(sigma + dv, bare + w) - direct(sigma + dv, bare - w)) / (2 * w)
        const gamma = (direct(sigma, bare + w) - 2 * direct(sigma, bare) + direct(sigma, bare - w)) / (w * w)
        expect(Math.abs(out.value - direct(sigma, bare))).toBeLessThan(0.015)
        expect(Math.abs(out.volga - volga)).toBeLessThan(0.6 + 0.1 * Math.abs(volga))
        expect(Math.abs(out.vanna - (cross(h) - cross(-h)) / (2 * h))).toBeLessThan(0.03)
        expect(Math.abs(out.curvature - gamma)).toBeLessThan(1e-3)
      }
  })

  test('smeared over the life they move the volatility of calls near their last exercise', () => {
    const smeared = americanChainGreeks(chain, {rate})
    const worst = Math.max(
      ...quotes.map((quote, i) =>
        smeared.status[i] === 'ok' && quote.right === 'call' && quote.strike > 85 && quote.strike < 100
          ? Math.abs((smeared.columns.impliedVolatility[i] ?? 0) - sigma)
          : 0,
      ),
    )
    expect(worst).toBeGreaterThan(4e-3)
  })
})

describe.skipIf(noTestData)('a real chain (SPY, 2 June 2023)', () => {
  test('every 40th contract has the volatility of the precise price within 0.03 points', () => {
    const {quotes} = readCboe('cboe_SPY_chain_2023-06-02.csv.gz')
    const chain = buildChain(quotes)
    const {forwards, columns, sliceOf, mid, status} = americanChainGreeks(chain)
    const spot = chain.underlying ?? Number.NaN
    let checked = 0
    for (let i = 0; i < quotes.length; i += 40) {
      const quote = quotes[i] as OptionQuote
      const s = sliceOf[i] as number
      const slice = chain.slices[s]
      const forward = forwards[s]
      if (slice === undefined || forward === undefined || status[i] !== 'ok') continue
      const {ttmYears} = slice
      const {rate} = forward
      const yieldRate = rate - Math.log(forward.forward / spot) / ttmYears
      const {strike, right} = quote
      const price = mid[i] as number
      const intrinsic = Math.max(right === 'call' ? spot - strike : strike - spot, 0)
      if (price < intrinsic + 0.05) continue
      const exact = americanImpliedVolatility({spot, strike, ttmYears, rate, yieldRate, right, price})
      checked++
      expect(
        Math.abs((exact.status === 'ok' ? exact.volatility : 0) - (columns.impliedVolatility[i] as number)),
      ).toBeLessThan(3e-4)
    }
    expect(checked).toBeGreaterThan(120)
  })
})
