import {describe, expect, test} from 'vitest'
import {constantLatency} from '../../src/exchange/latency.ts'
import {order, rig} from './matching-rig.ts'

const OPEN = {at: 1, quote: [99, 101, 50, 50]} as const

describe('taking liquidity', () => {
  test('a market order takes what is shown and works the rest on later quotes', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {lots: 80}))
    expect(r.tape()).toEqual(['50@101t'])
    r.play([{at: 2, quote: [99, 101, 50, 50]}])
    expect(r.tape()).toEqual(['50@101t'])
    r.play([
      {at: 3, quote: [99, 102, 50, 20]},
      {at: 4, quote: [99, 102, 50, 60]},
    ])
    expect(r.tape()).toEqual(['50@101t', '20@102t', '10@102t'])
    expect(r.venue.openOrders()).toEqual([])
  })

  test('two orders never take the same lots', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {lots: 40, timeInForce: 'ioc'}), order('b', {lots: 40, timeInForce: 'ioc'}))
    expect(r.tape('a')).toEqual(['40@101t'])
    expect(r.tape('b')).toEqual(['10@101t'])
    expect(r.kinds('b')).toEqual(['accepted', 'fill', 'cancelled'])
  })

  test.each([
    {tif: 'ioc', lots: 80, limit: 101, fills: ['50@101t'], kinds: ['accepted', 'fill', 'cancelled']},
    {tif: 'fok', lots: 80, limit: 101, fills: [], kinds: ['accepted', 'cancelled']},
    {tif: 'fok', lots: 50, limit: 101, fills: ['50@101t'], kinds: ['accepted', 'fill']},
    {tif: 'ioc', lots: 10, limit: 100, fills: [], kinds: ['accepted', 'cancelled']},
    {tif: 'gtc', lots: 10, limit: 100, fills: [], kinds: ['accepted']},
  ] as const)('$tif $lots at $limit gives $kinds', ({tif, lots, limit, fills, kinds}) => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {lots, limitTicks: limit, timeInForce: tif}))
    expect(r.tape('a')).toEqual(fills)
    expect(r.kinds('a')).toEqual(kinds)
  })

  test('a sweep of depth pays each level its own price', () => {
    const r = rig()
    r.play([
      {at: 1, depth: ['ask', 101, 5], clear: true, last: false},
      {at: 1, depth: ['ask', 103, 5], last: false},
      {at: 1, depth: ['bid', 99, 5]},
    ])
    r.send(order('a', {lots: 8, limitTicks: 103}))
    expect(r.tape()).toEqual(['5@101t', '3@103t'])
  })

  test('without size, as at Alpaca paper, the whole order fills at the touch', () => {
    const r = rig({respectSize: false})
    r.play([OPEN])
    r.send(order('a', {lots: 5000}))
    expect(r.tape()).toEqual(['5000@101t'])
  })

  test('impact makes a taker pay more, never beyond its limit', () => {
    const r = rig({impact: {ticks: () => 3}})
    r.play([OPEN])
    r.send(order('a', {lots: 1}), order('b', {lots: 1, limitTicks: 102}), order('c', {lots: 1, side: 'sell'}))
    expect(r.tape()).toEqual(['1@104t', '1@102t', '1@96t'])
  })
})

describe('refusals', () => {
  test.each([
    {why: 'post_only', shape: {limitTicks: 101, postOnly: true}},
    {why: 'invalid_size', shape: {lots: 0, limitTicks: 99}},
    {why: 'invalid_order', shape: {type: 'limit'}},
    {why: 'invalid_order', shape: {type: 'trailing_stop'}},
    {why: 'invalid_order', shape: {stopTicks: 105, timeInForce: 'ioc'}},
  ] as const)('$why', ({why, shape}) => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', shape))
    expect(r.reports).toMatchObject([{kind: 'rejected', code: why}])
  })

  test('a client order id is accepted once', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {limitTicks: 90}), order('a', {limitTicks: 91}))
    expect(r.reports.map(report => report.kind)).toEqual(['accepted', 'rejected'])
  })

  test('cancelling what is not open is refused, cancelling what is open ends it', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {limitTicks: 90}))
    r.cancel('a')
    r.cancel('a')
    expect(r.kinds('a')).toEqual(['accepted', 'cancelled', 'cancelRejected'])
  })
})

describe('resting and queueing', () => {
  test('behind the level: trades at the price must pass those in front first', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {lots: 10, limitTicks: 99}))
    r.play([{at: 2, trade: [99, 45], by: 'sell'}])
    expect(r.tape()).toEqual([])
    r.play([{at: 3, trade: [99, 9], by: 'sell'}])
    expect(r.tape()).toEqual(['4@99m'])
    r.play([{at: 4, trade: [98, 100], by: 'sell'}])
    expect(r.tape()).toEqual(['4@99m', '6@99m'])
  })

  test('a buyer at our bid does not fill our bid', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {limitTicks: 99}))
    r.play([{at: 2, trade: [99, 500], by: 'buy'}])
    expect(r.tape()).toEqual([])
  })

  test('a smaller level moves us forward, a larger one does not move us back', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {lots: 10, limitTicks: 99}))
    r.play([
      {at: 2, quote: [99, 101, 5, 50]},
      {at: 3, quote: [99, 101, 500, 50]},
      {at: 4, trade: [99, 8], by: 'sell'},
    ])
    expect(r.tape()).toEqual(['3@99m'])
  })

  test('the probabilistic model also moves forward on cancellations, and counts a trade once', () => {
    const r = rig({queue: 'probabilistic'})
    r.play([{at: 1, quote: [99, 101, 100, 50]}])
    r.send(order('a', {lots: 10, limitTicks: 99}))
    // 20 trade and the level falls by 20: nothing was cancelled. Then 60 are added behind and 60 cancelled somewhere.
    r.play([
      {at: 2, trade: [99, 20], by: 'sell'},
      {at: 3, quote: [99, 101, 80, 50]},
      {at: 4, quote: [99, 101, 140, 50]},
    ])
    r.play([
      {at: 5, quote: [99, 101, 80, 50]},
      {at: 6, trade: [99, 60], by: 'sell'},
    ])
    // log(81) / (log(81) + log(1)) of the 60 were ahead before the cap of the level: 80 - 60 = 20 stay ahead, so 60 reach us.
    expect(r.tape()).toEqual(['10@99m'])
  })

  test('level 3: only orders that came before us count', () => {
    const r = rig({queue: 'fifo-l3'})
    r.play([
      {at: 1, order: ['add', 'bid', 1, 99, 10]},
      {at: 1, order: ['add', 'ask', 2, 101, 10]},
    ])
    r.send(order('a', {lots: 5, limitTicks: 99}))
    r.play([
      {at: 2, order: ['add', 'bid', 3, 99, 10]},
      {at: 3, order: ['delete', 'bid', 3, 99, 10]},
      {at: 4, order: ['add', 'bid', 4, 99, 10]},
      {at: 5, order: ['execute', 'bid', 1, 99, 10]},
    ])
    expect(r.tape()).toEqual([])
    r.play([{at: 6, order: ['execute', 'bid', 4, 99, 3]}])
    expect(r.tape()).toEqual(['3@99m'])
  })

  test('a quote that comes to our price fills us at our price as the maker', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {lots: 10, limitTicks: 100}))
    r.play([{at: 2, quote: [95, 98, 50, 7]}])
    expect(r.tape()).toEqual(['7@100m'])
  })

  test('a replaced price loses its place, a smaller size keeps it', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {lots: 10, limitTicks: 99}))
    r.play([
      {at: 2, trade: [99, 50], by: 'sell'},
      {at: 3, quote: [99, 101, 50, 50]},
    ])
    r.replace('a', 'b', {lots: 5})
    r.play([{at: 4, trade: [99, 2], by: 'sell'}])
    expect(r.tape('b')).toEqual(['2@99m'])
    r.replace('b', 'c', {lots: 20})
    r.play([{at: 5, trade: [99, 2], by: 'sell'}])
    expect(r.tape('c')).toEqual([])
    expect(r.kinds('a')).toEqual(['accepted', 'replaced'])
  })
})

describe('stops', () => {
  test('a stop waits for a trade at its price and then takes', () => {
    const r = rig()
    r.play([OPEN, {at: 2, trade: [100, 1]}])
    r.send(order('a', {side: 'sell', stopTicks: 97}))
    r.play([
      {at: 3, trade: [98, 1]},
      {at: 4, quote: [96, 97, 50, 50]},
    ])
    expect(r.tape()).toEqual([])
    r.play([{at: 5, trade: [97, 1]}])
    expect(r.tape()).toEqual(['10@96t'])
  })

  test('where nothing prints, the quote elects', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {stopTicks: 105}))
    r.play([
      {at: 2, quote: [103, 104]},
      {at: 3, quote: [104, 106]},
    ])
    expect(r.tape()).toEqual(['10@106t'])
  })

  test('a stop limit that gaps through its limit rests', () => {
    const r = rig()
    r.play([OPEN])
    r.send(order('a', {type: 'stop_limit', stopTicks: 105, limitTicks: 106}))
    r.play([{at: 2, quote: [107, 109]}])
    expect(r.tape()).toEqual([])
    r.play([{at: 3, quote: [104, 106]}])
    expect(r.tape()).toEqual(['10@106m'])
  })

  test('a trailing stop follows up and not down', () => {
    const r = rig()
    r.play([OPEN, {at: 2, trade: [100, 1]}])
    r.send({...order('a', {side: 'sell', type: 'trailing_stop'}), trailTicks: 5 as never})
    r.play([
      {at: 3, trade: [110, 1]},
      {at: 4, quote: [106, 107]},
      {at: 5, trade: [106, 1]},
    ])
    expect(r.tape()).toEqual([])
    r.play([{at: 6, trade: [105, 1]}])
    expect(r.tape()).toEqual(['10@106t'])
  })
})

describe('groups', () => {
  const bracket = [
    order('entry', {lots: 10, limitTicks: 100, groupId: 'g', groupRole: 'entry'}),
    order('profit', {lots: 10, side: 'sell', limitTicks: 110, groupId: 'g', groupRole: 'exit'}),
    order('loss', {lots: 10, side: 'sell', stopTicks: 95, groupId: 'g', groupRole: 'exit'}),
  ]

  test('exits are held until the entry has filled completely, then one cancels the other', () => {
    const r = rig()
    r.play([OPEN])
    r.send(...bracket)
    r.play([
      {at: 2, quote: [97, 100, 50, 4]},
      {at: 3, trade: [90, 1]},
    ])
    expect(r.tape('loss')).toEqual([])
    r.play([
      {at: 4, quote: [97, 99, 50, 50]},
      {at: 5, quote: [111, 112]},
    ])
    expect(r.fills('entry').reduce((sum, fill) => sum + fill.lots, 0)).toBe(10)
    r.play([{at: 6, quote: [111, 112]}])
    expect([...r.kinds('profit'), ...r.kinds('loss')]).toContain('cancelled')
    expect(r.venue.openOrders()).toEqual([])
  })

  test('a partial exit shrinks its sibling', () => {
    const r = rig()
    r.play([OPEN])
    r.send(...bracket.slice(1))
    r.play([{at: 2, quote: [110, 111, 4, 50]}])
    expect(r.tape('profit')).toEqual(['4@110m'])
    expect(r.venue.openOrders().find(o => o.order.clientOrderId === 'loss')?.leavesLots).toBe(6)
  })

  test('cancelling the entry cancels its exits', () => {
    const r = rig()
    r.play([OPEN])
    r.send(...bracket)
    r.cancel('entry')
    expect(r.venue.openOrders()).toEqual([])
    expect(r.kinds('loss')).toEqual(['accepted', 'cancelled'])
  })
})

describe('time', () => {
  test('an order meets the market of its arrival, and is heard of one way later', () => {
    const r = rig({latency: constantLatency(10, 5)})
    r.play([OPEN])
    r.send(order('a', {lots: 1}))
    r.play([
      {at: 5, quote: [99, 103]},
      {at: 30, quote: [99, 120]},
    ])
    expect(r.fills()).toMatchObject([{priceTicks: 103, tsUs: 11}])
    expect(r.reports.map(report => report.heardUs)).toEqual([16, 16])
  })

  test('a day order ends with its session; an order for the close trades at it; one for the open waits for it', () => {
    const sessions = {
      openUs: (_: number, now: number) => (now < 200 ? 100 : 300),
      closeUs: (_: number, now: number) => (now < 200 ? 200 : 400),
    }
    const r = rig({sessions})
    r.play([{at: 120, quote: [99, 101]}])
    r.send(
      order('day', {limitTicks: 90, timeInForce: 'day'}),
      order('cls', {timeInForce: 'cls'}),
      order('opg', {timeInForce: 'opg'}),
    )
    r.play([{at: 190, quote: [99, 102]}])
    expect(r.tape()).toEqual([])
    r.advance(210)
    expect(r.kinds('day')).toEqual(['accepted', 'expired'])
    expect(r.tape('cls')).toEqual(['10@102t'])
    r.play([{at: 305, quote: [99, 104]}])
    expect(r.tape('opg')).toEqual(['10@104t'])
  })

  test('reduce-only never crosses zero', () => {
    const r = rig({initialLots: () => 4})
    r.play([OPEN])
    r.send(order('a', {side: 'sell', reduceOnly: true}))
    expect(r.tape()).toEqual(['4@99t'])
    r.play([{at: 2, quote: [99, 101]}])
    expect(r.kinds('a')).toEqual(['accepted', 'fill', 'cancelled'])
  })
})

describe('bars', () => {
  const MINUTE = 60_000_000
  const bar = (n: number, ...bar: [number, number, number, number, number?]) => ({at: n * MINUTE, bar})

  test('a market order fills at the next open, half the hidden spread worse, for at most its share of the volume', () => {
    const r = rig({bars: {participation: 0.1, halfSpreadBps: 10}})
    r.play([bar(1, 1000, 1010, 990, 1005)])
    r.send(order('a', {lots: 50}))
    r.play([bar(2, 1006, 1020, 1000, 1010, 300), bar(3, 2000, 2020, 1990, 2010, 300)])
    expect(r.tape()).toEqual(['30@1008t', '20@2002t'])
  })

  test('an order that comes inside a bar gets its worst price', () => {
    const r = rig({bars: {participation: 1, halfSpreadBps: 0}})
    r.play([bar(1, 1000, 1010, 990, 1005)])
    r.advance(1.5 * MINUTE)
    r.send(order('a'))
    r.play([bar(2, 1006, 1020, 1000, 1010)])
    expect(r.tape()).toEqual(['10@1020t'])
  })

  test('a limit needs the bar to trade through it; a stop that gapped pays the open; the stop comes before the profit', () => {
    const r = rig({bars: {participation: 1, halfSpreadBps: 0}})
    r.play([bar(1, 1000, 1010, 990, 1005)])
    r.send(order('touch', {limitTicks: 1000}))
    r.play([bar(2, 1005, 1008, 1000, 1004)])
    expect(r.tape('touch')).toEqual([])
    r.play([bar(3, 1005, 1008, 999, 1004)])
    expect(r.tape('touch')).toEqual(['10@1000m'])
    r.send(
      order('profit', {side: 'sell', limitTicks: 1010, groupId: 'g', groupRole: 'exit'}),
      order('loss', {side: 'sell', stopTicks: 990, groupId: 'g', groupRole: 'exit'}),
    )
    r.play([bar(4, 985, 1020, 980, 1000)])
    expect(r.tape('loss')).toEqual(['10@985t'])
    expect(r.tape('profit')).toEqual([])
  })

  test('an entry and its stop may both happen in one bar, its profit may not', () => {
    const r = rig({bars: {participation: 1, halfSpreadBps: 0}})
    r.play([bar(1, 1000, 1010, 990, 1005)])
    r.send(
      order('entry', {limitTicks: 1000, groupId: 'g', groupRole: 'entry'}),
      order('profit', {side: 'sell', limitTicks: 1010, groupId: 'g', groupRole: 'exit'}),
      order('loss', {side: 'sell', stopTicks: 990, groupId: 'g', groupRole: 'exit'}),
    )
    r.play([bar(2, 1005, 1020, 985, 1000)])
    expect(r.tape()).toEqual(['10@1000m', '10@990t'])
  })
})
