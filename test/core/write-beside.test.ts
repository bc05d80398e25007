import {existsSync, mkdirSync, readdirSync, readFileSync, statSync} from 'node:fs'
import {expect, test} from 'vitest'
import {writeBeside} from '../../src/core/write-beside.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

test('puts a whole file in place of the one before', () => {
  using folder = temporaryFolder()
  writeBeside(folder.join('a'), 'first, and long')
  writeBeside(folder.join('a'), 'second')
  expect(readFileSync(folder.join('a'), 'utf8')).toBe('second')
  expect(readdirSync(folder.path)).toEqual(['a'])
})

test('leaves nothing behind when it cannot be put in place', () => {
  using folder = temporaryFolder()
  mkdirSync(folder.join('a', 'b'), {recursive: true})
  expect(() => writeBeside(folder.join('a'), 'x')).toThrow('EISDIR')
  expect(readdirSync(folder.path)).toEqual(['a'])
})

test.skipIf(!existsSync('/dev/full'))('writes to a device, which stays one', () => {
  expect(() => writeBeside('/dev/full', 'x')).toThrow('ENOSPC')
  expect(statSync('/dev/full').isCharacterDevice()).toBe(true)
})
