import fc from 'fast-check'
import {expect, test} from 'vitest'
import {type Behind, behindEvent, Coalescer} from '../../src/core/coalesce.ts'
import {applyRow, createMarketState} from '../../src/data/market-state.ts'
import {EventKind, emptyChunk} from '../../src/data/tape.ts'

type Row = readonly [kind: number, instrument: number, value: number]
const chunkOf = (rows: readonly Row[]) => {
  const chunk = emptyChunk(Math.max(1, rows.length))
  chunk.count = rows.length
  rows.forEach(([kind, instrument, value], row) => {
    chunk.tsUs[row] = row + 1
    chunk.kind[row] = kind
    chunk.instrument[row] = instrument
    chunk.v0[row] = value
    chunk.v1[row] = value + 2
    chunk.v2[row] = 5
    chunk.v3[row] = 5
  })
  return chunk
}
const rowsOf = (chunk: ReturnType<typeof chunkOf>): Row[] =>
  Array.from({length: chunk.count}, (_, row) => [
    chunk.kind[row] as number,
    chunk.instrument[row] as number,
    chunk.v0[row] as number,
  ])
const setup = () => {
  const news: Behind[] = []
  const coalescer = new Coalescer({instruments: 3, behindUs: 1_000, onBehind: said => news.push(said)})
  coalescer.take(chunkOf([]), 0)
  return {news, coalescer}
}
const {quote, trade, option} = EventKind
const ROWS: readonly Row[] = [
  [quote, 0, 10],
  [quote, 1, 20],
  [trade, 0, 11],
  [quote, 0, 12],
  [option, 2, 30],
  [quote, 0, 13],
]

test('rows in time pass as they are', () => {
  const {news, coalescer} = setup()
  const chunk = chunkOf(ROWS)
  coalescer.take(chunk, 1_000)
  expect([rowsOf(chunk), news, coalescer.leftOut]).toEqual([ROWS, [], 0])
})

test('rows that came before the node was ready pass, however long that took', () => {
  const news: Behind[] = []
  const coalescer = new Coalescer({instruments: 3, onBehind: said => news.push(said)})
  const chunk = chunkOf(ROWS)
  coalescer.take(chunk, 5_000_000)
  expect([rowsOf(chunk), news]).toEqual([ROWS, []])
})

test('of quotes that waited too long the last of each instrument passes, and every trade, in their order', () => {
  const {news, coalescer} = setup()
  const chunk = chunkOf(ROWS)
  coalescer.take(chunk, 5_000)
  expect(rowsOf(chunk)).toEqual([ROWS[1], ROWS[2], ROWS[4], ROWS[5]])
  expect([...chunk.tsUs.slice(0, 4)]).toEqual([2, 3, 5, 6])
  expect(coalescer.leftOut).toBe(2)
  expect(news).toEqual([{behind: true, waitedUs: 5_000, leftOut: 0}])
})

test('it says once that it fell behind, and once that it has caught up', () => {
  const {news, coalescer} = setup()
  for (const waitedUs of [5_000, 9_000, 10, 6_000]) coalescer.take(chunkOf(ROWS), waitedUs)
  for (let k = 0; k < 40; k++) coalescer.take(chunkOf(ROWS), 10)
  expect(news).toEqual([
    {behind: true, waitedUs: 5_000, leftOut: 0},
    {behind: false, waitedUs: 9_000, leftOut: 6},
  ])
  expect(news.map(said => behindEvent(said, 7)).map(({level, text}) => `${level}: ${text}`)).toEqual([
    'warn: market data waits 5 ms for this node: quotes that newer ones replace are left out until it has caught up',
    'info: caught up: market data waited up to 9 ms, 6 quotes were left out',
  ])
})

test('what is known of the market after a shortened chunk is what it would be after the whole one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(quote, trade, option), fc.nat(2), fc.nat(1_000)), {maxLength: 60}),
      rows => {
        const [whole, short] = [createMarketState(3), createMarketState(3)]
        const chunk = chunkOf(rows)
        for (let row = 0; row < chunk.count; row++) applyRow(whole, chunk, row)
        setup().coalescer.take(chunk, 5_000)
        for (let row = 0; row < chunk.count; row++) applyRow(short, chunk, row)
        expect(short).toEqual(whole)
      },
    ),
  )
})
