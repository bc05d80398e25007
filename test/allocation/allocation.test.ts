import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {
  type AllocationOptions,
  inverseVolatility,
  riskParity,
  staticAllocation,
  type WeightAllocator,
} from '../../src/allocation/allocation.ts'
import {attribute} from '../../src/allocation/attribution.ts'
import {netTargets} from '../../src/allocation/netting.ts'
import {riskBudgetWeights} from '../../src/allocation/risk-parity.ts'
import {createRng} from '../../src/domain/rng.ts'

const options: AllocationOptions = {base: [0.5, 0.3, 0.2], capitalMicros: 1e12, maxTurnover: 2}

/** Profits whose returns on capital have these volatilities, whatever the weights are. */
const feed = (allocator: WeightAllocator, volatilities: readonly number[], minutes = 3000, seed = 1) => {
  const rng = createRng(seed)
  const profit = new Float64Array(volatilities.length)
  for (let k = 0; k < minutes; k++) {
    allocator.observe(k * 60e6, profit)
    const w = allocator.weights()
    for (const [i, v] of volatilities.entries()) profit[i]! += (w[i] as number) * 1e12 * v * rng.normal()
  }
  return profit
}
const sum = (w: ArrayLike<number>) => Array.from(w).reduce((a, b) => a + b, 0)

describe('weights', () => {
  test('static ones never move and sum to one', () => {
    const allocator = staticAllocation(options)
    feed(allocator, [1e-4, 2e-4, 4e-4])
    expect(Array.from(allocator.weights())).toEqual([0.5, 0.3, 0.2])
  })
  test('weights that do not fit are refused', () => {
    expect(() => staticAllocation({...options, base: [0.7, 0.4]})).toThrow(RangeError)
    expect(() => staticAllocation({...options, base: [-0.1, 1]})).toThrow(RangeError)
  })
  test('inverse volatility goes to budget over volatility', () => {
    const allocator = inverseVolatility(options)
    feed(allocator, [1e-4, 2e-4, 4e-4])
    const raw = [0.5 / 1, 0.3 / 2, 0.2 / 4]
    for (const [i, r] of raw.entries()) expect(allocator.weights()[i]).toBeCloseTo(r / sum(raw), 1)
    expect(sum(allocator.weights())).toBeCloseTo(1, 12)
  })
  test('a strategy that does nothing keeps its base weight instead of taking everything', () => {
    for (const make of [inverseVolatility, riskParity]) {
      const allocator = make(options)
      feed(allocator, [1e-4, 0, 4e-4])
      expect(allocator.weights()[1]).toBeCloseTo(0.3, 12)
      expect(sum(allocator.weights())).toBeCloseTo(1, 12)
    }
  })
  test('a rebalancing moves at most its turnover', () => {
    const allocator = riskParity({...options, maxTurnover: 0.05})
    feed(allocator, [1e-5, 2e-4, 9e-4])
    const history = allocator.history()
    expect(history.length).toBeGreaterThan(2)
    for (let k = 1; k < history.length; k++) {
      const [a, b] = [history[k - 1]?.weights ?? [], history[k]?.weights ?? []]
      expect(Array.from(b).reduce((t, w, i) => t + Math.abs(w - (a[i] as number)), 0)).toBeLessThanOrEqual(0.05 + 1e-12)
    }
  })
})

describe('riskBudgetWeights', () => {
  test('two assets: weights are inverse to volatility whatever the correlation', () => {
    const w = riskBudgetWeights(
      [
        [0.04, 0.03],
        [0.03, 0.09],
      ],
      [1, 1],
    )
    expect(w[0]).toBeCloseTo(0.6, 8)
  })
  test('contributions are in proportion to budgets, for any covariance', () => {
    const factor = fc.array(fc.double({min: -1, max: 1, noNaN: true}), {minLength: 4, maxLength: 4})
    fc.assert(
      fc.property(fc.array(factor, {minLength: 4, maxLength: 4}), rows => {
        const cov = rows.map((a, i) =>
          rows.map((b, j) => a.reduce((s, v, k) => s + v * (b[k] as number), i === j ? 0.1 : 0)),
        )
        const budgets = [1, 2, 3, 4]
        const w = riskBudgetWeights(cov, budgets)
        const shrunk = (i: number, j: number) => (i === j ? 1 : 0.9) * (cov[i]?.[j] as number)
        const parts = budgets.map(
          (_, i) => (w[i] as number) * budgets.reduce((s, _b, j) => s + shrunk(i, j) * (w[j] as number), 0),
        )
        for (const [i, b] of budgets.entries()) expect((parts[i] as number) / sum(parts)).toBeCloseTo(b / 10, 6)
      }),
      {numRuns: 50},
    )
  })
})

describe('attribution and netting', () => {
  test('profits add up, and the allocator’s part is what differs from the base weight', () => {
    const allocator = inverseVolatility(options)
    const profit = feed(allocator, [1e-4, 2e-4, 4e-4])
    const rows = attribute(['a', 'b', 'c'], options.base, allocator.history(), {
      tsUs: 3000 * 60e6,
      profitMicros: profit,
    })
    expect(sum(rows.map(r => r.profitMicros))).toBeCloseTo(sum(profit), 3)
    for (const r of rows) expect(r.atBaseMicros + r.allocationMicros).toBeCloseTo(r.profitMicros, -1)
    expect(rows[2]?.meanWeight).toBeLessThan(0.2)
    const unmoved = staticAllocation(options)
    const p = feed(unmoved, [1e-4, 2e-4, 4e-4])
    for (const r of attribute(['a', 'b', 'c'], options.base, unmoved.history(), {tsUs: 1, profitMicros: p}))
      expect(Math.abs(r.allocationMicros)).toBeLessThanOrEqual(1)
  })
  test('opposite wishes cross inside', () => {
    expect(
      netTargets([
        {strategy: 0, instrument: 1, lots: 100},
        {strategy: 1, instrument: 1, lots: -30},
        {strategy: 1, instrument: 0, lots: -5},
      ]),
    ).toEqual([
      {instrument: 0, lots: -5, crossedLots: 0},
      {instrument: 1, lots: 70, crossedLots: 30},
    ])
  })
})
