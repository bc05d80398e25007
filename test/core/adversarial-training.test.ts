import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {scenarioOfEpisode} from '../../src/core/scenario-episodes.ts'
import {train} from '../../src/core/train.ts'
import type {TrainRequest} from '../../src/core/train-parts.ts'
import type {TrainResult} from '../../src/core/train-run.ts'
import {ATTACKS} from '../../src/models/adversarial.ts'
import type {ModelCard} from '../../src/models/card.ts'
import {leaningBars} from '../models/support.ts'
import {writeBars} from '../support/bar-files.ts'
import {runGpi} from '../support/run-gpi.ts'

describe('gpi train --adversarial', () => {
  let folder: string
  const request = (changes: Partial<TrainRequest> = {}): TrainRequest => ({
    ...{model: 'signal', size: 'small', batch: 64, window: 8, maxSteps: 60, validateEvery: 20, patience: 10},
    ...{maxEvaluated: 500, baselineSteps: 20, out: path.join(folder, 'out'), seed: 1, data: folder},
    ...{horizon: 4, barrier: 0.6, costBps: 1, noise: 0, folds: 0, resume: false},
    ...changes,
  })
  const cardOf = ({cardPath}: {readonly cardPath: string}): ModelCard => JSON.parse(readFileSync(cardPath, 'utf8'))
  let result: TrainResult
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'gpi-adversarial-'))
    writeBars(folder, leaningBars('AAA', 12, 1))
    writeBars(folder, leaningBars('BBB', 12, 2))
    result = await train(request({adversarial: 0.4}))
  }, 180_000)
  afterAll(() => rmSync(folder, {recursive: true}))

  test('reports clean and stressed results with and without, and episodes are in no part of the split', async () => {
    const plain = await train(request({out: path.join(folder, 'plain')}))
    const card = cardOf(result)
    // What is validated and tested on is what it would be without.
    expect(result.dataHash).toBe(plain.dataHash)
    expect(card.data).toEqual(cardOf(plain).data)
    expect(card.data.sources.some(({name}) => scenarioOfEpisode(name) !== '')).toBe(false)
    // The twin is the very model that is trained without the flag.
    expect(result.comparison?.clean.test).toEqual(plain.test)
    expect(result.comparison?.adversarial.test).toEqual(result.test)
    expect(result.test).not.toEqual(plain.test)
    for (const stressed of [result.stressed, result.comparison?.clean.stressed]) {
      expect(Object.keys(stressed?.perturbed ?? {})).toEqual([...ATTACKS])
      expect(Object.keys(stressed?.scenarios?.byScenario ?? {})).toEqual(
        expect.arrayContaining(['flash-crash', 'dead-feed']),
      )
      const {test: all, known, unseen} = stressed?.scenarios ?? {}
      expect((known?.count ?? 0) + (unseen?.count ?? 0)).toBe(all?.count)
    }
    const seeds = card.adversarial as {trainSeeds: number[]; heldSeeds: number[]}
    // The third, a depeg of coins, does nothing to stocks.
    expect(card.adversarial?.['unseenScenarios']).toEqual(['limit-cascade', 'short-squeeze'])
    expect(seeds.trainSeeds.filter(seed => seeds.heldSeeds.includes(seed))).toEqual([])
    expect(card.stressed).toEqual(result.stressed)
    expect(result.verdict.join('\n')).toMatch(/40 % adversarial rows against none/)
    expect(card.command).toContain('--adversarial 0.4')
    expect(plain.stressed).toBeUndefined()
  }, 180_000)

  test('a stopped run goes on by --resume to the very bytes of an unbroken one', async () => {
    const abort = new AbortController()
    const parted = request({adversarial: 0.4, compareClean: false, out: path.join(folder, 'parted')})
    const first = await train(parted, {
      signal: abort.signal,
      onProgress: ({phase, step}) => {
        if (phase === 'train' && step >= 20) abort.abort()
      },
    })
    expect(first.stoppedBy).toBe('signal')
    const second = await train({...parted, resume: true})
    expect(readFileSync(second.modelPath)).toEqual(readFileSync(result.modelPath))
    expect(second.stressed).toEqual(result.stressed)
    expect(second.comparison).toBeUndefined()
  }, 240_000)

  test('a stop while scenarios are played is heeded at once', async () => {
    const abort = new AbortController()
    const out = path.join(folder, 'unplayed')
    const phases = new Set<string>()
    const stopped = train(request({adversarial: 0.4, out}), {
      signal: abort.signal,
      onProgress: ({phase}) => {
        phases.add(phase)
        if (phase === 'episodes') abort.abort()
      },
    })
    await expect(stopped).rejects.toMatchObject({code: 'STOPPED', exitCode: 1})
    expect([...phases]).toEqual(['data', 'episodes'])
    expect(existsSync(out)).toBe(false)
  }, 60_000)

  test.each([
    [['policy', '--adversarial', '0.3'], 'NOT_ADVERSARIAL'],
    [['embedder', '--adversarial', '0.3'], 'NOT_ADVERSARIAL'],
    [['signal', '--adversarial', '2'], 'FLAG_INVALID'],
  ])('%j is refused', async (args, code) => {
    const {code: status, stderr} = await runGpi(['train', ...args, '--data', folder])
    expect(status).toBe(2)
    expect(stderr).toContain(code)
  })
})
