import fc from 'fast-check'
import {afterAll, describe, expect, test} from 'vitest'
import {openRowSpill} from '../../src/core/row-spill.ts'
import {createRng} from '../../src/domain/rng.ts'
import {RowRuns, spread} from '../../src/models/row-runs.ts'
import {ROW_FIELDS, RowStore} from '../../src/models/row-store.ts'
import {permutation} from '../../src/models/shuffle.ts'

const WIDTH = 3
const ROWS = 70_000
const featureOf = (row: number, column: number): number => Math.fround(Math.sin(row * WIDTH + column))
const fieldOf = (row: number, field: number): number => row * 1000 + field

const filled = (store: RowStore): RowStore => {
  const features = new Float32Array(WIDTH)
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < WIDTH; column++) features[column] = featureOf(row, column)
    store.push(
      features,
      0,
      ROW_FIELDS.map((_, field) => fieldOf(row, field)),
    )
  }
  return store
}

describe('rows are read back to the bit', () => {
  const spill = openRowSpill()
  afterAll(() => spill[Symbol.dispose]())
  const stores = {
    'from memory': filled(new RowStore(WIDTH)),
    'from a file': filled(new RowStore(WIDTH, {budgetBytes: 2 ** 20, spill: () => spill})),
  }
  test.each(Object.entries(stores))('%s', (name, store) => {
    expect(store.isSpilled).toBe(name === 'from a file')
    expect(store.length).toBe(ROWS)
    const out = new Float32Array(40 * WIDTH + 1)
    fc.assert(
      fc.property(
        fc.nat(ROWS - 40),
        fc.integer({min: 1, max: 40}),
        fc.nat(ROW_FIELDS.length - 1),
        (first, count, f) => {
          out.fill(9)
          store.features(first, count, out, 1)
          expect(out[0]).toBe(9)
          for (let i = 0; i < count * WIDTH; i++) {
            expect(out[1 + i]).toBe(featureOf(first + Math.floor(i / WIDTH), i % WIDTH))
          }
          const name = ROW_FIELDS[f] as (typeof ROW_FIELDS)[number]
          expect(store.field(first + count - 1, name)).toBe(fieldOf(first + count - 1, f))
        },
      ),
      {numRuns: 300},
    )
  })
})

test('a store that cannot be written says where and what to do', () => {
  const full = {
    write: () => {
      throw new Error('stands for a full disk')
    },
    read: () => {},
  }
  expect(() => filled(new RowStore(WIDTH, {budgetBytes: 2 ** 20, spill: () => full}))).toThrow('full disk')
})

test('runs hold ascending rows as they are given, whatever the gaps', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(500), {minLength: 1}), rows => {
      rows.sort((a, b) => a - b)
      const runs = RowRuns.from(rows)
      expect([...runs]).toEqual(rows)
      expect(runs.length).toBe(rows.length)
      expect(rows.map((_, i) => runs.at(i))).toEqual(rows)
      expect(runs.at(rows.length)).toBeUndefined()
      expect(runs.runs).toBe(rows.filter((row, i) => i === 0 || row !== (rows[i - 1] as number) + 1).length)
      const chosen = spread(runs, 7)
      expect([...chosen].every(row => rows.includes(row))).toBe(true)
      expect(new Set(chosen).size).toBe(Math.min(7, rows.length))
    }),
  )
  expect(() => RowRuns.from([3, 2])).toThrow('ascend')
})

describe('a shuffle by computing', () => {
  test('visits every row once, for any length', () => {
    fc.assert(
      fc.property(fc.integer({min: 1, max: 3000}), fc.nat(), (length, seed) => {
        const at = permutation(length, createRng(seed))
        const seen = new Set(Array.from({length}, (_, n) => at(n)))
        expect(seen.size).toBe(length)
        expect(Math.max(...seen)).toBe(length - 1)
      }),
      {numRuns: 60},
    )
  })
  test('is a function of the seed, and another seed gives another order', () => {
    const order = (seed: number) => Array.from({length: 1000}, (_, n) => permutation(1000, createRng(seed))(n))
    expect(order(1)).toEqual(order(1))
    expect(order(1)).not.toEqual(order(2))
  })
  test('leaves no trace of the order it began with: neighbours end up anywhere', () => {
    const length = 10_000
    const at = permutation(length, createRng(3))
    let [product, distance] = [0, 0]
    for (let n = 0; n + 1 < length; n++) {
      product += (at(n) / length - 0.5) * (n / length - 0.5)
      distance += Math.abs(at(n + 1) - at(n))
    }
    // Twelve times the covariance of two uniforms is their correlation; a hundredth is three standard errors.
    expect(Math.abs((12 * product) / length)).toBeLessThan(0.03)
    // Two uniform draws are a third of the range apart.
    expect(distance / length / length).toBeCloseTo(1 / 3, 1)
  })
})
