import {expect, test} from 'vitest'
import {Depth} from '../../../src/data/tape.ts'
import {InstrumentTable} from '../../../src/domain/instrument.ts'
import {BookFeed, type WireBook} from '../../../src/drivers/alpaca/book-feed.ts'

const setup = () => {
  const rows: number[][] = []
  const feed = new BookFeed(InstrumentTable.of(['KO', 'BTC/USD']), (...row) => rows.push(row))
  const book = (
    bids: readonly number[][],
    asks: readonly number[][],
    reset = false,
    symbol = 'BTC/USD',
  ): number[][] => {
    rows.length = 0
    const levels = (side: readonly number[][]) => side.map(([price = 0, size = 0]) => ({price, size}))
    feed.onBook({symbol, bids: levels(bids), asks: levels(asks), reset} satisfies WireBook)
    return [...rows]
  }
  return {book}
}
const {ask, clear, last} = Depth
const COIN = 1e9

test('a whole book becomes rows that clear first and end with the last level; changes follow, a gone level with 0', () => {
  const {book} = setup()
  const [[, , bidTicks = 0] = [], ...others] = book(
    [
      [100, 1],
      [99.5, 2],
    ],
    [[101, 3]],
    true,
  )
  expect(bidTicks).toBeGreaterThan(0)
  const tick = bidTicks / 100
  expect(others).toEqual([
    [1, 0, 99.5 * tick, expect.any(Number)],
    [1, ask | last, 101 * tick, expect.any(Number)],
  ])
  const lotsOfOne = (others[0]?.[3] as number) / 2
  expect(lotsOfOne).toBeLessThanOrEqual(COIN)
  expect(book([[100, 0]], [[101, 1]])).toEqual([
    [1, 0, bidTicks, 0],
    [1, ask | last, 101 * tick, lotsOfOne],
  ])
  expect(book([], [], true)).toEqual([[1, clear | last, 0, 0]])
  expect(book([], [])).toEqual([])
})

test('a book of the touch alone says nothing; the first that is deeper brings all of it', () => {
  const {book} = setup()
  expect(book([[100, 1]], [[101, 1]], true)).toEqual([])
  expect(
    book(
      [
        [100, 0],
        [100.1, 1],
      ],
      [],
    ),
  ).toEqual([])
  const rows = book([], [[102, 4]])
  expect(rows.map(([, flags]) => flags)).toEqual([clear, ask, ask | last])
  expect(book([[100.1, 2]], [])).toHaveLength(1)
})

test('what is not traded here is left alone', () => {
  const {book} = setup()
  expect(
    book(
      [
        [1, 1],
        [2, 1],
      ],
      [],
      true,
      'DOGE/USD',
    ),
  ).toEqual([])
})
