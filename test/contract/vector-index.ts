import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import type {Place, VectorIndex, VectorIndexDriver, VectorIndexFactory} from '../../src/memory/vector-index.ts'
import {nearSample, unitSample} from '../support/patterns.ts'

export interface VectorIndexTraits {
  /** Share of the true ten nearest that must be found among clustered vectors; 1 for an exact index. */
  readonly recall: number
  /** Of a similarity against the float64 dot product: quantised indexes are coarser. */
  readonly tolerance?: number
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)

const naive = (vectors: ReadonlyMap<number, Float32Array>, query: Float32Array, k: number): number[] =>
  [...vectors]
    .map(([key, vector]) => ({key, similarity: dot(vector, query)}))
    .sort((a, b) => b.similarity - a.similarity || a.key - b.key)
    .slice(0, k)
    .map(({key}) => key)

/** Twenty clusters, as embeddings have: what approximate indexes are made for. */
const clustered = (count: number, seed: number): Map<number, Float32Array> => {
  const rng = createRng(seed, 'clusters')
  const centres = Array.from({length: 20}, () => unitSample(rng))
  return new Map(
    Array.from({length: count}, (_, key) => [key, nearSample(rng, centres[key % 20] as Float32Array, 0.8)]),
  )
}

const filled = (open: VectorIndexFactory, vectors: ReadonlyMap<number, Float32Array>): VectorIndex => {
  const index = open(256)
  for (const [key, vector] of vectors) index.add(key, vector)
  return index
}

/** Makes a few thousand vectors large enough for an approximate index to use its library and its cells. */
export const smallHierarchy = {
  trainAt: 300,
  budget: 3_000,
  candidates: 200,
  scanAtMost: 50,
  sourceShare: 0.5,
  guard: 100,
}

/** Every vector index runs these. */
export const describesVectorIndex = (
  {open, restore}: VectorIndexDriver,
  {recall, tolerance = 1e-5}: VectorIndexTraits,
): void => {
  describe('as a vector index', () => {
    test('finds nothing while empty', () => {
      using index = open(256)
      expect(index.size).toBe(0)
      expect(index.search(unitSample(createRng(1)), 5)).toEqual([])
    })

    test('finds a stored vector first, with similarity 1', () => {
      const vectors = clustered(300, 2)
      using index = filled(open, vectors)
      expect(index.size).toBe(300)
      for (const key of [0, 17, 299]) {
        const [best] = index.search(vectors.get(key) as Float32Array, 3)
        expect(best?.key).toBe(key)
        expect(Math.abs((best?.similarity ?? 0) - 1)).toBeLessThan(Math.max(tolerance, 1e-5))
      }
    })

    test('keeps its own copy', () => {
      using index = open(256)
      const vector = unitSample(createRng(3))
      const asked = Float32Array.from(vector)
      index.add(4, vector)
      vector.fill(0)
      expect(index.search(asked, 1)[0]?.similarity).toBeCloseTo(1, 3)
    })

    test('orders by falling similarity and reports it truly', () => {
      const vectors = clustered(500, 4)
      using index = filled(open, vectors)
      const query = nearSample(createRng(5), vectors.get(7) as Float32Array, 0.5)
      const found = index.search(query, 20)
      expect(found).toHaveLength(20)
      for (const [i, {key, similarity}] of found.entries()) {
        expect(Math.abs(similarity - dot(vectors.get(key) as Float32Array, query))).toBeLessThan(tolerance)
        if (i > 0) expect(similarity).toBeLessThanOrEqual(found[i - 1]?.similarity as number)
      }
      expect(new Set(found.map(({key}) => key)).size).toBe(20)
    })

    test(`finds at least ${recall * 100} % of the true ten nearest`, () => {
      const vectors = clustered(3_000, 6)
      using index = filled(open, vectors)
      const rng = createRng(7)
      let hits = 0
      for (let i = 0; i < 40; i++) {
        const query = nearSample(rng, vectors.get(rng.below(3_000)) as Float32Array, 0.5)
        const truth = new Set(naive(vectors, query, 10))
        hits += index.search(query, 10).filter(({key}) => truth.has(key)).length
      }
      expect(hits / 400).toBeGreaterThanOrEqual(recall)
    })

    test('applies the filter inside the search: distant accepted vectors are found behind many refused ones', () => {
      const vectors = clustered(1_000, 8)
      using index = filled(open, vectors)
      const accepted = new Set([3, 404, 777])
      const found = index.search(vectors.get(0) as Float32Array, 5, key => accepted.has(key))
      expect(new Set(found.map(({key}) => key))).toEqual(accepted)
      expect(index.search(vectors.get(0) as Float32Array, 5, () => false)).toEqual([])
    })

    describe('limited to a scope', () => {
      const everything = {fromUs: Number.NEGATIVE_INFINITY, beforeUs: Number.POSITIVE_INFINITY}
      /** Partition p has about a tenth as many vectors as p - 1; times fall and rise again within each. */
      const placeOf = (key: number): Place => ({
        partition: key % 1_000 === 0 ? 3 : key % 100 === 0 ? 2 : key % 10 === 0 ? 1 : 0,
        tsUs: (key * 7_919) % 4_001,
      })
      const placed = (vectors: ReadonlyMap<number, Float32Array>): VectorIndex => {
        const index = open(256)
        for (const [key, vector] of vectors) index.add(key, vector, placeOf(key))
        return index
      }
      const only = (...wanted: number[]): Uint8Array =>
        Uint8Array.from({length: 4}, (_, p) => Number(wanted.includes(p)))

      const vectors = clustered(4_000, 21)
      let shared: VectorIndex
      beforeAll(() => {
        shared = placed(vectors)
      })
      afterAll(() => shared[Symbol.dispose]())

      test.each([
        ['all', everything],
        ['nine tenths', {...everything, partitions: only(0)}],
        ['a half, by age', {...everything, fromUs: 2_000}],
        ['a tenth', {...everything, partitions: only(1, 2, 3)}],
        ['a tenth, by age', {fromUs: 1_000, beforeUs: 1_400}],
        ['a hundredth', {...everything, partitions: only(2, 3)}],
        ['a thousandth', {...everything, partitions: only(3)}],
        ['partition and age', {fromUs: 3_000, beforeUs: 3_500, partitions: only(0, 2)}],
      ] as const)('%s: recall is what it is without', (_, scope) => {
        const members = new Map(
          [...vectors].filter(([key]) => {
            const {partition, tsUs} = placeOf(key)
            const isWanted = !('partitions' in scope) || scope.partitions[partition] === 1
            return isWanted && tsUs >= scope.fromUs && tsUs < scope.beforeUs
          }),
        )
        const rng = createRng(22)
        let [hits, possible] = [0, 0]
        for (let i = 0; i < 15; i++) {
          const query = nearSample(rng, vectors.get(rng.below(4_000)) as Float32Array, 0.5)
          const truth = new Set(naive(members, query, 10))
          const found = shared.search(query, 10, undefined, scope)
          expect(found.length).toBe(truth.size)
          expect(found.every(({key}) => members.has(key))).toBe(true)
          hits += found.filter(({key}) => truth.has(key)).length
          possible += truth.size
        }
        expect(hits / possible).toBeGreaterThanOrEqual(recall)
      })

      test('a filter besides is applied within the scope', () => {
        const scope = {...everything, partitions: only(1)}
        const found = shared.search(vectors.get(30) as Float32Array, 50, key => key % 20 === 10, scope)
        expect(found).toHaveLength(50)
        expect(found.every(({key}) => placeOf(key).partition === 1 && key % 20 === 10)).toBe(true)
      })

      test('follows keys that are removed, come again elsewhere, or are placed anew after a restore', () => {
        const few = clustered(900, 24)
        using index = placed(few)
        const query = few.get(100) as Float32Array
        const inTwo = {...everything, partitions: only(2)}
        expect(index.search(query, 1, undefined, inTwo)[0]?.key).toBe(100)
        index.remove(100)
        expect(index.search(query, 9, undefined, inTwo).some(({key}) => key === 100)).toBe(false)
        index.add(100, query, {partition: 0, tsUs: 5})
        expect(index.search(query, 9, undefined, inTwo).some(({key}) => key === 100)).toBe(false)
        using restored = restore(256, Uint8Array.from(index.snapshot()))
        for (const key of few.keys()) if (key % 2 === 0) restored.place(key, {partition: 1, tsUs: key})
        const inOne = restored.search(query, 500, undefined, {...everything, partitions: only(1)})
        expect(inOne.length).toBe(450)
        expect(inOne.every(({key}) => key % 2 === 0)).toBe(true)
        const late = restored.search(query, 500, undefined, {fromUs: 850, beforeUs: 900, partitions: only(1)})
        expect(late.length).toBe(25)
      })

      test('an empty scope holds nothing', () => {
        const query = unitSample(createRng(1))
        expect(shared.search(query, 5, undefined, {...everything, partitions: new Uint8Array(4)})).toEqual([])
        expect(shared.search(query, 5, undefined, {...everything, partitions: new Uint8Array(0)})).toEqual([])
        expect(shared.search(query, 5, undefined, {fromUs: 10, beforeUs: 10})).toEqual([])
      })
    })

    test('forgets removed keys and takes them again', () => {
      const vectors = clustered(200, 9)
      using index = filled(open, vectors)
      for (let key = 0; key < 200; key += 2) expect(index.remove(key)).toBe(true)
      expect(index.remove(0)).toBe(false)
      expect(index.size).toBe(100)
      const found = index.search(vectors.get(4) as Float32Array, 100)
      expect(found.length).toBeGreaterThanOrEqual(recall * 100)
      expect(found.every(({key}) => key % 2 === 1)).toBe(true)
      index.add(4, vectors.get(4) as Float32Array)
      expect(index.search(vectors.get(4) as Float32Array, 1)[0]?.key).toBe(4)
      expect(index.size).toBe(101)
    })

    test('adding a key again replaces its vector', () => {
      const [a, b] = [unitSample(createRng(10)), unitSample(createRng(11))]
      using index = open(256)
      index.add(1, a)
      index.add(1, b)
      expect(index.size).toBe(1)
      expect(index.search(b, 2)).toEqual([{key: 1, similarity: expect.closeTo(1, 3)}])
    })

    test('comes back from its snapshot, and can be changed again', () => {
      const vectors = clustered(900, 13)
      using index = filled(open, vectors)
      for (let key = 0; key < 900; key += 3) index.remove(key)
      const query = vectors.get(7) as Float32Array
      using restored = restore(256, Uint8Array.from(index.snapshot()))
      expect(restored.size).toBe(600)
      expect(restored.search(query, 10)).toEqual(index.search(query, 10))
      restored.remove(7)
      restored.add(3_000, query)
      expect(restored.search(query, 1)[0]?.key).toBe(3_000)
    })

    test('refuses a snapshot that was cut', () => {
      using index = filled(open, clustered(400, 14))
      const bytes = index.snapshot()
      expect(() => restore(256, bytes.subarray(0, 1_001))).toThrow()
    })

    test('says how many bytes it holds', () => {
      using index = filled(open, clustered(1_000, 12))
      expect(index.bytes).toBeGreaterThan(1_000 * 256)
    })
  })
}
