import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {evidenceOf, type Match, studentQuantile95} from '../../src/memory/evidence.ts'
import {defaultMemoryOptions} from '../../src/memory/memory.ts'

const options = {...defaultMemoryOptions, minSimilarity: 0.5}
const aMatch = (given: {similarity?: number; pnlBps?: number; tsUs?: number; symbol?: string} = {}): Match => {
  const {similarity = 0.9, pnlBps = 10, tsUs = 0, symbol = 'SPY'} = given
  const outcome = {count: 1, mean: pnlBps, variance: 0, decayedPnlBps: pnlBps, worst: pnlBps, lastAtUs: tsUs + 10}
  const context = {strategy: 's', regime: 'calm', confidence: 0.5, tier: 'hot'} as const
  return {id: `${symbol}${tsUs}`, similarity, symbol, tsUs, outcome, ...context}
}

describe('evidenceOf', () => {
  test('abstains when there is nothing, or nothing near', () => {
    expect(evidenceOf([], options)).toMatchObject({n: 0, abstain: true, reason: 'empty'})
    expect(evidenceOf([aMatch({similarity: 0.49})], options)).toMatchObject({n: 0, abstain: true, reason: 'too-far'})
  })

  test('neighbours below the threshold do not count', () => {
    const near = [aMatch({tsUs: 0}), aMatch({tsUs: 100}), aMatch({tsUs: 200})]
    const evidence = evidenceOf([...near, aMatch({similarity: 0.4, pnlBps: -1e6, tsUs: 300})], options)
    expect(evidence).toMatchObject({n: 3, mean: 10, abstain: false, reason: 'ok'})
  })

  test('independent equal neighbours count in full', () => {
    const apart = Array.from({length: 6}, (_, i) => aMatch({tsUs: i * 100}))
    expect(evidenceOf(apart, options).effectiveN).toBeCloseTo(6, 9)
  })

  test('ten looks at one move are one neighbour', () => {
    const together = Array.from({length: 10}, (_, i) => aMatch({tsUs: i}))
    expect(evidenceOf(together, options)).toMatchObject({n: 10, abstain: true, reason: 'too-few'})
    expect(evidenceOf(together, options).effectiveN).toBeCloseTo(1, 9)
    const other = evidenceOf([...together, aMatch({tsUs: 500, pnlBps: -10})], options)
    expect(other.effectiveN).toBeCloseTo(2, 9)
    expect(other.mean).toBeCloseTo(0, 9)
  })

  test('the same moment on another symbol is another neighbour', () => {
    const pair = [aMatch({symbol: 'SPY'}), aMatch({symbol: 'QQQ'})]
    expect(evidenceOf(pair, options).effectiveN).toBeCloseTo(2, 9)
  })

  test('the nearer neighbour weighs more', () => {
    const matches = [aMatch({similarity: 0.99, pnlBps: 100}), aMatch({similarity: 0.55, pnlBps: -100, tsUs: 500})]
    expect(evidenceOf(matches, options).mean).toBeGreaterThan(50)
  })

  test('the interval holds the mean, and more neighbours that agree never widen it', () => {
    fc.assert(
      fc.property(fc.integer({min: 1, max: 40}), fc.integer({min: -500, max: 500}), (count, pnlBps) => {
        const apart = Array.from({length: count + 1}, (_, i) => aMatch({tsUs: i * 100, pnlBps}))
        const [fewer, more] = [evidenceOf(apart.slice(1), options), evidenceOf(apart, options)]
        expect(fewer.low).toBeLessThanOrEqual(fewer.mean)
        expect(fewer.high).toBeGreaterThanOrEqual(fewer.mean)
        expect(more.high - more.low).toBeLessThanOrEqual(fewer.high - fewer.low + 1e-9)
      }),
    )
  })
})

// Student's t, upper 5 % points: Abramowitz and Stegun, table 26.10.
test.each([
  [3, 2.353],
  [5, 2.015],
  [10, 1.812],
  [30, 1.697],
  [120, 1.658],
])('the 95 %% point of t with %d degrees is %d', (degrees, expected) => {
  expect(Math.abs(studentQuantile95(degrees) - expected)).toBeLessThan(0.012)
})
