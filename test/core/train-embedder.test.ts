import {readdirSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {describe, expect, test} from 'vitest'
import {runEmbedderTraining} from '../../src/core/train-embedder.ts'
import type {TrainRequest} from '../../src/core/train-parts.ts'
import {ingestFiles, temporaryFolder} from '../support/ingest.ts'
import {dataFile, noTestData} from '../support/test-data.ts'

describe.skipIf(noTestData)('gpi train embedder', () => {
  test('is stopped and resumed to the very bytes of an unbroken run, and writes nothing before its first step', async () => {
    const data = path.join(temporaryFolder(), 'data')
    await ingestFiles('spx', [dataFile('options/spx_chain_snapshots_2019-06.csv.gz')], {out: data})
    const request = (out: string, resume = false): TrainRequest => ({
      ...{model: 'embedder', size: 'small', batch: 4, window: 1, maxSteps: 12, validateEvery: 4, patience: 10},
      ...{maxEvaluated: 100, baselineSteps: 1, out: path.join(data, out), seed: 1, data, horizon: 1, barrier: 1},
      ...{costBps: 0, noise: 0, folds: 0, resume},
    })
    const whole = await runEmbedderTraining(request('whole'), {onProgress: () => {}, isStopped: () => false})
    expect(whole).toMatchObject({steps: 12, stoppedBy: 'steps'})

    const early = runEmbedderTraining(request('parted'), {onProgress: () => {}, isStopped: () => true})
    await expect(early).rejects.toMatchObject({code: 'STOPPED'})
    expect(readdirSync(data)).not.toContain('parted')
    const none = runEmbedderTraining(request('parted', true), {onProgress: () => {}, isStopped: () => false})
    await expect(none).rejects.toMatchObject({code: 'NO_CHECKPOINT'})

    let reached = 0
    const hooks = {
      onProgress: ({step}: {readonly step: number}) => {
        reached = step
      },
      isStopped: () => reached >= 8,
    }
    const parted = await runEmbedderTraining(request('parted'), hooks)
    expect(parted).toMatchObject({steps: 8, stoppedBy: 'signal'})
    reached = 0
    const resumed = await runEmbedderTraining(request('parted', true), {...hooks, isStopped: () => false})
    expect(readFileSync(resumed.modelPath)).toEqual(readFileSync(whole.modelPath))
    expect(resumed.steps).toBe(12)
  }, 120_000)
})
