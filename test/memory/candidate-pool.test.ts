import fc from 'fast-check'
import {expect, test} from 'vitest'
import {CandidatePool} from '../../src/memory/candidate-pool.ts'

test('never lets go of one of the wanted, however many come', () => {
  fc.assert(
    fc.property(
      fc.integer({min: 1, max: 20}),
      fc.uniqueArray(fc.integer({min: -1_000, max: 1_000}), {maxLength: 300}),
      (wanted, estimates) => {
        const pool = new CandidatePool(wanted)
        for (const [key, estimate] of estimates.entries()) if (estimate >= pool.threshold) pool.push(key, estimate)
        pool.shrink()
        const kept = new Set(pool.keys.subarray(0, pool.length))
        const best = [...estimates.keys()].sort((a, b) => (estimates[b] as number) - (estimates[a] as number))
        for (const key of best.slice(0, wanted)) expect(kept).toContain(key)
        expect(pool.length).toBeLessThanOrEqual(Math.max(wanted, 4 * wanted))
      },
    ),
  )
})

test('equal estimates do not fill it for ever', () => {
  const pool = new CandidatePool(5)
  for (let key = 0; key < 1_000; key++) if (pool.threshold <= 1) pool.push(key, 1)
  pool.shrink()
  expect(pool.length).toBeLessThanOrEqual(10)
  expect(pool.length).toBeGreaterThanOrEqual(5)
})
