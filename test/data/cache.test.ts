import {describe, expect, test} from 'vitest'
import {type Cache, lruCache, tieredCache} from '../../src/data/cache.ts'
import {describesCache} from '../contract/cache.ts'

describesCache(async () => lruCache({maxBytes: 1_000_000}))

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

test('the LRU cache forgets what was used least recently', async () => {
  await using cache = lruCache({maxBytes: 600})
  for (const key of ['a', 'b', 'c']) await cache.set(key, new Uint8Array(120))
  await cache.get('a')
  await cache.set('d', new Uint8Array(120))
  expect(await cache.get('b')).toBeUndefined()
  expect(await cache.get('a')).toBeDefined()
})

/** A cache whose every call fails while `broken`. */
const brittle = (inner: Cache): Cache & {broken: boolean} => {
  const cache = {
    broken: false,
    name: 'brittle',
    get: async (key: string) => {
      if (cache.broken) throw new Error('gone')
      return inner.get(key)
    },
    set: async (key: string, value: Uint8Array) => {
      if (cache.broken) throw new Error('gone')
      return inner.set(key, value)
    },
    delete: inner.delete,
    [Symbol.asyncDispose]: async () => {},
  }
  return cache
}

describe('tieredCache', () => {
  test('copies what a lower tier has into those above, and counts', async () => {
    const [fast, slow] = [lruCache({maxBytes: 1e6}), lruCache({maxBytes: 1e6})]
    await slow.set('a', bytes(1))
    await using cache = tieredCache([fast, slow])
    expect(await cache.get('a')).toEqual(bytes(1))
    expect(await cache.get('a')).toEqual(bytes(1))
    expect(await cache.get('b')).toBeUndefined()
    expect(await fast.get('a')).toEqual(bytes(1))
    expect(cache.stats()).toEqual([
      {name: 'lru', hits: 1, misses: 2, errors: 0, hitRate: 1 / 3},
      {name: 'lru', hits: 1, misses: 1, errors: 0, hitRate: 1 / 2},
    ])
  })

  test('goes on without a failing tier, says so once, and uses it again when it is back', async () => {
    const middle = brittle(lruCache({maxBytes: 1e6}))
    const bottom = lruCache({maxBytes: 1e6})
    const told: string[] = []
    await using cache = tieredCache([middle, bottom], {
      onTrouble: (tier, error) => told.push(`${tier}: ${error?.message ?? 'back'}`),
    })
    middle.broken = true
    await cache.set('a', bytes(1))
    expect(await cache.get('a')).toEqual(bytes(1))
    expect(await cache.get('b')).toBeUndefined()
    expect(told).toEqual(['brittle: gone'])
    middle.broken = false
    expect(await cache.get('a')).toEqual(bytes(1))
    expect(await middle.get('a')).toEqual(bytes(1))
    expect(told).toEqual(['brittle: gone', 'brittle: back'])
    expect(cache.stats()[0]?.errors).toBeGreaterThan(0)
  })
})
