import {describe, expect, test} from 'vitest'
import type {Cache} from '../../src/data/cache.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

/** Every cache runs these; `open` hands back an empty one. */
export const describesCache = (open: () => Promise<Cache>): void => {
  describe('as a cache', () => {
    test('misses what was never set, and what was deleted', async () => {
      await using cache = await open()
      expect(await cache.get('a')).toBeUndefined()
      await cache.set('a', bytes(1))
      await cache.delete('a')
      await cache.delete('a')
      expect(await cache.get('a')).toBeUndefined()
    })

    test('gives back any bytes under any key', async () => {
      await using cache = await open()
      const all = Uint8Array.from({length: 256}, (_, i) => i)
      await cache.set("o'clock \n ü 漢", all)
      await cache.set('empty', bytes())
      expect(await cache.get("o'clock \n ü 漢")).toEqual(all)
      expect(await cache.get('empty')).toEqual(bytes())
    })

    test('keeps its own copy and hands out copies', async () => {
      await using cache = await open()
      const value = bytes(1, 2)
      await cache.set('a', value)
      value[0] = 9
      const first = await cache.get('a')
      expect(first).toEqual(bytes(1, 2))
      first?.fill(7)
      expect(await cache.get('a')).toEqual(bytes(1, 2))
    })

    test('setting the same again is nothing new', async () => {
      await using cache = await open()
      await cache.set('a', bytes(1))
      await cache.set('a', bytes(1))
      expect(await cache.get('a')).toEqual(bytes(1))
    })

    test('has a name', async () => {
      await using cache = await open()
      expect(cache.name).toMatch(/^[a-z]+$/)
    })
  })
}
