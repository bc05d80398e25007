import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
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
    const together = Array.from({length: 10}, () => aMatch())
    expect(evidenceOf(together, options)).toMatchObject({n: 10, abstain: true, reason: 'too-few'})
    expect(evidenceOf(together, options).effectiveN).toBeCloseTo(1, 9)
    const other = evidenceOf([...together, aMatch({tsUs: 500, pnlBps: -10})], options)
    expect(other.effectiveN).toBeCloseTo(2, 9)
    expect(other.mean).toBeCloseTo(0, 9)
  })

  test('looks that share half of their time are worth four thirds', () => {
    // Variance of the mean of two with correlation 1/2: 3/4 of one's.
    expect(evidenceOf([aMatch({tsUs: 0}), aMatch({tsUs: 5})], options).effectiveN).toBeCloseTo(4 / 3, 9)
    expect(evidenceOf([aMatch({tsUs: 0}), aMatch({tsUs: 10})], options).effectiveN).toBeCloseTo(2, 9)
  })

  test('the same moment on another symbol is another neighbour, less what symbols have in common', () => {
    const pair = [aMatch({symbol: 'SPY'}), aMatch({symbol: 'QQQ'})]
    expect(evidenceOf(pair, options).effectiveN).toBeCloseTo(2, 9)
    expect(evidenceOf(pair, {...options, crossSymbol: 0.5}).effectiveN).toBeCloseTo(4 / 3, 9)
  })

  describe('coverage, of outcomes that are sums of independent moves over times that overlap', () => {
    const [STEPS, HOLD, TRUE_MEAN, RUNS] = [60, 10, 3, 1_500] as const
    const informed = {...options, priorSdBps: 10 * Math.sqrt(HOLD)}
    /** Two symbols with a common part in each move; neighbours begin at random steps and are held ten. */
    const simulated = (
      crossSymbol: number,
      toEvidence = (matches: Match[]) => evidenceOf(matches, {...informed, crossSymbol}),
    ) => {
      const rng = createRng(7, String(crossSymbol))
      const counts = {mean: 0, outcome: 0}
      for (let run = 0; run < RUNS; run++) {
        const common = Array.from({length: STEPS}, () => rng.normal())
        const moves = ['SPY', 'QQQ'].map(symbol => {
          const own = common.map(value => Math.sqrt(crossSymbol) * value + Math.sqrt(1 - crossSymbol) * rng.normal())
          return {symbol, own}
        })
        const matches = Array.from({length: 12}, () => {
          const {symbol, own} = moves[rng.below(2)] as (typeof moves)[number]
          const start = rng.below(STEPS - HOLD)
          const pnlBps = TRUE_MEAN + 10 * own.slice(start, start + HOLD).reduce((sum, value) => sum + value, 0)
          return aMatch({symbol, pnlBps, tsUs: start, similarity: 0.7 + 0.3 * rng.uniform()})
        })
        const {low, high, outcomeLow, outcomeHigh} = toEvidence(matches)
        const next = TRUE_MEAN + 10 * Math.sqrt(HOLD) * rng.normal()
        counts.mean += Number(low <= TRUE_MEAN && TRUE_MEAN <= high)
        counts.outcome += Number(outcomeLow <= next && next <= outcomeHigh)
      }
      return {mean: counts.mean / RUNS, outcome: counts.outcome / RUNS}
    }

    test.each([0, 0.4])('is 90 %% where symbols share %s of their moves', crossSymbol => {
      const {mean, outcome} = simulated(crossSymbol)
      // Two standard errors of the simulation are 1.5 points.
      expect(mean).toBeGreaterThan(0.88)
      expect(mean).toBeLessThan(0.95)
      expect(outcome).toBeGreaterThan(0.88)
      expect(outcome).toBeLessThan(0.95)
    })

    test('would be far less if each neighbour were taken for independent', () => {
      const apart = (matches: Match[]) =>
        matches.map((match, i) => {
          const tsUs = i * 1_000
          return {...match, tsUs, outcome: {...match.outcome, lastAtUs: tsUs + HOLD}}
        })
      expect(simulated(0.4, matches => evidenceOf(apart(matches), informed)).mean).toBeLessThan(0.8)
    })
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
