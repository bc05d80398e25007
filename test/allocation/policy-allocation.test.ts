import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {WeightRecord} from '../../src/allocation/allocation.ts'
import {attribute} from '../../src/allocation/attribution.ts'
import {policyAllocation, type WeightPolicy} from '../../src/allocation/policy-allocation.ts'
import {createRng} from '../../src/domain/rng.ts'
import {StrategyFeatures, writeHoldings} from '../../src/features/strategy-features.ts'

const MINUTE = 60_000_000
const PERIOD = 5 * MINUTE
const CAPITAL = 1e11
const limits = {minWeight: 0.02, maxTurnover: 0.4}
const favour = (slot: number): WeightPolicy => ({
  strategies: 5,
  limits,
  act: () => Float64Array.from({length: 6}, (_, s) => (s === slot ? 20 : 0)),
})
const options = {base: [0.2, 0.2], slots: [1, 3], capitalMicros: CAPITAL, periodUs: PERIOD}

/** A sample a minute; each strategy earns at its own pace on what it has. */
const play = (
  allocator: ReturnType<typeof policyAllocation>,
  minutes: number,
  {seed = 1, volatilities = [1e-4, 2e-4]}: {readonly seed?: number; readonly volatilities?: readonly number[]} = {},
): Float64Array => {
  const rng = createRng(seed)
  const profit = new Float64Array(volatilities.length)
  for (let k = 0; k < minutes; k++) {
    allocator.observe(k * MINUTE, profit)
    for (const [i, volatility] of volatilities.entries())
      profit[i] = Math.round(
        (profit[i] as number) + (allocator.weights()[i] as number) * CAPITAL * volatility * rng.normal(),
      )
  }
  return profit
}
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0)

describe('weights set by a policy', () => {
  test('hold until enough periods are over, then step towards what it wants, within the sum of the base', () => {
    const allocator = policyAllocation({...options, leastSamples: 3}, favour(3))
    play(allocator, 15)
    expect(Array.from(allocator.weights())).toEqual([0.2, 0.2])
    play(allocator, 0)
    allocator.observe(15 * MINUTE, Float64Array.of(0, 0))
    const [first, second] = allocator.weights() as Float64Array
    // From halves to (0.02, 0.98) is 0.96 apart, 0.4 of which one step may go; times the base's 0.4.
    expect(second).toBeCloseTo(0.4 * (0.5 + 0.2), 6)
    expect(first).toBeCloseTo(0.4 * (0.5 - 0.2), 6)
    play(allocator, 0)
  })

  test('end at the least share of the others; cash takes what is wanted of it', () => {
    const allocator = policyAllocation(options, favour(1))
    play(allocator, 300)
    expect(allocator.weights()[0]).toBeCloseTo(0.4 * 0.98, 5)
    expect(allocator.weights()[1]).toBeCloseTo(0.4 * 0.02, 5)
    const cautious = policyAllocation(options, favour(5))
    play(cautious, 300)
    expect(sum(cautious.weights())).toBeCloseTo(0.4 * 0.04, 5)
  })

  test('a strategy that has not traded keeps its share, whatever the policy wants of it; the others share what it leaves', () => {
    const idle = {volatilities: [1e-4, 0]}
    // The second one never trades: neither is capital parked in it nor is it starved.
    for (const [wanted, first] of [
      [3, 0.5 * 0.51],
      [1, 0.5],
      [5, 0.5 * 0.02],
    ] as const) {
      const allocator = policyAllocation(options, favour(wanted))
      play(allocator, 300, idle)
      expect(allocator.weights()[1]).toBeCloseTo(0.4 * 0.5, 6)
      expect(allocator.weights()[0]).toBeCloseTo(0.4 * first, 5)
    }
    // Once it trades, the policy has it its way.
    const trading = policyAllocation(options, favour(3))
    play(trading, 300)
    expect(trading.weights()[1]).toBeCloseTo(0.4 * 0.98, 5)
  })

  test('see what training saw: the same features from profits as from returns', () => {
    const seen: Float32Array[] = []
    const watching: WeightPolicy = {
      strategies: 5,
      limits,
      act: observation => {
        seen.push(observation.slice())
        return new Float64Array(6).fill(Number.NaN)
      },
    }
    const allocator = policyAllocation({...options, leastSamples: 1}, watching)
    const features = new StrategyFeatures([false, true, false, true, false])
    const rng = createRng(4)
    const profit = new Float64Array(2)
    let [wealth, peak] = [CAPITAL, CAPITAL]
    // One sample a period: what happened since the one before it belongs to its period, which is over at the next.
    let [moves, over] = [
      [0, 0],
      [0, 0],
    ]
    for (let period = 0; period < 40; period++) {
      allocator.observe((period + 0.5) * PERIOD, profit)
      if (period > 0) {
        features.push([0, over[0] as number, 0, over[1] as number, 0])
        const expected = new Float32Array(features.width)
        features.write(expected)
        writeHoldings(expected, [0, 0.5, 0, 0.5, 0], 1 - wealth / peak)
        expect(seen.length).toBe(period)
        for (const [i, value] of expected.entries()) expect(seen[period - 1]?.[i]).toBeCloseTo(value, 4)
      }
      over = moves
      moves = [0.01 * rng.normal(), 0.02 * rng.normal()]
      const before = wealth
      for (const [k, move] of moves.entries()) profit[k] = (profit[k] as number) + 0.2 * before * move
      wealth = CAPITAL + sum(profit)
      peak = Math.max(peak, wealth)
    }
  })

  test('scores that are no numbers keep the weights', () => {
    const mad: WeightPolicy = {strategies: 5, limits, act: () => [0, Number.NaN, 0, 0, 0, 0]}
    const allocator = policyAllocation(options, mad)
    play(allocator, 300)
    expect(Array.from(allocator.weights())).toEqual([0.2, 0.2])
    expect(allocator.history().length).toBe(1)
  })

  test('never look ahead: what is told later changes no weight before', () => {
    const trend: WeightPolicy = {
      strategies: 5,
      limits,
      act: seen => [0, 3 * (seen[13] ?? 0), 0, 3 * (seen[33] ?? 0), 0, 0],
    }
    fc.assert(
      fc.property(fc.integer({min: 20, max: 190}), cut => {
        const run = (until: number, shock: number): WeightRecord[] => {
          const told: WeightRecord[] = []
          const allocator = policyAllocation({...options, onWeights: record => void told.push(record)}, trend)
          const rng = createRng(2)
          const profit = new Float64Array(2)
          for (let k = 0; k < until; k++) {
            allocator.observe(k * MINUTE, profit)
            for (let i = 0; i < 2; i++) profit[i] = (profit[i] as number) + 1e6 * rng.normal() + (k >= cut ? shock : 0)
          }
          return told.filter(({tsUs}) => tsUs <= cut * MINUTE)
        }
        expect(run(200, 5e8)).toEqual(run(cut + 1, 0))
      }),
      {numRuns: 30},
    )
  })

  test('every change is told with the profits at which it began, and attribution makes up the profit to the micro', () => {
    fc.assert(
      fc.property(fc.integer({min: 1, max: 1e6}), seed => {
        const told: WeightRecord[] = []
        const wild: WeightPolicy = {
          strategies: 5,
          limits,
          act: seen => [0, 2 * (seen[11] ?? 0), 0, 2 * (seen[31] ?? 0), 0, 0],
        }
        const allocator = policyAllocation({...options, onWeights: record => void told.push(record)}, wild)
        const profit = play(allocator, 400, {seed})
        expect(told).toEqual(allocator.history())
        expect(told.length).toBeGreaterThan(5)
        const rows = attribute(['b', 'd'], options.base, told, {tsUs: 400 * MINUTE, profitMicros: profit})
        expect(sum(rows.map(({profitMicros}) => profitMicros))).toBe(sum(profit))
        for (const row of rows) expect(row.atBaseMicros + row.allocationMicros).toBe(row.profitMicros)
      }),
      {numRuns: 20},
    )
  })

  test('go on from where a restart found them', () => {
    const whole = policyAllocation(options, favour(3))
    play(whole, 300)
    const again = policyAllocation({...options, start: Array.from(whole.weights())}, favour(3))
    expect(Array.from(again.weights())).toEqual(Array.from(whole.weights()))
    play(again, 300)
    expect(again.weights()[1]).toBeCloseTo(whole.weights()[1] as number, 12)
  })

  test('the same profits give the same weights', () => {
    const run = () => {
      const allocator = policyAllocation(options, favour(3))
      play(allocator, 200)
      return allocator.history()
    }
    expect(run()).toEqual(run())
  })
})
