import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../../src/domain/rng.ts'
import {Cusum, cusumRunLength, cusumThreshold} from '../../../src/strategies/statistics/cusum.ts'

/** Two-sided run lengths of k = 0.5 (Montgomery, "Introduction to Statistical Quality Control", table 9.3 of the 6th edition). */
const TABLE = [
  {threshold: 4, shift: 0, rows: 168},
  {threshold: 5, shift: 0, rows: 465},
  {threshold: 4, shift: 1, rows: 8.38},
  {threshold: 5, shift: 1, rows: 10.4},
] as const

describe('CUSUM', () => {
  test.each(TABLE)(
    'with threshold $threshold a shift of $shift is told after $rows on average',
    ({threshold, shift, rows}) => {
      const rng = createRng(11)
      const runs = shift === 0 ? 1500 : 4000
      let total = 0
      for (let run = 0; run < runs; run++) {
        const cusum = new Cusum(0.5, threshold)
        do total++
        while (!cusum.next(shift + rng.normal()))
      }
      // Run lengths are nearly exponential: three standard errors of their mean.
      expect(Math.abs(total / runs - rows)).toBeLessThan((3 * rows) / Math.sqrt(runs) + 0.05)
    },
  )
  test('Siegmund’s run length is within two per cent of the table’s', () => {
    for (const {threshold, shift, rows} of TABLE)
      if (shift === 0) expect(Math.abs(cusumRunLength(0.5, threshold) / rows - 1)).toBeLessThan(0.02)
  })
  test('the threshold gives the run length asked for', () => {
    fc.assert(
      fc.property(
        fc.double({min: 0.05, max: 2, noNaN: true}),
        fc.double({min: 50, max: 1e6, noNaN: true}),
        (k, rows) => {
          expect(cusumRunLength(k, cusumThreshold(k, rows)) / rows).toBeCloseTo(1, 6)
        },
      ),
    )
  })
  test('starts again when told', () => {
    const cusum = new Cusum(0.5, 4)
    cusum.next(3)
    expect(cusum.up).toBe(2.5)
    cusum.reset()
    expect([cusum.up, cusum.down]).toEqual([0, 0])
  })
})
