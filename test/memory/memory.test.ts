import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {createExactIndex} from '../../src/memory/exact-index.ts'
import {MemoryBank, type NewPattern, type SearchRequest} from '../../src/memory/memory.ts'
import {aPattern, nearSample, unitSample} from '../support/patterns.ts'

const openBank = (): MemoryBank => new MemoryBank({index: createExactIndex(256)})
const vector = unitSample(createRng(1))

describe('MemoryBank', () => {
  test('finds a pattern with what followed it', () => {
    using bank = openBank()
    expect(bank.add(aPattern({vector}))).toBe('added')
    expect(bank.recordOutcome('p1', 12, 2_000)).toBe('recorded')
    const {matches, evidence, tookUs} = bank.search(vector, {asOfUs: 5_000})
    expect(matches).toEqual([
      {
        id: 'p1',
        similarity: expect.closeTo(1, 5),
        symbol: 'SPY',
        strategy: 'statistical-arbitrage',
        regime: 'calm',
        tsUs: 1_000,
        outcome: {count: 1, mean: 12, variance: 0, decayedPnlBps: 12, worst: 12, lastAtUs: 2_000},
        confidence: expect.closeTo(0.594, 2),
        tier: 'hot',
      },
    ])
    expect(evidence).toMatchObject({n: 1, mean: 12, abstain: true, reason: 'too-few'})
    expect(tookUs).toBe(0)
  })

  test('a pattern is not evidence before its outcome is known', () => {
    using bank = openBank()
    bank.add(aPattern({vector, observations: [{atUs: 2_000, pnlBps: 12}]}))
    expect(bank.search(vector, {asOfUs: 1_999}).matches).toEqual([])
    expect(bank.search(vector, {asOfUs: 1_999}).evidence).toMatchObject({abstain: true, reason: 'empty'})
    expect(bank.search(vector, {asOfUs: 2_000}).matches).toHaveLength(1)
  })

  test('nor is one of the very moment of asking', () => {
    using bank = openBank()
    bank.add(aPattern({vector, tsUs: 2_000, observations: [{atUs: 2_000, pnlBps: 12}]}))
    expect(bank.search(vector, {asOfUs: 2_000}).matches).toEqual([])
    expect(bank.search(vector, {asOfUs: 2_001}).matches).toHaveLength(1)
  })

  test('a later outcome does not show in an earlier search', () => {
    using bank = openBank()
    bank.add(aPattern({vector, observations: [{atUs: 2_000, pnlBps: 12}]}))
    bank.recordOutcome('p1', -500, 3_000)
    expect(bank.search(vector, {asOfUs: 2_999}).matches[0]?.outcome).toMatchObject({count: 1, mean: 12, worst: 12})
    expect(bank.search(vector, {asOfUs: 3_000}).matches[0]?.outcome).toMatchObject({count: 2, mean: -244, worst: -500})
  })

  test.each([
    [{symbol: 'QQQ'}, ['b']],
    [{symbol: ['QQQ', 'SPY']}, ['a', 'b', 'c']],
    [{strategy: 'market-making'}, ['c']],
    [{regime: 'storm'}, ['b', 'c']],
    [{regime: 'storm', symbol: 'SPY'}, ['c']],
    [{symbol: 'IWM'}, []],
    [{maxAgeUs: 2_500}, ['c']],
  ])('filters %j', (filters, expected) => {
    using bank = openBank()
    const rng = createRng(2)
    const put = (id: string, given: Partial<NewPattern>): void => {
      const at = given.tsUs ?? 1_000
      bank.add(
        aPattern({id, vector: nearSample(rng, vector, 0.2), observations: [{atUs: at + 1, pnlBps: 1}], ...given}),
      )
    }
    put('a', {})
    put('b', {symbol: 'QQQ', regime: 'storm'})
    put('c', {strategy: 'market-making', regime: 'storm', tsUs: 3_000})
    const {matches} = bank.search(vector, {asOfUs: 5_000, filters})
    expect(matches.map(({id}) => id).sort()).toEqual(expected)
  })

  test('refuses a vector without direction or of another length, naming the pattern', () => {
    using bank = openBank()
    expect(() => bank.add(aPattern({vector: new Float32Array(256)}))).toThrow(
      'the vector of pattern p1 must be finite and not all zero',
    )
    expect(() => bank.add(aPattern({vector: [1, 2]}))).toThrow('the vector of pattern p1 must have 256 numbers, had 2')
    expect(() => bank.search([Number.NaN, ...vector.slice(1)], {asOfUs: 1})).toThrow('the query must be finite')
  })

  test('refuses an outcome known before the decision, or not a number', () => {
    using bank = openBank()
    bank.add(aPattern({vector}))
    expect(() => bank.recordOutcome('p1', 1, 999)).toThrow('cannot be known before 1000, was known at 999')
    expect(() => bank.recordOutcome('p1', Number.NaN, 2_000)).toThrow('must be finite')
    expect(bank.recordOutcome('p2', 1, 2_000)).toBe('no-pattern')
  })

  test('adding and recording twice is doing it once', () => {
    using bank = openBank()
    expect(bank.add(aPattern({vector}))).toBe('added')
    expect(bank.add(aPattern({vector}))).toBe('known')
    expect(bank.recordOutcome('p1', 1, 2_000)).toBe('recorded')
    expect(bank.recordOutcome('p1', 7, 2_000)).toBe('known')
    expect(bank.count).toBe(1)
    expect(bank.takeWrites().map(({op}) => op)).toEqual(['add', 'outcome'])
    expect(bank.takeWrites()).toEqual([])
  })

  describe('a cold pattern', () => {
    const openTiers = (): MemoryBank => {
      const bank = openBank()
      const rng = createRng(8)
      for (const id of ['a', 'b', 'c']) {
        bank.add(aPattern({id, vector: nearSample(rng, vector, 0.3), observations: [{atUs: 2_000, pnlBps: 1}]}))
      }
      return bank
    }
    const found = (bank: MemoryBank, given: Partial<SearchRequest> = {}) =>
      bank
        .search(vector, {asOfUs: 5_000, ...given})
        .matches.map(({id, tier}) => `${id} ${tier}`)
        .sort()

    test('is searched only when the hot ones leave the question open', () => {
      using bank = openTiers()
      for (const symbol of ['QQQ', 'IWM']) {
        bank.add(aPattern({id: symbol, symbol, vector, observations: [{atUs: 2_000, pnlBps: 1}]}))
      }
      bank.setTier('c', 'cold')
      // Those of one symbol at one time are one piece of evidence; with other symbols' they are more.
      expect(found(bank)).toEqual(['IWM hot', 'QQQ hot', 'a hot', 'b hot'])
      expect(bank.stats()).toMatchObject({hot: 4, cold: 1, coldSearches: 0})
      bank.setTier('QQQ', 'cold')
      bank.setTier('IWM', 'cold')
      expect(found(bank)).toEqual(['IWM cold', 'QQQ cold', 'a hot', 'b hot', 'c cold'])
      expect(bank.stats().coldSearches).toBe(1)
      expect(found(bank, {tiers: 'hot'})).toEqual(['a hot', 'b hot'])
      expect(found(bank, {tiers: 'all', filters: {symbol: 'QQQ'}})).toEqual(['QQQ cold'])
      expect(found(bank, {asOfUs: 1_999})).toEqual([])
    })

    test('answers as a hot one would', () => {
      using bank = openTiers()
      const hot = bank.search(vector, {asOfUs: 5_000})
      for (const id of ['a', 'b', 'c']) bank.setTier(id, 'cold')
      const cold = bank.search(vector, {asOfUs: 5_000})
      expect(cold.matches.map(({id}) => id)).toEqual(hot.matches.map(({id}) => id))
      for (const [i, {similarity}] of cold.matches.entries()) {
        expect(similarity).toBeCloseTo(hot.matches[i]?.similarity as number, 6)
      }
      expect(cold.evidence.mean).toBeCloseTo(hot.evidence.mean, 6)
    })

    test('becomes hot when it is used, and is forgotten when it is removed', () => {
      using bank = openTiers()
      bank.setTier('b', 'cold')
      bank.setTier('c', 'cold')
      bank.recordUse(bank.search(vector, {asOfUs: 5_000, k: 2, tiers: 'all'}).usable, 6_000)
      expect(bank.stats()).toMatchObject({promoted: expect.any(Number), lastUseUs: 6_000})
      for (const id of bank.search(vector, {asOfUs: 5_000, k: 2, tiers: 'all'}).usable) {
        expect(bank.get(id)).toMatchObject({tier: 'hot', uses: 1})
      }
      for (const id of ['a', 'b', 'c']) bank.remove(id)
      expect(found(bank, {tiers: 'all'})).toEqual([])
    })

    test('is not asked where nothing could ever be near enough', () => {
      using bank = new MemoryBank({index: createExactIndex(256), options: {minSimilarity: 1.01}})
      bank.add(aPattern({vector, tier: 'cold', observations: [{atUs: 2_000, pnlBps: 1}]}))
      expect(found(bank)).toEqual([])
    })
  })

  test('a promoted pattern stays hot while it is in use, and the bank keeps its size', () => {
    using bank = new MemoryBank({index: createExactIndex(256), options: {capacity: 10}})
    const rng = createRng(9)
    const outcome = (id: string, i: number, pnlBps: number): void => {
      const tsUs = 1_000 + 10 * i
      bank.add(aPattern({id, tsUs, observations: [{atUs: tsUs + 1, pnlBps}], vector: unitSample(rng)}))
    }
    for (let i = 0; i < 30; i++) outcome(`l${i}`, i, -50)
    for (let i = 30; i < 60; i++) outcome(`w${i}`, i, 50)
    expect(bank.get('l0')?.tier).toBe('cold')
    bank.recordUse(['l0'], 1_600)
    for (let i = 60; i < 90; i++) outcome(`w${i}`, i, 50)
    expect(bank.get('l0')?.tier).toBe('hot')
    expect(bank.stats().hot).toBeLessThanOrEqual(12)
    // A day of event time later nothing speaks for it any more.
    for (let i = 90; i < 120; i++) bank.add(aPattern({id: `w${i}`, tsUs: 2 * 86_400_000_000, vector: unitSample(rng)}))
    expect(bank.get('l0')?.tier).toBe('cold')
  })

  test('uses become durable as one write a pattern, after what they need', () => {
    using bank = openBank()
    bank.add(aPattern({vector}))
    bank.recordUse(['p1', 'nobody'], 3_000)
    bank.recordUse(['p1'], 2_000)
    expect(bank.takeWrites().slice(1)).toEqual([{op: 'use', id: 'p1', atUs: 3_000, count: 2}])
    expect(bank.takeWrites()).toEqual([])
    expect(bank.get('p1')).toMatchObject({uses: 2, lastUseUs: 3_000})
  })

  test('prunes itself when it grows past its capacity, keeping what pays', () => {
    using bank = new MemoryBank({index: createExactIndex(256), options: {capacity: 100}})
    const rng = createRng(3)
    for (let i = 0; i < 150; i++) {
      const tsUs = 1_000 + 10 * i
      const observations = [{atUs: tsUs + 1, pnlBps: i % 2 === 0 ? 100 : -100}]
      bank.add(aPattern({id: `p${i}`, vector: unitSample(rng), tsUs, observations}))
    }
    const {hot, cold} = bank.stats()
    expect(hot).toBeLessThanOrEqual(103)
    expect(hot + cold).toBe(150)
    const hotLosers = [...bank.patterns()].filter(({id, tier}) => tier === 'hot' && Number(id.slice(1)) % 2 === 1)
    expect(hotLosers.length).toBeLessThan(30)
  })

  test('reports what it holds', () => {
    using bank = openBank()
    bank.add(aPattern({id: 'a', vector, observations: [{atUs: 2_000, pnlBps: 10}]}))
    bank.add(aPattern({id: 'b', vector, strategy: 'market-making'}))
    bank.recordUse(['a', 'nobody'], 3_000)
    bank.search(vector, {asOfUs: 5_000})
    expect(bank.stats()).toEqual({
      ...{count: 2, hot: 2, cold: 0, pending: 1, capacity: 10_000, dimension: 256, index: 'exact', searches: 1},
      ...{coldCapacity: 90_000, coldSearches: 0, promoted: 0, lastUseUs: 3_000},
      ...{bytes: expect.any(Number), coldBytes: 0},
      byStrategy: {
        'statistical-arbitrage': {count: 1, uses: 1, meanBps: 10},
        'market-making': {count: 1, uses: 0, meanBps: 0},
      },
      hitRate: 0,
    })
    expect(bank.get('a')).toMatchObject({lastUseUs: 3_000, uses: 1})
  })
})

test('a search never depends on what becomes known after it', () => {
  const centres = Array.from({length: 3}, (_, i) => unitSample(createRng(i, 'centre')))
  const anyPattern = fc.record({
    id: fc.nat({max: 30}).map(n => `p${n}`),
    centre: fc.nat({max: 2}),
    seed: fc.nat(),
    tsUs: fc.integer({min: 1, max: 100}),
    horizons: fc.array(fc.integer({min: 1, max: 60}), {maxLength: 3}),
    pnlBps: fc.double({min: -1e4, max: 1e4, noNaN: true}),
    symbol: fc.constantFrom('SPY', 'QQQ'),
  })
  fc.assert(
    fc.property(fc.uniqueArray(anyPattern, {selector: ({id}) => id}), fc.integer({min: 0, max: 170}), (all, asOfUs) => {
      using whole = openBank()
      using truncated = openBank()
      for (const {id, centre, seed, tsUs, horizons, pnlBps, symbol} of all) {
        const vector = nearSample(createRng(seed), centres[centre] as Float32Array, 0.5)
        const pattern = aPattern({id, vector, tsUs, symbol})
        whole.add(pattern)
        if (tsUs < asOfUs) truncated.add(pattern)
        for (const horizon of horizons) {
          whole.recordOutcome(id, pnlBps, tsUs + horizon)
          if (tsUs + horizon <= asOfUs) truncated.recordOutcome(id, pnlBps, tsUs + horizon)
        }
      }
      for (const centre of centres) {
        expect(whole.search(centre, {asOfUs, k: 4})).toEqual(truncated.search(centre, {asOfUs, k: 4}))
      }
    }),
  )
})
