import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {Row} from '../support/rows.ts'
import {order, rig} from './matching-rig.ts'

const quote = (at: number, bid: number, ask: number, lots = 10): Row => ({at, quote: [bid, ask, lots, lots]})

describe('while trading is halted', () => {
  test('nothing executes: not a taker, not a resting order that the market crosses, not a stop, not a print', () => {
    const r = rig()
    r.play([quote(1, 100, 102), {at: 2, notice: ['status', 1]}])
    r.send(
      order('market', {lots: 1}),
      order('limit', {limitTicks: 101}),
      order('stop', {side: 'sell', stopTicks: 99}),
      order('ioc', {limitTicks: 105, timeInForce: 'ioc'}),
    )
    r.play([quote(3, 98, 99), {at: 4, trade: [90, 50], by: 'sell'}, {at: 5, bar: [90, 95, 85, 90]}])
    expect(r.fills()).toEqual([])
    expect(r.kinds('ioc')).toEqual(['accepted', 'cancelled'])
    // The first market after it is there for all of them.
    r.play([{at: 6, notice: ['status', 0]}, quote(7, 97, 98)])
    expect(r.fills().map(({clientOrderId, priceTicks}) => [clientOrderId, priceTicks])).toEqual([
      ['market', 98],
      ['limit', 101],
      ['stop', 97],
    ])
  })
  test('another instrument trades on', () => {
    const r = rig()
    r.play([{at: 1, i: 1, notice: ['status', 1]}, quote(2, 100, 102)])
    r.send(order('o'))
    expect(r.fills('o').length).toBe(1)
  })
})

describe('limit up and limit down', () => {
  test('a buy does not execute above the upper band, a sale not below the lower', () => {
    const r = rig()
    r.play([{at: 1, notice: ['band', 0, 0, 95, 105]}, quote(2, 104, 106)])
    r.send(order('buy'), order('sell', {side: 'sell', lots: 3}))
    expect(r.fills().map(({clientOrderId, priceTicks}) => [clientOrderId, priceTicks])).toEqual([['sell', 104]])
    r.play([quote(3, 94, 105)])
    expect(r.fills('buy').map(({priceTicks}) => priceTicks)).toEqual([105])
    r.send(order('late', {side: 'sell'}))
    expect(r.fills('late')).toEqual([])
    r.play([{at: 4, notice: ['band']}, quote(5, 94, 105)])
    expect(r.fills('late').map(({priceTicks}) => priceTicks)).toEqual([94])
  })
  test('impact moves a price to the band, not past it', () => {
    const r = rig({impact: {ticks: () => 10}})
    r.play([{at: 1, notice: ['band', 0, 0, 95, 105]}, quote(2, 98, 102)])
    r.send(order('buy'), order('sell', {side: 'sell'}))
    expect(r.fills().map(({priceTicks}) => priceTicks)).toEqual([105, 95])
  })
})

describe('a level that flickers', () => {
  test('is not taken twice by an order that works on', () => {
    const r = rig()
    r.play([quote(1, 100, 102, 10)])
    r.send(order('o', {lots: 100, limitTicks: 102}))
    expect(r.fills('o').map(({lots}) => lots)).toEqual([10])
    r.play([
      quote(2, 100, 103, 10),
      quote(3, 100, 102, 10),
      quote(60_000_000, 100, 103, 10),
      quote(60_000_001, 100, 102, 10),
    ])
    expect(r.fills('o').length).toBe(1)
    // Only what it has grown by is new.
    r.play([quote(60_000_002, 100, 102, 14)])
    expect(r.fills('o').map(({lots}) => lots)).toEqual([10, 4])
  })
  test('is new to the next order a tenth of a second after it went', () => {
    const r = rig()
    const sweep = (id: string) => r.send(order(id, {limitTicks: 102, timeInForce: 'ioc'}))
    r.play([quote(1, 100, 102, 10)])
    sweep('first')
    r.play([quote(10, 100, 103, 10), quote(20, 100, 102, 10)])
    sweep('soon')
    r.play([quote(30, 100, 103, 10), quote(2_000_000, 100, 103, 10), quote(2_000_001, 100, 102, 10)])
    sweep('later')
    expect(['first', 'soon', 'later'].map(id => r.fills(id).length)).toEqual([1, 0, 1])
  })
})

test('an order takes from a price no more than was ever shown there at once and what it grew by', () => {
  const step = fc.record({ask: fc.integer({min: 100, max: 104}), lots: fc.integer({min: 1, max: 20})})
  fc.assert(
    fc.property(fc.array(step, {minLength: 1, maxLength: 60}), fc.integer({min: 1, max: 5_000_000}), (steps, pace) => {
      const r = rig()
      r.play([quote(1, 90, steps[0]?.ask ?? 100, steps[0]?.lots)])
      r.send(order('o', {lots: 1_000_000, limitTicks: 104}))
      const last = new Map<number, number>()
      const real = new Map<number, number>()
      for (const [n, {ask, lots}] of steps.entries()) {
        // Counted apart: what a price had when it was last seen, whether or not it was gone in between.
        real.set(ask, (real.get(ask) ?? 0) + Math.max(0, lots - (last.get(ask) ?? 0)))
        last.set(ask, lots)
        if (n > 0) r.play([quote(1 + n * pace, 90, ask, lots)])
        const filled = new Map<number, number>()
        for (const fill of r.fills('o')) {
          const at = fill.tsUs === 1 ? (steps[0]?.ask as number) : steps[(fill.tsUs - 1) / pace]?.ask
          filled.set(at as number, (filled.get(at as number) ?? 0) + fill.lots)
        }
        for (const [price, taken] of filled) expect(taken).toBeLessThanOrEqual(real.get(price) as number)
      }
    }),
    {numRuns: 200},
  )
})
