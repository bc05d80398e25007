import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {beforeEach, expect, test} from 'vitest'
import {fileLatch} from '../../../src/drivers/files/file-latch.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-latch-'))
})

test('engages, survives another reader, releases', () => {
  const latch = fileLatch(home)
  expect(latch.check()).toEqual({latched: false})
  latch.engage('drill')
  latch.engage('second reason')
  expect(fileLatch(home).check()).toEqual({latched: true, reason: 'drill'})
  expect(latch.release()).toBe(true)
  expect(latch.release()).toBe(false)
  expect(latch.check()).toEqual({latched: false})
})

test('an empty latch file still latches', () => {
  writeFileSync(path.join(home, 'kill.latch'), '')
  expect(fileLatch(home).check()).toEqual({latched: true, reason: 'latched'})
})

test('what cannot be read is latched', () => {
  const latch = fileLatch(home)
  rmSync(home, {recursive: true})
  expect(latch.check()).toMatchObject({latched: true})
  writeFileSync(home, 'a file where the folder should be')
  expect(latch.check()).toMatchObject({latched: true})
  rmSync(home)
  mkdirSync(path.join(home, 'kill.latch'), {recursive: true})
  expect(latch.check()).toMatchObject({latched: true, reason: expect.stringContaining('unreadable')})
})
