import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {createExactIndex} from '../../src/memory/exact-index.ts'
import {defaultMemoryOptions, MemoryBank} from '../../src/memory/memory.ts'
import type {StoredPattern} from '../../src/memory/pattern.ts'
import {defaultPruneOptions, planPrune} from '../../src/memory/prune.ts'
import {TierRoom} from '../../src/memory/tier-room.ts'
import {aStoredPattern, unitSample} from '../support/patterns.ts'

const DAY = 86_400_000_000
const nowUs = 1_000 * DAY
const options = {...defaultMemoryOptions, ...defaultPruneOptions, minDistance: 0, nowUs}
const vector = unitSample(createRng(1))

const documents = (count: number, seed: number): StoredPattern[] => {
  const rng = createRng(seed)
  return Array.from({length: count}, (_, i) => {
    const tsUs = nowUs - rng.below(700) * DAY - 10
    const observations = Array.from({length: rng.below(3)}, (_, k) => ({
      atUs: tsUs + k + 1,
      pnlBps: rng.below(200) - 100,
    }))
    return aStoredPattern({id: `p${i}`, tsUs, vector, observations, lastUseUs: rng.below(9) === 0 ? nowUs - 1 : 0})
  })
}

describe('room in a tier', () => {
  test('those leave, over many calls, that a whole comparison would choose', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({min: 1, max: 900}), fc.nat({max: 300}), (seed, count, capacity) => {
        const patterns = documents(count, seed)
        const room = new TierRoom()
        const left = new Map(patterns.map(pattern => [pattern.id, pattern]))
        for (let call = 0; left.size > capacity; call++) {
          expect(call).toBeLessThan(1_000)
          const leaving = room.leaving({
            ...{documents: () => left.values(), isOfTier: () => true, excess: left.size - capacity, slack: 1, options},
            current: id => left.get(id),
          })
          for (const {id} of leaving) left.delete(id)
        }
        const plan = planPrune(patterns, {...options, capacity, coldCapacity: 0})
        const gone = new Set(plan.decisions.map(({id}) => id))
        expect([...left.keys()]).toEqual(patterns.map(({id}) => id).filter(id => !gone.has(id)))
      }),
      {numRuns: 40},
    )
  })

  test('no call looks at more than a little of a large tier, nor lets many go', () => {
    const patterns = documents(20_000, 3).map(pattern => ({...pattern, tsUs: nowUs - 1}))
    const room = new TierRoom()
    let [looked, most] = [0, 0]
    const gone = new Set<string>()
    function* counted(): Generator<StoredPattern> {
      for (const pattern of patterns) {
        looked++
        if (!gone.has(pattern.id)) yield pattern
      }
    }
    for (let call = 0; call < 400; call++) {
      const before = looked
      const excess = patterns.length - gone.size - 15_000
      const leaving = room.leaving({
        ...{documents: counted, isOfTier: () => true, excess, slack: 300, options},
        current: id => patterns[Number(id.slice(1))],
      })
      most = Math.max(most, looked - before, leaving.length * 4)
      for (const {id} of leaving) gone.add(id)
    }
    expect(most).toBeLessThanOrEqual(2_048)
    expect(gone.size).toBeGreaterThan(1_000)
  })

  test('what has been quiet too long leaves before anything is ranked', () => {
    const patterns = documents(10, 5).map((pattern, i) => ({
      ...pattern,
      lastUseUs: i === 4 ? 1 : nowUs,
      tsUs: 1,
      observations: [],
    }))
    const room = new TierRoom()
    const ask = {documents: () => patterns, isOfTier: () => true, excess: 1, slack: 1, options}
    expect(
      room.leaving({...ask, current: id => patterns.find(pattern => pattern.id === id)}).map(({id}) => id),
    ).toContain('p4')
  })

  test('one that was used or observed since it was judged stays', () => {
    const patterns = documents(10, 5)
    const room = new TierRoom()
    const ask = {documents: () => patterns, isOfTier: () => true, excess: 3, slack: 3, options}
    expect(room.leaving({...ask, current: () => undefined})).toEqual([])
  })

  test('a bank one over its capacity comes back to it with the additions that follow', () => {
    using bank = new MemoryBank({index: createExactIndex(256), options: {capacity: 2_000, coldCapacity: 100}})
    const rng = createRng(2)
    for (let i = 0; i < 3_000; i++) {
      bank.add({id: `p${i}`, symbol: 'SPY', strategy: 's', regime: 'r', tsUs: nowUs + i, vector: unitSample(rng)})
      expect(bank.stats().hot).toBeLessThanOrEqual(2_000 * 1.02)
    }
    expect(bank.count).toBeLessThanOrEqual(2_100 * 1.02)
  })
})
