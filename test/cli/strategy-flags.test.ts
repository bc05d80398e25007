import {expect, it} from 'vitest'
import {strategyOverrides} from '../../src/cli/strategy-flags.ts'

it('hands --param to the one strategy that is named, and leaves the allocation as asked', async () => {
  const flags = {strategy: ['./mine.ts'], param: ['window=5', 'longOnly=true'], allocation: 'risk-parity'}
  expect(await strategyOverrides(flags)).toMatchObject({
    strategies: {allocation: 'risk-parity', parameters: {'./mine.ts': {window: 5, longOnly: true}}},
  })
})

it('asks whose a --param is where the configured ones run', async () => {
  await expect(strategyOverrides({param: ['entryZ=2']})).rejects.toMatchObject({code: 'BAD_PARAMETER'})
  const named = await strategyOverrides({param: ['statistical-arbitrage.entryZ=2']})
  expect(named).toMatchObject({strategies: {parameters: {'statistical-arbitrage': {entryZ: 2}}}})
})

it('changes nothing by itself', async () => {
  expect(await strategyOverrides({})).toEqual({})
})
