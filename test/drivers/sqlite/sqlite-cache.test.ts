import {DatabaseSync} from 'node:sqlite'
import {afterAll, expect, test} from 'vitest'
import {openSqliteCache} from '../../../src/drivers/sqlite/sqlite-cache.ts'
import {describesCache} from '../../contract/cache.ts'
import {temporaryFolder} from '../../support/run-gpi.ts'

const folder = temporaryFolder('gpi-cache-')
afterAll(() => folder[Symbol.dispose]())
let files = 0
const newFile = (): string => folder.join(`${files++}`, 'cache.db')

describesCache(async () => openSqliteCache({file: newFile(), maxEntries: 100}))

test('outlives the process that wrote it', async () => {
  const file = newFile()
  {
    await using cache = openSqliteCache({file, maxEntries: 10})
    await cache.set('a', Uint8Array.of(1))
  }
  await using cache = openSqliteCache({file, maxEntries: 10})
  expect(await cache.get('a')).toEqual(Uint8Array.of(1))
})

test('drops the oldest beyond its capacity', async () => {
  await using cache = openSqliteCache({file: newFile(), maxEntries: 3})
  for (const key of ['a', 'b', 'c', 'd']) await cache.set(key, Uint8Array.of(1))
  expect(await cache.get('a')).toBeUndefined()
  expect(await cache.get('b')).toBeDefined()
})

test('a damaged value is a miss', async () => {
  const file = newFile()
  await using cache = openSqliteCache({file, maxEntries: 3})
  await cache.set('a', Uint8Array.of(1))
  const db = new DatabaseSync(file)
  db.exec("UPDATE entry SET value = x'02'")
  db.close()
  expect(await cache.get('a')).toBeUndefined()
})
