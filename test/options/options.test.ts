import {expect, test} from 'vitest'
import {buildChain} from '../../src/options/chain.ts'
import {chainFeatures} from '../../src/options/chain-features.ts'
import {chainGreeks} from '../../src/options/chain-greeks.ts'
import {chainTensor} from '../../src/options/chain-tensor.ts'
import {readChain} from '../../src/options/options.ts'
import {syntheticQuotes} from './synthetic-chain.ts'

test('one call gives what its parts give, and the same for the same quotes', () => {
  const quotes = syntheticQuotes({
    spot: 4300,
    rate: 0.04,
    yieldRate: 0.01,
    expiries: ['2023-06-30', '2023-09-15'],
    strikes: Array.from({length: 41}, (_, i) => 3800 + 25 * i),
    halfSpread: 0.1,
    volatility: (strike, _t, forward) => 0.18 - 0.2 * Math.log(strike / forward),
  })
  const reading = readChain(quotes, {realisedVolatility: 0.15})
  const analysis = chainGreeks(buildChain(quotes))
  expect(reading.analysis.columns).toEqual(analysis.columns)
  expect(reading.features).toEqual(chainFeatures(analysis, 0.15))
  expect(reading.tensor).toEqual(chainTensor(analysis))
  expect(readChain(quotes, {realisedVolatility: 0.15})).toEqual(reading)
})
