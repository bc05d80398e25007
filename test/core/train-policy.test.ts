import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {resolveConfig} from '../../src/config/resolve.ts'
import type {Config} from '../../src/config/schema.ts'
import {runBacktest} from '../../src/core/backtest.ts'
import {backtestSetup} from '../../src/core/backtest-setup.ts'
import {openSource} from '../../src/core/backtest-source.ts'
import {evaluatePolicy} from '../../src/core/evaluate-policy.ts'
import {loadPolicy, openPolicy} from '../../src/core/policy-weights.ts'
import {chooseAllocation, lastWeights, policyHashOf, withAllocation} from '../../src/core/risk-setup.ts'
import type {TradeEvent} from '../../src/core/trade-events.ts'
import {trainPolicyModel} from '../../src/core/train-policy.ts'
import {type PolicyTrainRequest, runPolicyTraining} from '../../src/core/train-policy-run.ts'
import {readSeries} from '../../src/core/train-policy-series.ts'
import {UserError} from '../../src/domain/errors.ts'
import {createRng} from '../../src/domain/rng.ts'
import {memoryTrialLog} from '../../src/evaluation/trial-log.ts'
import {ingestFiles} from '../support/ingest.ts'

let folder: string
let out: string
let markets: string
const hooks = {onProgress: () => {}, isStopped: () => false}

/** Two hours of quotes of two stocks that wander; something for market makers to lose on. */
const writeQuotes = (file: string, seed: number): void => {
  const rng = createRng(seed, 'quotes')
  const start = Date.UTC(2024, 5, 3, 13, 30) * 1000
  const rows = ['timestamp,symbol,bid,ask,bid_size,ask_size']
  const mids = [100, 50]
  for (let n = 0; n < 2_400; n++) {
    const i = n % 2
    mids[i] = (mids[i] as number) + Math.round(3 * rng.normal()) / 100
    const mid = mids[i] as number
    const at = new Date((start + n * 3_000_000) / 1000).toISOString()
    rows.push([at, i === 0 ? 'AAPL' : 'KO', (mid - 0.02).toFixed(2), (mid + 0.02).toFixed(2), 300, 300].join(','))
  }
  writeFileSync(file, `${rows.join('\n')}\n`)
}

const configOf = (values: Record<string, unknown> = {}): Config =>
  resolveConfig([{source: 'test', values: {home: path.join(folder, 'home'), ...values}}]).config

const request = (changes: Partial<PolicyTrainRequest> = {}): PolicyTrainRequest => ({
  size: 'small',
  batch: 32,
  maxSteps: 96,
  validateEvery: 32,
  patience: 9,
  seed: 1,
  out,
  data: markets,
  folds: 0,
  resume: false,
  config: configOf(),
  workers: 1,
  trials: [],
  ...changes,
})
const refusalOf = async (work: Promise<unknown>): Promise<UserError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof UserError) return error
  throw new Error(`was not refused: ${error}`)
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-policy-'))
  out = path.join(folder, 'home', 'models')
  markets = path.join(folder, 'markets')
  for (const [k, name] of ['calm', 'wild'].entries()) {
    const file = path.join(folder, `${name}.csv`)
    writeQuotes(file, k)
    await ingestFiles('csv', [file], {out: path.join(markets, name)})
  }
}, 60_000)
afterAll(() => rmSync(folder, {recursive: true, force: true}))

describe('training a policy on catalogs', () => {
  test('back-tests, learns, and writes policy, card and checkpoint; a second run in a worker gives the same bytes', async () => {
    const phases = new Set<string>()
    const result = await runPolicyTraining(request(), {...hooks, onProgress: ({phase}) => void phases.add(phase)})
    expect([...phases]).toEqual(['data', 'train'])
    expect(result.steps).toBe(96)
    expect(Object.keys(result.baselines)).toEqual(['equalWeight', 'inverseVolatility', 'bestFixed', 'cash', 'oracle'])
    expect(result.baselines.cash.return).toBe(0)
    expect(result.baselines.oracle.return).toBeGreaterThanOrEqual(result.test.return)
    const card = JSON.parse(readFileSync(result.cardPath, 'utf8'))
    expect(card.data.sources.map(({name}: {name: string}) => name)).toEqual(['calm.csv', 'wild.csv'])
    expect(card.data.markets[0].cannotRun['option-sentiment']).toContain('option chains')
    expect(card.verdict.join()).toMatch(/does NOT beat/)
    expect(statSync(result.modelPath).size).toBeLessThan(1e6)

    const trials = memoryTrialLog()
    const again = await trainPolicyModel(request({out: path.join(folder, 'again')}), {trials})
    expect(readFileSync(again.modelPath)).toEqual(readFileSync(result.modelPath))
    expect(trials.trials('policy').length).toBe(1)
    expect(again.deflation?.trials).toBe(1)
    const counted = await trainPolicyModel(request({out: path.join(folder, 'again'), resume: true, earlierTrials: 3}), {
      trials,
    })
    expect(counted.deflation?.trials).toBe(4)
    expect(trials.trials('policy').length).toBe(1)
    // Finished before: no step was made, and what one took is known.
    expect(counted.stepMs).toBe(again.stepMs)
    const declared = JSON.parse(readFileSync(counted.cardPath, 'utf8')) as {command: string; trials: object}
    expect(declared.command).toContain('--earlier-trials 3')
    expect(declared.trials).toMatchObject({trials: 4, declared: 3})
  }, 60_000)

  test('finished back-tests are kept by content and not run again; a damaged one is', async () => {
    const cache = path.join(out, 'policy-streams')
    const files = readdirSync(cache).filter(name => name.endsWith('.stream'))
    expect(files.length).toBe(10)
    const before = files.map(name => statSync(path.join(cache, name)).mtimeMs)
    const first = path.join(cache, files[0] as string)
    const whole = readFileSync(first)
    writeFileSync(first, whole.subarray(0, whole.length - 9))
    expect(readSeries(first)).toBeUndefined()
    await runPolicyTraining(request({maxSteps: 16}), hooks)
    expect(readFileSync(first)).toEqual(whole)
    expect(files.slice(1).map(name => statSync(path.join(cache, name)).mtimeMs)).toEqual(before.slice(1))
  }, 60_000)

  test('a stop leaves a checkpoint; resumed, the same bytes come out', async () => {
    const whole = await runPolicyTraining(request(), hooks)
    const expected = readFileSync(whole.modelPath)
    let updates = 0
    const stopped = await runPolicyTraining(request(), {
      onProgress: ({phase}) => void (phase === 'train' && updates++),
      isStopped: () => updates >= 3,
    })
    expect(stopped.stoppedBy).toBe('signal')
    expect(stopped.steps).toBe(48)
    const resumed = await runPolicyTraining(request({resume: true}), hooks)
    expect(resumed.steps).toBe(96)
    expect(readFileSync(resumed.modelPath)).toEqual(expected)
  }, 60_000)

  test('what does not fit is refused and leaves the last good files as they were', async () => {
    const good = readFileSync(path.join(out, 'policy.checkpoint'))
    const codes = await Promise.all([
      refusalOf(runPolicyTraining(request({maxSteps: 15}), hooks)),
      refusalOf(runPolicyTraining(request({maxSteps: 1e9}), hooks)),
      refusalOf(runPolicyTraining(request({batch: 33}), hooks)),
      refusalOf(runPolicyTraining(request({data: path.join(folder, 'nowhere')}), hooks)),
      refusalOf(runPolicyTraining(request({resume: true, seed: 2}), hooks)),
      refusalOf(runPolicyTraining(request({resume: true, out: path.join(folder, 'empty')}), hooks)),
    ])
    expect(codes.map(({code}) => code)).toEqual([
      'STEPS_OUT_OF_RANGE',
      'STEPS_OUT_OF_RANGE',
      'BATCH_OUT_OF_RANGE',
      'NO_CATALOG',
      'CHECKPOINT_OTHER_RUN',
      'NO_CHECKPOINT',
    ])
    expect(codes[4]?.message).toMatch(/policy\.checkpoint belongs to a run with --seed 1, now 2$/)
    const short = path.join(folder, 'short.csv')
    writeFileSync(short, readFileSync(path.join(folder, 'calm.csv'), 'utf8').split('\n').slice(0, 60).join('\n'))
    await ingestFiles('csv', [short], {out: path.join(folder, 'short')})
    const refused = await refusalOf(runPolicyTraining(request({data: path.join(folder, 'short')}), hooks))
    expect(refused.code).toBe('TOO_LITTLE_DATA')
    expect(readFileSync(path.join(out, 'policy.checkpoint'))).toEqual(good)
  }, 60_000)
})

describe('evaluating a policy', () => {
  test('on its own data gives the table of its card; data that overlaps is refused unless asked for', async () => {
    const card = JSON.parse(readFileSync(path.join(out, 'policy.card.json'), 'utf8'))
    const base = {model: 'policy', config: configOf(), workers: 1, allowSeen: false}
    const own = await evaluatePolicy({...base, data: markets}, hooks)
    expect(own.relation).toBe('own-test')
    expect(own.test).toEqual(card.test)
    const part = {...base, data: path.join(markets, 'calm')}
    expect((await refusalOf(evaluatePolicy(part, hooks))).code).toBe('DATA_SEEN')
    const seen = await evaluatePolicy({...part, allowSeen: true}, hooks)
    expect(seen.relation).toBe('overlapping')
    expect(seen.verdict[0]).toContain('flatter')
  }, 60_000)
})

describe('a back-test whose capital a policy shares', () => {
  const run = async (values: Record<string, unknown>) => {
    const resolved = resolveConfig([{source: 'test', values: {home: path.join(folder, 'home'), ...values}}])
    await using opened = await openSource({data: path.join(markets, 'wild'), symbols: [], skipInvalid: false})
    const setup = await backtestSetup({
      resolved,
      instruments: opened.source.instruments,
      names: ['all'],
      params: [],
      capitalDollars: 100_000,
      latencyUs: 500,
      fees: 'us',
      queue: 'conservative',
    })
    const journal = memoryJournal()
    const events: TradeEvent[] = []
    const summary = await runBacktest({
      ...setup,
      source: opened.source,
      baselines: false,
      journal,
      onEvents: async told => void events.push(...told),
    })
    const notes = [...journal.entries()].flatMap(({entry}) => (entry.kind === 'note' ? entry.text : []))
    const last = lastWeights(journal.entries())
    return {summary, notes: notes.filter(text => text.startsWith('weights ')), events, last}
  }
  const policy = {strategies: {allocation: 'policy'}}

  test('journals and streams every change, is deterministic, and attributes the profit to the micro', async () => {
    const {summary, notes, events, last} = await run(policy)
    const {allocation} = summary
    expect(allocation.method).toBe('policy')
    expect(allocation.changes).toBeGreaterThan(5)
    expect(notes.length).toBe(allocation.changes)
    const told = events.filter(event => event.kind === 'weights')
    expect(told.map(({weights}) => `weights ${JSON.stringify(weights)}`)).toEqual(notes)
    // What a node that restarts goes on from.
    expect(last).toEqual(allocation.weights.at(-1)?.weights)
    for (const {weights} of told) {
      const shares = Object.values(weights)
      expect(Math.min(...shares)).toBeGreaterThan(0)
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(1)
    }
    const attributed = allocation.attribution.reduce((sum, {profitMicros}) => sum + profitMicros, 0)
    expect(attributed).not.toBe(0)
    expect(attributed + allocation.unattributedMicros).toBe(summary.equityMicros - 100_000_000_000)
    expect(summary.strategies.reduce((sum, {profitMicros}) => sum + profitMicros, 0)).toBe(attributed)
    for (const row of allocation.attribution) expect(row.atBaseMicros + row.allocationMicros).toBe(row.profitMicros)
    const again = await run(policy)
    expect(again.summary.journalHash).toBe(summary.journalHash)
    const learned = await run({model: {useReinforcementLearning: true}})
    expect(learned.summary.allocation.attribution).toEqual(allocation.attribution)
  }, 60_000)

  test('static weights are journalled nowhere and change nothing', async () => {
    const {summary, notes} = await run({strategies: {allocation: 'static'}})
    expect(summary.allocation).toMatchObject({method: 'static', reason: 'asked for'})
    expect(summary.allocation.changes).toBe(1)
    expect(notes).toEqual([])
  }, 60_000)

  test('is what happens by default where several strategies run, and the same run as when it is asked for', async () => {
    const [chosen, asked, fixed] = [
      (await run({})).summary,
      (await run(policy)).summary,
      (await run({strategies: {allocation: 'static'}})).summary,
    ]
    expect(chosen.allocation.method).toBe('policy')
    expect(chosen.allocation.reason).toContain('the policy knows them all')
    expect(asked.allocation.reason).toBe('asked for')
    expect([chosen.configHash, chosen.journalHash]).toEqual([asked.configHash, asked.journalHash])
    expect(chosen.configHash).not.toBe(fixed.configHash)
  }, 60_000)

  test('the choice left open is static for one strategy, for strategies that the policy does not know, and without a policy', () => {
    const config = configOf()
    expect(chooseAllocation(config, ['market-making']).method).toBe('static')
    expect(chooseAllocation(config, ['market-making', './mine.ts'])).toEqual({
      method: 'static',
      reason: 'the policy does not know ./mine.ts',
    })
    expect(chooseAllocation(config, ['market-making', 'pattern-recognition']).method).toBe('policy')
    expect(policyHashOf(config, ['market-making'])).toBeUndefined()
    expect(policyHashOf(config, ['market-making', 'pattern-recognition'])).toBe(loadPolicy(config).file.sha256)
    const fixed = withAllocation(config, {method: 'risk-parity'})
    expect(chooseAllocation(fixed, ['market-making', './mine.ts'])).toEqual({
      method: 'risk-parity',
      reason: 'asked for',
    })
  })

  test('without a policy, or with one that is not what its card says, it refuses to start', async () => {
    const elsewhere = path.join(folder, 'elsewhere')
    mkdirSync(path.join(elsewhere, 'models'), {recursive: true})
    for (const name of ['policy.onnx', 'policy.card.json'])
      writeFileSync(path.join(elsewhere, 'models', name), readFileSync(path.join(out, name)))
    const bytes = readFileSync(path.join(out, 'policy.onnx'))
    bytes[bytes.length - 40] = (bytes[bytes.length - 40] as number) ^ 1
    writeFileSync(path.join(elsewhere, 'models', 'policy.onnx'), bytes)
    expect((await refusalOf(run({...policy, home: elsewhere}))).code).toBe('MODEL_CHECKSUM')
    // Nor is it passed over where the choice is left open.
    expect((await refusalOf(run({home: elsewhere}))).code).toBe('MODEL_CHECKSUM')
    const alone = resolveConfig([{source: 'test', values: {home: path.join(folder, 'home'), ...policy}}])
    await using opened = await openSource({data: path.join(markets, 'wild'), symbols: [], skipInvalid: false})
    const setup = await backtestSetup({
      resolved: alone,
      instruments: opened.source.instruments,
      names: ['buy-and-hold'],
      params: [],
      capitalDollars: 100_000,
      latencyUs: 500,
      fees: 'us',
      queue: 'conservative',
    })
    const refused = await refusalOf(runBacktest({...setup, source: opened.source}))
    expect(refused.code).toBe('POLICY_STRATEGIES')
  }, 60_000)
})

test('the served policy gives the same scores to the same features', () => {
  const policy = openPolicy(loadPolicy(configOf()))
  const observation = new Float32Array(loadPolicy(configOf()).description.width)
  const first = Array.from(policy.act(observation))
  expect(first.every(Number.isFinite)).toBe(true)
  expect(Array.from(policy.act(observation))).toEqual(first)
})
