import type {ChildProcess} from 'node:child_process'
import {afterAll, beforeAll, describe, expect, test, vi} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import {openEmbeddingCache} from '../../src/core/embedding-cache.ts'
import {freePort, hasRedisServer, killHard, startRedis} from '../support/redis-server.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

const value = (i: number): Uint8Array => Uint8Array.from({length: 1_024}, (_, j) => (i * 31 + j) % 256)
const keys = Array.from({length: 200}, (_, i) => i)

test('without a URL the missing variable is named', async () => {
  using folder = temporaryFolder()
  const config = Config.parse({home: folder.path, memory: {cache: 'redis'}})
  await expect(openEmbeddingCache(config, {})).rejects.toMatchObject({code: 'REDIS_URL_MISSING'})
})

describe.skipIf(!hasRedisServer)('LRU, a real redis-server and SQLite (apt-get install redis-server)', () => {
  let port = 0
  let server: ChildProcess
  beforeAll(async () => {
    port = await freePort()
    server = await startRedis(port)
  })
  afterAll(() => killHard(server))

  test('each tier answers what those above lack, through the death and the return of the server, and says its hit rate', async () => {
    using folder = temporaryFolder()
    const config = Config.parse({home: folder.path, memory: {cache: 'redis'}})
    const told: string[] = []
    /** A process of its own: its own LRU over the same server and the same file. */
    const open = () =>
      openEmbeddingCache(
        config,
        {REDIS_URL: `redis://127.0.0.1:${port}`},
        {onTrouble: (tier, error) => told.push(`${tier} ${error === undefined ? 'back' : 'away'}`)},
      )
    const askAll = async (cache: Awaited<ReturnType<typeof open>>, some = keys): Promise<void> => {
      for (const i of some) expect(await cache.get(`k${i}`)).toEqual(value(i))
    }
    {
      await using first = await open()
      for (const i of keys) {
        expect(await first.get(`k${i}`)).toBeUndefined()
        await first.set(`k${i}`, value(i))
      }
      await askAll(first)
      expect(first.stats()).toEqual([
        {name: 'lru', hits: 200, misses: 200, errors: 0, hitRate: 0.5},
        {name: 'redis', hits: 0, misses: 200, errors: 0, hitRate: 0},
        {name: 'sqlite', hits: 0, misses: 200, errors: 0, hitRate: 0},
      ])
    }
    await using second = await open()
    await askAll(second, keys.slice(0, 80))
    expect(second.stats().map(({hits, misses}) => [hits, misses])).toEqual([
      [0, 80],
      [80, 0],
      [0, 0],
    ])

    await killHard(server)
    await askAll(second, keys.slice(0, 140))
    expect(told).toEqual(['redis away'])
    const [lru, redis, sqlite] = second.stats()
    expect(lru).toMatchObject({hits: 80, misses: 140})
    // Sixty misses, each of which also failed to be written back.
    expect(redis).toMatchObject({hits: 80, misses: 60, errors: 120, hitRate: 80 / 140})
    expect(sqlite).toMatchObject({hits: 60, misses: 0, errors: 0, hitRate: 1})

    server = await startRedis(port)
    await vi.waitUntil(
      async () => {
        await second.set('ping', value(0))
        return told.length === 2
      },
      {timeout: 10_000, interval: 50},
    )
    expect(told).toEqual(['redis away', 'redis back'])
    await askAll(second)
    // The server came back empty and was filled from below: a third process has these from it.
    await using third = await open()
    await askAll(third, keys.slice(140))
    expect(third.stats().map(({hits, misses, errors}) => [hits, misses, errors])).toEqual([
      [0, 60, 0],
      [60, 0, 0],
      [0, 0, 0],
    ])
  })
})
