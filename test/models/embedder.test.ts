import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {describe, expect, test} from 'vitest'
import {chainsOf} from '../../src/core/chain-stream.ts'
import {embedStream, openEmbedder} from '../../src/core/embed.ts'
import {CHAIN_LAYOUT, embedderMetadata} from '../../src/core/embedder-file.ts'
import {lruCache} from '../../src/data/cache.ts'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {fitChainPca, pcaReconstruct} from '../../src/models/chain-pca.ts'
import {type ChainSample, chainSample, reshapedSample} from '../../src/models/chain-sample.ts'
import {EMBEDDING_WIDTH, embedderNetwork, embedderObjective, startFromPrior} from '../../src/models/embedder.ts'
import {decodeEmbedderCheckpoint, encodeEmbedderCheckpoint} from '../../src/models/embedder-checkpoint.ts'
import {drawHidden, fitEmbedderScales, refitSmiles} from '../../src/models/embedder-data.ts'
import {
  type EmbedderProgress,
  type EmbedderTrainingState,
  reconstructionError,
  runEmbedder,
  trainEmbedder,
  withSession,
} from '../../src/models/embedder-trainer.ts'
import {surfaceArbitrage} from '../../src/models/surface-arbitrage.ts'
import {
  decodePrior,
  drawnSurface,
  encodePrior,
  fitSurfacePrior,
  mispricing,
  PRIOR_RANK,
  posteriorCoordinates,
  randomSurface,
  surfaceAt,
} from '../../src/models/surface-prior.ts'
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
const prior = fitSurfacePrior(train, 1)
const spec = (dimension = 16) => ({dimension, width: 16, layers: 1, heads: 2, ...fitEmbedderScales(train), prior})

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
    runEmbedder(session, sample, prior, none),
    runEmbedder(session, stray, prior, none),
  ])
  expect(changed?.['embedding']).toEqual(plain?.['embedding'])
})

test('started from its prior, an embedder rebuilds what the prior expects', () => {
  const network = embedderNetwork(spec(EMBEDDING_WIDTH))
  const weights = initialWeights(buildInference(network).scope.parameters, createRng(1, 'weights'))
  startFromPrior(weights, EMBEDDING_WIDTH)
  const error = withSession(network, weights, openOrtSession, session => reconstructionError(session, valid, prior, 1))
  expect(error.model).toBeCloseTo(error.kriging, 3)
  expect(error.kriging).toBeLessThan(0.5)
})

describe('the prior of surfaces', () => {
  test('is orthonormal, largest variance first, and survives its text', () => {
    for (let i = 0; i < 6; i++) {
      for (let j = 0; j < 6; j++) {
        let product = 0
        for (let cell = 0; cell < 192; cell++)
          product += (prior.directions[cell * PRIOR_RANK + i] ?? 0) * (prior.directions[cell * PRIOR_RANK + j] ?? 0)
        expect(product).toBeCloseTo(i === j ? 1 : 0, 8)
      }
    }
    expect([...prior.variance]).toEqual([...prior.variance].sort((a, b) => b - a))
    const again = decodePrior(encodePrior(prior))
    for (const name of ['mean', 'directions', 'variance', 'remainder'] as const)
      expect(again[name]).toEqual(Float64Array.from(Float32Array.from(prior[name])))
    expect(() => decodePrior('AAAA')).toThrow(RangeError)
  })

  test('a full surface drawn from it comes back; nothing seen means the mean', () => {
    const sample = samples[0] as ChainSample
    const surface = drawnSurface({...prior, remainder: new Float64Array(192)}, createRng(5))
    const cells = sample.tensor.cells.slice()
    for (let cell = 0; cell < 192; cell++) cells.set([surface[cell] ?? 0, 0.001], cell * 8)
    const full = {...sample.tensor, cells, mask: new Float32Array(192).fill(1)}
    const back = surfaceAt(prior, posteriorCoordinates(prior, full, new Uint8Array(192)))
    const error = back.reduce((sum, value, cell) => sum + Math.abs(value - (surface[cell] ?? 0)), 0) / 192
    expect(error).toBeLessThan(0.01)
    const blind = posteriorCoordinates(prior, full, new Uint8Array(192).fill(1))
    for (const value of blind) expect(Math.abs(value)).toBeLessThan(1e-12)
  })

  test('random surfaces have the same smile at the money and no butterfly below zero in the middle', () => {
    for (let seed = 0; seed < 50; seed++) {
      const surface = randomSurface(createRng(seed))
      for (let row = 0; row < 12; row++) expect(Math.abs(surface[row * 16 + 9] ?? 1)).toBeLessThan(1e-9)
    }
    const sample = samples[0] as ChainSample
    expect(surfaceArbitrage([sample], () => new Float64Array(192)).butterfly).toBe(0)
    const jagged = Float64Array.from({length: 192}, (_, cell) => (cell % 2 === 0 ? 0.3 : -0.3))
    expect(surfaceArbitrage([sample], () => jagged).butterfly).toBeGreaterThan(0.3)
  })
})

test('training makes the heads right and the surface no worse', () => {
  const options = {seed: 1, batch: 16, maxSteps: 120, learningRate: 1e-3, validateEvery: 60, patience: 5}
  const {weights, steps} = trainEmbedder(spec(), train, valid, options, openOrtSession, () => true)
  expect(steps).toBe(120)
  const none = new Uint8Array(192)
  const network = embedderNetwork(spec())
  const first = initialWeights(buildInference(network).scope.parameters, createRng(1, 'weights'))
  startFromPrior(first, 16)
  const measured = (w: ReadonlyMap<string, Float32Array>) =>
    withSession(network, w, openOrtSession, session => {
      const outputs = valid.map(sample => ({sample, heads: runEmbedder(session, sample, prior, none)}))
      const worst = (of: (one: (typeof outputs)[number]) => number) => Math.max(...outputs.map(of))
      return {
        surface: reconstructionError(session, valid, prior, 1).model,
        regime: outputs.reduce((sum, {sample, heads}) => sum + 1 - (heads['regime']?.[sample.regime] ?? 0), 0),
        sentiment: worst(({sample, heads}) => Math.abs((heads['sentiment']?.[0] ?? 9) - sample.sentiment)),
        arbitrage: worst(({sample, heads}) =>
          Math.abs((heads['arbitrage']?.[0] ?? 9) - mispricing(prior, sample.tensor)),
        ),
      }
    })
  const [before, after] = [measured(first), measured(weights)]
  expect(after.regime).toBeLessThan(0.9 * before.regime)
  // Both are worked out from the chain: right before the first step, and training must not spoil them.
  for (const {sentiment, arbitrage} of [before, after]) {
    expect(sentiment).toBeLessThan(0.08)
    expect(arbitrage).toBeLessThan(0.02)
  }
  expect(after.surface).toBeLessThan(1.1 * before.surface)
})

test('training that was cut off goes on from its saved state to the very same weights', () => {
  const options = {seed: 1, batch: 8, maxSteps: 30, learningRate: 1e-3, validateEvery: 10, patience: 5}
  const run = (onStep: (progress: EmbedderProgress) => boolean, from?: EmbedderTrainingState) =>
    trainEmbedder(spec(), train, valid, options, openOrtSession, onStep, from)
  const whole = run(() => true)
  const hash = 'a'.repeat(64)
  let saved = new Uint8Array()
  run(({step, state}) => {
    saved = Uint8Array.from(encodeEmbedderCheckpoint(state(), {steps: step, ms: 5}, hash))
    return step < 20
  })
  const {spent, ...state} = decodeEmbedderCheckpoint(saved, hash, 'embedder.checkpoint')
  expect(spent).toEqual({steps: 20, ms: 5})
  expect(state.optimiser.step).toBe(20)
  const resumed = run(() => true, state)
  expect(resumed).toEqual(whole)
  const torn = saved.slice()
  torn[13] = 0
  for (const [bytes, code] of [
    [saved.subarray(0, -4), 'CHECKPOINT_INVALID'],
    [torn, 'CHECKPOINT_INVALID'],
  ] as const) {
    expect(() => decodeEmbedderCheckpoint(bytes, hash, 'x')).toThrow(expect.objectContaining({code}))
  }
  expect(() => decodeEmbedderCheckpoint(saved, 'other', 'x')).toThrow(/belongs to a run with other data or options/)
})

describe('gpi embed', () => {
  const network = embedderNetwork(spec(EMBEDDING_WIDTH))
  const bytes = (layout: string) =>
    writeOnnx(
      exportInference(network, initialWeights(buildInference(network).scope.parameters, createRng(4)), {
        ...embedderMetadata(
          {
            ...{name: 'embedder', architecture: 'test', size: 'small', parameters: 1, dimension: EMBEDDING_WIDTH},
            ...{layout, precision: 'float32'},
          },
          encodePrior(prior),
        ),
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
