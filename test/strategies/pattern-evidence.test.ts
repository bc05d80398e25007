import {describe, expect, test} from 'vitest'
import {ownServices} from '../../src/core/strategy-services.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import {rehearse, table} from './fixture.ts'
import {barMarket} from './pattern-markets.ts'

const run = (seed: number, market: Parameters<typeof barMarket>[1], params = {}) => {
  const strategy = createStrategy('pattern-recognition', params, ownServices())
  const symbols = Array.from({length: market.instruments}, (_, i) => `S${i}`)
  const {signals} = rehearse(strategy, table(...symbols), barMarket(seed, market))
  return {signals, report: strategy.report?.() as Readonly<Record<string, number>>}
}

describe('pattern-recognition with the memory that runs have, on bars', () => {
  test('finds a planted pattern, earns its trust and trades it the right way', () => {
    const {signals, report} = run(1, {days: 24, instruments: 4, plantBps: 40})
    expect(signals.length).toBeGreaterThan(20)
    expect(signals.filter(({direction}) => direction === 1).length / signals.length).toBeGreaterThan(0.9)
    expect(report['recordLowBps']).toBeGreaterThan(0)
    expect(report['meanNetBps']).toBeGreaterThan(5)
    expect(report['rightOfJudged']).toBeGreaterThan(0.65)
  })
  test('does not trade noise, even where costs are said to be nothing', () => {
    // Trust is earned by chance in at most one run of twenty; two of four would be bad luck of 1 in 70.
    let traded = 0
    for (let seed = 1; seed <= 4; seed++) {
      const {signals, report} = run(seed, {days: 14, instruments: 3}, {minEdgeBps: 0, barSpreadBps: 0})
      expect(report['looks']).toBeGreaterThan(800)
      expect(report['forecasts']).toBeGreaterThan(5)
      if (signals.length > 0) traded++
    }
    expect(traded).toBeLessThanOrEqual(1)
  })
  test('abstains from what is unlike everything seen', () => {
    const {report} = run(3, {days: 20, instruments: 2})
    // The two in a hundred farthest from all before, and the first hundred looks, of which nothing is known.
    const share = (report['abstained'] as number) / (report['looks'] as number)
    expect(share).toBeGreaterThan(0.005)
    expect(share).toBeLessThan(0.25)
  })
})
