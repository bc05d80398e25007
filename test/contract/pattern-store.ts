import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import type {StoredPattern} from '../../src/memory/pattern.ts'
import type {PatternStore} from '../../src/memory/pattern-store.ts'
import {aStoredPattern, unitSample} from '../support/patterns.ts'

const sample = (id: string, given: Partial<StoredPattern> = {}): StoredPattern =>
  aStoredPattern({id, vector: unitSample(createRng(1, id)), ...given})

/** The store as one state: what a reader who starts from `since` ends up with. */
const read = async (store: PatternStore, since = 0) => {
  const changed: StoredPattern[] = []
  const removed: string[] = []
  let revision = since
  for await (const batch of store.changesSince(since)) {
    changed.push(...batch.changed)
    removed.push(...batch.removed)
    revision = batch.revision
  }
  return {changed: changed.sort((a, b) => (a.id < b.id ? -1 : 1)), removed: removed.sort(), revision}
}

/**
 * Every pattern store runs these. `open` hands back an empty store; `reopen` opens the same documents a second time, as
 * another process would, and is left out by a store that nothing else can open.
 */
export const describesPatternStore = (
  open: () => Promise<PatternStore>,
  reopen?: (store: PatternStore) => Promise<PatternStore>,
): void => {
  describe('as a pattern store', () => {
    test('gives back whole documents, bit for bit', async () => {
      await using store = await open()
      const full = sample('a', {
        symbol: 'BTC/USD',
        regime: 'Übung "quoted"\n',
        tsUs: 9_007_199_254_740_000,
        observations: [
          {atUs: 9_007_199_254_740_001, pnlBps: -0.1},
          {atUs: 9_007_199_254_740_991, pnlBps: 1e-300},
        ],
        tier: 'cold',
        lastUseUs: 7,
        uses: 3,
      })
      await store.apply([
        {op: 'add', pattern: full},
        {op: 'add', pattern: sample('b')},
      ])
      const {changed} = await read(store)
      expect(changed).toEqual([full, sample('b')])
      expect([...(changed[0]?.vector ?? [])]).toEqual([...full.vector])
    })

    test('keeps its own copy of the vector', async () => {
      await using store = await open()
      const pattern = sample('a')
      await store.apply([{op: 'add', pattern}])
      pattern.vector.fill(0)
      expect((await read(store)).changed[0]?.vector).toEqual(sample('a').vector)
    })

    test('adding a known id adds only the outcomes it lacked', async () => {
      await using store = await open()
      await store.apply([{op: 'add', pattern: sample('a', {observations: [{atUs: 2_000, pnlBps: 5}]})}])
      const again = sample('a', {
        symbol: 'QQQ',
        observations: [
          {atUs: 1_500, pnlBps: 1},
          {atUs: 2_000, pnlBps: 99},
        ],
      })
      await store.apply([{op: 'add', pattern: again}])
      const {changed} = await read(store)
      expect(changed).toHaveLength(1)
      expect(changed[0]?.symbol).toBe('SPY')
      expect(changed[0]?.observations).toEqual([
        {atUs: 1_500, pnlBps: 1},
        {atUs: 2_000, pnlBps: 5},
      ])
    })

    test('records outcomes in order of time, once per time stamp', async () => {
      await using store = await open()
      await store.apply([{op: 'add', pattern: sample('a')}])
      await store.apply([
        {op: 'outcome', id: 'a', observation: {atUs: 3_000, pnlBps: 3}},
        {op: 'outcome', id: 'a', observation: {atUs: 2_000, pnlBps: 2}},
        {op: 'outcome', id: 'a', observation: {atUs: 3_000, pnlBps: 8}},
      ])
      expect((await read(store)).changed[0]?.observations).toEqual([
        {atUs: 2_000, pnlBps: 2},
        {atUs: 3_000, pnlBps: 3},
      ])
    })

    test('counts uses, keeps the latest, and moves tiers', async () => {
      await using store = await open()
      await store.apply([{op: 'add', pattern: sample('a')}])
      await store.apply([
        {op: 'use', id: 'a', atUs: 50},
        {op: 'use', id: 'a', atUs: 20, count: 3},
        {op: 'tier', id: 'a', tier: 'cold'},
      ])
      expect((await read(store)).changed[0]).toMatchObject({uses: 4, lastUseUs: 50, tier: 'cold'})
    })

    test('writes about an unknown pattern change nothing', async () => {
      await using store = await open()
      await store.apply([
        {op: 'outcome', id: 'ghost', observation: {atUs: 1, pnlBps: 1}},
        {op: 'use', id: 'ghost', atUs: 1},
        {op: 'remove', id: 'ghost'},
      ])
      expect((await read(store)).changed).toEqual([])
      expect((await store.verify()).problems).toEqual([])
    })

    test('tells a reader what changed since its revision, and only that', async () => {
      await using store = await open()
      await store.apply([
        {op: 'add', pattern: sample('a')},
        {op: 'add', pattern: sample('b')},
        {op: 'add', pattern: sample('c')},
      ])
      const seen = await read(store)
      expect(await store.revision()).toBe(seen.revision)
      expect((await read(store, seen.revision)).changed).toEqual([])
      await store.apply([{op: 'outcome', id: 'b', observation: {atUs: 2_000, pnlBps: 1}}])
      await store.apply([{op: 'remove', id: 'c'}])
      const news = await read(store, seen.revision)
      expect(news.changed.map(({id}) => id)).toEqual(['b'])
      expect(news.removed).toEqual(['c'])
      expect(news.revision).toBeGreaterThan(seen.revision)
    })

    test('an id that comes back after its removal is there', async () => {
      await using store = await open()
      await store.apply([{op: 'add', pattern: sample('a', {observations: [{atUs: 2_000, pnlBps: 1}]})}])
      const seen = await store.revision()
      await store.apply([{op: 'remove', id: 'a'}])
      await store.apply([{op: 'add', pattern: sample('a')}])
      const news = await read(store, seen)
      expect(news.changed.map(({observations}) => observations)).toEqual([[]])
      expect(news.removed).toEqual([])
    })

    test('hands out large stores in batches', async () => {
      await using store = await open()
      const patterns = Array.from({length: 2_300}, (_, i) => sample(`p${i}`))
      await store.apply(patterns.map(pattern => ({op: 'add', pattern})))
      let [total, largest] = [0, 0]
      for await (const {changed} of store.changesSince(0)) {
        total += changed.length
        largest = Math.max(largest, changed.length)
      }
      expect(total).toBe(2_300)
      expect(largest).toBeLessThan(2_300)
      expect(await store.verify()).toMatchObject({patterns: 2_300, problems: []})
    })

    test('keeps named values', async () => {
      await using store = await open()
      expect(await store.getMeta('calibration')).toBeUndefined()
      await store.setMeta('calibration', '1')
      await store.setMeta('calibration', '2')
      expect(await store.getMeta('calibration')).toBe('2')
    })

    test('counts', async () => {
      await using store = await open()
      expect(await store.increment('searches', 0)).toBe(0)
      await Promise.all([store.increment('searches', 2), store.increment('searches', 3)])
      expect(await store.increment('searches', 1)).toBe(6)
    })

    test.skipIf(reopen === undefined)('what one process writes, another reads', async () => {
      await using store = await open()
      await using other = await (reopen as NonNullable<typeof reopen>)(store)
      await store.apply([{op: 'add', pattern: sample('a')}])
      const seen = await read(other)
      expect(seen.changed.map(({id}) => id)).toEqual(['a'])
      await Promise.all([
        store.apply([{op: 'outcome', id: 'a', observation: {atUs: 2_000, pnlBps: 1}}]),
        other.apply([{op: 'outcome', id: 'a', observation: {atUs: 3_000, pnlBps: 2}}]),
      ])
      expect((await read(store, seen.revision)).changed[0]?.observations).toHaveLength(2)
    })
  })
}
