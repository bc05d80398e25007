import fc from 'fast-check'
import {expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {createExactIndex, exactIndexDriver} from '../../src/memory/exact-index.ts'
import {describesVectorIndex} from '../contract/vector-index.ts'
import {nearSample, unitSample} from '../support/patterns.ts'

describesVectorIndex(exactIndexDriver, {recall: 1})

test.each([1, 3, 16, 17, 255])('takes any dimension, such as %d', dimension => {
  using index = createExactIndex(dimension)
  const rng = createRng(1)
  const vectors = Array.from({length: 30}, () => unitSample(rng, dimension))
  for (const [key, vector] of vectors.entries()) index.add(key, vector)
  const [best] = index.search(vectors[9] as Float32Array, 1)
  expect(best?.similarity).toBeCloseTo(1, 5)
})

test('refuses a vector of another dimension', () => {
  using index = createExactIndex(8)
  expect(() => index.add(0, new Float32Array(7))).toThrow('must have 8 numbers, had 7')
  expect(() => index.search(new Float32Array(9), 1)).toThrow('must have 8 numbers, had 9')
})

test('agrees with a plain list after any additions, replacements and removals', () => {
  const rng = createRng(5)
  const vectors = Array.from({length: 12}, () => unitSample(rng, 16))
  const step = fc.record({key: fc.nat({max: 40}), vector: fc.option(fc.nat({max: 11}), {nil: undefined})})
  const refused = fc.nat({max: 4})
  fc.assert(
    fc.property(fc.array(step, {maxLength: 120}), fc.nat({max: 11}), refused, (steps, queried, modulus) => {
      using index = createExactIndex(16)
      const model = new Map<number, Float32Array>()
      for (const {key, vector} of steps) {
        if (vector === undefined) {
          expect(index.remove(key)).toBe(model.delete(key))
        } else {
          index.add(key, vectors[vector] as Float32Array)
          model.set(key, vectors[vector] as Float32Array)
        }
      }
      const query = vectors[queried] as Float32Array
      const accept = (key: number): boolean => modulus === 0 || key % modulus !== 0
      const expected = [...model]
        .filter(([key]) => accept(key))
        .map(([key, vector]) => ({key, similarity: vector.reduce((sum, x, i) => sum + x * (query[i] as number), 0)}))
      const found = index.search(query, 7, accept)
      expect(found).toHaveLength(Math.min(7, expected.length))
      // Equal vectors tie exactly in the kernel; the float64 reference ties within rounding, so compare similarities.
      const best = expected.map(({similarity}) => similarity).sort((a, b) => b - a)
      for (const [i, {key, similarity}] of found.entries()) {
        expect(similarity).toBeCloseTo(best[i] as number, 5)
        expect(accept(key) && model.has(key)).toBe(true)
        const before = found[i - 1]
        if (before?.similarity === similarity) expect(before.key).toBeLessThan(key)
      }
      expect(index.size).toBe(model.size)
    }),
  )
})

test('tells vectors apart that their 8-bit codes cannot', () => {
  const rng = createRng(8)
  const centre = unitSample(rng)
  // Similarities of about 0.9988 ± 0.0001: far closer together than the codes are true.
  const vectors = Array.from({length: 3_000}, () => nearSample(rng, centre, 0.05))
  using index = createExactIndex(256)
  for (const [key, vector] of vectors.entries()) index.add(key, vector)
  for (let i = 0; i < 20; i++) {
    const query = nearSample(rng, centre, 0.05)
    const expected = vectors
      .map(vector => vector.reduce((sum, value, j) => sum + value * (query[j] as number), 0))
      .sort((a, b) => b - a)
    for (const [place, {similarity}] of index.search(query, 10).entries()) {
      expect(Math.abs(similarity - (expected[place] as number))).toBeLessThan(5e-7)
    }
  }
})

test('a row scores the same bits wherever it lies', () => {
  const rng = createRng(6)
  const vectors = Array.from({length: 23}, () => unitSample(rng))
  const query = unitSample(rng)
  const scores = (order: readonly number[]): Map<number, number> => {
    using index = createExactIndex(256)
    for (const key of order) index.add(key, vectors[key] as Float32Array)
    return new Map(index.search(query, 23).map(({key, similarity}) => [key, similarity]))
  }
  const forward = vectors.map((_, i) => i)
  expect(scores(forward.toReversed())).toEqual(scores(forward))
})

test('a query that leaves its last columns empty finds the same bits as when all columns are read', () => {
  const used = fc.array(fc.integer({min: 0, max: 256}), {minLength: 1, maxLength: 40})
  fc.assert(
    fc.property(used, fc.integer({min: 1, max: 256}), fc.nat(), (widths, queryWidth, seed) => {
      const rng = createRng(seed)
      const vectors = widths.map(width => unitSample(rng).fill(0, width))
      const query = unitSample(rng).fill(0, queryWidth)
      // Too little to change a sum of its size, and enough for every column to be read.
      const full = query.slice()
      if (queryWidth < 256) full[255] = 1e-30
      using index = createExactIndex(256)
      for (const [key, vector] of vectors.entries()) index.add(key, vector)
      const found = index.search(query, 40)
      const sums = (vector: Float32Array): number =>
        vector.reduce((sum, value, i) => sum + value * (query[i] as number), 0)
      for (const {key, similarity} of found) expect(similarity).toBeCloseTo(sums(vectors[key] as Float32Array), 5)
      const isNoise = found.some(({similarity}) => Math.abs(similarity) < 1e-20)
      if (!isNoise) expect(index.search(full, 40)).toEqual(found)
    }),
  )
})
