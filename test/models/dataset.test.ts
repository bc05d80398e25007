import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {barDataset} from '../../src/models/bar-dataset.ts'
import {allocateBatch, fillBatch, Label, persistentLabel, windowEnds} from '../../src/models/dataset.ts'
import {type BarColumns, costAwareDirection, tripleBarrier} from '../../src/models/labels.ts'
import type {RowRuns} from '../../src/models/row-runs.ts'
import type {RowField} from '../../src/models/row-store.ts'
import {splitInTime, walkForward} from '../../src/models/splits.ts'
import {featuresOf, leaningBars, sourceOf, toyDataset} from './support.ts'

const columns = (
  rows: readonly (readonly [open: number, high: number, low: number, close: number])[],
  session?: number[],
): BarColumns => ({
  open: Float64Array.from(rows, row => row[0]),
  high: Float64Array.from(rows, row => row[1]),
  low: Float64Array.from(rows, row => row[2]),
  close: Float64Array.from(rows, row => row[3]),
  session: Int32Array.from(session ?? rows.map(() => 0)),
  deviation: new Float64Array(rows.length).fill(0.01),
})
const quiet = [100, 100, 100, 100] as const

describe('triple barriers', () => {
  const options = {horizon: 2, barrier: 1, costBps: 0}
  const distance = 100 * Math.exp(0.01 * Math.SQRT2)
  test.each([
    ['the upper one first', [quiet, [100, distance + 0.1, 100, 101], quiet], Label.up, 0.5],
    ['the lower one first', [quiet, quiet, [100, 100, 98, 98]], Label.down, 1],
    ['none in time', [quiet, quiet, quiet], Label.flat, 1],
    ['both in one bar: which came first is not known', [quiet, [100, 103, 97, 100], quiet], Label.flat, 0.5],
  ] as const)('%s', (_name, rows, label, holding) => {
    const found = tripleBarrier(columns(rows), options)
    expect([found.labels[0], found.holding[0]]).toEqual([label, holding])
  })
  test('a win smaller than its cost is no win', () => {
    const rows = [quiet, [100, distance + 0.1, 100, 101], quiet] as const
    expect(tripleBarrier(columns(rows), {...options, costBps: 200}).labels[0]).toBe(Label.flat)
  })
  test('the entry is the next open, not this close', () => {
    const rows = [[100, 100, 100, 100], [110, 110, 110, 110], quiet] as const
    expect(tripleBarrier(columns(rows), {horizon: 1, barrier: 1, costBps: 0}).labels[0]).toBe(Label.flat)
  })
  test('a horizon that leaves its session has no label', () => {
    expect([
      ...tripleBarrier(columns([quiet, quiet, quiet, quiet], [0, 0, 1, 1]), {...options, horizon: 1}).labels,
    ]).toEqual([Label.flat, Label.unknown, Label.flat, Label.unknown])
  })
})

test('a book label counts a move only beyond its threshold in spreads', () => {
  const labels = costAwareDirection(
    {mid: Float64Array.of(100, 100.5, 102, 101), spread: Float64Array.of(1, 1, 1, 1), session: new Int32Array(4)},
    {horizon: 1, spreads: 0.5},
  ).labels
  expect([...labels]).toEqual([Label.flat, Label.up, Label.down, Label.unknown])
})

describe('windows', () => {
  test('none crosses a day or a symbol, and none has a label that does', async () => {
    const dataset = await toyDataset(4)
    const window = 10
    for (const end of windowEnds(dataset, window)) {
      for (const row of [end - window + 1, dataset.rows.field(end, 'labelEnd')]) {
        for (const name of ['session', 'block', 'symbol'] as const)
          expect(dataset.rows.field(row, name)).toBe(dataset.rows.field(end, name))
      }
    }
  })
  test('a missing bar parts the day', async () => {
    const bars = leaningBars('AAA', 1, 1)
    const keep = (column: Float64Array) => Float64Array.from([...column].filter((_, i) => i !== 40))
    const gapped = {
      symbol: 'AAA',
      tsUs: keep(bars.tsUs),
      open: keep(bars.open),
      high: keep(bars.high),
      low: keep(bars.low),
      close: keep(bars.close),
      volume: keep(bars.volume),
    }
    const dataset = await barDataset(sourceOf([gapped]), {horizon: 2, barrier: 1, costBps: 0})
    expect([...windowEnds(dataset, 10)].filter(end => end >= 40 && end < 49)).toEqual([])
  })
  test('a batch holds whole windows, and pads the rest with weight 0', async () => {
    const dataset = await toyDataset(2)
    const ends = windowEnds(dataset, 5)
    const batch = allocateBatch(4, 5, 16)
    expect(fillBatch(dataset, ends, ends.length - 2, 5, batch)).toBe(2)
    expect([...batch.weight]).toEqual([1, 1, 0, 0])
    const last = ends.at(ends.length - 1) as number
    expect(batch.x.slice(80, 160)).toEqual(featuresOf(dataset).slice((last - 4) * 16, (last + 1) * 16))
    expect(batch.x.slice(160).every(value => value === 0)).toBe(true)
  })
})

test('the persistent label was known when the window ended', async () => {
  const dataset = await toyDataset(3)
  const {rows} = dataset
  for (const row of windowEnds(dataset, 5)) {
    const before = persistentLabel(dataset, row)
    // Changing every label whose outcome lies after the row must not change the baseline's answer.
    const later = {
      ...dataset,
      rows: {
        length: rows.length,
        width: rows.width,
        features: () => {},
        field: (at: number, name: RowField) =>
          name === 'label' && rows.field(at, 'labelEnd') > row ? (rows.field(at, name) + 1) % 3 : rows.field(at, name),
      },
    }
    expect(persistentLabel(later, row)).toBe(before)
  }
})

describe('splits in time', () => {
  test('whatever the shares, no window or label reaches over a boundary', async () => {
    const dataset = await toyDataset(12)
    const window = 6
    const ends = windowEnds(dataset, window)
    fc.assert(
      fc.property(
        fc.double({min: 0.2, max: 0.6, noNaN: true}),
        fc.double({min: 0.1, max: 0.3, noNaN: true}),
        (trainShare, validShare) => {
          const split = splitInTime(dataset, ends, {window, trainShare, validShare, embargoUs: 3_600_000_000})
          const latest = (rows: RowRuns) =>
            Math.max(...[...rows].map(row => dataset.rows.field(dataset.rows.field(row, 'labelEnd'), 'tsUs')))
          const earliest = (rows: RowRuns) =>
            Math.min(...[...rows].map(row => dataset.rows.field(row - window + 1, 'tsUs')))
          expect(latest(split.train)).toBeLessThan(earliest(split.valid))
          expect(latest(split.valid)).toBeLessThan(earliest(split.test))
          expect(split.train.length + split.valid.length + split.test.length + split.purged).toBe(ends.length)
        },
      ),
      {numRuns: 20},
    )
  })
  test('histories that do not overlap are split each for itself', async () => {
    const shifted = leaningBars('BBB', 10, 2)
    const later = {...shifted, tsUs: shifted.tsUs.map((ts: number) => ts + 400 * 86_400_000_000)}
    const dataset = await barDataset(sourceOf([leaningBars('AAA', 10, 1), later]), {
      horizon: 4,
      barrier: 0.6,
      costBps: 1,
    })
    const {boundaries, train} = splitInTime(dataset, windowEnds(dataset, 6), {window: 6})
    expect(boundaries.map(({symbols}) => symbols)).toEqual([['AAA'], ['BBB']])
    expect(new Set([...train].map(row => dataset.rows.field(row, 'symbol')))).toEqual(new Set([0, 1]))
  })
  test('walk-forward test stretches follow one another and never overlap', async () => {
    const dataset = await toyDataset(20)
    const folds = walkForward(dataset, windowEnds(dataset, 6), 3, {window: 6})
    const ranges = folds.map(({test}) => [...test].map(row => dataset.rows.field(row, 'tsUs')))
    for (const [i, range] of ranges.entries()) {
      expect(range.length).toBeGreaterThan(0)
      if (i > 0) expect(Math.min(...range)).toBeGreaterThan(Math.max(...(ranges[i - 1] as number[])))
    }
  })
})
