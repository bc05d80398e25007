import {describe, expect, test} from 'vitest'
import {buildChain} from '../../src/options/chain.ts'
import {chainFeatures} from '../../src/options/chain-features.ts'
import {chainGreeks} from '../../src/options/chain-greeks.ts'
import {chainTensor, DEVIATIONS, EXPIRY_DAYS, emptyChainTensor, TENSOR_SHAPE} from '../../src/options/chain-tensor.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {syntheticQuotes} from './synthetic-chain.ts'

const truth = {
  spot: 4300,
  rate: 0.04,
  yieldRate: 0.01,
  expiries: ['2023-06-30', '2023-07-14', '2023-09-15', '2023-12-15'],
  strikes: Array.from({length: 121}, (_, i) => 3500 + 12.5 * i),
  halfSpread: 0.05,
  volatility: (strike: number, _t: number, forward: number) => 0.2 - 0.3 * Math.log(strike / forward),
}
const analyse = (quotes: readonly OptionQuote[]) => chainGreeks(buildChain(quotes))
const quotes = syntheticQuotes(truth)
const analysis = analyse(quotes)

describe('features', () => {
  const features = chainFeatures(analysis, 0.15)

  test('level, term structure and skew of a known smile', () => {
    expect(features.volatility30).toBeCloseTo(0.2, 4)
    expect(features.volatility90).toBeCloseTo(0.2, 4)
    expect(features.termSlope).toBeCloseTo(0, 4)
    expect(features.impliedMinusRealised).toBeCloseTo(0.05, 4)
    expect(features.expiries[1]?.slope).toBeCloseTo(-0.3, 3)
    // σ = 0.2 − 0.3k: the risk reversal is −0.3 times the distance of the two 25-delta strikes.
    expect(features.riskReversal30).toBeLessThan(-0.01)
    expect(Math.abs(features.butterfly30)).toBeLessThan(0.002)
  })

  test('put and call flow', () => {
    expect(features.putCallVolume).toBe(1)
    expect(features.putCallOpenInterest).toBe(1)
    const heavy = analyse(quotes.map(q => (q.right === 'put' ? {...q, volume: 30, openInterest: 200} : q)))
    expect(chainFeatures(heavy).putCallVolume).toBe(3)
    expect(chainFeatures(heavy).putCallOpenInterest).toBe(2)
  })

  test('gamma exposure is that of calls less puts, by hand for one contract', () => {
    const row = quotes.findIndex(q => q.right === 'call' && q.strike === 4300)
    const alone = analyse(quotes.map((q, i) => ({...q, openInterest: i === row ? 7 : 0})))
    const gamma = alone.columns.gamma[row] as number
    expect(chainFeatures(alone).gammaExposure).toBeCloseTo(gamma * 7 * 100 * 4300 * 4300 * 0.01, 3)
  })
})

describe('tensor', () => {
  const tensor = chainTensor(analysis)
  const {rows, columns, cellFeatures, rowFeatures} = TENSOR_SHAPE

  test('shape and mask', () => {
    expect([rows, columns, cellFeatures, rowFeatures]).toEqual([12, 16, 8, 6])
    expect(tensor.cells).toHaveLength(rows * columns * cellFeatures)
    expect([...tensor.rowMask]).toEqual([0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0])
    for (let i = 0; i < rows * columns; i++)
      if (tensor.mask[i] === 0)
        expect([...tensor.cells.slice(i * cellFeatures, (i + 1) * cellFeatures)]).toEqual(
          new Array(cellFeatures).fill(0),
        )
    expect([...tensor.cells, ...tensor.rows].every(Number.isFinite)).toBe(true)
  })

  test('a cell holds the smile at its place', () => {
    const row = EXPIRY_DAYS.indexOf(90)
    const slice = analysis.chain.slices[2]
    const scale = 0.2 * Math.sqrt(slice?.ttmYears ?? 0)
    expect(tensor.rows[row * rowFeatures]).toBeCloseTo(Math.log(0.2), 4)
    for (const [column, centre] of DEVIATIONS.entries()) {
      const at = (row * columns + column) * cellFeatures
      if (tensor.mask[row * columns + column] === 0) continue
      const deviation = centre + (tensor.cells[at + 6] ?? 0)
      expect(tensor.cells[at]).toBeCloseTo(Math.log(1 - (0.3 / 0.2) * deviation * scale), 2)
      expect(tensor.cells[at + 2]).toBeCloseTo(0, 3)
      expect(tensor.cells[at + 5]).toBeCloseTo(0.5, 6)
    }
  })

  test('the level of prices and the order of quotes do not matter', () => {
    const tenth = (q: OptionQuote): OptionQuote => ({
      ...q,
      strike: q.strike / 10,
      bid: q.bid / 10,
      ask: q.ask / 10,
      underlying: 430,
    })
    const small = chainTensor(analyse(quotes.map(tenth).toReversed()))
    for (const [i, value] of tensor.cells.entries()) expect(small.cells[i]).toBeCloseTo(value, 4)
    for (const [i, value] of tensor.rows.entries()) expect(small.rows[i]).toBeCloseTo(value, 4)
  })

  test('a reused tensor equals a new one', () => {
    const out = emptyChainTensor()
    out.cells.fill(9)
    out.mask.fill(1)
    expect(chainTensor(analysis, undefined, out)).toEqual(tensor)
  })
})
