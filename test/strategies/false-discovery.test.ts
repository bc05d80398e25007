import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {screenPairs} from '../../src/strategies/statistical-arbitrage/screen.ts'
import {benjaminiHochberg} from '../../src/strategies/statistics/mean-reversion.ts'

const options = {
  falseDiscoveryRate: 0.1,
  maxPairs: 10,
  minHalfLife: 1,
  maxHalfLife: 30,
  minBeta: 0.1,
  maxBeta: 10,
  confirmWithJohansen: false,
}

/** Log prices: independent random walks, and `tied` more that each follow one of them at a mean-reverting distance. */
const universe = (seed: number, walks: number, tied: number, rows = 250): Map<number, Float64Array> => {
  const rng = createRng(seed, 'universe')
  const windows = new Map<number, Float64Array>()
  for (let i = 0; i < walks; i++) {
    const path = new Float64Array(rows)
    for (let t = 1; t < rows; t++) path[t] = (path[t - 1] as number) + 0.01 * rng.normal()
    windows.set(i, path)
  }
  for (let i = 0; i < tied; i++) {
    const leader = windows.get(i) as Float64Array
    let spread = 0
    windows.set(
      walks + i,
      leader.map(v => {
        spread = 0.7 * spread + 0.005 * rng.normal()
        return v + spread
      }),
    )
  }
  return windows
}

describe('false discoveries', () => {
  test('of universes of independent walks, at most the stated share yields anything at all', () => {
    // Without a true pair every discovery is false, and the rate is the probability of any. Neighbouring pairs share a walk,
    // which Benjamini and Hochberg allow for in practice (positive dependence), so the bound is the rate and three errors.
    const runs = 100
    let any = 0
    for (let seed = 1; seed <= runs; seed++) if (screenPairs(universe(seed, 10, 0), options).discoveries > 0) any++
    expect(any / runs).toBeLessThanOrEqual(0.1 + 3 * Math.sqrt((0.1 * 0.9) / runs))
  })
  test('among true pairs and walks, the mean share of false ones stays near the rate, and the true ones are found', () => {
    let [share, runs, found] = [0, 0, 0]
    for (let seed = 1; seed <= 40; seed++) {
      const walks = 10
      const tied = 3
      // One pair for each instrument: a false one can only be made of what no true pair has taken.
      const {pairs} = screenPairs(universe(seed, walks, tied), options)
      const isTrue = pairs.filter(({x, y}) => Math.max(x, y) - walks === Math.min(x, y))
      found += isTrue.length / tied
      share += pairs.length === 0 ? 0 : 1 - isTrue.length / pairs.length
      runs++
    }
    expect(found / runs).toBeGreaterThan(0.9)
    expect(share / runs).toBeLessThan(0.1)
  })
  test('a higher rate never finds less, and the order of the tests does not matter', () =>
    fc.assert(
      fc.property(
        fc.array(fc.double({min: 0, max: 1, noNaN: true}), {minLength: 1, maxLength: 60}),
        fc.double({min: 0.01, max: 0.5, noNaN: true}),
        (p, rate) => {
          const strict = benjaminiHochberg(p, rate)
          const loose = benjaminiHochberg(p, Math.min(1, 2 * rate))
          for (const [i, isFound] of strict.entries()) if (isFound) expect(loose[i]).toBe(true)
          // Every discovery is at or below every non-discovery.
          const worst = Math.max(-1, ...p.filter((_, i) => strict[i]))
          for (const [i, value] of p.entries()) if (value < worst) expect(strict[i]).toBe(true)
          expect(benjaminiHochberg(p.toReversed(), rate)).toEqual(strict.toReversed())
        },
      ),
    ))
})
