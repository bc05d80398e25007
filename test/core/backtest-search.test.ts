import {mkdtempSync, readFileSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import {checkParameters} from '../../src/core/backtest-setup.ts'
import {sweepText} from '../../src/core/backtest-text.ts'
import {runSweep} from '../../src/core/sweep.ts'
import {expandSweep, readSweepSpec, SweepSpec, samplesOf, timeEdges} from '../../src/core/sweep-spec.ts'
import {runTrial, type TrialRequest} from '../../src/core/trial.ts'
import {openTrialPool, type TrialPool} from '../../src/core/trial-pool.ts'
import {runWalkForward} from '../../src/core/walk-forward.ts'
import {memoryTrialLog} from '../../src/evaluation/trial-log.ts'

let folder: string
let base: TrialRequest
let pool: TrialPool
const START = Date.UTC(2024, 5, 3, 14) * 1000
const ROWS = 1200
const edges = timeEdges(Array.from({length: ROWS}, (_, n) => START + n * 1_000_000))

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-search-'))
  const file = path.join(folder, 'records.ndjson')
  const lines = Array.from({length: ROWS}, (_, n) => {
    const mid = 100 + Math.sin(n / 40) / 8 + Math.sin(n / 7) / 16
    const price = (value: number) => Number(value.toFixed(2))
    return JSON.stringify({
      kind: 'quote',
      symbol: 'BTC/USD',
      tsUs: START + n * 1_000_000,
      bid: price(mid - 0.01),
      ask: price(mid + 0.01),
      bidSize: 50,
      askSize: 50,
    })
  })
  writeFileSync(file, `${lines.join('\n')}\n`)
  base = {
    source: {from: file, symbols: [], skipInvalid: false},
    content: 'test',
    config: Config.parse({risk: {maxHoldingMinutes: 10_000}}),
    names: ['random-entry'],
    family: 'random-entry',
    params: ['longOnly=true'],
    capitalDollars: 100_000,
    latencyUs: 0,
    fees: 'zero',
    queue: 'conservative',
  }
  pool = openTrialPool(2)
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
})

const grid = SweepSpec.parse({params: {meanWaitSeconds: [5, 20], holdSeconds: [5, 15]}})

describe('expandSweep', () => {
  test('a grid is every combination, in order', () => {
    expect(expandSweep(SweepSpec.parse({params: {a: [1, 2], b: {min: 0, max: 1, steps: 2}}}), 1)).toEqual([
      ['a=1', 'b=0'],
      ['a=1', 'b=1'],
      ['a=2', 'b=0'],
      ['a=2', 'b=1'],
    ])
  })
  test('a random search is a function of the seed, without repeats and within its ranges', () => {
    const spec = SweepSpec.parse({
      method: 'random',
      trials: 20,
      params: {a: {min: 1, max: 1000, log: true, integer: true}},
    })
    const one = expandSweep(spec, 1)
    expect(one).toEqual(expandSweep(spec, 1))
    expect(one).not.toEqual(expandSweep(spec, 2))
    expect(new Set(one.map(String)).size).toBe(20)
    for (const [text] of one) expect(Number(text?.slice(2))).toBeGreaterThanOrEqual(1)
  })
  test.each([
    ['not json', 'SWEEP_UNREADABLE'],
    ['{}', 'SWEEP_INVALID'],
    ['{"a": "b"}', 'SWEEP_INVALID'],
    ['{"method": "magic", "params": {"a": [1]}}', 'SWEEP_INVALID'],
    ['{"a": {"min": 2, "max": 1}}', 'SWEEP_INVALID'],
    ['{"a": {"min": 0, "max": 1, "log": true}}', 'SWEEP_INVALID'],
  ])('%s gives %s', async (content, code) => {
    const file = path.join(folder, 'bad.json')
    writeFileSync(file, content)
    const refusal = await readSweepSpec(file).catch(error => error)
    expect(refusal).toMatchObject({code})
    expect(refusal.message).toContain(file)
    expect(refusal.hints.at(-1)).toContain('{"fast": [5, 10]')
  })
  test('what is checked before the first trial meets every value once', () => {
    const candidates = expandSweep(SweepSpec.parse({params: {a: [1, 2, 3], b: [4, 5]}}), 1)
    expect(samplesOf(candidates)).toEqual([
      ['a=1', 'b=4'],
      ['a=1', 'b=5'],
      ['a=2', 'b=4'],
      ['a=3', 'b=4'],
    ])
    expect(samplesOf(candidates, 2)).toHaveLength(2)
  })
  test('a value that a strategy cannot use is refused with the sweep that asks for it', async () => {
    const strategies = [{name: 'random-entry', weight: 1, params: {}, create: () => ({}) as never}]
    const checked = checkParameters({config: base.config, strategies}, [], [['holdSecond=5']], 'grid.json')
    await expect(checked).rejects.toMatchObject({
      code: 'UNKNOWN_PARAMETER',
      hints: expect.arrayContaining(['grid.json asks for holdSecond=5']),
    })
    await checkParameters({config: base.config, strategies}, [], [['holdSeconds=5']], 'grid.json')
  })
})

/** Fails where `odd` is odd: at the first row, or only after half of the tape. */
const failing = (): TrialRequest => {
  const file = path.join(folder, 'failing.ts')
  writeFileSync(
    file,
    `export const params = {odd: 0, late: false}
export default ({odd, late}) => ({
  name: 'failing',
  onEvent(context) {
    if (odd % 2 === 1 && (!late || context.nowUs > ${START + (ROWS / 2) * 1_000_000})) throw new RangeError('odd ' + odd)
  },
})
`,
  )
  return {...base, names: [file], family: 'failing.ts', params: []}
}

describe('a trial that fails', () => {
  const spec = SweepSpec.parse({params: {odd: [0, 1, 2, 3]}})
  test('is named and counted, and the others stand', async () => {
    const trials = memoryTrialLog()
    const found = await runSweep({base: failing(), spec, seed: 1, edges, pool, trials})
    expect(found).toMatchObject({complete: true, candidates: 4, deflatedTrials: 4})
    expect(found.trials.map(({params}) => params).sort()).toEqual([['odd=0'], ['odd=2']])
    expect(found.failed.map(({params, code}) => [params, code])).toEqual([
      [['odd=1'], 'RangeError'],
      [['odd=3'], 'RangeError'],
    ])
    expect(found.failed[0]?.message).toMatch(/^odd 1 \(at .*failing\.ts:\d+/)
    expect(sweepText(found)).toContain('2 trials failed:\n  odd=1: odd 1 (at ')
  })
  test('is run again by the next search, for its strategy may have been mended', async () => {
    const file = path.join(folder, 'failed.ndjson')
    await runSweep({base: failing(), spec, seed: 1, edges, pool, file})
    const told: number[] = []
    await runSweep({base: failing(), spec, seed: 1, edges, pool, file, onKept: kept => told.push(kept)})
    expect(told).toEqual([2])
  })
  test('ends the search when no other is left, with its own error', async () => {
    const odd = SweepSpec.parse({params: {odd: [1, 3]}})
    await expect(runSweep({base: failing(), spec: odd, seed: 1, edges, pool})).rejects.toMatchObject({
      code: 'RangeError',
      hints: ['none of 2 trials ended otherwise'],
    })
  })
  test('drops out of a walk-forward’s choice', async () => {
    const found = await runWalkForward({base: failing(), spec, seed: 1, edges, pool})
    expect(found.windows.map(({params}) => params[0])).not.toContain('odd=1')
    expect([found.windows.length, found.failed.length]).toEqual([5, 10])
  })
})

describe('runSweep', () => {
  test('gives the same with one thread, two, or none', async () => {
    await using single = openTrialPool(1)
    const options = {base, spec: grid, seed: 1, edges}
    const two = await runSweep({...options, pool})
    expect(await runSweep({...options, pool: single})).toEqual(two)
    expect(two).toMatchObject({complete: true, trials: {length: 4}})
    const alone = await runTrial({...base, params: [...base.params, 'meanWaitSeconds=5', 'holdSeconds=5']})
    expect(two.trials.find(({id}) => id === alone.id)?.journalHash).toBe(alone.journalHash)
    expect(Object.keys(two.sensitivity)).toEqual(['meanWaitSeconds', 'holdSeconds'])
  })

  test('stopped, it keeps what is finished, and goes on from there', async () => {
    const file = path.join(folder, 'trials.ndjson')
    const stop = new AbortController()
    const options = {base, spec: grid, seed: 1, edges, pool, file}
    const stopped = await runSweep({...options, signal: stop.signal, onProgress: done => done === 1 && stop.abort()})
    expect(stopped.complete).toBe(false)
    const kept = readFileSync(file, 'utf8').trimEnd().split('\n').length
    expect(kept).toBeLessThan(4)
    writeFileSync(file, `${readFileSync(file, 'utf8')}{"kind":"trial","id":"torn`)
    const ran: number[] = []
    const told: (readonly [number, number])[] = []
    const onKept = (...counts: readonly [number, number]) => told.push(counts)
    const whole = await runSweep({...options, onKept, onProgress: done => ran.push(done)})
    expect(ran[0]).toBe(kept)
    expect(told).toEqual([[kept, 4]])
    expect(whole.complete).toBe(true)
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    expect(lines.filter(line => line.startsWith('{"kind":"trial"') && line.endsWith('}'))).toHaveLength(4)
    expect(whole).toEqual(await runSweep({...options, file: path.join(folder, 'fresh.ndjson')}))
  })

  test('halving ends with few trials of the whole tape', async () => {
    const spec = SweepSpec.parse({method: 'halving', trials: 6, params: {meanWaitSeconds: {min: 5, max: 50}}})
    const {trials, candidates, deflatedTrials, sensitivity} = await runSweep({base, spec, seed: 1, edges, pool})
    expect(trials).toHaveLength(1)
    expect(trials[0]?.to).toBe(new Date((START + (ROWS - 1) * 1e6) / 1000).toISOString())
    expect([candidates, deflatedTrials, sensitivity['meanWaitSeconds']?.length]).toEqual([6, 6, 6])
  })

  test('names no overfitting where there was nothing to choose', async () => {
    const spec = SweepSpec.parse({params: {firstEntry: [0, 1]}})
    const file = path.join(folder, 'idle.ts')
    writeFileSync(file, `export const params = {firstEntry: 0}\nexport default () => ({name: 'idle', onEvent() {}})\n`)
    const idle = await runSweep({base: {...base, names: [file], params: []}, spec, seed: 1, edges, pool})
    expect([idle.trials.length, idle.overfitting]).toEqual([2, null])
    expect((await runSweep({base, spec: grid, seed: 1, edges, pool})).overfitting).toEqual(expect.any(Number))
  })

  test('deflates by what the project tried before, not by this search alone', async () => {
    const trials = memoryTrialLog()
    const options = {base, spec: grid, seed: 1, edges, pool, trials}
    const first = await runSweep(options)
    const more = SweepSpec.parse({params: {meanWaitSeconds: [7, 9, 11, 13], holdSeconds: [4, 6]}})
    await runSweep({...options, spec: more})
    const again = await runSweep(options)
    expect([first.deflatedTrials, again.deflatedTrials]).toEqual([4, 12])
    expect(again.deflatedSharpe).toBeLessThan(first.deflatedSharpe as number)
  })

  test('a file that cannot keep trials ends the search with its error, not the process', async () => {
    const file = path.join(folder, 'no', 'where', 'trials.ndjson')
    await expect(runSweep({base, spec: grid, seed: 1, edges, pool, file})).rejects.toMatchObject({code: 'ENOENT'})
    const device = runSweep({base, spec: grid, seed: 1, edges, pool, file: '/dev/full'})
    await expect(device).rejects.toMatchObject({code: 'NOT_A_FILE'})
  })

  test('a wrong parameter is the user’s error, not a crash', async () => {
    const spec = SweepSpec.parse({params: {holdSecond: [1]}})
    await expect(runSweep({base, spec, seed: 1, edges, pool})).rejects.toMatchObject({code: 'UNKNOWN_PARAMETER'})
  })
})

test('walk-forward chooses before it tests, and tests no time twice', async () => {
  const {windows} = await runWalkForward({base, spec: grid, seed: 1, edges, pool})
  expect(windows).toHaveLength(5)
  for (const [k, {train, validate, test: tested, params, result}] of windows.entries()) {
    expect(train.to < validate.from && validate.to < tested.from).toBe(true)
    if (k > 0) expect(tested.from >= (windows[k - 1]?.test.to ?? '')).toBe(true)
    expect(params).toHaveLength(2)
    expect(result.ledgerErrorMicros).toBe(0)
    expect(result.fills).toBeGreaterThan(0)
  }
})

test('walk-forward deflates by the trials it chose from, whatever they are counted under', async () => {
  const trials = memoryTrialLog()
  const found = await runWalkForward({base: {...base, family: 'mine.ts'}, spec: grid, seed: 1, edges, pool, trials})
  // In each of five windows four in training, and three again in validation.
  expect(trials.trials('mine.ts')).toHaveLength(35)
  expect(found.outOfSample?.deflation?.trials).toBe(35)
})

test('what a strategy wants while it only watches is not sent', async () => {
  const busy = {...base, params: [...base.params, 'meanWaitSeconds=5', 'holdSeconds=5']}
  const late = await runTrial({...busy, tradeFromUs: START + 1100 * 1e6})
  const all = await runTrial(busy)
  expect(late.orders).toBeLessThan(all.orders / 5)
  expect(late.fills).toBeGreaterThan(0)
})
