import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {applyRow, createMarketState} from '../../src/data/market-state.ts'
import {OrderBook} from '../../src/data/order-book.ts'
import {chunkOf, type Row} from '../support/rows.ts'

const apply = (rows: readonly Row[]) => {
  const state = createMarketState(1)
  const chunk = chunkOf(rows)
  for (let row = 0; row < chunk.count; row++) applyRow(state, chunk, row)
  const book = state.books[0] ?? new OrderBook()
  const side = (ask: boolean) =>
    Array.from({length: ask ? book.askLevels() : book.bidLevels()}, (_, level) =>
      ask ? [book.askTicks(level), book.askLots(level)] : [book.bidTicks(level), book.bidLots(level)],
    )
  return {state, book, bids: side(false), asks: side(true)}
}

describe('depth rows', () => {
  test('set totals, best level first; zero removes; a snapshot starts anew', () => {
    const first: Row[] = [
      {at: 1, depth: ['bid', 99, 5], clear: true, last: false},
      {at: 1, depth: ['bid', 98, 7], last: false},
      {at: 1, depth: ['ask', 101, 3], last: false},
      {at: 1, depth: ['ask', 103, 4]},
      {at: 2, depth: ['bid', 98, 0]},
      {at: 2, depth: ['ask', 102, 9]},
    ]
    const {bids, asks, state} = apply(first)
    expect(bids).toEqual([[99, 5]])
    expect(asks).toEqual([
      [101, 3],
      [102, 9],
      [103, 4],
    ])
    expect([state.bidTicks[0], state.bidLots[0], state.askTicks[0], state.askLots[0], state.quotedUs[0]]).toEqual([
      99, 5, 101, 3, 2,
    ])
    const again = apply([...first, {at: 3, depth: ['bid', 50, 1], clear: true}])
    expect([again.bids, again.asks]).toEqual([[[50, 1]], []])
  })

  test('the quote changes only when an update is complete', () => {
    const {state} = apply([
      {at: 1, depth: ['bid', 99, 5], clear: true},
      {at: 2, depth: ['bid', 100, 5], last: false},
    ])
    expect(state.bidTicks[0]).toBe(99)
  })

  test('a newer level drops what it crosses or locks', () => {
    const {bids, asks, book} = apply([
      {at: 1, depth: ['bid', 99, 5], clear: true},
      {at: 1, depth: ['ask', 101, 5]},
      {at: 1, depth: ['ask', 102, 5]},
      {at: 2, depth: ['bid', 101, 1]},
    ])
    expect([bids, asks]).toEqual([
      [
        [101, 1],
        [99, 5],
      ],
      [[102, 5]],
    ])
    expect(book.uncrossed).toBe(1)
  })

  const delta = fc.record({
    ask: fc.boolean(),
    // A few hundred levels, so that the columns grow and the bisection is used.
    ticks: fc.oneof(fc.integer({min: 990, max: 1010}), fc.integer({min: 500, max: 1500})),
    lots: fc.oneof({weight: 1, arbitrary: fc.constant(0)}, {weight: 3, arbitrary: fc.integer({min: 1, max: 50})}),
    clear: fc.integer({min: 0, max: 60}).map(n => n === 0),
  })
  test('agree with a map of prices, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(delta, {maxLength: 400}), deltas => {
        let model = {bids: new Map<number, number>(), asks: new Map<number, number>()}
        for (const {ask, ticks, lots, clear} of deltas) {
          if (clear) model = {bids: new Map(), asks: new Map()}
          const [own, other] = ask ? [model.asks, model.bids] : [model.bids, model.asks]
          if (lots === 0) own.delete(ticks)
          else {
            own.set(ticks, lots)
            for (const price of [...other.keys()]) if (ask ? price >= ticks : price <= ticks) other.delete(price)
          }
        }
        const {bids, asks} = apply(
          deltas.map(({ask, ticks, lots, clear}, n) => ({
            at: n,
            depth: [ask ? 'ask' : 'bid', ticks, lots] as const,
            clear,
          })),
        )
        expect(bids).toEqual([...model.bids].sort(([a], [b]) => b - a))
        expect(asks).toEqual([...model.asks].sort(([a], [b]) => a - b))
      }),
      {numRuns: 200},
    )
  })
})

describe('order rows', () => {
  test('add up to levels; executions move the last price; a halt is remembered', () => {
    const rows: Row[] = [
      {at: 1, order: ['add', 'bid', 1, 99, 5]},
      {at: 1, order: ['add', 'bid', 2, 99, 7]},
      {at: 1, order: ['add', 'ask', 3, 101, 4]},
      {at: 2, order: ['reduce', 'bid', 2, 99, 2]},
      {at: 3, order: ['execute', 'ask', 3, 101, 1]},
      {at: 4, order: ['delete', 'bid', 1, 99, 5]},
    ]
    const {bids, asks, state} = apply(rows)
    expect([bids, asks]).toEqual([[[99, 5]], [[101, 3]]])
    expect([state.lastTicks[0], state.lastLots[0]]).toEqual([101, 1])
    expect(apply([...rows, {at: 5, order: ['halt', 'bid', 0, -1, 0]}]).book.halted).toBe(true)
    expect(apply([...rows, {at: 5, order: ['halt', 'bid', 0, 1, 0]}]).book.halted).toBe(false)
  })

  test('an order from before the feed began leaves no negative level', () => {
    const {bids} = apply([
      {at: 1, order: ['add', 'bid', 1, 99, 5]},
      {at: 2, order: ['delete', 'bid', 77, 99, 50]},
      {at: 3, order: ['execute', 'bid', 78, 98, 5]},
    ])
    expect(bids).toEqual([])
  })

  const crossed: Row[] = [
    {at: 1, order: ['add', 'bid', 1, 99, 5]},
    {at: 1, order: ['add', 'ask', 2, 101, 5]},
    {at: 2, order: ['add', 'bid', 3, 101, 2]},
  ]
  test('crossed for a moment, by a taker, it shows no market', () => {
    const {state, book} = apply(crossed)
    expect([state.bidLots[0], state.askLots[0], book.isCrossed()]).toEqual([0, 0, true])
    const after = apply([
      ...crossed,
      {at: 3, order: ['execute', 'ask', 2, 101, 2]},
      {at: 3, order: ['delete', 'bid', 3, 101, 2]},
    ])
    expect([after.bids, after.asks]).toEqual([[[99, 5]], [[101, 3]]])
    expect([after.state.bidTicks[0], after.state.askTicks[0]]).toEqual([99, 101])
  })

  test('crossed for longer, the older side is stale', () => {
    const {bids, asks, book} = apply([...crossed, {at: 200_000, order: ['add', 'bid', 4, 98, 1]}])
    expect([bids[0], asks, book.uncrossed]).toEqual([[101, 2], [], 1])
  })

  test('an execution removes the better prices that would have traded first', () => {
    const {asks} = apply([
      ...crossed.slice(0, 2),
      {at: 3, order: ['add', 'ask', 5, 103, 4]},
      {at: 4, order: ['execute', 'ask', 5, 103, 1]},
    ])
    expect(asks).toEqual([[103, 3]])
  })

  test('where depth rows are there too, they alone make the levels', () => {
    const {bids, book} = apply([
      {at: 1, depth: ['bid', 99, 5], clear: true},
      {at: 2, order: ['add', 'bid', 1, 99, 7]},
    ])
    expect([bids, book.hasOrders, book.arrivals()]).toEqual([[[99, 5]], true, 1])
  })
})
