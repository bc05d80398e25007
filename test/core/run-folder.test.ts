import {existsSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {ensureFolder, listRuns, newRunId, readWhole, writeWhole} from '../../src/core/run-folder.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-run-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

test('makes the folders above, is content with what is there, and refuses a file in the way', () => {
  ensureFolder(path.join(home, 'a/b/c'))
  ensureFolder(path.join(home, 'a/b/c'))
  expect(existsSync(path.join(home, 'a/b/c'))).toBe(true)
  writeFileSync(path.join(home, 'file'), '')
  expect(() => ensureFolder(path.join(home, 'file/x'))).toThrow(/ENOTDIR|EEXIST/)
})

test.skipIf(!existsSync('/proc/self'))('a place where no folder can be made is an error, not an endless loop', () => {
  expect(() => ensureFolder('/proc/no-such-folder/runs')).toThrow(/ENOENT|EACCES|EPERM/)
})

test('what is written whole is read whole, and nothing is nothing', () => {
  const file = path.join(home, 'runs', 'r', 'summary.json')
  expect(readWhole(file)).toBeUndefined()
  writeWhole(file, {fills: 3})
  expect(readWhole(file)).toEqual({fills: 3})
  expect(listRuns(home)).toEqual(['r'])
})

test('run ids sort by time and two of one second differ', () => {
  const at = Date.UTC(2026, 10, 22, 11, 58, 43) * 1_000
  expect(newRunId(at, 'abcdef')).toBe('20261122-115843-abcd')
  expect(newRunId(at + 1e6, 'aaaa') > newRunId(at, 'ffff')).toBe(true)
})
