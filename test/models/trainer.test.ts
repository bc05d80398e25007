import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {fitScaler} from '../../src/features/features.ts'
import {majorityBaseline} from '../../src/models/baselines.ts'
import {decodeCheckpoint, encodeCheckpoint} from '../../src/models/checkpoint.ts'
import {type Dataset, windowEnds} from '../../src/models/dataset.ts'
import {
  ARCHITECTURES,
  type Architecture,
  SIGNAL_OUTPUTS,
  signalNetwork,
  signalObjective,
  withTemperature,
} from '../../src/models/networks.ts'
import {spread} from '../../src/models/row-runs.ts'
import {type Split, splitInTime} from '../../src/models/splits.ts'
import {predictRows, SignalTrainer, type TrainerOptions} from '../../src/models/trainer.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {buildGradients, buildInference, exportInference, initialWeights} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import {randomFeeds} from '../nn/support.ts'
import {featuresOf, toyDataset} from './support.ts'

const window = 8
let dataset: Dataset
let split: Split
const scaler = () => fitScaler(featuresOf(dataset), 16)
const networkOf = (architecture: Architecture) =>
  signalNetwork({architecture, size: 'small', window, width: 16, scaler: scaler()})
const options = (changes: Partial<TrainerOptions> = {}): TrainerOptions => ({
  seed: 3,
  batch: 64,
  window,
  maxSteps: 60,
  learningRate: 3e-3,
  weightDecay: 0.01,
  validateEvery: 20,
  patience: 10,
  validationRows: 500,
  noise: 0,
  deviation: scaler().deviation,
  ...changes,
})
const testRows = (): Int32Array => spread(split.test, Number.POSITIVE_INFINITY)
const open: SignalTrainer[] = []
const trainerOf = (
  architecture: Architecture,
  changes: Partial<TrainerOptions> = {},
  state?: ReturnType<SignalTrainer['state']>,
) => {
  const trainer = new SignalTrainer(dataset, split, networkOf(architecture), options(changes), openOrtSession, state)
  open.push(trainer)
  return trainer
}
const drain = (trainer: SignalTrainer, until = Number.POSITIVE_INFINITY): SignalTrainer => {
  while (!trainer.isDone && trainer.stepCount < until) trainer.step()
  return trainer
}

beforeAll(async () => {
  dataset = await toyDataset(14)
  split = splitInTime(dataset, windowEnds(dataset, window), {window})
})
afterAll(() => {
  for (const trainer of open) trainer.dispose()
})

describe('every architecture', () => {
  test.each(ARCHITECTURES)('%s learns the rule of a toy market better than the majority does', architecture => {
    const trainer = drain(trainerOf(architecture, {maxSteps: 150, learningRate: 5e-3}))
    const {macroF1, mcc} = trainer.evaluate(testRows(), trainer.weights())
    expect(macroF1).toBeGreaterThan(majorityBaseline(dataset, split.train, testRows()).macroF1 + 0.1)
    expect(mcc).toBeGreaterThan(0.1)
  })

  test.each(ARCHITECTURES)('%s: derivatives of the whole model agree with finite differences', architecture => {
    const small = signalNetwork({
      architecture,
      size: 'small',
      window: 8,
      width: 3,
      scaler: {mean: [0, 0, 0], deviation: [1, 1, 1], limit: 6},
    })
    const {graph, scope} = buildGradients(small, signalObjective, 2)
    const weights = initialWeights(scope.parameters, createRng(2))
    const feeds: Record<string, Float64Array> = {}
    for (const [name, values] of Object.entries(randomFeeds(graph, 5)))
      feeds[name] = Float64Array.from(weights.get(name) ?? values)
    feeds['target'] = Float64Array.of(1, 0, 0, 0, 0, 1)
    feeds['weight'] = Float64Array.of(1, 1)
    const base = interpret(graph, feeds)
    for (const {name} of scope.parameters) {
      const values = feeds[name] as Float64Array
      const at = values.length >> 1
      const lossAt = (value: number) =>
        interpret(graph, {...feeds, [name]: values.with(at, value)}).get('loss')?.data[0] as number
      const step = 1e-5
      const numeric = (lossAt((values[at] as number) + step) - lossAt((values[at] as number) - step)) / (2 * step)
      expect(Math.abs((base.get(`d:${name}`)?.data[at] as number) - numeric), name).toBeLessThan(2e-5)
    }
  })

  test.each(ARCHITECTURES)('%s: the served graph agrees with the float64 oracle', architecture => {
    const network = networkOf(architecture)
    const {graph, scope} = buildInference(network, 3)
    const weights = initialWeights(scope.parameters, createRng(7))
    const rows = testRows().subarray(0, 3)
    const x = new Float32Array(3 * window * 16)
    for (const [i, row] of rows.entries()) dataset.rows.features(row - window + 1, window, x, i * window * 16)
    const oracle = interpret(graph, {...Object.fromEntries(weights), x})
    const session = openOrtSession(writeOnnx(exportInference(network, weights)), {threads: 1})
    const served = predictRows(session, dataset, rows, window)
    session.dispose()
    for (const name of SIGNAL_OUTPUTS) {
      for (const [i, value] of (served[name] as Float32Array).entries())
        expect(value).toBeCloseTo(oracle.get(name)?.data[i] as number, 4)
    }
  })
})

test('the same seed trains the same bytes; another seed does not', () => {
  const [a, b, c] = [drain(trainerOf('mlp')), drain(trainerOf('mlp')), drain(trainerOf('mlp', {seed: 4}))]
  expect(a.state()).toEqual(b.state())
  expect(a.weights()).not.toEqual(c.weights())
})

test('a run resumed from its checkpoint at any step ends in the same bytes', () => {
  const straight = drain(trainerOf('mlp')).state()
  for (const cut of [1, 20, 37, 59]) {
    const bytes = encodeCheckpoint(drain(trainerOf('mlp'), cut).state(), 'run')
    const resumed = drain(trainerOf('mlp', {}, decodeCheckpoint(bytes, 'run', 'x.checkpoint')))
    expect(resumed.state()).toEqual(straight)
  }
})

describe('a checkpoint is refused', () => {
  const bytes = () => encodeCheckpoint(drain(trainerOf('linear'), 2).state(), 'run')
  test('when it is truncated or changed', () => {
    const whole = bytes()
    for (const damaged of [
      whole.subarray(0, 5),
      whole.subarray(0, 40),
      whole.subarray(0, whole.length - 1),
      whole.map((b, i) => (i === whole.length - 9 ? b ^ 1 : b)),
    ]) {
      expect(() => decodeCheckpoint(damaged, 'run', 'x.checkpoint')).toThrow(/x\.checkpoint is not a usable checkpoint/)
    }
  })
  test('when it belongs to another run', () => {
    expect(() => decodeCheckpoint(bytes(), 'other', 'x.checkpoint')).toThrow(/another model, data or options/)
  })
})

test('training stops when validation no longer gains', () => {
  const trainer = drain(trainerOf('linear', {maxSteps: 5000, learningRate: 0.05, patience: 2}))
  expect(trainer.stepCount).toBeLessThan(5000)
})

test('a temperature softens every probability and changes no decision', () => {
  const network = networkOf('mlp')
  const weights = initialWeights(buildInference(network).scope.parameters, createRng(1))
  const of = (temperature: number) => {
    const session = openOrtSession(writeOnnx(exportInference(network, withTemperature(weights, temperature))), {
      threads: 1,
    })
    const out = predictRows(session, dataset, testRows().subarray(0, 1), window).probabilities
    session.dispose()
    return [...out]
  }
  const [sharp, soft] = [of(1), of(2)]
  const powered = sharp.map(Math.sqrt)
  const total = powered.reduce((sum, p) => sum + p, 0)
  for (const [i, p] of soft.entries()) expect(p).toBeCloseTo((powered[i] as number) / total, 5)
})
