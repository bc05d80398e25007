import {expect, test} from 'vitest'
import {LiveBars} from '../../src/core/live-bars.ts'
import {LiveSignals} from '../../src/core/live-signals.ts'
import {EventKind, emptyChunk, type TapeChunk} from '../../src/data/tape.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {BarInput} from '../../src/features/bar-features.ts'
import {barSchema} from '../../src/features/bar-features.ts'
import {schemaKey} from '../../src/features/features.ts'
import type {ModelDescription} from '../../src/models/model-file.ts'

const instruments = InstrumentTable.of(['SPY', 'KO'])
const MINUTE = 60_000_000

interface Row {
  readonly at: number
  readonly trade?: readonly [dollars: number, shares: number]
  readonly quote?: readonly [bid: number, ask: number]
  readonly i?: number
}
const chunkOf = (rows: readonly Row[]): TapeChunk => {
  const chunk = emptyChunk(rows.length)
  for (const [row, {at, trade, quote, i = 0}] of rows.entries()) {
    chunk.tsUs[row] = at
    chunk.instrument[row] = i
    chunk.kind[row] = trade === undefined ? EventKind.quote : EventKind.trade
    chunk.v0[row] = (trade?.[0] ?? quote?.[0] ?? 0) * 10_000
    chunk.v1[row] = trade === undefined ? (quote?.[1] ?? 0) * 10_000 : trade[1]
    chunk.v2[row] = 1
    chunk.v3[row] = 1
  }
  chunk.count = rows.length
  return chunk
}
const barsOf = (rows: readonly Row[]) => {
  const out: [number, BarInput][] = []
  const bars = new LiveBars(instruments, MINUTE, (i, bar) => out.push([i, bar]))
  const chunk = chunkOf(rows)
  for (let row = 0; row < chunk.count; row++) bars.onRow(chunk, row)
  return out
}

test('a bar comes out with the first event after its end, stamped at its end', () => {
  const rows: Row[] = [
    {at: 1, trade: [100, 5]},
    {at: 2, trade: [102, 1]},
    {at: 3, trade: [99, 2]},
  ]
  expect(barsOf(rows)).toEqual([])
  expect(barsOf([...rows, {at: MINUTE, trade: [101, 1]}])).toEqual([
    [0, {tsUs: MINUTE, open: 100, high: 102, low: 99, close: 99, volume: 8}],
  ])
})

test('quotes make a bar only where nothing traded', () => {
  const end: Row = {at: MINUTE, quote: [1, 2]}
  expect(barsOf([{at: 1, quote: [10, 12]}, {at: 2, quote: [12, 14]}, end])[0]?.[1]).toMatchObject({
    open: 11,
    high: 13,
    close: 13,
    volume: 0,
  })
  expect(
    barsOf([{at: 1, quote: [10, 12]}, {at: 2, trade: [50, 1]}, {at: 3, quote: [10, 12]}, end])[0]?.[1],
  ).toMatchObject({open: 50, high: 50, low: 50, close: 50, volume: 1})
})

test('instruments have bars of their own', () => {
  const bars = barsOf([
    {at: 1, trade: [100, 1]},
    {at: 2, trade: [60, 1], i: 1},
    {at: MINUTE + 1, trade: [101, 1]},
  ])
  expect(bars.map(([i, {close}]) => [i, close])).toEqual([
    [0, 100],
    [1, 60],
  ])
})

test('the model is asked once its window is full, and a failure is told and does not stop the next', async () => {
  const model = {
    name: 'm',
    features: schemaKey(barSchema),
    width: 16,
    window: 2,
    horizon: 6,
    session: 'us-equity',
    periodUs: MINUTE,
  } as ModelDescription
  const signals: unknown[] = []
  const failures: string[] = []
  let asked = 0
  const live = new LiveSignals({
    instruments,
    model,
    nowMs: () => 0,
    onSignal: signal => signals.push(signal),
    onFailure: error => failures.push(error.message),
    predictor: {
      predict: async windows => {
        expect(windows).toHaveLength(32)
        if (++asked === 1) throw new Error('worker lost')
        return {
          probabilities: Float32Array.of(0.1, 0.2, 0.7),
          holding: Float32Array.of(0.5),
          move: Float32Array.of(1),
        }
      },
    },
  })
  const start = Date.UTC(2025, 5, 3, 15) * 1_000
  const rows = Array.from({length: 4}, (_, k): Row => ({at: start + k * MINUTE, trade: [100 + k, 1]}))
  live.onChunk(chunkOf(rows))
  await new Promise(resolve => setImmediate(resolve))
  expect(failures).toEqual(['worker lost'])
  expect(signals).toMatchObject([
    {kind: 'signal', strategy: 'model:m', symbol: 'SPY', direction: 1, tsUs: start + 3 * MINUTE},
  ])
})
