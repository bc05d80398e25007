import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {createRng} from '../../src/domain/rng.ts'
import {BarFeatures, type BarInput, barSchema} from '../../src/features/bar-features.ts'
import type {BookInput} from '../../src/features/book-features.ts'
import {MULTI_COLUMNS, MultiFeatures, multiSchema, type OptionsInput} from '../../src/features/multi-features.ts'
import type {Neighbour, PatternSource} from '../../src/features/pattern-features.ts'
import {usEquitySession} from '../../src/features/session-clock.ts'

const MINUTE = 60_000_000
const OPEN = Date.UTC(2025, 5, 2, 13, 30) * 1000
const WIDTH = multiSchema.names.length

type Event =
  | {readonly kind: 'bar'; readonly bar: BarInput}
  | {readonly kind: 'book'; readonly book: BookInput}
  | {readonly kind: 'chain'; readonly chain: OptionsInput}

const chainAt = (tsUs: number, level = 0.2): OptionsInput => ({
  tsUs,
  volatility30: level,
  termSlope: 0.01,
  riskReversal30: -0.04,
  butterfly30: 0.005,
  putCallVolume: 1.4,
  putCallPremium: Number.NaN,
  halfSpreadVolatility: 0.004,
  sentiment: -0.4,
})

/** A stream in which quotes, chains and bars come and go. */
const walk = (count: number, seed: number): Event[] => {
  const rng = createRng(seed)
  const events: Event[] = []
  let price = 100
  for (let i = 0; i < count; i++) {
    const endUs = OPEN + Math.floor(i / 78) * 1440 * MINUTE + ((i % 78) + 1) * 5 * MINUTE
    for (let quote = rng.below(4); quote > 0; quote--) {
      events.push({
        kind: 'book',
        book: {
          tsUs: endUs - quote * 1_000_000,
          bidPrices: [price - 0.01],
          askPrices: [price + 0.01 * rng.below(3)],
          bidSizes: [1 + rng.below(9)],
          askSizes: [rng.below(9)],
          signedVolume: rng.below(5) - 2,
        },
      })
    }
    if (rng.below(10) === 0) events.push({kind: 'chain', chain: chainAt(endUs - MINUTE, 0.1 + 0.3 * rng.uniform())})
    const open = price
    price *= Math.exp(0.002 * rng.normal())
    events.push({
      kind: 'bar',
      bar: {
        tsUs: endUs,
        open,
        close: price,
        high: Math.max(open, price) * 1.0005,
        low: Math.min(open, price) * 0.9995,
        volume: rng.below(1000),
      },
    })
  }
  return events
}

/** Exact and in memory; refuses to be asked about the future. */
const patternList = (): PatternSource => {
  const known: {vector: Float32Array; tsUs: number; settledUs: number; outcome: number}[] = []
  return {
    nearest: (vector, count, asOfUs) =>
      known
        .filter(({settledUs}) => settledUs <= asOfUs)
        .map(
          ({vector: other, tsUs, outcome}): Neighbour => ({
            tsUs,
            outcome,
            similarity: other.reduce((sum, value, i) => sum + value * (vector[i] as number), 0),
          }),
        )
        .sort((a, b) => b.similarity - a.similarity)
        .slice(0, count),
    learn: (vector, tsUs) => {
      known.push({vector: Float32Array.from(vector), tsUs, settledUs: Number.POSITIVE_INFINITY, outcome: Number.NaN})
      return String(known.length - 1)
    },
    settle: (id, outcome, atUs) => {
      const entry = known[Number(id)]
      if (entry !== undefined) Object.assign(entry, {settledUs: atUs, outcome})
    },
  }
}

const rowsOf = (events: readonly Event[], patterns?: PatternSource): Float32Array => {
  const features = new MultiFeatures({
    session: usEquitySession(),
    horizon: 3,
    ...(patterns === undefined ? {} : {patterns}),
  })
  const bars = events.filter(event => event.kind === 'bar').length
  const out = new Float32Array(bars * WIDTH)
  let row = 0
  for (const event of events) {
    if (event.kind === 'book') features.onBook(event.book)
    else if (event.kind === 'chain') features.onOptions(event.chain)
    else features.push(event.bar, out, row++ * WIDTH)
  }
  return out
}
const flag = (rows: Float32Array, row: number, which: 0 | 1 | 2): number =>
  rows[row * WIDTH + MULTI_COLUMNS.flags + which] as number

test('no row knows what comes after it: a truncated stream gives a bit-equal prefix, retrieved patterns included', () => {
  fc.assert(
    fc.property(
      fc.integer({min: 60, max: 160}),
      fc.double({min: 0.1, max: 1, noNaN: true}),
      fc.nat(),
      (n, share, seed) => {
        const events = walk(n, seed)
        const cut = Math.floor(events.length * share)
        const whole = rowsOf(events, patternList())
        const part = rowsOf(events.slice(0, cut), patternList())
        expect(part).toEqual(whole.subarray(0, part.length))
      },
    ),
    {numRuns: 20},
  )
})

test('bars alone fill the technical columns as the bar features do, and flag everything else as absent', () => {
  const bars = walk(100, 3).filter(event => event.kind === 'bar')
  const rows = rowsOf(bars)
  const features = new BarFeatures(usEquitySession())
  const expected = new Float32Array(barSchema.names.length)
  for (const [i, {bar}] of bars.entries()) {
    features.push(bar, expected)
    expect(rows.slice(i * WIDTH, i * WIDTH + expected.length)).toEqual(expected)
    expect(rows.slice(i * WIDTH + expected.length, (i + 1) * WIDTH).every(value => value === 0)).toBe(true)
  }
})

describe('what is there is flagged', () => {
  const bar = (i: number): Event => ({
    kind: 'bar',
    bar: {tsUs: OPEN + i * 5 * MINUTE, open: 100, high: 101, low: 99, close: 100, volume: 1},
  })
  const book = (tsUs: number, ask = 100.1): Event => ({
    kind: 'book',
    book: {tsUs, bidPrices: [100], askPrices: [ask], bidSizes: [5], askSizes: [5], signedVolume: 0},
  })
  test('a book, while it is fresh', () => {
    const rows = rowsOf([book(OPEN + 5 * MINUTE - 1), bar(1), bar(2), book(OPEN + 13 * MINUTE), bar(3)])
    expect([0, 1, 2].map(row => flag(rows, row, 0))).toEqual([1, 0, 0])
  })
  test('not a crossed book', () => {
    expect(flag(rowsOf([book(OPEN + 5 * MINUTE - 1, 99), bar(1)]), 0, 0)).toBe(0)
  })
  test('a chain for two days, and not before it was read', () => {
    const late: Event = {kind: 'chain', chain: chainAt(OPEN + 8 * MINUTE)}
    const rows = rowsOf([bar(1), late, bar(2), bar(1 + 2 * 288 + 1)])
    expect([0, 1, 2].map(row => flag(rows, row, 1))).toEqual([0, 1, 0])
  })
  test.each([
    ['no 30-day volatility', {volatility30: Number.NaN}],
    ['no skew', {riskReversal30: Number.NaN}],
  ])('not a chain with %s', (_name, changes) => {
    const chain = {...chainAt(OPEN + MINUTE), ...changes}
    expect(flag(rowsOf([{kind: 'chain', chain}, bar(1)]), 0, 1)).toBe(0)
  })
  test('patterns, once four have an outcome', () => {
    const rows = rowsOf(
      walk(70, 1).filter(event => event.kind === 'bar'),
      patternList(),
    )
    const found = Array.from({length: 70}, (_, row) => flag(rows, row, 2))
    // Windows are full from bar 16 on, one in four is remembered, and each waits 3 bars for its outcome.
    expect(found.indexOf(1)).toBe(30)
    expect(found.slice(30).every(value => value === 1)).toBe(true)
  })
})

test('every number is finite, whatever the market does', () => {
  fc.assert(
    fc.property(fc.nat(), seed => {
      expect(rowsOf(walk(100, seed), patternList()).every(Number.isFinite)).toBe(true)
    }),
    {numRuns: 20},
  )
})
