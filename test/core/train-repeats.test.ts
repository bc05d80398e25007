import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {type Prepared, prepare, type TrainRequest} from '../../src/core/train-parts.ts'
import {crossValidate, overSeeds} from '../../src/core/train-repeats.ts'
import {leaningBars} from '../models/support.ts'
import {writeBars} from '../support/bar-files.ts'

let folder: string
let request: TrainRequest
let prepared: Prepared
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-repeats-'))
  writeBars(folder, leaningBars('AAA', 20, 1))
  request = {
    ...{model: 'signal', size: 'small', batch: 32, window: 8, maxSteps: 20, validateEvery: 20, patience: 10},
    ...{maxEvaluated: 200, baselineSteps: 20, out: folder, seed: 1, data: folder},
    ...{horizon: 4, barrier: 0.6, costBps: 1, noise: 0, folds: 2, seeds: 2, resume: false},
  }
  prepared = await prepare(request, 'bar')
})
afterAll(() => rmSync(folder, {recursive: true}))

const quiet = {onProgress: () => {}, isStopped: () => false}
/** Asks for a stop once a phase has begun for the n-th time. */
const stopsIn = (phase: string, n: number) => {
  let [begun, last] = [0, 0]
  return {
    onProgress: (progress: {readonly phase: string; readonly step: number}) => {
      if (progress.phase !== phase) return
      if (progress.step <= last || begun === 0) begun++
      last = progress.step
    },
    isStopped: () => begun >= n,
  }
}

test('a fold is scaled by its own training part', () => {
  const {scaler} = prepared
  const wrong = {...scaler, mean: scaler.mean.map(value => value + 5), deviation: scaler.deviation.map(d => 20 * d)}
  const folds = crossValidate(request, 'mlp', 1e-3, prepared, quiet)
  expect(folds).toHaveLength(2)
  expect(crossValidate(request, 'mlp', 1e-3, {...prepared, scaler: wrong}, quiet)).toEqual(folds)
})

test('a stop leaves the folds and the seeds that were done, and no half-trained one', () => {
  const folds = crossValidate(request, 'mlp', 1e-3, prepared, quiet)
  expect(crossValidate({...request, maxSteps: 40}, 'mlp', 1e-3, prepared, stopsIn('walk-forward', 1))).toEqual([])
  expect(crossValidate(request, 'mlp', 1e-3, prepared, stopsIn('walk-forward', 1))).toEqual(folds.slice(0, 1))
  const seeds = overSeeds(request, 'mlp', 1e-3, prepared, quiet)
  expect(seeds.map(({seed}) => seed)).toEqual([2, 3])
  expect(overSeeds(request, 'mlp', 1e-3, prepared, stopsIn('seeds', 2))).toEqual(seeds.slice(0, 1))
})
