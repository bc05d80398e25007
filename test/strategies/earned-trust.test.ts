import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {EarnedTrust, sequenceRadius} from '../../src/strategies/pattern-recognition/earned-trust.ts'

const HORIZON = 120e6
const fed = (outcomes: readonly number[], least = 20): EarnedTrust => {
  const trust = new EarnedTrust(least)
  for (const [k, bps] of outcomes.entries()) trust.onOutcome(bps, k * 2 * HORIZON, HORIZON)
  // A block counts when the next has begun.
  trust.onOutcome(0, outcomes.length * 2 * HORIZON, HORIZON)
  return trust
}

describe('trust that forecasts earn', () => {
  test('the radius of the sequence agrees with its formula', () => {
    // n = 50, alpha = 0.05, rho² = (2·2.9957 + ln(2·2.9957) + 1) / 50 = 0.175636, by hand.
    const rho2 = (2 * 2.995732273553991 + Math.log(2 * 2.995732273553991) + 1) / 50
    expect(rho2).toBeCloseTo(0.175636, 5)
    expect(sequenceRadius(50)).toBeCloseTo(
      Math.sqrt(((2 * (50 * rho2 + 1)) / (2500 * rho2)) * Math.log(1 + 10 * Math.sqrt(50 * rho2 + 1))),
      12,
    )
    // Wider than one look at a fixed size (1.645 / √50 = 0.233): the price of looking at every size.
    expect(sequenceRadius(50)).toBeGreaterThan(0.3)
    expect(sequenceRadius(5000)).toBeLessThan(0.06)
  })
  test('outcomes of one stretch of time are one outcome, their mean', () => {
    const trust = new EarnedTrust(2)
    for (const bps of [10, 20, 60]) trust.onOutcome(bps, 1e6, HORIZON)
    trust.onOutcome(6, 2 * HORIZON, HORIZON)
    expect(trust).toMatchObject({blocks: 1, mean: 30})
  })
  test('is earned by what pays steadily and not by one lucky day', () => {
    const noise = (k: number) => (k % 2 === 0 ? 6 : -6)
    expect(fed(Array.from({length: 60}, (_, k) => 5 + noise(k))).isEarned).toBe(true)
    expect(fed(Array.from({length: 19}, () => 5)).isEarned).toBe(false)
    expect(fed(Array.from({length: 60}, (_, k) => (k === 30 ? 600 : noise(k)))).isEarned).toBe(false)
    expect(fed([], 0).isEarned).toBe(true)
  })
  test('worthless forecasts, looked at after every outcome, are ever trusted at most one time in twenty', () => {
    let fooled = 0
    const runs = 400
    for (let seed = 1; seed <= runs; seed++) {
      const rng = createRng(seed, 'null')
      const trust = new EarnedTrust(20)
      for (let k = 0; k < 500; k++) {
        // Fat tails: one outcome in ten is four times as wild.
        trust.onOutcome((rng.uniform() < 0.1 ? 40 : 10) * rng.normal(), k * 2 * HORIZON, HORIZON)
        if (trust.isEarned) {
          fooled++
          break
        }
      }
    }
    // 5 % and two standard errors of 400 runs.
    expect(fooled / runs).toBeLessThanOrEqual(0.05 + 2 * Math.sqrt((0.05 * 0.95) / runs))
  })
})
