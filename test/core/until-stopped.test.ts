import {PassThrough} from 'node:stream'
import {expect, test} from 'vitest'
import {untilStopped} from '../../src/core/until-stopped.ts'

test('passes items on, and ends at once when it is stopped while it waits', async () => {
  const input = new PassThrough({objectMode: true})
  const stop = new AbortController()
  input.write('a')
  const seen: unknown[] = []
  for await (const item of untilStopped(input, {signal: stop.signal, input})) {
    seen.push(item)
    setImmediate(() => stop.abort())
  }
  expect(seen).toEqual(['a'])
  expect(input.destroyed).toBe(true)
})

test('passes everything on when nobody stops it, and nothing when it was stopped before', async () => {
  const items = async function* () {
    yield* [1, 2, 3]
  }
  const collect = async (signal: AbortSignal | undefined) => {
    const seen: number[] = []
    for await (const item of untilStopped(items(), {signal})) seen.push(item)
    return seen
  }
  expect(await collect(undefined)).toEqual([1, 2, 3])
  expect(await collect(AbortSignal.abort())).toEqual([])
})
