import path from 'node:path'
import {pathToFileURL} from 'node:url'
import {expect, it} from 'vitest'
import {describeError} from '../../src/cli/report-error.ts'
import {UserError} from '../../src/domain/errors.ts'

const own = new URL('../../src/engine/engine.ts', import.meta.url).href
const mine = pathToFileURL(path.resolve('/tmp/a folder/mine.ts')).href
const failure = (...frames: readonly string[]): Error =>
  Object.assign(new RangeError('Invalid typed array length: -3'), {
    stack: ['RangeError: Invalid typed array length: -3', ...frames.map(frame => `    at ${frame}`)].join('\n'),
  })

it('blames a strategy file for what it throws itself', () => {
  const found = describeError(
    failure(`new Float64Array (<anonymous>)`, `Object.start (${mine}:36:21)`, `x (${own}:1:2)`),
  )
  expect(found).toMatchObject({code: 'STRATEGY_FAILED', exitCode: 1})
  expect(found.message).toBe('/tmp/a folder/mine.ts:36 threw: Invalid typed array length: -3')
  expect(found.hints.join()).not.toContain('bug in gpi')
})

it('names the place in a strategy file that led to a fault of gpi', () => {
  const found = describeError(failure(`target (${own}:138:29)`, `Object.onEvent (${mine}:48:21)`))
  expect(found.code).toBe('BUG')
  expect(found.hints).toEqual([expect.stringContaining('mine.ts:48'), expect.stringContaining('bug in gpi')])
})

it('finds no strategy in the stack of gpi and its packages', () => {
  const packaged = new URL('../../node_modules/zod/index.js', import.meta.url).href
  const found = describeError(failure(`a (${packaged}:1:1)`, `async ${own}:1:2`, 'node:internal/process:1:1'))
  expect(found).toMatchObject({code: 'BUG', hints: [expect.stringContaining('bug in gpi')]})
})

it('tells what went wrong first, not that tidying up after it failed too', async () => {
  const full = (): never => {
    throw new UserError('DISK_FULL', 'the disk is full', {exitCode: 1})
  }
  const run = async (): Promise<void> => {
    await using _bank = {[Symbol.asyncDispose]: async () => full()}
    full()
  }
  const thrown = await run().catch((error: unknown) => error)
  expect(describeError(thrown)).toMatchObject({code: 'DISK_FULL', message: 'the disk is full', exitCode: 1})
})
