import path from 'node:path'
import {describe, expect, test} from 'vitest'
import {evaluateEmbedder} from '../../src/core/evaluate-embedder.ts'
import {optimizeEmbedder} from '../../src/core/optimize-embedder.ts'
import {ingestFiles, temporaryFolder} from '../support/ingest.ts'
import {dataFile, noTestData} from '../support/test-data.ts'

const request = {
  precision: 'int8',
  maxDrift: 0.05,
  devices: ['cpu'],
  windows: 20,
  runs: 10,
  seed: 1,
} as const

test('int8 of the shipped embedder is measured by drift and time, and written only if it holds up', async () => {
  const out = temporaryFolder()
  const result = await optimizeEmbedder('embedder', undefined, {...request, out})
  expect(result).toMatchObject({model: 'embedder', provider: 'cpu', precision: 'int8'})
  expect(result.quantisedProducts).toBeGreaterThan(3)
  expect(result.drift).toMatchObject({windows: 20, inputs: 'synthetic'})
  expect(result.drift.cosineMin).toBeGreaterThan(0.99)
  expect(result.after.bytes).toBeLessThan(0.5 * result.before.bytes)
  expect(result.accepted).toBe(result.reasons.length === 0)
  expect(result.output !== null).toBe(result.accepted)
  const strict = await optimizeEmbedder('embedder', undefined, {...request, precision: 'float16', out})
  expect(strict.drift.maxAbs).toBeLessThan(result.drift.maxAbs + 0.05)
})

describe.skipIf(noTestData)('on chains it has not seen', () => {
  test('the shipped embedder rebuilds hidden cells better than a refit of the smile', async () => {
    const data = path.join(temporaryFolder(), 'data')
    const files = ['cboe_AMD_chain_2023-08-18.csv.gz', 'cboe_QQQ_chain_2023-06-12.csv.gz']
    await ingestFiles(
      'cboe',
      files.map(name => dataFile(`options/${name}`)),
      {out: data},
    )
    const result = await evaluateEmbedder({model: 'embedder', data, seed: 1, allowSeen: false})
    expect(result).toMatchObject({model: 'embedder', relation: 'unseen', chains: 2, leftOut: 0})
    expect(Object.keys(result.bySymbol)).toEqual(['AMD', 'QQQ'])
    expect(result.test.model).toBeLessThan(0.7 * result.test.refit)
    expect(result.test.model).toBeLessThan(result.test.pca)
    expect(result.arbitrageRate.model.butterfly).toBeLessThan(0.05)
    expect(result.verdict[0]).toMatch(/^beats the smile refit/)
  })

  test('data of which all was trained on is refused', async () => {
    const data = path.join(temporaryFolder(), 'data')
    await ingestFiles('lean', [dataFile('options/lean_AAPL_option_quotes_1h_2014.csv.gz')], {out: data})
    const refused = evaluateEmbedder({model: 'embedder', data, seed: 1, allowSeen: false})
    await expect(refused).rejects.toMatchObject({code: 'DATA_SEEN', exitCode: 6})
  })
})
