import {describe, expect, test} from 'vitest'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {OrderLeg} from '../../src/domain/order.ts'
import {standardRules} from '../../src/risk/gate.ts'
import {chunkOf, type Row} from '../support/rows.ts'
import {limits, scripted, simulate} from './engine-rig.ts'

const symbols = ['AAPL', 'AAPL240621C00200000', 'AAPL240621C00210000']
const instruments = InstrumentTable.of(symbols)
const at = (minute: number): number => Date.UTC(2024, 5, 20, 15, minute) * 1000
const quote = (minute: number, i: number, bid: number, ask: number, lots = 100): Row => ({
  at: at(minute),
  i,
  quote: [bid, ask, lots, lots],
})
const legs: readonly OrderLeg[] = [
  {instrument: 1, side: 'buy', ratio: 1},
  {instrument: 2, side: 'sell', ratio: 1},
]
const rows = [quote(0, 1, 50_000, 51_000), quote(0, 2, 30_000, 31_000), quote(1, 1, 50_000, 51_000, 200)]
const base = {instruments, cashMicros: 1e11}

describe('a strategy’s order of several legs', () => {
  test('fills both legs, is one order, and its working lots are gone afterwards', () => {
    const ids: (string | undefined)[] = []
    const fills: number[] = []
    const strategy = {
      ...scripted('spread', (row, context) => {
        if (row === 1) ids.push(context.multiLeg(legs, 5, {limitTicks: 21_000}))
      }),
      onFill: (_: unknown, fill: {instrument: number; lots: number}) => void fills.push(fill.instrument, fill.lots),
    }
    const {ledger, engine, entries} = simulate([strategy], rows, base)
    expect([...ledger.account.lots]).toEqual([0, 5, -5])
    expect(ledger.cashMicros).toBe(1e11 - 5 * 210e6)
    expect(fills).toEqual([1, 5, 2, 5])
    expect([engine.desk.sent, engine.desk.orders.size, ids.length]).toEqual([1, 0, 1])
    const intents = entries.flatMap(entry => (entry.kind === 'intent' ? [entry.intent] : []))
    expect(intents).toMatchObject([{clientOrderId: ids[0], legs, lots: 5, limitTicks: 21_000, type: 'limit'}])
    expect(ledger.errorMicros()).toBe(0)
  })
  test('counts as working while it waits, can be cancelled, and is restored from its journal', () => {
    const seen: number[][] = []
    const strategy = scripted('spread', (row, context) => {
      if (row === 1) context.multiLeg(legs, 5, {limitTicks: 20_000})
    })
    const {simulation, engine, entries} = simulate([strategy], rows, base)
    expect([...engine.desk.orders.values()].map(({leavesLots, purpose}) => [leavesLots, purpose])).toEqual([
      [5, 'multi-leg'],
    ])
    expect(simulation.venue.openOrders().length).toBe(1)
    const fresh = simulate([scripted('spread', () => {})], rows.slice(0, 1), base)
    fresh.engine.restore(entries.map(entry => ({entry})))
    expect([...fresh.engine.desk.orders.keys()]).toEqual([...engine.desk.orders.keys()])
    const cancelling = scripted('spread', (row, context) => {
      if (row === 1) seen.push([context.multiLeg(legs, 5, {limitTicks: 20_000})?.length ?? 0])
      if (row === 2) context.cancelMultiLeg('test-0-1')
    })
    expect(simulate([cancelling], rows, base).engine.desk.orders.size).toBe(0)
    expect(seen).toEqual([['test-0-1'.length]])
  })
  test('is refused where it can lose without limit', () => {
    const naked: readonly OrderLeg[] = [legs[0] as OrderLeg, {instrument: 2, side: 'sell', ratio: 2}]
    let id: string | undefined = 'none'
    const strategy = scripted('naked', (row, context) => {
      if (row === 1) id = context.multiLeg(naked, 1, {limitTicks: 0})
    })
    const {entries} = simulate([strategy], rows, {...base, limits, rules: standardRules(limits)})
    expect(id).toBeUndefined()
    expect(entries.find(entry => entry.kind === 'verdict')).toMatchObject({rule: 'undefined-risk'})
  })
  test('keeps its legs from being closed one by one', () => {
    const falling = [...rows, quote(2, 1, 20_000, 21_000), quote(2, 2, 10_000, 11_000)]
    const strategy = scripted('spread', (row, context) => {
      if (row === 1) context.multiLeg(legs, 5)
    })
    const {ledger} = simulate([strategy], falling, {...base, exits: {stopLoss: 0.02}})
    expect([...ledger.account.lots]).toEqual([0, 5, -5])
  })
})

describe('closing everything', () => {
  const opened = [
    quote(0, 0, 2_000_000, 2_000_100),
    quote(0, 1, 50_000, 51_000),
    quote(0, 2, 30_000, 31_000),
    quote(1, 1, 50_000, 51_000, 200),
  ]
  test('buys back what was written before what may cover it is sold', () => {
    const strategy = scripted('spread', (row, context) => {
      if (row !== 1) return
      context.multiLeg(legs, 5, {limitTicks: 21_000})
      context.target(0, 3)
    })
    const {simulation, engine, ledger, journal} = simulate([strategy], opened, base)
    expect([...ledger.account.lots]).toEqual([3, 5, -5])
    // The written contract has no offer: neither its call nor the shares may go.
    const play = (...rows: Row[]): void => {
      const chunk = chunkOf(rows)
      for (let r = 0; r < rows.length; r++) simulation.play(chunk, r, r + 1)
    }
    play({at: at(2), i: 2, quote: [30_000, 31_000, 100, 0]})
    engine.flatten()
    play(quote(3, 1, 50_000, 51_000), quote(3, 0, 2_000_000, 2_000_100), quote(4, 1, 50_000, 51_000, 150))
    expect([...ledger.account.lots]).toEqual([3, 5, -5])
    play(quote(5, 2, 30_000, 31_000), quote(6, 1, 50_000, 51_000), quote(6, 0, 2_000_000, 2_000_100))
    expect([...ledger.account.lots]).toEqual([0, 0, 0])
    const sides = [...journal.entries()].flatMap(({entry}) =>
      entry.kind === 'intent' && entry.intent.reduceOnly === true ? [entry.intent.instrument] : [],
    )
    expect(sides[0]).toBe(2)
    expect([...sides].sort()).toEqual([0, 1, 2])
  })
})
