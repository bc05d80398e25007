import fc from 'fast-check'
import {expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {Centroids} from '../../src/memory/centroids.ts'
import {NearestFirst} from '../../src/memory/nearest-first.ts'
import {unitSample} from '../support/patterns.ts'

test('names every cell once, by falling score to within a small part of their range', () => {
  fc.assert(
    fc.property(fc.array(fc.float({min: -1, max: 1, noNaN: true}), {minLength: 1, maxLength: 300}), list => {
      const scores = Float32Array.from(list)
      const nearest = new NearestFirst(scores.length)
      nearest.order(scores.map(score => -score))
      const order = [...nearest.order(scores)]
      expect(order.toSorted((a, b) => a - b)).toEqual([...scores.keys()])
      const range = Math.max(...scores) - Math.min(...scores)
      for (let i = 1; i < order.length; i++) {
        const rise = (scores[order[i] as number] as number) - (scores[order[i - 1] as number] as number)
        expect(rise).toBeLessThanOrEqual(range / 4_000 + 1e-6)
      }
    }),
  )
})

test('8-bit estimates of the similarity with centroids are near the true ones, whatever was asked before', () => {
  const rng = createRng(5)
  const rows = new Float32Array(3_000 * 256)
  for (let i = 0; i < 3_000; i++) rows.set(unitSample(rng), i * 256)
  const centroids = new Centroids(256, rows)
  for (const query of [unitSample(rng), unitSample(rng)]) {
    const estimates = centroids.estimates(query).slice()
    for (const [i, score] of centroids.scores(query).entries()) {
      expect(Math.abs((estimates[i] as number) - score)).toBeLessThan(0.003)
    }
  }
})
