import {describe, expect, test} from 'vitest'
import {createRng} from '../../../src/domain/rng.ts'
import {loadUsearchDriver} from '../../../src/drivers/usearch/usearch-index.ts'
import {exactIndexDriver} from '../../../src/memory/exact-index.ts'
import {describesVectorIndex, smallHierarchy} from '../../contract/vector-index.ts'
import {unitSample} from '../../support/patterns.ts'

const driver = await loadUsearchDriver(smallHierarchy)
// Skipped tests are collected too, so they need something to be described with.
const loaded = driver ?? exactIndexDriver

describe.skipIf(driver === undefined)('usearch (needs the optional package usearch)', () => {
  describesVectorIndex(loaded, {recall: 0.95})

  test('announces itself', () => {
    using index = loaded.open(256)
    index.add(1, unitSample(createRng(1)))
    expect(index.kind).toBe('usearch')
  })
})
