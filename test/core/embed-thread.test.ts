import {describe, expect, test} from 'vitest'
import {openEmbedder} from '../../src/core/embed.ts'
import {openEmbedThread} from '../../src/core/embed-thread.ts'
import {readModelFile} from '../../src/core/model-files.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {syntheticQuotes} from '../options/synthetic-chain.ts'

const file = readModelFile('embedder')
const chainAt = (level: number, root = 'SPXW'): OptionQuote[] =>
  syntheticQuotes({
    ...{root, spot: 4300, rate: 0.05, yieldRate: 0.015, expiries: ['2023-07-21', '2023-09-15', '2023-12-15']},
    ...{strikes: Array.from({length: 31}, (_, i) => 3550 + 50 * i), halfSpread: 0.2},
    volatility: (strike, _t, forward) => level - 0.2 * Math.log(strike / forward),
  })

describe('an embedder in its own thread', () => {
  test('gives what it gives in place, more chains than slots at once', async () => {
    using inPlace = openEmbedder(file.bytes, 'embedder')
    await using thread = await openEmbedThread(file.bytes, 'embedder', {slots: 2})
    expect(thread.modelHash).toBe(inPlace.modelHash)
    const chains = Array.from({length: 7}, (_, i) => chainAt(0.12 + 0.02 * i))
    const records = await Promise.all(chains.map(thread.embed))
    records.forEach((record, i) => {
      const want = inPlace.embed(chains[i] as OptionQuote[])
      expect(record?.symbol).toBe(want?.symbol)
      expect(record?.heads.volatilityRegime).toBe(want?.heads.volatilityRegime)
      // A batch adds its products in another order than a single chain does.
      for (const [at, value] of (record?.vector ?? []).entries())
        expect(value).toBeCloseTo(want?.vector[at] ?? Number.NaN, 3)
    })
  })

  test('a chain that cannot be read fails alone; one without a usable expiry is undefined', async () => {
    await using thread = await openEmbedThread(file.bytes, 'embedder', {maxContracts: 1000})
    const mixed = [...chainAt(0.2)]
    mixed[3] = {...(mixed[3] as OptionQuote), expiry: 'never'}
    const expired = chainAt(0.2).map(quote => ({...quote, tsUs: quote.tsUs + 400 * 86_400e6}))
    const results = await Promise.allSettled([mixed, chainAt(0.15), expired, []].map(thread.embed))
    expect(results.map(({status}) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'rejected'])
    expect(results[2]).toMatchObject({value: undefined})
    const long = Array.from({length: 1001}, () => chainAt(0.2)[0] as OptionQuote)
    await expect(thread.embed(long)).rejects.toThrow('at most 1000 contracts')
  })

  test('a file that is no embedder is refused, and an ended thread answers no more', async () => {
    await expect(openEmbedThread(new Uint8Array(8), 'nothing')).rejects.toThrow()
    const thread = await openEmbedThread(file.bytes, 'embedder')
    await thread[Symbol.asyncDispose]()
    await expect(thread.embed(chainAt(0.2))).rejects.toThrow('ended')
  })
})
