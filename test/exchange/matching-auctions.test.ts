import {describe, expect, test} from 'vitest'
import {parseDay, sessionCloseUs, sessionOpenUs} from '../../src/domain/calendar.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {exchangeSessions} from '../../src/engine/exchange-sessions.ts'
import type {Row} from '../support/rows.ts'
import {order, rig} from './matching-rig.ts'

const SECOND = 1_000_000
const MINUTE = 60 * SECOND
const instruments = InstrumentTable.of(['SPY', 'KO'])
const sessions = exchangeSessions(instruments)
/** Without cut-offs: an order that comes a minute before its auction is in it. */
const market = () =>
  rig({
    instruments,
    sessions: {openUs: sessions.openUs, closeUs: sessions.closeUs},
    bars: {participation: 0.1, halfSpreadBps: 5},
  })

/** A full day, a day that ends at 13:00 New York time, and a day after clocks were changed. */
const days = ['2024-11-27', '2024-11-29', '2024-07-03', '2024-03-11'].map(text => ({
  text,
  openUs: sessionOpenUs(parseDay(text)),
  closeUs: sessionCloseUs(parseDay(text)),
}))

describe.each(days)('an order for the close of $text', ({text, openUs, closeUs}) => {
  const bar = (at: number, close: number, volume = 1_000): Row => ({
    at,
    bar: [close, close + 100, close - 100, close, volume],
    periodUs: MINUTE,
  })

  test('trades at the price of the session’s last bar, and only there', () => {
    const r = market()
    r.play([bar(closeUs - 10 * MINUTE, 500_000)])
    r.send(order('a', {timeInForce: 'cls', lots: 40}), order('b', {timeInForce: 'cls', lots: 100, side: 'sell'}))
    r.play([bar(closeUs - MINUTE, 501_000)])
    expect(r.tape()).toEqual([])
    r.play([bar(closeUs, 502_000)])
    // A tenth of the bar's volume is all that our orders may be.
    expect(r.tape('a')).toEqual(['40@502000t'])
    expect(r.tape('b')).toEqual(['60@502000t'])
    expect(r.kinds('b')).toEqual(['accepted', 'fill', 'expired'])
    expect(r.fills().every(fill => fill.tsUs === closeUs)).toBe(true)
    r.play([bar(closeUs + MINUTE, 600_000)])
    expect(r.fills()).toHaveLength(2)
  })

  test('trades at the closing print, once, within its size and its limit', () => {
    const r = market()
    r.play([
      {at: closeUs - 10 * MINUTE, quote: [499_900, 500_100, 10, 10]},
      {at: closeUs - 10 * MINUTE, trade: [500_000, 10]},
    ])
    r.send(
      order('a', {timeInForce: 'cls', lots: 30}),
      order('b', {timeInForce: 'cls', limitTicks: 501_000, lots: 30}),
      order('c', {timeInForce: 'cls', limitTicks: 502_000, lots: 30}),
    )
    r.play([
      {at: closeUs - 1, trade: [490_000, 100]},
      {at: closeUs + 2 * SECOND, quote: [501_000, 502_500, 500, 500]},
      {at: closeUs + 3 * SECOND, trade: [501_500, 50]},
      {at: closeUs + 4 * SECOND, trade: [400_000, 500]},
    ])
    expect(r.tape('a')).toEqual(['30@501500t'])
    expect(r.tape('b')).toEqual([])
    expect(r.tape('c')).toEqual(['20@501500t'])
    expect(r.venue.openOrders()).toEqual([])
  })

  test('takes the quote where no closing print comes, at the end of its wait or of the tape', () => {
    const start: Row[] = [
      {at: closeUs - MINUTE, quote: [499_900, 500_100, 10, 10]},
      {at: closeUs - MINUTE, trade: [500_000, 10]},
    ]
    const waited = market()
    waited.play(start)
    waited.send(order('a', {timeInForce: 'cls', lots: 4}))
    waited.advance(closeUs + 4 * MINUTE)
    expect(waited.tape()).toEqual([])
    waited.advance(closeUs + 6 * MINUTE)
    expect(waited.tape()).toEqual(['4@500100t'])
    const ended = market()
    ended.play(start)
    ended.send(order('a', {timeInForce: 'cls', lots: 40}))
    ended.advance(closeUs + 1)
    ended.venue.endOfTape(closeUs + 1)
    ended.venue.advanceTo(closeUs + 1)
    expect(ended.tape()).toEqual(['10@500100t'])
    expect(ended.kinds('a')).toEqual(['accepted', 'fill', 'expired'])
  })

  test('that comes too late is for the next session’s close', () => {
    const r = market()
    r.play([bar(closeUs - MINUTE, 500_000), bar(closeUs, 501_000)])
    r.send(order('a', {timeInForce: 'cls'}))
    r.play([bar(closeUs + MINUTE, 502_000)])
    const next = sessionCloseUs(
      parseDay(text) + (text === '2024-11-27' ? 2 : text === '2024-11-29' ? 3 : text === '2024-07-03' ? 2 : 1),
    )
    r.play([bar(next - MINUTE, 503_000), bar(next, 504_000)])
    expect(r.tape()).toEqual(['10@504000t'])
  })

  test('an order for the open passes over the bar that ends with it', () => {
    const r = market()
    r.play([bar(openUs - 10 * MINUTE, 490_000)])
    r.send(order('a', {timeInForce: 'opg'}))
    r.play([bar(openUs, 495_000)])
    expect(r.tape()).toEqual([])
    r.play([{at: openUs + MINUTE, bar: [500_000, 500_100, 499_900, 500_050, 1_000], periodUs: MINUTE}])
    expect(r.tape()).toEqual(['10@500250t'])
  })
})

test('a halted instrument has no closing auction', () => {
  const [{closeUs}] = days as [(typeof days)[number]]
  const r = market()
  r.play([
    {at: closeUs - MINUTE, quote: [499_900, 500_100, 10, 10]},
    {at: closeUs - MINUTE, trade: [500_000, 10]},
  ])
  r.send(order('a', {timeInForce: 'cls'}))
  r.play([
    {at: closeUs - 1, notice: ['status', 1]},
    {at: closeUs + SECOND, trade: [500_000, 100]},
  ])
  r.advance(closeUs + 10 * MINUTE)
  expect(r.tape()).toEqual([])
  expect(r.kinds('a')).toEqual(['accepted', 'expired'])
})
