import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {defaultMemoryOptions} from '../../src/memory/memory.ts'
import {AXES, NearCopies} from '../../src/memory/near-copies.ts'
import {DIMENSION, type StoredPattern} from '../../src/memory/pattern.ts'
import {principalAxes} from '../../src/memory/principal-axes.ts'
import {defaultPruneOptions, planPrune, planPruneInSteps} from '../../src/memory/prune.ts'
import {similarityOf} from '../../src/memory/similarity.ts'
import {aStoredPattern, nearSample, unitSample} from '../support/patterns.ts'

const at = (vectors: readonly Float32Array[], row: number): Float32Array => vectors[row] as Float32Array

/** The rule as it is written down: from the oldest on, whatever is left and nearer than the distance goes. */
const allPairs = (patterns: readonly StoredPattern[], minDistance: number): Map<string, string> => {
  const byAge = patterns.toSorted((a, b) => a.tsUs - b.tsUs || (a.id < b.id ? -1 : 1))
  const keptFor = new Map<string, string>()
  for (const [i, older] of byAge.entries()) {
    if (keptFor.has(older.id)) continue
    for (const newer of byAge.slice(i + 1)) {
      const isAlike = (['symbol', 'strategy', 'regime'] as const).every(word => older[word] === newer[word])
      if (!isAlike || keptFor.has(newer.id)) continue
      if (1 - similarityOf(older.vector, newer.vector) < minDistance) keptFor.set(newer.id, older.id)
    }
  }
  return keptFor
}

/** Vectors of few or many directions, clustered tightly or not, copies among them. */
const aSample = fc.record({
  seed: fc.nat(),
  count: fc.constantFrom(0, 1, 2, 7, 255, 256, 257, 700),
  clusters: fc.integer({min: 1, max: 40}),
  spread: fc.constantFrom(0, 1e-4, 0.03, 0.1, 0.3, 3),
  /** Numbers of the vectors that are not zero. */
  width: fc.constantFrom(1, 2, 5, 40, DIMENSION),
  scopes: fc.integer({min: 1, max: 3}),
})

const sampled = ({
  seed,
  count,
  clusters,
  spread,
  width,
  scopes,
}: typeof aSample extends fc.Arbitrary<infer Sample> ? Sample : never): StoredPattern[] => {
  const rng = createRng(seed, 'near')
  const centres = Array.from({length: clusters}, () => unitSample(rng, width))
  return Array.from({length: count}, (_, i) => {
    const vector = new Float32Array(DIMENSION)
    vector.set(nearSample(rng, at(centres, rng.below(clusters)), spread))
    const symbol = `S${rng.below(scopes)}`
    return aStoredPattern({id: `p${i}`, symbol, tsUs: 1_000 + rng.below(count), vector})
  })
}

const options = {...defaultMemoryOptions, ...defaultPruneOptions, nowUs: 1e6, capacity: 1e6}

describe('near copies', () => {
  test('are those that comparing all with all finds, whatever the vectors and the distance', () => {
    const distance = fc.constantFrom(1e-9, 1e-4, 0.005, 0.05, 0.3, 1, 2.5)
    fc.assert(
      fc.property(aSample, distance, (sample, minDistance) => {
        const patterns = sampled(sample)
        const found = new Map<string, string>()
        for (const decision of planPrune(patterns, {...options, minDistance}).decisions) {
          if (decision.reason === 'redundant') found.set(decision.id, decision.keptId)
        }
        expect(found).toEqual(allPairs(patterns, minDistance))
      }),
      {numRuns: 60},
    )
  }, 60_000)

  test('more than any search returns at once go at once', () => {
    const vector = unitSample(createRng(4))
    const patterns = Array.from({length: 500}, (_, i) => aStoredPattern({id: `p${i}`, tsUs: i, vector}))
    const {decisions} = planPrune(patterns, options)
    expect(decisions).toHaveLength(499)
    expect(new Set(decisions.map(decision => 'keptId' in decision && decision.keptId))).toEqual(new Set(['p0']))
  })

  test('are told most similar first, and are gone afterwards', () => {
    const centre = unitSample(createRng(5))
    const vectors = [0, 0.05, 0.01, 0.02, 3].map((spread, i) => nearSample(createRng(i), centre, spread))
    const near = new NearCopies(vectors.length, principalAxes(vectors, AXES), 0.005)
    for (const _ of near.load(vectors));
    expect(near.take(0).map(({row}) => row)).toEqual([2, 3, 1])
    expect(near.take(4)).toEqual([])
  })

  test('planning in steps rests often, and ends with the same plan', () => {
    const patterns = sampled({seed: 1, count: 700, clusters: 20, spread: 0.03, width: 40, scopes: 1})
    const steps = planPruneInSteps(patterns, options)
    const compared: number[] = []
    let step = steps.next()
    for (; step.done !== true; step = steps.next()) compared.push(step.value.compared)
    expect(compared).toEqual([0, 256, 512])
    expect(step.value).toEqual(planPrune(patterns, options))
  })
})

describe('principal axes', () => {
  test('are orthonormal, or zero where the vectors span fewer directions', () => {
    const anyVectors = fc.record({
      seed: fc.nat(),
      count: fc.integer({min: 1, max: 40}),
      width: fc.integer({min: 1, max: 30}),
    })
    fc.assert(
      fc.property(anyVectors, ({seed, count, width}) => {
        const rng = createRng(seed)
        const vectors = Array.from({length: count}, () => {
          const vector = new Float32Array(64)
          vector.set(unitSample(rng, width))
          return vector
        })
        const axes = principalAxes(vectors, 8)
        for (const [i, a] of axes.entries()) {
          for (const [j, b] of axes.entries()) {
            const along = a.reduce((sum, value, k) => sum + value * (b[k] as number), 0)
            const isZero = a.every(value => value === 0)
            expect(Math.abs(along - (i === j && !isZero ? 1 : 0))).toBeLessThan(1e-12)
          }
        }
      }),
      {numRuns: 50},
    )
  })
})
