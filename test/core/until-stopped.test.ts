import {PassThrough} from 'node:stream'
import v8 from 'node:v8'
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

test('keeps nothing of what has passed', async () => {
  const live = (): number => v8.queryObjects(Promise, {format: 'count'})
  let [early, late] = [0, 0]
  const items = async function* () {
    for (let k = 0; k < 2_000; k++) yield k
  }
  for await (const item of untilStopped(items(), {signal: new AbortController().signal})) {
    if (item === 100) early = live()
    if (item === 1_999) late = live()
  }
  expect(late - early).toBeLessThan(100)
})
