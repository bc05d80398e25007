import {execFileSync, spawnSync} from 'node:child_process'
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {ingest} from '../../src/core/ingest.ts'
import {train} from '../../src/core/train.ts'
import {refuseTooLarge} from '../../src/core/train-fit.ts'
import type {TrainRequest} from '../../src/core/train-parts.ts'
import {leaningBars} from '../models/support.ts'
import {writeBars} from '../support/bar-files.ts'

const script = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url))
let folder: string
let catalog: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-limits-'))
  catalog = path.join(folder, 'catalog')
  const paths = ['AAA', 'BBB'].map((symbol, seed) => writeBars(folder, leaningBars(symbol, 12, seed)))
  await ingest({source: 'csv', paths, out: catalog, options: {}, skipInvalid: false, note: () => {}})
}, 60_000)
afterAll(() => rmSync(folder, {recursive: true}))

const request = (changes: Partial<TrainRequest> = {}): TrainRequest => ({
  model: 'signal',
  ...{size: 'small', batch: 64, window: 8, maxSteps: 40, validateEvery: 20, patience: 10, maxEvaluated: 500},
  ...{baselineSteps: 10, out: path.join(folder, 'out'), seed: 1, data: catalog, horizon: 4, barrier: 0.6, costBps: 1},
  ...{noise: 0, folds: 0, resume: false},
  ...changes,
})

test('what is held in memory does not grow with the rows', () => {
  const budget = 16 * 2 ** 20
  const held = (rows: number) => {
    const text = execFileSync(
      process.execPath,
      ['--expose-gc', '--max-old-space-size=64', script('stream-rows.ts'), String(rows), String(budget)],
      {encoding: 'utf8'},
    )
    return JSON.parse(text) as {rowBytes: number; heapUsed: number; arrayBuffers: number}
  }
  const [few, many] = [held(280_000), held(480_000)]
  const grown = many.heapUsed + many.arrayBuffers - few.heapUsed - few.arrayBuffers
  // The rows are 200,000 × about 300 bytes more; both fill the pages that are kept of the file.
  expect(200_000 * many.rowBytes).toBeGreaterThan(50e6)
  expect(grown).toBeLessThan(4e6)
  expect(many.heapUsed + many.arrayBuffers).toBeLessThan(budget + 40e6)
}, 120_000)

test('rows in a file train the very model that rows in memory do', async () => {
  const held = await train(request({out: path.join(folder, 'held'), maxSteps: 20}))
  const spilled = await train(request({out: path.join(folder, 'spilled'), maxSteps: 20, memoryMiB: 0.001}))
  expect(spilled.dataHash).toBe(held.dataHash)
  expect(readFileSync(spilled.modelPath)).toEqual(readFileSync(held.modelPath))
}, 60_000)

describe('a disk that is full while a checkpoint is written', () => {
  test.skipIf(process.platform === 'win32')(
    'is said, keeps the last good checkpoint, and training goes on from there to the same bytes',
    async () => {
      const whole = await train(request({out: path.join(folder, 'whole')}))
      const out = path.join(folder, 'full')
      const abort = new AbortController()
      await train(request({out}), {
        signal: abort.signal,
        onProgress: ({phase, step}) => {
          if (phase === 'train' && step >= 20) abort.abort()
        },
      })
      const checkpoint = path.join(out, 'signal.checkpoint')
      const good = readFileSync(checkpoint)
      // Files of this process cannot grow beyond 64 KiB, about a fifth of the checkpoint: what a full disk does to a write.
      const limited = JSON.stringify(request({out, resume: true}))
      const child = spawnSync(
        'bash',
        ['-c', 'ulimit -f 64; exec "$0" "$1" "$2"', process.execPath, script('train-once.ts'), limited],
        {
          encoding: 'utf8',
        },
      )
      expect(JSON.parse(child.stdout)).toMatchObject({
        code: 'WRITE_FAILED',
        message: expect.stringContaining('signal.checkpoint'),
      })
      expect(readFileSync(checkpoint)).toEqual(good)
      expect(readdirSync(out).filter(name => name.endsWith('.tmp'))).toEqual([])
      const resumed = await train(request({out, resume: true}))
      expect(readFileSync(resumed.modelPath)).toEqual(readFileSync(whole.modelPath))
    },
    120_000,
  )
})

test('a step larger than memory is refused with both sizes', () => {
  refuseTooLarge(8 * 2 ** 30, 16 * 2 ** 30)
  expect(() => refuseTooLarge(14 * 2 ** 30, 16 * 2 ** 30)).toThrow(
    'a step may need 14.0 GiB; this machine has 16.0 GiB',
  )
})

describe('what does not fit is refused in a sentence', () => {
  test.each([
    ['NO_BOOKS', {model: 'book'}, /holds no order books/],
    ['UNKNOWN_SYMBOL', {symbols: ['AAA', 'ZZZ']}, /nothing .* of ZZZ/],
    ['UNKNOWN_SYMBOL', {symbols: ['ZZZ']}, /nothing .* of ZZZ/],
    ['NO_CATALOG', {data: '/nowhere/at/all'}, /holds no market data/],
  ] as const)(
    '%s',
    async (code, changes, message) => {
      const failed = train(request({...changes, maxSteps: 1} as Partial<TrainRequest>)).catch(error => error)
      const error = await failed
      expect(error).toMatchObject({code})
      expect(error.message).toMatch(message)
    },
    60_000,
  )
})
