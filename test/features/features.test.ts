import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {BarFeatures, type BarInput, barSchema} from '../../src/features/bar-features.ts'
import {BookFeatures, type BookInput, bookSchema} from '../../src/features/book-features.ts'
import {FeatureWindow, fitScaler, scaleRow} from '../../src/features/features.ts'
import {usEquitySession, utcSession} from '../../src/features/session-clock.ts'

const MINUTE = 60_000_000
const OPEN = Date.UTC(2025, 5, 2, 13, 30) * 1000 // 9:30 in New York, summer time

/** Bars of five minutes over several days, a random walk. */
const walkBars = (count: number, seed: number): BarInput[] => {
  const rng = createRng(seed, 'bars')
  let price = 100
  return Array.from({length: count}, (_, i) => {
    const open = price
    price *= Math.exp(0.002 * rng.normal())
    const high = Math.max(open, price) * (1 + 0.001 * rng.uniform())
    const low = Math.min(open, price) * (1 - 0.001 * rng.uniform())
    const tsUs = OPEN + Math.floor(i / 78) * 1440 * MINUTE + ((i % 78) + 1) * 5 * MINUTE
    return {tsUs, open, high, low, close: price, volume: Math.floor(1e5 * rng.uniform())}
  })
}

const walkBooks = (count: number, seed: number): BookInput[] => {
  const rng = createRng(seed, 'books')
  let mid = 10_000
  return Array.from({length: count}, (_, i) => {
    mid += rng.below(3) - 1
    const sizes = () => Array.from({length: 5}, () => 1 + rng.below(50))
    return {
      tsUs: i * 1000 + (i > count / 2 ? 120_000_000 : 0),
      bidPrices: Array.from({length: 5}, (_, l) => (mid - 1 - l) / 100),
      askPrices: Array.from({length: 5}, (_, l) => (mid + 1 + l) / 100),
      bidSizes: sizes(),
      askSizes: sizes(),
      signedVolume: rng.below(7) - 3,
    }
  })
}

const rowsOf = <T>(
  items: readonly T[],
  width: number,
  push: (item: T, out: Float32Array, offset: number) => void,
): Float32Array => {
  const out = new Float32Array(items.length * width)
  for (const [i, item] of items.entries()) push(item, out, i * width)
  return out
}
const barRows = (bars: readonly BarInput[]): Float32Array => {
  const features = new BarFeatures(usEquitySession())
  return rowsOf(bars, barSchema.names.length, (bar, out, offset) => features.push(bar, out, offset))
}
const bookRows = (books: readonly BookInput[]): Float32Array => {
  const features = new BookFeatures()
  return rowsOf(books, bookSchema.names.length, (book, out, offset) => features.push(book, out, offset))
}

describe('no row knows what comes after it', () => {
  test.each([
    ['bar', barSchema, (count: number, seed: number) => walkBars(count, seed), (items: never[]) => barRows(items)],
    ['book', bookSchema, (count: number, seed: number) => walkBooks(count, seed), (items: never[]) => bookRows(items)],
  ] as const)('%s features of a truncated input are a bit-equal prefix', (_name, schema, make, rows) => {
    fc.assert(
      fc.property(fc.integer({min: 2, max: 200}), fc.integer({min: 1, max: 200}), fc.nat(), (count, cut, seed) => {
        const items = make(count, seed) as never[]
        const kept = Math.min(count, cut)
        expect(rows(items.slice(0, kept))).toEqual(rows(items).subarray(0, kept * schema.names.length))
      }),
      {numRuns: 40},
    )
  })
})

test('a day’s rows are a function of that day alone', () => {
  const bars = walkBars(3 * 78, 5)
  const width = barSchema.names.length
  expect(barRows(bars).subarray(78 * width, 156 * width)).toEqual(barRows(bars.slice(78, 156)))
})

test('a minute of silence restarts the book’s state', () => {
  const books = walkBooks(40, 5)
  const from = books.findIndex((book, i) => i > 0 && book.tsUs - (books[i - 1]?.tsUs ?? 0) > 60_000_000)
  const width = bookSchema.names.length
  expect(bookRows(books).subarray(from * width)).toEqual(bookRows(books.slice(from)))
})

test('the values of a small case, worked out by hand', () => {
  const features = new BarFeatures(usEquitySession())
  const row = new Float32Array(barSchema.names.length)
  const value = (name: string) => row[barSchema.names.indexOf(name)]
  expect(features.push({tsUs: OPEN + 5 * MINUTE, open: 100, high: 102, low: 99, close: 101, volume: 10}, row)).toBe(
    true,
  )
  expect(value('return')).toBeCloseTo(1e3 * Math.log(1.01), 4)
  expect(value('closeLocation')).toBeCloseTo(2 / 3 - 0.5, 6)
  expect(value('progress')).toBeCloseTo(5 / 390 - 0.5, 6)
  expect(features.push({tsUs: OPEN + 10 * MINUTE, open: 101, high: 103, low: 101, close: 102, volume: 30}, row)).toBe(
    false,
  )
  expect(value('return')).toBeCloseTo(1e3 * Math.log(102 / 101), 4)
  const vwap = ((302 / 3) * 10 + (306 / 3) * 30) / 40
  expect(value('distanceToVwap')).toBeCloseTo(Math.log(102 / vwap) / features.deviation, 4)
})

test('order-flow imbalance counts a lifted bid as new size and an unchanged one as the difference', () => {
  const features = new BookFeatures()
  const row = new Float32Array(bookSchema.names.length)
  const at = bookSchema.names.indexOf('flow1')
  const book = (bid: number, bidSize: number): BookInput => ({
    tsUs: 0,
    bidPrices: [bid],
    bidSizes: [bidSize],
    askPrices: [105],
    askSizes: [4],
    signedVolume: 0,
  })
  features.push(book(100, 4), row)
  features.push(book(100, 7), row)
  expect(Math.sign(row[at] as number)).toBe(1)
  features.push(book(99, 9), row)
  expect(Math.sign(row[at] as number)).toBe(-1)
})

describe('refuses what cannot be a market', () => {
  const row = new Float32Array(64)
  test.each([
    ['a price that is no number', {tsUs: 0, open: 1, high: 1, low: Number.NaN, close: 1, volume: 1}],
    ['a price of zero', {tsUs: 0, open: 1, high: 1, low: 0, close: 1, volume: 1}],
    ['a negative volume', {tsUs: 0, open: 1, high: 1, low: 1, close: 1, volume: -1}],
  ])('%s', (_name, bar) => {
    expect(() => new BarFeatures(utcSession()).push(bar, row)).toThrow(RangeError)
  })
  test('a crossed book', () => {
    const book = {tsUs: 0, bidPrices: [2], bidSizes: [1], askPrices: [1], askSizes: [1], signedVolume: 0}
    expect(() => new BookFeatures().push(book, row)).toThrow('0 < bid < ask')
  })
})

describe('New York sessions', () => {
  const clock = usEquitySession()
  test.each([
    ['winter', '2025-01-15T14:30:00Z', 0],
    ['summer', '2025-07-15T13:30:00Z', 0],
    ['the day before the change in March', '2025-03-07T21:00:00Z', 1],
    ['the day after it', '2025-03-10T20:00:00Z', 1],
    ['the day after the change in November', '2025-11-03T14:30:00Z', 0],
  ])('%s', (_name, at, progress) => {
    const tsUs = Date.parse(at) * 1000
    expect(clock.progress(tsUs)).toBeCloseTo(progress, 12)
    expect(clock.day(tsUs)).toBe(Math.floor(Date.parse(`${at.slice(0, 10)}T00:00:00Z`) / 86_400_000))
  })
})

test('a window keeps the last rows, oldest first, and is empty after a reset', () => {
  const window = new FeatureWindow(1, 3)
  for (const value of [1, 2, 3, 4]) window.push(Float32Array.of(value))
  const out = new Float32Array(3)
  window.copyTo(out)
  expect([...out]).toEqual([2, 3, 4])
  window.reset()
  expect(window.isFull).toBe(false)
})

test('a scaler standardises what it was fitted on and leaves a constant column at zero', () => {
  const rows = Float32Array.from([1, 7, 3, 7, 5, 7])
  const scaler = fitScaler(rows, 2)
  for (let row = 0; row < 3; row++) scaleRow(rows, scaler, 2 * row)
  expect([...rows].map(v => Number(v.toFixed(4)))).toEqual([-1.2247, 0, 0, 0, 1.2247, 0])
})
