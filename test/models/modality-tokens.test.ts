import fc from 'fast-check'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {patternEvidence} from '../../src/core/pattern-evidence.ts'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import type {BookInput} from '../../src/features/book-features.ts'
import {ScalerFit} from '../../src/features/features.ts'
import {MULTI_COLUMNS, multiSchema} from '../../src/features/multi-features.ts'
import {barDataset} from '../../src/models/bar-dataset.ts'
import {majorityBaseline} from '../../src/models/baselines.ts'
import {type Dataset, windowEnds} from '../../src/models/dataset.ts'
import {SIGNAL_OUTPUTS, signalNetwork, signalObjective} from '../../src/models/networks.ts'
import {spread} from '../../src/models/row-runs.ts'
import {type Split, splitInTime} from '../../src/models/splits.ts'
import {SignalTrainer} from '../../src/models/trainer.ts'
import type {GraphSession} from '../../src/nn/execution.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {buildGradients, buildInference, exportInference, initialWeights, type Network} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import {randomFeeds} from '../nn/support.ts'
import {barAt, leaningBars} from './support.ts'

const WINDOW = 4
const WIDTH = multiSchema.names.length
const modalities = multiSchema.modalities ?? []
const optional = modalities.filter(({flag}) => flag !== undefined)
const scaler = {mean: Array<number>(WIDTH).fill(0), deviation: Array<number>(WIDTH).fill(1), limit: 6}
const networkOf = (use = modalities, window = WINDOW): Network =>
  signalNetwork({architecture: 'transformer', size: 'small', window, width: WIDTH, scaler, modalities: use})

const session = (network: Network, seed = 1): GraphSession => {
  const weights = initialWeights(buildInference(network).scope.parameters, createRng(seed))
  return openOrtSession(writeOnnx(exportInference(network, weights)), {threads: 1})
}
const outputsOf = (run: GraphSession, x: Float32Array): number[] => {
  const results = run.run({x: {type: 'float32', dims: [1, WINDOW, WIDTH], data: x}})
  return SIGNAL_OUTPUTS.flatMap(name => Array.from(results[name]?.data as Float32Array))
}
const windowOf = (seed: number, present: readonly boolean[]): Float32Array => {
  const rng = createRng(seed)
  const x = Float32Array.from({length: WINDOW * WIDTH}, () => rng.normal())
  for (let row = 0; row < WINDOW; row++) {
    for (const [m, {flag}] of optional.entries()) x[row * WIDTH + (flag as number)] = present[m] === true ? 1 : 0
  }
  return x
}
const subset = fc.array(fc.boolean(), {minLength: 3, maxLength: 3})

describe('a transformer over several kinds of information', () => {
  const run = session(networkOf())
  afterAll(() => run.dispose())

  test('answers on every subset, and what an absent kind’s columns hold changes no bit', () => {
    fc.assert(
      fc.property(subset, fc.nat(), (present, seed) => {
        const x = windowOf(seed, present)
        const first = outputsOf(run, x)
        expect(first.every(Number.isFinite)).toBe(true)
        for (const [m, {from, to}] of optional.entries()) {
          if (present[m] === true) continue
          for (let row = 0; row < WINDOW; row++) for (let i = from; i < to; i++) x[row * WIDTH + i] = 5 - i
        }
        expect(outputsOf(run, x)).toEqual(first)
      }),
      {numRuns: 40},
    )
  })

  test('listens to each kind that is there', () => {
    for (const [m, {from}] of optional.entries()) {
      const present = optional.map((_, other) => other === m)
      const x = windowOf(7, present)
      const before = outputsOf(run, x)
      x[(WINDOW - 1) * WIDTH + from] = 4
      expect(outputsOf(run, x), optional[m]?.name).not.toEqual(before)
    }
  })

  test('a kind that was left out of the model is never read, flag or not', () => {
    const without = session(networkOf(modalities.filter(({name}) => name !== 'options')))
    const x = windowOf(3, [true, false, true])
    const before = outputsOf(without, x)
    x[(WINDOW - 1) * WIDTH + MULTI_COLUMNS.flags + 1] = 1
    expect(outputsOf(without, x)).toEqual(before)
    without.dispose()
  })

  test('derivatives agree with finite differences, some kinds absent', () => {
    const {graph, scope} = buildGradients(networkOf(), signalObjective, 2)
    const weights = initialWeights(scope.parameters, createRng(2))
    const feeds: Record<string, Float64Array> = {}
    for (const [name, values] of Object.entries(randomFeeds(graph, 5)))
      feeds[name] = Float64Array.from(weights.get(name) ?? values)
    feeds['x'] = Float64Array.from([...windowOf(1, [true, false, true]), ...windowOf(2, [true, true, false])])
    feeds['target'] = Float64Array.of(1, 0, 0, 0, 0, 1)
    feeds['weight'] = Float64Array.of(1, 1)
    const base = interpret(graph, feeds)
    for (const {name} of scope.parameters.filter((_, i) => i % 3 === 0)) {
      const values = feeds[name] as Float64Array
      const at = values.length >> 1
      const lossAt = (value: number) =>
        interpret(graph, {...feeds, [name]: values.with(at, value)}).get('loss')?.data[0] as number
      const step = 1e-5
      const numeric = (lossAt((values[at] as number) + step) - lossAt((values[at] as number) - step)) / (2 * step)
      expect(Math.abs((base.get(`d:${name}`)?.data[at] as number) - numeric), name).toBeLessThan(2e-5)
    }
  }, 30_000)
})

describe('a market whose quotes know where the price goes', () => {
  let dataset: Dataset
  let split: Split
  beforeAll(async () => {
    const bars = leaningBars('AAA', 30, 5, 0)
    const book = (tsUs: number, up: boolean): BookInput => ({
      tsUs,
      ...{bidPrices: [99.99], askPrices: [100.01], signedVolume: 0},
      bidSizes: [up ? 9 : 1],
      askSizes: [up ? 1 : 9],
    })
    const read = async (sink: Parameters<Parameters<typeof barDataset>[0]['histories'][0]['read']>[0]) => {
      for (let row = 0; row < bars.tsUs.length; row++) {
        const later = bars.close[Math.min(bars.close.length - 1, row + 3)] as number
        // One day in two has quotes.
        if (Math.floor(row / 78) % 2 === 0)
          sink.onBook(book((bars.tsUs[row] as number) - 1, later > (bars.close[row] as number)))
        sink.onBar(barAt(bars, row))
      }
    }
    dataset = await barDataset(
      {session: 'us-equity', periodUs: 300_000_000, histories: [{symbol: 'AAA', sha256: '', read}]},
      {horizon: 3, barrier: 0.5, costBps: 0, rows: 'multi', patterns: patternEvidence},
    )
    split = splitInTime(dataset, windowEnds(dataset, WINDOW), {window: WINDOW})
  })

  test('the model learns it from the microstructure token, and says less where there is none', () => {
    const fit = new ScalerFit(WIDTH, modalities)
    const row = new Float32Array(WIDTH)
    for (const at of split.train) {
      dataset.rows.features(at, 1, row)
      fit.add(row)
    }
    const network = signalNetwork({
      ...{architecture: 'transformer', size: 'small', window: WINDOW, width: WIDTH, modalities},
      scaler: fit.scaler(),
    })
    const options = {
      ...{seed: 1, batch: 64, window: WINDOW, maxSteps: 120, learningRate: 5e-3, weightDecay: 0.01, noise: 0},
      ...{validateEvery: 40, patience: 10, validationRows: 400, deviation: []},
      modalityDropout: {modalities, rate: 0.1},
    }
    const trainer = new SignalTrainer(dataset, split, network, options, openOrtSession)
    while (!trainer.isDone) trainer.step()
    const rows = spread(split.test, 1e9)
    const has = (at: number): boolean => {
      dataset.rows.features(at, 1, row)
      return row[MULTI_COLUMNS.flags] === 1
    }
    const [told, untold] = [rows.filter(has), rows.filter(at => !has(at))]
    const weights = trainer.weights()
    const withQuotes = trainer.evaluate(told, weights).directionAccuracy
    expect(withQuotes).toBeGreaterThan(0.8)
    expect(trainer.evaluate(untold, weights).directionAccuracy).toBeLessThan(0.65)
    expect(trainer.evaluate(told, weights).macroF1).toBeGreaterThan(
      majorityBaseline(dataset, split.train, told).macroF1,
    )
    trainer.dispose()
  }, 60_000)
})
