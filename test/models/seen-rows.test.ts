import {expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {RowRuns} from '../../src/models/row-runs.ts'
import type {RowReader} from '../../src/models/row-store.ts'
import {NO_PRINT, rowPrint, seenShare, sketchRows} from '../../src/models/seen-rows.ts'

const rowsOf = (prints: readonly number[]): RowReader => ({
  ...{length: prints.length, width: 0, features: () => {}},
  field: row => prints[row] as number,
})
const all = (count: number): RowRuns => RowRuns.from(Array.from({length: count}, (_, i) => i))
const drawn = (count: number, seed: number): number[] => {
  const rng = createRng(seed)
  return Array.from({length: count}, (_, i) => rowPrint(i, rng.normal(), rng.normal(), rng.normal(), rng.normal(), 5))
}

test('prints are 48 bits, spread evenly, and change with every number', () => {
  const prints = drawn(20_000, 1)
  expect(new Set(prints).size).toBe(20_000)
  expect(prints.every(print => Number.isInteger(print) && print >= 0 && print < NO_PRINT)).toBe(true)
  const mean = prints.reduce((sum, print) => sum + print / NO_PRINT, 0) / prints.length
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.01)
  const base = [1, 2, 3, 4, 5, 6] as const
  for (let i = 0; i < 6; i++) {
    const [a, b, c, d, e, f] = base.map((value, at) => (at === i ? value + 1e-9 : value)) as unknown as typeof base
    expect(rowPrint(a, b, c, d, e, f)).not.toBe(rowPrint(...base))
  }
})

test('rows are known again in other data, by their share, and others are not', () => {
  const mine = drawn(50_000, 1)
  const sketch = sketchRows(rowsOf(mine), [all(50_000)])
  expect(sketch.length).toBe(32_768)
  const others = drawn(50_000, 2)
  expect(seenShare(sketch, rowsOf(others), all(50_000))).toBe(0)
  expect(seenShare(sketch, rowsOf(mine.slice(20_000, 21_000)), all(1000))).toBe(1)
  const half = seenShare(sketch, rowsOf([...others, ...mine].reverse()), all(100_000))
  expect(half).toBeGreaterThan(0.45)
  expect(half).toBeLessThan(0.55)
})

test('few rows are all held, and rows without a print are never known again', () => {
  const mine = [...drawn(100, 3), NO_PRINT]
  const sketch = sketchRows(rowsOf(mine), [all(50), RowRuns.from([100])])
  expect(seenShare(sketch, rowsOf(mine), all(101))).toBe(0.5)
  expect(seenShare(sketch, rowsOf([NO_PRINT]), all(1))).toBe(0)
  expect(seenShare('', rowsOf(mine), all(101))).toBe(0)
})
