import {describe, expect, test} from 'vitest'
import {americanChainGreeks} from '../../src/options/american-chain.ts'
import {buildChain} from '../../src/options/chain.ts'
import {type ChainGreeks, chainGreeks} from '../../src/options/chain-greeks.ts'
import {fitSurface} from '../../src/options/smile.ts'
import {readCboe, readSpx, type VendorQuote} from '../support/option-chains.ts'
import {noTestData} from '../support/test-data.ts'
import {compareWithVendor} from './vendor-agreement.ts'

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Median |Δσ| in volatility points and |Δdelta| of out-of-the-money quotes within a deviation, beyond a week. */
const nearTheMoney = (analysis: ChainGreeks, quotes: readonly VendorQuote[]) => {
  const rows = compareWithVendor(analysis, quotes).filter(
    row => row.days > 7 && Math.abs(row.deviation) < 1 && row.isOutOfTheMoney,
  )
  return {
    count: rows.length,
    volatility: 100 * median(rows.map(row => Math.abs(row.volatilityGap))),
    delta: median(rows.map(row => Math.abs(row.deltaGap))),
  }
}

// The vendor's clock decides the bound. Where the page carries a time of the session (or of the evening after) the
// agreement is that of the vendor's four decimals. On 2022-02-04 the columns belong to other quotes than those listed: no
// clock and no carry brings them nearer than a volatility point. 2018 and 2019 record no time of day.
describe.skipIf(noTestData)('against the vendor’s columns, median near the money', () => {
  test.each([
    ['cboe_SPX_chain_2022-07-12.csv.gz', 0.02],
    ['cboe_SPX_chain_2023-02-03.csv.gz', 0.03],
    ['cboe_SPX_chain_2023-06-09.csv.gz', 0.02],
    ['cboe_SPX_chain_2023-08-18.csv.gz', 0.05],
    ['cboe_SPX_chain_2022-06-10.csv.gz', 0.15],
    ['cboe_NDX_chain_2023-05-26.csv.gz', 0.25],
    ['cboe_SPX_chain_2022-02-04.csv.gz', 1.5],
  ])('%s: volatility within %d points, delta within 0.01', (name, points) => {
    const {quotes} = readCboe(name)
    const analysis = chainGreeks(buildChain(quotes))
    const {count, volatility, delta} = nearTheMoney(analysis, quotes)
    expect(count).toBeGreaterThan(300)
    expect(volatility).toBeLessThan(points)
    expect(delta).toBeLessThan(0.01)
  })

  test.each([
    ['cboe_SPX_chain_2022-07-12.csv.gz', 52, 1],
    ['cboe_SPX_chain_2023-06-09.csv.gz', 53, 0.25],
    ['cboe_NDX_chain_2023-05-26.csv.gz', 44, 2.5],
  ])('%s: %d smiles free of static arbitrage, within %d points of the mids', (name, count, points) => {
    const {fits} = fitSurface(chainGreeks(buildChain(readCboe(name).quotes)))
    expect(fits.length).toBeGreaterThanOrEqual(count)
    for (const fit of fits) expect(fit, fit.expiry).toMatchObject({butterflyFree: true, calendarFree: true})
    const total = fits.reduce((sum, fit) => sum + fit.points, 0)
    const squares = fits.reduce((sum, fit) => sum + fit.points * fit.rmseVolPoints ** 2, 0)
    expect(Math.sqrt(squares / total)).toBeLessThan(points)
  })

  test('SPX snapshots of April 2019: within 0.2 points on the median day', () => {
    const days = readSpx('spx_chain_snapshots_2019-04.csv.gz').map(({quotes}) =>
      nearTheMoney(chainGreeks(buildChain(quotes)), quotes),
    )
    expect(median(days.map(day => day.volatility))).toBeLessThan(0.2)
  })

  test('AMD: taking the exercise premium out brings in-the-money puts to the vendor', () => {
    const {quotes} = readCboe('cboe_AMD_chain_2023-08-18.csv.gz')
    const chain = buildChain(quotes)
    const gap = (analysis: ChainGreeks): number =>
      median(
        compareWithVendor(analysis, quotes)
          .filter(row => row.days > 60 && row.deviation > 0.25 && row.deviation < 1.5 && !row.isOutOfTheMoney)
          .map(row => Math.abs(row.volatilityGap)),
      )
    const rate = 0.052
    expect(gap(americanChainGreeks(chain, {rate}))).toBeLessThan(0.5 * gap(chainGreeks(chain, {rate})))
  })
})
