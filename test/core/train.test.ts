import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {evaluate} from '../../src/core/evaluate.ts'
import {loadModel} from '../../src/core/model-files.ts'
import {optimizeModel} from '../../src/core/optimize-trt.ts'
import {train} from '../../src/core/train.ts'
import type {TrainRequest} from '../../src/core/train-parts.ts'
import {runTraining} from '../../src/core/train-run.ts'
import type {ModelCard} from '../../src/models/card.ts'
import {leaningBars} from '../models/support.ts'
import {writeBars} from '../support/bar-files.ts'

let folder: string
let out: string
const request = (changes: Partial<TrainRequest> = {}): TrainRequest => ({
  model: 'signal',
  size: 'small',
  batch: 64,
  window: 8,
  maxSteps: 60,
  validateEvery: 20,
  patience: 10,
  maxEvaluated: 1000,
  baselineSteps: 20,
  out,
  seed: 1,
  data: folder,
  horizon: 4,
  barrier: 0.6,
  costBps: 1,
  noise: 0,
  folds: 0,
  resume: false,
  ...changes,
})

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-train-'))
  out = path.join(folder, 'models')
  writeBars(folder, leaningBars('AAA', 12, 1))
  writeBars(folder, leaningBars('BBB', 12, 2))
})
afterAll(() => rmSync(folder, {recursive: true}))

test('trains, writes model, card and checkpoint, and what is written can be measured and made smaller', async () => {
  const phases = new Set<string>()
  const result = await train(request(), {onProgress: ({phase}) => phases.add(phase)})
  expect([...phases]).toEqual(['data', 'linear', 'train'])
  expect(readdirSync(out).sort()).toEqual(['signal.card.json', 'signal.checkpoint', 'signal.onnx'])
  const loaded = loadModel(result.modelPath)
  expect(loaded.card?.test).toEqual(result.test)
  expect(loaded.card?.data.dataHash).toBe(result.dataHash)

  const measured = await evaluate(loaded, {
    data: folder,
    seed: 1,
    maxEvaluated: 1000,
    baselineSteps: 20,
    allowSeen: false,
  })
  expect(measured.relation).toBe('own-test')
  expect(measured.test).toEqual(result.test)
  expect(measured.baselines.majority).toEqual(result.baselines.majority)
  expect(loaded.description.decision).toEqual(result.decision)
  expect(measured.decision).toEqual(result.decision)
  expect(loaded.card?.verdict.join()).toContain('likeliest')

  const options = {out, maxDrift: 1, devices: ['cpu'] as const, data: folder, windows: 50, runs: 5, seed: 1}
  const half = await optimizeModel(loaded, {...options, precision: 'float16'})
  expect(half).toMatchObject({accepted: true, provider: 'cpu', precision: 'float16'})
  expect(loadModel(half.output as string).description).toMatchObject({
    precision: 'float16',
    decision: result.decision,
  })
  expect(half.drift.cosineMin).toBeGreaterThan(0.9999)
  const refused = await optimizeModel(loaded, {...options, precision: 'float16', maxDrift: -1})
  expect(refused).toMatchObject({accepted: false, output: null})
}, 60_000)

test('the decision rule never sees the test part, and a model without one keeps the likeliest class', async () => {
  const bars = leaningBars('CCC', 15, 3)
  // The test part begins in the 13th of 15 days: whatever comes in the last two is of no use to the fit.
  const results = [1, 0.2, 3].map(async (stretch, n) => {
    const data = path.join(folder, `stretched-${n}`)
    const late = (values: Float64Array): Float64Array =>
      values.map((v, i) => (i < 13 * 78 ? v : 100 * (v / 100) ** stretch))
    const [open, high, low, close] = [bars.open, bars.high, bars.low, bars.close].map(late) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    mkdirSync(data)
    writeBars(data, {...bars, open, high, low, close})
    return train(request({data, out: path.join(data, 'models')}))
  })
  const [first, ...others] = await Promise.all(results)
  if (first === undefined) throw new Error('nothing was trained')
  expect(first.decision.method).toBe('macro-f1')
  for (const other of others) {
    expect(other.decision).toEqual(first.decision)
    expect(other.valid).toEqual(first.valid)
    expect(other.test).not.toEqual(first.test)
  }

  const loaded = loadModel(first.modelPath)
  const {decision: _none, ...old} = loaded.description
  const ask = {data: path.join(folder, 'stretched-0'), seed: 1, maxEvaluated: 1000, baselineSteps: 60, allowSeen: false}
  const before = await evaluate({...loaded, description: old}, ask)
  const after = await evaluate(loaded, ask)
  expect(before.decision.method).toBe('likeliest')
  expect(before.test).toEqual(loaded.card?.likeliest?.test)
  expect(after.test).toEqual(first.test)
  // The baseline has a rule exactly if the model has one.
  expect(after.baselines.linear).toEqual(first.baselines.linear)
  expect(before.baselines.linear.macroF1).not.toBe(after.baselines.linear.macroF1)
  expect(before.baselines.linear.logLoss).toBe(after.baselines.linear.logLoss)
}, 60_000)

test('data it has partly seen is refused, and flagged where allowed', async () => {
  const {modelPath} = await train(request({symbols: ['AAA'], maxSteps: 20}))
  const loaded = loadModel(modelPath)
  const ask = {data: folder, seed: 1, maxEvaluated: 500, baselineSteps: 20}
  await expect(evaluate(loaded, {...ask, allowSeen: false})).rejects.toMatchObject({code: 'DATA_SEEN', exitCode: 6})
  expect((await evaluate(loaded, {...ask, allowSeen: true})).verdict[0]).toContain('seen in training')
  expect((await evaluate(loaded, {...ask, symbols: ['BBB'], allowSeen: false})).relation).toBe('unseen')
}, 60_000)

test('rows it was trained on are known again in another file, and later ones of a longer file are not refused', async () => {
  const bars = leaningBars('AAA', 24, 7)
  const part = (name: string, from: number, to: number, symbol = 'AAA'): string => {
    const data = path.join(folder, name)
    mkdirSync(data)
    const cut = (values: Float64Array): Float64Array => values.subarray(from * 78, to * 78)
    writeBars(data, {
      ...{symbol, tsUs: cut(bars.tsUs), volume: cut(bars.volume)},
      ...{open: cut(bars.open), high: cut(bars.high), low: cut(bars.low), close: cut(bars.close)},
    })
    return data
  }
  const {modelPath} = await train(request({data: part('first', 0, 12), maxSteps: 20}))
  const loaded = loadModel(modelPath)
  const ask = {seed: 1, maxEvaluated: 500, baselineSteps: 20, allowSeen: false}
  // The same rows under another name, in a file of other length: its last fifth are days that were trained on.
  const seen = evaluate(loaded, {...ask, data: part('copied', 0, 9, 'ZZZ')})
  await expect(seen).rejects.toMatchObject({code: 'DATA_SEEN', message: expect.stringMatching(/about 100 % of these/)})
  // A file that grew is measured on its last fifth, which is new.
  expect((await evaluate(loaded, {...ask, data: part('grown', 0, 24)})).relation).toBe('unseen')
  expect((await evaluate(loaded, {...ask, data: part('later', 12, 24)})).relation).toBe('unseen')
}, 60_000)

test('bars of another length are measured, and said to be so', async () => {
  const {modelPath} = await train(request({out: path.join(folder, 'five'), maxSteps: 1}))
  const loaded = loadModel(modelPath)
  const ask = {data: folder, seed: 1, maxEvaluated: 500, baselineSteps: 1, allowSeen: false}
  const slower = {...loaded, description: {...loaded.description, periodUs: 600_000_000}}
  const said = 'these bars are of 300 s, those it was trained on of 600 s: it was not made for them'
  expect((await evaluate(slower, ask)).verdict[0]).toBe(said)
  expect((await evaluate(loaded, ask)).verdict.join()).not.toContain('not made for')
}, 60_000)

test('two days of bars are split with a shorter embargo, which the card tells', async () => {
  const data = path.join(folder, 'two-days')
  mkdirSync(data)
  writeBars(data, leaningBars('AAA', 2, 9))
  const {cardPath, modelPath} = await train(
    request({data, out: path.join(data, 'out'), batch: 16, window: 4, maxSteps: 1}),
  )
  const {data: about} = JSON.parse(readFileSync(cardPath, 'utf8')) as ModelCard
  expect(about.split.embargoSeconds).toBe(4 * 300)
  expect(about.split.test).toBeGreaterThan(0)
  const ask = {data, seed: 1, maxEvaluated: 500, baselineSteps: 1, allowSeen: false}
  // Its own test part is found again, whatever batch it was trained with.
  const measured = await evaluate(loadModel(modelPath), ask)
  expect(measured.relation).toBe('own-test')
  expect(measured.windows).toBe(about.split.test)
  const longer = JSON.parse(readFileSync(path.join(out, 'signal.card.json'), 'utf8')) as ModelCard
  expect(longer.data.split.embargoSeconds).toBe(86_400)
}, 60_000)

test('a day of bars measures drift, is too little to measure a model by, and both are said', async () => {
  const data = path.join(folder, 'day')
  mkdirSync(data)
  writeBars(data, leaningBars('AAA', 1, 9))
  const {modelPath} = await train(request({out: path.join(folder, 'dayless'), maxSteps: 1}))
  const loaded = loadModel(modelPath)
  const options = {out: data, devices: ['cpu'] as const, windows: 500, runs: 5, seed: 1}
  const half = await optimizeModel(loaded, {...options, data, precision: 'float16', maxDrift: 1})
  expect(half.drift.inputs).toBe('real')
  expect(half.drift.windows).toBeGreaterThan(40)
  const measured = evaluate(loaded, {data, seed: 1, maxEvaluated: 500, baselineSteps: 1, allowSeen: false})
  await expect(measured).rejects.toMatchObject({
    code: 'TOO_LITTLE_DATA',
    hints: [expect.stringContaining('five days of bars')],
  })
}, 60_000)

test('a stopped run goes on by --resume to the very bytes of an unbroken one', async () => {
  const whole = await train(request({out: path.join(folder, 'whole')}))
  const abort = new AbortController()
  const parted = request({out: path.join(folder, 'parted')})
  const first = await train(parted, {
    signal: abort.signal,
    onProgress: ({phase, step}) => {
      if (phase === 'train' && step >= 20) abort.abort()
    },
  })
  expect(first.stoppedBy).toBe('signal')
  const second = await train({...parted, resume: true})
  expect(second.steps).toBe(60)
  expect(readFileSync(second.modelPath)).toEqual(readFileSync(whole.modelPath))
  // With nothing left to do, what a step took is what the sittings before say.
  const third = await train({...parted, resume: true})
  expect(third.stepMs).toBe(second.stepMs)
  expect(third.stepMs).toBeGreaterThan(0)
}, 60_000)

test('the command of the card names every flag that is not as usual', async () => {
  const {cardPath} = await train(request({symbols: ['AAA'], maxSteps: 20, patience: 6}))
  const {command} = JSON.parse(readFileSync(cardPath, 'utf8')) as {command: string}
  expect(command).toMatch(/--validate-every \d+ .*--max-evaluated \d+ --baseline-steps \d+/)
  expect(command).not.toContain('--patience')
}, 60_000)

test('a stop while the data is read is heeded, and nothing is written', async () => {
  const out = path.join(folder, 'unread')
  const abort = new AbortController()
  const stopped = train(request({out}), {
    signal: abort.signal,
    onProgress: ({phase}) => phase === 'data' && abort.abort(),
  })
  await expect(stopped).rejects.toMatchObject({code: 'STOPPED', exitCode: 1})
  expect(existsSync(out)).toBe(false)
})

test.each(['linear', 'train'] as const)(
  'a stop before the first step (%s) leaves the model that was there',
  async at => {
    const kept = path.join(folder, `kept-${at}`)
    const {modelPath, cardPath, checkpointPath} = await train(request({out: kept, maxSteps: 20}))
    const files = () => [modelPath, cardPath, checkpointPath].map(file => readFileSync(file))
    const before = files()
    const abort = new AbortController()
    const stopped = runTraining(request({out: kept, seed: 2, baselineSteps: 40, maxSteps: 40}), {
      isStopped: () => abort.signal.aborted,
      onProgress: ({phase, step}) => phase === 'linear' && step >= (at === 'linear' ? 20 : 40) && abort.abort(),
    })
    await expect(stopped).rejects.toMatchObject({code: 'STOPPED', exitCode: 1})
    expect(files()).toEqual(before)
  },
  60_000,
)

test('an ensemble that was cut off in its first member is resumed, and stopped there writes no untrained member', async () => {
  const small = {model: 'ensemble', maxSteps: 20, validateEvery: 10, baselineSteps: 1} as const
  const whole = await train(request({...small, out: path.join(folder, 'ensemble')}))
  const out = path.join(folder, 'cut')
  const abort = new AbortController()
  const cut = train(request({...small, out}), {
    signal: abort.signal,
    onProgress: ({phase, step}) => phase === 'train' && step === 10 && abort.abort(),
  })
  await expect(cut).rejects.toMatchObject({code: 'STOPPED', exitCode: 1})
  expect(readdirSync(out)).toEqual(['ensemble-mlp.checkpoint'])
  const resumed = await train(request({...small, out, resume: true}))
  expect(readFileSync(resumed.modelPath)).toEqual(readFileSync(whole.modelPath))
}, 60_000)

describe('what is wrong is said in a sentence', () => {
  test.each([
    ['UNKNOWN_MODEL', {model: 'transfomer'}, /no model "transfomer"/],
    ['NO_CHECKPOINT', {out: '/tmp/gpi-none', resume: true}, /no checkpoint/],
    ['TOO_LITTLE_DATA', {window: 74}, /windows of 74 rows/],
  ] as const)(
    '%s',
    async (code, changes, message) => {
      const failed = train(request({maxSteps: 1, validateEvery: 1, ...changes})).catch(error => error)
      const error = await failed
      expect(error).toMatchObject({code})
      expect(error.message).toMatch(message)
    },
    60_000,
  )

  test('a model file that is not the one of its card', async () => {
    const {modelPath} = await train(request({out: path.join(folder, 'damaged'), maxSteps: 1}))
    const bytes = readFileSync(modelPath)
    writeFileSync(modelPath, bytes.subarray(0, statSync(modelPath).size / 2))
    expect(() => loadModel(modelPath)).toThrow(/SHA-256/)
    rmSync(modelPath.replace('.onnx', '.card.json'))
    expect(() => loadModel(modelPath)).toThrow(/damaged or not ONNX/)
  })

  test('a folder that cannot be written keeps what was there', async () => {
    const blocked = path.join(folder, 'blocked')
    writeFileSync(blocked, 'a file where a folder should be')
    await expect(train(request({out: blocked, maxSteps: 1}))).rejects.toMatchObject({code: 'WRITE_FAILED'})
    expect(readFileSync(blocked, 'utf8')).toContain('a file')
  })
})
