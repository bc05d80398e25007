import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {describe, expect, test} from 'vitest'
import {chainsOf} from '../../src/core/chain-stream.ts'
import {embedStream, openEmbedder} from '../../src/core/embed.ts'
import {CHAIN_LAYOUT} from '../../src/core/train-embedder.ts'
import {lruCache} from '../../src/data/cache.ts'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {fitChainPca, pcaReconstruct} from '../../src/models/chain-pca.ts'
import {type ChainSample, chainSample, reshapedSample} from '../../src/models/chain-sample.ts'
import {EMBEDDING_WIDTH, embedderNetwork, embedderObjective, startFromComponents} from '../../src/models/embedder.ts'
import {drawHidden, fitEmbedderScales, refitSmiles} from '../../src/models/embedder-data.ts'
import {reconstructionError, runEmbedder, trainEmbedder, withSession} from '../../src/models/embedder-trainer.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {buildGradients, buildInference, exportInference, initialWeights} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import {blackPrice} from '../../src/options/black.ts'
import type {OptionQuote} from '../../src/options/option-quote.ts'
import {randomFeeds} from '../nn/support.ts'

const DAY = 86_400_000_000
const START = Date.UTC(2024, 0, 2, 21) * 1000
const EXPIRIES = ['2024-02-16', '2024-03-15', '2024-06-21']

/** A European chain whose smile has the given level, slope and curvature. */
const chainAt = (day: number, level: number, slope: number, curvature: number): OptionQuote[] => {
  const tsUs = START + day * DAY
  return EXPIRIES.flatMap((expiry, e) => {
    const years = (Date.parse(`${expiry}T21:00:00Z`) * 1000 - tsUs) / (365 * DAY)
    return Array.from({length: 21}, (_, i) => 4000 + 100 * i).flatMap(strike =>
      (['call', 'put'] as const).map(right => {
        const x = Math.log(strike / 5000) / (level * Math.sqrt(years))
        const volatility = level * Math.exp(slope * x + curvature * x * x)
        const price = blackPrice(5000, strike, volatility * Math.sqrt(years), right === 'call')
        const code = `SPX${expiry.slice(2).replaceAll('-', '')}${right === 'call' ? 'C' : 'P'}${String(strike * 1000).padStart(8, '0')}`
        return {
          symbol: 'SPX',
          contract: code,
          right,
          strike,
          expiry,
          tsUs,
          bid: price * 0.995,
          ask: price * 1.005 + 0.02 * (e + 1),
          underlying: 5000,
          volume: 10,
          openInterest: 100,
        }
      }),
    )
  })
}
const rng = createRng(1, 'chains')
const quotes = Array.from({length: 24}, (_, day) =>
  chainAt(day, 0.12 + 0.1 * rng.uniform(), -0.08 - 0.06 * rng.uniform(), 0.01 + 0.02 * rng.uniform()),
)
const samples = quotes.map(chainSample)
const [train, valid] = [samples.slice(0, 18), samples.slice(18)]
const spec = (dimension = 16) => ({dimension, width: 16, layers: 1, heads: 2, ...fitEmbedderScales(train)})

test('hidden cells are cells that are there, and the refit of a near-parabolic smile is close', () => {
  const sample = samples[0] as ChainSample
  const hidden = drawHidden(sample, 0.4, createRng(2))
  const refit = refitSmiles(sample, hidden)
  const cells = [...hidden.keys()].filter(cell => hidden[cell] === 1)
  expect(cells.length).toBeGreaterThan(5)
  for (const cell of cells) expect(sample.tensor.mask[cell]).toBe(1)
  const error = (cell: number) => Math.abs((refit[cell] as number) - (sample.tensor.cells[cell * 8] as number))
  expect(cells.reduce((sum, cell) => sum + error(cell), 0) / cells.length).toBeLessThan(0.03)
})

test('principal components rebuild hidden cells of a chain that is a mix of known ones', () => {
  const pca = fitChainPca(train, 8)
  for (const [i, {vector}] of pca.directions.entries()) {
    for (const [j, other] of pca.directions.entries()) {
      const product = vector.reduce((sum, value, k) => sum + value * (other.vector[k] as number), 0)
      expect(product).toBeCloseTo(i === j ? 1 : 0, 6)
    }
  }
  const sample = valid[0] as ChainSample
  const hidden = drawHidden(sample, 0.3, createRng(3))
  const rebuilt = pcaReconstruct(pca, sample, hidden)
  const errors = [...hidden.keys()]
    .filter(cell => hidden[cell] === 1)
    .map(cell => Math.abs((rebuilt[cell] as number) - (sample.tensor.cells[cell * 8] as number)))
  expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThan(0.03)
})

test('a reshaped chain carries the targets of its new shape', () => {
  const sample = samples[0] as ChainSample
  expect(reshapedSample(sample, 0, 1)).toMatchObject({sentiment: sample.sentiment, regime: sample.regime})
  expect(reshapedSample(sample, 1, 1).regime).toBe(2)
  expect(reshapedSample(sample, 0, 2).sentiment).toBeLessThan(sample.sentiment)
})

test('derivatives of the whole embedder agree with finite differences', () => {
  const {graph, scope} = buildGradients(embedderNetwork(spec(4)), embedderObjective, 2)
  const weights = initialWeights(scope.parameters, createRng(2))
  const feeds: Record<string, Float64Array> = {}
  for (const [name, values] of Object.entries(randomFeeds(graph, 5, 0.1, 0.9)))
    feeds[name] = Float64Array.from(weights.get(name) ?? values)
  feeds['row-mask'] = Float64Array.from({length: 24}, (_, i) => (i % 5 === 0 ? 0 : 1))
  const base = interpret(graph, feeds)
  for (const {name} of scope.parameters) {
    const values = feeds[name] as Float64Array
    const at = values.length >> 1
    const lossAt = (value: number) =>
      interpret(graph, {...feeds, [name]: values.with(at, value)}).get('loss')?.data[0] as number
    const step = 1e-5
    const numeric = (lossAt((values[at] as number) + step) - lossAt((values[at] as number) - step)) / (2 * step)
    const error = Math.abs((base.get(`d:${name}`)?.data[at] as number) - numeric) / (1 + Math.abs(numeric))
    expect(error, name).toBeLessThan(1e-5)
  }
})

test('an expiry that is not there has no influence', () => {
  const network = embedderNetwork(spec())
  const weights = initialWeights(buildInference(network).scope.parameters, createRng(4))
  const sample = samples[0] as ChainSample
  const absent = sample.tensor.rowMask.indexOf(0)
  const stray = {
    ...sample,
    tensor: {...sample.tensor, rows: sample.tensor.rows.map((v, i) => (Math.floor(i / 6) === absent ? 9 : v))},
  }
  const none = new Uint8Array(sample.tensor.mask.length)
  const [plain, changed] = withSession(network, weights, openOrtSession, session => [
    runEmbedder(session, sample, none),
    runEmbedder(session, stray, none),
  ])
  expect(changed?.['embedding']).toEqual(plain?.['embedding'])
})

test('started from the components, an embedder rebuilds no worse than they project', () => {
  const network = embedderNetwork(spec(32))
  const weights = initialWeights(buildInference(network).scope.parameters, createRng(1, 'weights'))
  const errorOf = () =>
    withSession(network, weights, openOrtSession, session => reconstructionError(session, train, 1).model)
  const random = errorOf()
  startFromComponents(weights, fitChainPca(train, 32), spec().cellScale[0] as number, 32)
  expect(errorOf()).toBeLessThan(random / 5)
})

test('training rebuilds hidden cells better than it began', () => {
  const network = embedderNetwork(spec())
  const first = initialWeights(buildInference(network).scope.parameters, createRng(1, 'weights'))
  const options = {seed: 1, batch: 16, maxSteps: 120, learningRate: 1e-3, validateEvery: 60, patience: 5}
  const {weights, steps} = trainEmbedder(
    network,
    train,
    valid,
    options,
    openOrtSession,
    () => {},
    () => true,
  )
  const errorOf = (w: ReadonlyMap<string, Float32Array>) =>
    withSession(network, w, openOrtSession, session => reconstructionError(session, valid, 1).model)
  expect(steps).toBe(120)
  expect(errorOf(weights)).toBeLessThan(0.7 * errorOf(first))
})

describe('gpi embed', () => {
  const network = embedderNetwork(spec(EMBEDDING_WIDTH))
  const bytes = (layout: string) =>
    writeOnnx(
      exportInference(network, initialWeights(buildInference(network).scope.parameters, createRng(4)), {
        'gpi.embedder': JSON.stringify({layout}),
      }),
    )
  async function* lines(chains: readonly OptionQuote[][]) {
    for (const chain of chains) yield* chain
  }

  test('quotes of one time make a chain; a window joins near ones', async () => {
    const collect = async (windowUs: number) => {
      const out: number[] = []
      for await (const chain of chainsOf(lines(quotes.slice(0, 3)), windowUs)) out.push(chain.length)
      return out
    }
    expect(await collect(0)).toEqual([126, 126, 126])
    expect(await collect(DAY)).toEqual([252, 126])
  })

  test('the second time a chain comes from the cache, bit for bit', async () => {
    using embedder = openEmbedder(bytes(CHAIN_LAYOUT), 'test')
    const cache = lruCache({maxBytes: 1e7})
    const folder = mkdtempSync(path.join(tmpdir(), 'gpi-embed-'))
    const file = path.join(folder, 'quotes.ndjson')
    const {writeFileSync} = await import('node:fs')
    writeFileSync(
      file,
      quotes
        .slice(0, 2)
        .flat()
        .map(quote => JSON.stringify({kind: 'option-quote', ...quote}))
        .join('\n'),
    )
    const run = async () => {
      const {records, summary} = embedStream(embedder, cache, {from: file, windowUs: 0, skipInvalid: false})
      const out = []
      for await (const record of records) out.push(record)
      return {out, summary}
    }
    const [first, second] = [await run(), await run()]
    expect(first.summary).toMatchObject({chains: 2, cached: 0, contracts: 252})
    expect(second.summary).toMatchObject({chains: 2, cached: 2})
    expect(second.out).toEqual(first.out.map(record => ({...record, cached: true})))
    expect(first.out[0]).toMatchObject({kind: 'embedding', symbol: 'SPX', modelHash: embedder.modelHash})
    expect(first.out[0]?.vector).toHaveLength(256)
    rmSync(folder, {recursive: true})
  })

  test('an empty input and a model of another layout are refused', async () => {
    using embedder = openEmbedder(bytes(CHAIN_LAYOUT), 'test')
    const {records} = embedStream(embedder, undefined, {from: '/dev/null', windowUs: 0, skipInvalid: false})
    await expect(records.next()).rejects.toMatchObject({code: 'NO_CHAIN', exitCode: 6})
    expect(() => openEmbedder(bytes('other'), 'test')).toThrow('another layout')
  })
})
