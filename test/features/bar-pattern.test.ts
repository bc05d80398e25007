import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import type {BarInput} from '../../src/features/bar-features.ts'
import {BAR_PATTERN_LENGTH, BarPattern} from '../../src/features/bar-pattern.ts'
import {usEquitySession} from '../../src/features/session-clock.ts'

const OPEN_US = Date.UTC(2024, 0, 2, 14, 30) * 1000
const barsOf = (count: number, seed: number, {scale = 1, volume = 1} = {}): BarInput[] => {
  const rng = createRng(seed, 'bars')
  let price = 100 * scale
  return Array.from({length: count}, (_, k) => {
    const open = price
    price *= Math.exp(1e-3 * rng.normal())
    const day = Math.floor(k / 78)
    return {
      tsUs: OPEN_US + day * 86_400e6 + ((k % 78) + 1) * 300e6,
      open,
      high: Math.max(open, price) * (1 + 3e-4 * rng.uniform()),
      low: Math.min(open, price) * (1 - 3e-4 * rng.uniform()),
      close: price,
      volume: volume * Math.round(1000 * Math.exp(0.3 * rng.normal())),
    }
  })
}
const vectorOf = (bars: readonly BarInput[]): Float32Array | undefined => {
  const pattern = new BarPattern(usEquitySession())
  for (const bar of bars) pattern.push(bar)
  return pattern.vector()
}

describe('a pattern of bars', () => {
  test('waits for 64 bars after the first', () => {
    expect(vectorOf(barsOf(64, 1))).toBeUndefined()
    expect(vectorOf(barsOf(65, 1))).toHaveLength(BAR_PATTERN_LENGTH)
  })
  test('is finite, within [-1, 1], and varies in what it shows', () => {
    const rows = Array.from({length: 40}, (_, k) => vectorOf(barsOf(120 + 3 * k, k + 1)) as Float32Array)
    let varying = 0
    for (let f = 0; f < BAR_PATTERN_LENGTH; f++) {
      const values = rows.map(row => row[f] as number)
      for (const value of values) expect(Math.abs(value)).toBeLessThanOrEqual(1)
      if (new Set(values).size > 5) varying++
    }
    // 128 of single bars, 42 of scales and 2 of the time of day.
    expect(varying).toBeGreaterThanOrEqual(165)
  })
  test('a constant price is a vector too, without NaN', () => {
    const flat = barsOf(100, 1).map(bar => ({...bar, open: 5, high: 5, low: 5, close: 5, volume: 0}))
    expect(vectorOf(flat)?.every(Number.isFinite)).toBe(true)
  })
  test('knows no price scale', () => {
    const [a, b] = [vectorOf(barsOf(150, 7)) as Float32Array, vectorOf(barsOf(150, 7, {scale: 30})) as Float32Array]
    for (let f = 0; f < BAR_PATTERN_LENGTH; f++) expect(a[f]).toBeCloseTo(b[f] as number, 4)
  })
  test('shows the return over the last bars, up as up', () => {
    const bars = barsOf(150, 3)
    const last = bars.at(-1) as BarInput
    const jump = (factor: number) => {
      const close = last.close * factor
      const moved = {...last, close, high: Math.max(last.high, close), low: Math.min(last.low, close)}
      return vectorOf([...bars.slice(0, -1), moved]) as Float32Array
    }
    const [up, down] = [jump(1.01), jump(0.99)]
    // Scales begin after eight rows of sixteen: the return over one bar is the first of them.
    expect(up[128]).toBeGreaterThan(0.5)
    expect(down[128]).toBeLessThan(-0.5)
  })
  test('what comes later changes nothing', () =>
    fc.assert(
      fc.property(fc.integer({min: 65, max: 200}), fc.integer({min: 1, max: 50}), (cut, seed) => {
        const bars = barsOf(220, seed)
        const pattern = new BarPattern(usEquitySession())
        let seen: Float32Array | undefined
        for (const [k, bar] of bars.entries()) {
          pattern.push(bar)
          if (k === cut - 1) seen = pattern.vector()
        }
        expect(seen).toEqual(vectorOf(bars.slice(0, cut)))
      }),
      {numRuns: 30},
    ))
})
