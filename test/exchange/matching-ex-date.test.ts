import {describe, expect, test} from 'vitest'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {order, rig} from './matching-rig.ts'

const D = 10_000
const open = (orders: Parameters<typeof order>[1][]) => {
  const r = rig({instruments: InstrumentTable.of(['AAPL', 'KO'])})
  r.play([{at: 1, quote: [400 * D, 401 * D]}])
  r.send(...orders.map((shape, n) => order(`o${n}`, shape)))
  return r
}
const resting = (r: ReturnType<typeof rig>) =>
  Object.fromEntries(
    r.venue
      .openOrders()
      .map(({order: {clientOrderId, lots, limitTicks, stopTicks}, leavesLots}) => [
        clientOrderId,
        [lots, leavesLots, limitTicks ?? stopTicks],
      ]),
  )

describe('orders that rest over an ex-date', () => {
  test('a dividend comes off buy limits and sell stops that are good till cancelled, and nothing else', () => {
    const r = open([
      {limitTicks: 390 * D},
      {side: 'sell', stopTicks: 380 * D},
      {side: 'sell', limitTicks: 420 * D},
      {stopTicks: 430 * D},
      {limitTicks: 390 * D, doNotReduce: true},
      {limitTicks: 390 * D, timeInForce: 'day'},
    ])
    r.play([{at: 2, notice: ['dividend', 0, 0, 2_050]}])
    // 390.00 − 0.205, rounded down to the cent.
    expect(resting(r)).toEqual({
      o0: [10, 10, 3_897_900],
      o1: [10, 10, 3_797_900],
      o2: [10, 10, 4_200_000],
      o3: [10, 10, 4_300_000],
      o4: [10, 10, 3_900_000],
      o5: [10, 10, 3_900_000],
    })
    expect(r.reports.filter(({kind}) => kind === 'adjusted')).toMatchObject([
      {clientOrderId: 'o0', limitTicks: 3_897_900, leavesLots: 10, reason: 'dividend'},
      {clientOrderId: 'o1', stopTicks: 3_797_900},
    ])
  })
  test('less than a cent moves nothing', () => {
    const r = open([{limitTicks: 390 * D}])
    r.play([{at: 2, notice: ['dividend', 0, 0, 99]}])
    expect(resting(r)).toEqual({o0: [10, 10, 390 * D]})
  })
  test('a forward split divides prices and multiplies sizes, rounded to no better than before', () => {
    const r = open([
      {limitTicks: 3_899_900},
      {side: 'sell', limitTicks: 4_200_100},
      {side: 'sell', stopTicks: 3_800_000},
    ])
    r.play([{at: 2, notice: ['split', 3, 1]}])
    expect(resting(r)).toEqual({
      o0: [30, 30, 1_299_900],
      o1: [30, 30, 1_400_100],
      o2: [30, 30, 1_266_600],
    })
    // And they trade at the new prices.
    r.play([{at: 3, quote: [1_299_000, 1_299_500]}])
    expect(r.fills('o0')).toMatchObject([{lots: 30, priceTicks: 1_299_900}])
  })
  test('a reverse split cancels', () => {
    const r = open([{limitTicks: 390 * D}])
    r.play([{at: 2, notice: ['split', 1, 10]}])
    expect(resting(r)).toEqual({})
    expect(r.kinds('o0')).toEqual(['accepted', 'cancelled'])
  })
  test('a trailing stop keeps its distance in new shares', () => {
    const r = open([{side: 'sell', type: 'trailing_stop', trailTicks: (8 * D) as never}])
    r.play([
      {at: 2, trade: [400 * D, 1]},
      {at: 3, notice: ['split', 4, 1]},
      {at: 4, trade: [101 * D, 1]},
    ])
    // High 101, distance 2.
    r.play([
      {at: 5, quote: [99 * D, 99 * D + 100]},
      {at: 6, trade: [99 * D, 1]},
    ])
    expect(r.fills('o0').length).toBe(1)
  })
  test('orders in other instruments are left alone', () => {
    const other = open([{limitTicks: 390 * D}])
    other.play([{at: 2, i: 1, notice: ['split', 4, 1]}])
    expect(resting(other)).toEqual({o0: [10, 10, 390 * D]})
  })
})
