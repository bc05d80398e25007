import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {afterAll, expect, test} from 'vitest'
import {createRng} from '../../../src/domain/rng.ts'
import {openSqlitePatternStore} from '../../../src/drivers/sqlite/pattern-store.ts'
import type {PatternStore} from '../../../src/memory/pattern-store.ts'
import {describesPatternStore} from '../../contract/pattern-store.ts'
import {aStoredPattern, unitSample} from '../../support/patterns.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'gpi-patterns-'))
afterAll(() => rmSync(folder, {recursive: true}))

let files = 0
const fileOf = new WeakMap<PatternStore, string>()
const openNew = async (): Promise<PatternStore> => {
  const file = path.join(folder, `${files++}.db`)
  const store = openSqlitePatternStore(file)
  fileOf.set(store, file)
  return store
}

describesPatternStore(openNew, async store => openSqlitePatternStore(fileOf.get(store) as string))

const damaged = async (statement: string) => {
  const store = await openNew()
  const pattern = aStoredPattern({vector: unitSample(createRng(1)), observations: [{atUs: 2_000, pnlBps: 3}]})
  await store.apply([{op: 'add', pattern}])
  await store[Symbol.asyncDispose]()
  const file = fileOf.get(store) as string
  const db = new DatabaseSync(file)
  db.exec(statement)
  db.close()
  await using reopened = openSqlitePatternStore(file)
  return reopened.verify()
}

test.each([
  ['a changed vector', `UPDATE pattern SET vector = zeroblob(1024)`, 'pattern p1 does not match its checksum'],
  ['a changed symbol', `UPDATE pattern SET symbol = 'QQQ'`, 'pattern p1 does not match its checksum'],
  [
    'a changed outcome',
    `UPDATE observation SET pnl_bps = 4`,
    'an outcome of pattern p1 at 2000 does not match its checksum',
  ],
  ['a lost pattern', `DELETE FROM pattern`, 'an outcome belongs to no pattern (row 1)'],
])('verify finds %s', async (_, statement, problem) => {
  expect((await damaged(statement)).problems).toEqual([problem])
})

test('a failing write leaves nothing of its batch behind', async () => {
  await using store = await openNew()
  const pattern = aStoredPattern({vector: unitSample(createRng(1))})
  const broken = {...pattern, id: 'p2', tsUs: 'soon' as unknown as number}
  await expect(
    store.apply([
      {op: 'add', pattern},
      {op: 'add', pattern: broken},
    ]),
  ).rejects.toThrow()
  expect(await store.verify()).toEqual({patterns: 0, observations: 0, problems: []})
  expect(await store.revision()).toBe(0)
})
