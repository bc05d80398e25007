import {describe, expect, test} from 'vitest'
import {createRng} from '../../../src/domain/rng.ts'
import {type FaissKind, loadFaissDriver} from '../../../src/drivers/faiss/faiss-index.ts'
import {exactIndexDriver} from '../../../src/memory/exact-index.ts'
import {describesVectorIndex, smallHierarchy} from '../../contract/vector-index.ts'
import {nearSample, unitSample} from '../../support/patterns.ts'

const kinds: readonly FaissKind[] = ['flat', 'ivf', 'hnsw', 'ivf-hnsw']
const drivers = await Promise.all(
  kinds.map(async kind => ({kind, driver: await loadFaissDriver(kind, smallHierarchy)})),
)

describe.each(drivers)('FAISS $kind', ({kind, driver}) => {
  // Skipped tests are collected too, so they need something to be described with.
  const loaded = driver ?? exactIndexDriver

  describe.skipIf(driver === undefined)('(needs npm run build:faiss, or faiss-node with its binary)', () => {
    describesVectorIndex(loaded, {recall: kind === 'flat' ? 1 : 0.9})

    test('goes on answering after most of its rows were removed and new ones came', () => {
      const rng = createRng(3)
      const centres = Array.from({length: 10}, () => unitSample(rng))
      const sample = (key: number): Float32Array => nearSample(rng, centres[key % 10] as Float32Array, 0.6)
      using index = loaded.open(256)
      for (let key = 0; key < 2_000; key++) index.add(key, sample(key))
      expect(index.search(sample(1), 10)).toHaveLength(10)
      for (let key = 0; key < 1_900; key++) index.remove(key)
      const late = sample(2_500)
      index.add(2_500, late)
      expect(index.search(late, 5)[0]?.key).toBe(2_500)
      expect(index.search(late, 5).every(({key}) => key >= 1_900)).toBe(true)
      expect(index.size).toBe(101)
    })
  })
})
