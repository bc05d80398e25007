import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {OrderLeg} from '../../src/domain/order.ts'
import type {Row} from '../support/rows.ts'
import {order, rig} from './matching-rig.ts'

const CONTRACTS = ['AAPL240621C00200000', 'AAPL240621C00210000', 'AAPL240621C00220000', 'MSFT240621C00400000', 'AAPL']
/** A rig over the contracts, its market state as large as they are many. */
const contracts = () => rig({instruments: InstrumentTable.of(CONTRACTS)})
const vertical: readonly OrderLeg[] = [
  {instrument: 0, side: 'buy', ratio: 1},
  {instrument: 1, side: 'sell', ratio: 1},
]
const butterfly: readonly OrderLeg[] = [
  {instrument: 0, side: 'buy', ratio: 1},
  {instrument: 1, side: 'sell', ratio: 2},
  {instrument: 2, side: 'buy', ratio: 1},
]
const quote = (at: number, i: number, bid: number, ask: number, lots = 100): Row => ({
  at,
  i,
  quote: [bid, ask, lots, lots],
})
const send = (
  r: ReturnType<typeof rig>,
  legs: readonly OrderLeg[],
  shape: Parameters<typeof order>[1] = {},
  id = 'm',
) =>
  r.send(
    order(id, {
      legs,
      instrument: legs[0]?.instrument ?? 0,
      type: shape.limitTicks === undefined ? 'market' : 'limit',
      ...shape,
    }),
  )
const executions = (r: ReturnType<typeof rig>, id = 'm') =>
  r.fills(id).map(f => [f.instrument, f.side, f.lots, f.priceTicks])

describe('an order of several legs', () => {
  test('fills all legs at one instant at the touches, when they cost no more than its limit', () => {
    const r = contracts()
    r.play([quote(1, 0, 50_000, 51_000), quote(1, 1, 30_000, 31_000)])
    send(r, vertical, {lots: 3, limitTicks: 21_000})
    expect(executions(r)).toEqual([
      [0, 'buy', 3, 51_000],
      [1, 'sell', 3, 30_000],
    ])
    expect(r.kinds('m')).toEqual(['accepted', 'fill', 'fill'])
    const reports = r.reports.flatMap(report => (report.kind === 'fill' ? [report.leavesLots] : []))
    expect(reports).toEqual([3, 0])
  })
  test('a market order fills whichever side its first leg is on', () => {
    const r = contracts()
    r.play([quote(1, 0, 50_000, 51_000), quote(1, 1, 30_000, 31_000)])
    const closing = vertical.map(leg => ({...leg, side: leg.side === 'buy' ? ('sell' as const) : ('buy' as const)}))
    send(r, closing, {lots: 2, side: 'sell'})
    expect(executions(r)).toEqual([
      [0, 'sell', 2, 50_000],
      [1, 'buy', 2, 31_000],
    ])
  })
  test('waits while the sum of the touches is a tick too dear, and takes the first moment that is not', () => {
    const r = contracts()
    r.play([quote(1, 0, 50_000, 51_000), quote(1, 1, 30_000, 31_000)])
    send(r, vertical, {lots: 3, limitTicks: 20_900})
    expect(r.fills()).toEqual([])
    r.play([quote(2, 1, 30_100, 31_000)])
    expect(executions(r)).toEqual([
      [0, 'buy', 3, 51_000],
      [1, 'sell', 3, 30_100],
    ])
  })
  test('fills whole units only, as many as its scarcest leg has', () => {
    const r = contracts()
    r.play([quote(1, 0, 50_000, 51_000, 100), quote(1, 1, 30_000, 31_000, 7), quote(1, 2, 15_000, 16_000, 100)])
    send(r, butterfly, {lots: 10, limitTicks: 7_000})
    expect(executions(r)).toEqual([
      [0, 'buy', 3, 51_000],
      [1, 'sell', 6, 30_000],
      [2, 'buy', 3, 16_000],
    ])
    expect(r.venue.openOrders().map(({leavesLots}) => leavesLots)).toEqual([7])
    // The same quote again is not new liquidity; a larger one is by its growth.
    r.play([quote(2, 1, 30_000, 31_000, 7), quote(3, 1, 30_000, 31_000, 9)])
    expect(executions(r).slice(3)).toEqual([
      [0, 'buy', 1, 51_000],
      [1, 'sell', 2, 30_000],
      [2, 'buy', 1, 16_000],
    ])
  })
  test('for a credit has a negative limit', () => {
    const r = contracts()
    const credit = vertical.map(leg => ({...leg, side: leg.side === 'buy' ? ('sell' as const) : ('buy' as const)}))
    r.play([quote(1, 0, 50_000, 51_000), quote(1, 1, 30_000, 31_000)])
    send(r, credit, {lots: 1, limitTicks: -19_100}, 'dear')
    send(r, credit, {lots: 1, limitTicks: -19_000}, 'fair')
    expect([r.fills('dear').length, r.fills('fair').length]).toEqual([0, 2])
  })
  test('all or none is honoured, a rest of an immediate one is cancelled, and a resting one can be', () => {
    const r = contracts()
    r.play([quote(1, 0, 50_000, 51_000, 5), quote(1, 1, 30_000, 31_000, 5)])
    send(r, vertical, {lots: 6, timeInForce: 'fok'}, 'fok')
    expect(r.kinds('fok')).toEqual(['accepted', 'cancelled'])
    send(r, vertical, {lots: 6, timeInForce: 'ioc'}, 'ioc')
    expect(r.kinds('ioc')).toEqual(['accepted', 'fill', 'fill', 'cancelled'])
    send(r, vertical, {lots: 6, limitTicks: 21_000}, 'rest')
    r.cancel('rest')
    r.play([quote(2, 0, 50_000, 51_000, 50), quote(2, 1, 30_000, 31_000, 50)])
    expect(r.kinds('rest')).toEqual(['accepted', 'cancelled'])
  })
  test('that is none is refused by its fault', () => {
    const r = contracts()
    const fault = (legs: readonly OrderLeg[], shape: Parameters<typeof order>[1] = {}): string => {
      const id = `x${r.reports.length}`
      send(r, legs, shape, id)
      const [report] = r.reports.filter(one => one.kind === 'rejected' && one.clientOrderId === id)
      return report?.kind === 'rejected' ? report.reason : ''
    }
    const [a, b] = vertical as [OrderLeg, OrderLeg]
    expect(fault([a])).toMatch('2 to 4 legs')
    expect(fault([a, {...b, instrument: 0}])).toMatch('another contract')
    expect(
      fault([
        {...a, ratio: 2},
        {...b, ratio: 4},
      ]),
    ).toMatch('lowest terms')
    expect(fault([a, {...b, ratio: 0.5}])).toMatch('ratio')
    expect(fault([a, {...b, instrument: 3}])).toMatch('underlying')
    expect(fault([a, {...b, instrument: 4}])).toMatch('is no option')
    expect(fault(vertical, {stopTicks: 100, type: 'stop'})).toMatch('must not be a stop')
    expect(fault(vertical, {limitTicks: 100, postOnly: true})).toMatch('post-only')
  })
})

test('legs always match the ratios, at no better than the limit and the touches, within what each market showed', () => {
  const price = fc.integer({min: 1, max: 40})
  const step = fc.record({
    i: fc.nat({max: 2}),
    bid: price,
    spread: fc.integer({min: 1, max: 4}),
    lots: fc.integer({min: 1, max: 9}),
  })
  fc.assert(
    fc.property(
      fc.array(step, {maxLength: 40}),
      fc.constantFrom(vertical, butterfly),
      fc.integer({min: -30, max: 60}),
      fc.integer({min: 1, max: 20}),
      fc.nat({max: 10}),
      (steps, legs, limit, units, sentAt) => {
        const r = contracts()
        const shown = new Map<string, number>()
        const touch = new Map<string, number>()
        const last = new Map<string, readonly [ticks: number, lots: number]>()
        const see = (key: string, ticks: number, lots: number): void => {
          const [before, had] = last.get(key) ?? [Number.NaN, 0]
          shown.set(key, (shown.get(key) ?? 0) + (before === ticks ? Math.max(0, lots - had) : lots))
          last.set(key, [ticks, lots])
        }
        for (const [n, {i, bid, spread, lots}] of steps.entries()) {
          if (n === sentAt) send(r, legs, {lots: units, limitTicks: limit})
          const before = r.fills().length
          r.play([quote(10 + n, i, bid, bid + spread, lots)])
          see(`${i}sell`, bid, lots)
          see(`${i}buy`, bid + spread, lots)
          touch.set(`${i}sell`, bid)
          touch.set(`${i}buy`, bid + spread)
          for (const fill of r.fills().slice(before))
            expect(fill.priceTicks).toBe(touch.get(`${fill.instrument}${fill.side}`))
        }
        const filled = legs.map(leg =>
          r.fills().reduce((sum, f) => sum + (f.instrument === leg.instrument ? f.lots : 0), 0),
        )
        const done = (filled[0] as number) / (legs[0] as OrderLeg).ratio
        expect(filled).toEqual(legs.map(leg => leg.ratio * done))
        expect(done).toBeLessThanOrEqual(units)
        const paid = r.fills().reduce((sum, f) => sum + (f.side === 'buy' ? 1 : -1) * f.lots * f.priceTicks, 0)
        expect(paid).toBeLessThanOrEqual(limit * done)
        for (const [k, {instrument, side}] of legs.entries())
          expect(filled[k] as number).toBeLessThanOrEqual(shown.get(`${instrument}${side}`) ?? 0)
      },
    ),
    {numRuns: 300},
  )
})
