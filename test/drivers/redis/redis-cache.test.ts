import type {ChildProcess} from 'node:child_process'
import {afterAll, beforeAll, describe, expect, test, vi} from 'vitest'
import {lruCache, tieredCache} from '../../../src/data/cache.ts'
import {openRedisCache} from '../../../src/drivers/redis/redis-cache.ts'
import {describesCache} from '../../contract/cache.ts'
import {freePort, hasRedisServer, killHard, startRedis} from '../../support/redis-server.ts'

test('names the server it cannot reach, without the password', async () => {
  const port = await freePort()
  await expect(openRedisCache({url: `redis://user:secret@127.0.0.1:${port}`})).rejects.toMatchObject({
    code: 'REDIS_UNREACHABLE',
    message: expect.stringMatching(new RegExp(`^cannot reach Redis at redis://127\\.0\\.0\\.1:${port}: `)),
  })
})

describe.skipIf(!hasRedisServer)('with a real redis-server (apt-get install redis-server)', () => {
  let port = 0
  let server: ChildProcess
  let prefixes = 0
  const open = () => openRedisCache({url: `redis://127.0.0.1:${port}`, prefix: `t${prefixes++}:`})

  beforeAll(async () => {
    port = await freePort()
    server = await startRedis(port)
  })
  afterAll(() => killHard(server))

  describesCache(open)

  test('when the server dies calls fail at once, the tiers go on, and its return is noticed', async () => {
    await using redis = await open()
    const told: string[] = []
    const bottom = lruCache({maxBytes: 1e6})
    const cache = tieredCache([redis, bottom], {
      onTrouble: (tier, error) => told.push(error === undefined ? `${tier} back` : `${tier} away`),
    })
    await cache.set('a', Uint8Array.of(1))
    expect(await redis.get('a')).toEqual(Uint8Array.of(1))

    await killHard(server)
    await expect(redis.get('a')).rejects.toThrow()
    for (let i = 0; i < 20; i++) expect(await cache.get('a')).toEqual(Uint8Array.of(1))
    await cache.set('b', Uint8Array.of(2))
    expect(told).toEqual(['redis away'])

    server = await startRedis(port)
    await vi.waitUntil(async () => (await cache.get('b')) !== undefined && told.length === 2, {timeout: 10_000})
    expect(told).toEqual(['redis away', 'redis back'])
    // The new server was empty: what the lower tier had has been copied up again.
    await vi.waitUntil(async () => (await cache.get('b')) && (await redis.get('b')), {timeout: 5_000})
  })
})
