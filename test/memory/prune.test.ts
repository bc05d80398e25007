import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {createExactIndex} from '../../src/memory/exact-index.ts'
import {defaultMemoryOptions, MemoryBank} from '../../src/memory/memory.ts'
import type {StoredPattern} from '../../src/memory/pattern.ts'
import {defaultPruneOptions, type PruneOptions, planPrune} from '../../src/memory/prune.ts'
import {aStoredPattern, nearSample, unitSample} from '../support/patterns.ts'

const DAY = 86_400_000_000
const options: PruneOptions = {...defaultMemoryOptions, ...defaultPruneOptions, nowUs: 1_000 * DAY}
const fresh = 999 * DAY
const aDocument = (id: string, given: Partial<StoredPattern> = {}): StoredPattern =>
  aStoredPattern({id, tsUs: fresh, vector: unitSample(createRng(1, id)), ...given})
const paid = (...pnlBps: number[]) => pnlBps.map((value, i) => ({atUs: fresh + i + 1, pnlBps: value}))
const brief = (plan: ReturnType<typeof planPrune>) =>
  plan.decisions.map(({id, action, reason}) => `${action} ${id} ${reason}`)

describe('planPrune', () => {
  test('leaves a bank alone that is within its limits', () => {
    expect(planPrune([aDocument('a'), aDocument('b', {observations: paid(-50)})], options).decisions).toEqual([])
  })

  test('drops what has been quiet too long; a use or an outcome keeps it', () => {
    const old = {tsUs: 1 * DAY}
    const plan = planPrune(
      [
        aDocument('quiet', old),
        aDocument('used', {...old, lastUseUs: fresh}),
        aDocument('seen', {...old, observations: paid(1)}),
      ],
      options,
    )
    expect(brief(plan)).toEqual(['evict quiet expired'])
    expect(plan.decisions[0]?.detail).toBe('last decided, used or observed 999.0 days ago, the limit is 730.0 days')
  })

  test('of near copies the oldest stays, and takes over the outcomes', () => {
    const vector = unitSample(createRng(2))
    const copy = nearSample(createRng(3), vector, 0.03)
    const documents = [
      aDocument('late', {vector: copy, tsUs: fresh + 1, observations: [{atUs: fresh + 5, pnlBps: -7}]}),
      aDocument('early', {vector, observations: [{atUs: fresh + 3, pnlBps: 9}]}),
      aDocument('elsewhere', {vector, symbol: 'QQQ'}),
    ]
    const plan = planPrune(documents, options)
    expect(brief(plan)).toEqual(['evict late redundant'])
    using bank = new MemoryBank({index: createExactIndex(256)})
    for (const pattern of documents) bank.apply({op: 'add', pattern})
    bank.prune(plan)
    expect(bank.get('late')).toBeUndefined()
    expect(bank.get('early')?.observations).toEqual([
      {atUs: fresh + 3, pnlBps: 9},
      {atUs: fresh + 5, pnlBps: -7},
    ])
  })

  test('a pattern is judged by what it takes over, and not lost for what it was alone', () => {
    const vector = unitSample(createRng(2))
    const documents = [
      aDocument('original', {vector, observations: paid(-80)}),
      aDocument('copy', {
        vector,
        tsUs: fresh + 1,
        observations: new Array(20).fill(0).map((_, i) => ({atUs: fresh + 10 + i, pnlBps: 60})),
      }),
      aDocument('other', {observations: paid(1)}),
    ]
    const plan = planPrune(documents, {...options, capacity: 1, coldCapacity: 0})
    expect(brief(plan)).toEqual(['evict copy redundant', 'evict other capacity'])
    expect(plan.meanBpsAfter).toBeCloseTo((20 * 60 - 80) / 21, 9)
  })

  test('ranks by the lower bound, not by the mean: one lucky use yields to a proven small profit', () => {
    const documents = [
      aDocument('lucky', {observations: paid(40)}),
      aDocument('proven', {observations: paid(...new Array<number>(30).fill(12))}),
      aDocument('loser', {observations: paid(...new Array<number>(30).fill(-200))}),
      aDocument('new'),
    ]
    expect(brief(planPrune(documents, {...options, capacity: 1, coldCapacity: 2}))).toEqual([
      'demote lucky capacity',
      'demote new capacity',
      'evict loser capacity',
    ])
  })

  test('a cold pattern that proves better comes back', () => {
    const documents = [
      aDocument('cold', {tier: 'cold', observations: paid(90, 90, 90)}),
      aDocument('hot', {observations: paid(-90, -90, -90)}),
    ]
    expect(brief(planPrune(documents, {...options, capacity: 1}))).toEqual([
      'promote cold capacity',
      'demote hot capacity',
    ])
  })

  test('the floor drops what certainly loses, even when there is room', () => {
    const documents = [
      aDocument('a', {observations: paid(-100, -100)}),
      aDocument('b', {observations: paid(5, 5)}),
      aDocument('c'),
    ]
    expect(brief(planPrune(documents, {...options, floorBps: -60}))).toEqual(['evict a unprofitable'])
  })

  test('says how much better the rest looks than the whole was', () => {
    const documents = [aDocument('a', {observations: paid(-100)}), aDocument('b', {observations: paid(50)})]
    const plan = planPrune(documents, {...options, capacity: 1})
    expect(plan).toMatchObject({meanBpsBefore: -25, meanBpsAfter: 50})
  })

  test('after any prune the bank is within its limits, and pruning again changes nothing', () => {
    const anyDocument = fc.record({
      age: fc.integer({min: 0, max: 900}),
      pnl: fc.array(fc.integer({min: -100, max: 100}), {maxLength: 4}),
      cluster: fc.nat({max: 3}),
      cold: fc.boolean(),
    })
    const limits = fc.record({capacity: fc.nat({max: 6}), coldCapacity: fc.nat({max: 4})})
    const centres = Array.from({length: 4}, (_, i) => unitSample(createRng(i, 'c')))
    fc.assert(
      fc.property(fc.array(anyDocument, {maxLength: 15}), limits, (given, {capacity, coldCapacity}) => {
        using bank = new MemoryBank({index: createExactIndex(256)})
        for (const [i, {age, pnl, cluster, cold}] of given.entries()) {
          const tsUs = (1_000 - age) * DAY
          const observations = pnl.map((pnlBps, j) => ({atUs: tsUs + j + 1, pnlBps}))
          const vector = nearSample(createRng(i), centres[cluster] as Float32Array, 0.2)
          const tier = cold ? 'cold' : 'hot'
          bank.apply({op: 'add', pattern: aDocument(`p${i}`, {tsUs, observations, vector, tier})})
        }
        const settings = {...options, capacity, coldCapacity, minDistance: 0.03}
        bank.prune(planPrune(bank.patterns(), settings))
        const {hot, cold} = bank.stats()
        expect(hot).toBeLessThanOrEqual(capacity)
        expect(cold).toBeLessThanOrEqual(coldCapacity)
        expect(cold === 0 || hot === capacity).toBe(true)
        expect(planPrune(bank.patterns(), settings).decisions).toEqual([])
      }),
      {numRuns: 60},
    )
  })
})
