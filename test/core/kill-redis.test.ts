import type {ChildProcess} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {guardByRedis} from '../../src/core/redis-guard.ts'
import {fileLatch} from '../../src/drivers/files/file-latch.ts'
import {engageRedisLatch, releaseRedisLatch, watchRedisLatch} from '../../src/drivers/redis/redis-latch.ts'
import {freePort, hasRedisServer, killHard, startRedis} from '../support/redis-server.ts'

const until = async (done: () => boolean): Promise<void> => {
  const deadline = Date.now() + 15_000
  while (!done()) {
    if (Date.now() > deadline) throw new Error('waited in vain')
    await sleep(20)
  }
}

describe.skipIf(!hasRedisServer)('the latch in Redis (needs redis-server)', () => {
  let server: ChildProcess
  let url: string
  let home: string
  beforeAll(async () => {
    home = mkdtempSync(path.join(tmpdir(), 'gpi-redis-'))
    const port = await freePort()
    server = await startRedis(port)
    url = `redis://127.0.0.1:${port}`
  })
  afterAll(async () => {
    await killHard(server)
    rmSync(home, {recursive: true, force: true})
  })

  test('the first reason stays until it is released', async () => {
    await engageRedisLatch(url, 'first')
    await engageRedisLatch(url, 'second')
    await using watch = await watchRedisLatch(url)
    expect(await watch.ask()).toBe('first')
    expect(await releaseRedisLatch(url)).toBe(true)
    expect(await releaseRedisLatch(url)).toBe(false)
    expect(await watch.ask()).toBeUndefined()
  })

  test('a latch set from another machine comes down on the disk of a running node', async () => {
    const latch = fileLatch(path.join(home, 'node'))
    latch.engage('make the folder')
    latch.release()
    await using _guard = await guardByRedis({url, latch, onLost: () => {}})
    expect(latch.check()).toEqual({latched: false})
    await engageRedisLatch(url, 'told by another machine')
    await until(() => latch.check().latched)
    expect(latch.check()).toEqual({latched: true, reason: 'told by another machine (from Redis)'})
    await releaseRedisLatch(url)
  })

  test('when Redis goes away the node is told once and the latch on disk still works', async () => {
    const latch = fileLatch(path.join(home, 'other'))
    latch.engage('make the folder')
    latch.release()
    const lost: string[] = []
    await using _guard = await guardByRedis({url, latch, onLost: reason => lost.push(reason)})
    await killHard(server)
    await until(() => lost.length > 0)
    await sleep(1_200)
    expect(lost).toHaveLength(1)
    latch.engage('by hand')
    expect(latch.check()).toMatchObject({latched: true})
  })
})

test('a Redis that is down rejects soon instead of holding a kill up', async () => {
  const startedMs = performance.now()
  await expect(engageRedisLatch('redis://127.0.0.1:1', 'x')).rejects.toThrow()
  expect(performance.now() - startedMs).toBeLessThan(5_000)
})
