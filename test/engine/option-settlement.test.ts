import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {memoryJournal} from '../../src/broker/memory-journal.ts'
import {Config} from '../../src/config/schema.ts'
import {Simulation, type SimulationOptions} from '../../src/core/simulation.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {optionTermsOf} from '../../src/domain/option-terms.ts'
import {staticAllocator} from '../../src/engine/ports.ts'
import {feeSchedule, zeroFees} from '../../src/exchange/fees.ts'
import {noLatency} from '../../src/exchange/latency.ts'
import {riskLimits} from '../../src/risk/limits.ts'
import type {Strategy} from '../../src/strategies/strategy.ts'
import {chunkOf, type Row} from '../support/rows.ts'
import {scripted} from './engine-rig.ts'

// Friday 2024-06-21, an expiry; 16:00 New York is 20:00 UTC.
const CLOSE = Date.UTC(2024, 5, 21, 20) * 1000
const HOUR = 3_600_000_000
const D = 10_000
const CASH = 1e11
const CALL = 'AAPL240621C00200000'
const PUT = 'AAPL240621P00200000'
const [STOCK, C, P] = [0, 1, 2]

const run = (strategies: readonly Strategy[], rows: readonly Row[], options: Partial<SimulationOptions> = {}) => {
  const journal = memoryJournal()
  const simulation = new Simulation({
    runId: 'test',
    seed: 1,
    configHash: '',
    instruments: InstrumentTable.of(['AAPL', CALL, PUT]),
    strategies,
    allocator: staticAllocator(strategies.map(() => 1 / strategies.length)),
    limits: riskLimits(Config.parse({}).risk),
    rules: [],
    cashMicros: CASH,
    latency: noLatency,
    fees: zeroFees,
    queue: 'conservative',
    journal,
    sessions: false,
    ...options,
  })
  simulation.play(chunkOf(rows))
  simulation.finish()
  const {engine} = simulation
  expect(engine.ledger.errorMicros()).toBe(0)
  return {engine, ledger: engine.ledger, journal, entries: [...journal.entries()].map(({entry}) => entry)}
}
/** Takes these positions at the first row after the quotes. */
const holds = (targets: Readonly<Record<number, number>>): Strategy =>
  scripted('holds', (row, context) => {
    if (row === 2) for (const [i, lots] of Object.entries(targets)) context.target(Number(i), lots)
  })
const opening: readonly Row[] = [
  {at: CLOSE - 3 * HOUR, i: C, quote: [5 * D, 5 * D, 100, 100]},
  {at: CLOSE - 3 * HOUR, i: P, quote: [4 * D, 4 * D, 100, 100]},
  {at: CLOSE - 3 * HOUR, i: STOCK, quote: [201 * D, 201 * D, 10_000, 10_000]},
]
const settles = (dollars: number): Row => {
  const ticks = Math.round(dollars * D)
  return {at: CLOSE, i: STOCK, quote: [ticks, ticks, 10_000, 10_000]}
}
const after: Row = {at: CLOSE + 60 * HOUR, i: STOCK, quote: [199 * D, 199 * D, 10_000, 10_000]}

describe('at the close of the expiry', () => {
  test('a long call in the money is exercised: 100 shares a contract at the strike', () => {
    const {ledger, entries} = run([holds({[C]: 2})], [...opening, settles(210)])
    expect([...ledger.account.lots]).toEqual([200, 0, 0])
    // Premium 2·500, shares 200·200; worth 10 a share more.
    expect(ledger.cashMicros).toBe(CASH - 1_000e6 - 40_000e6)
    expect(ledger.equityMicros()).toBe(CASH - 1_000e6 + 2_000e6)
    const fills = entries.flatMap(e => (e.kind === 'report' && e.report.kind === 'fill' ? [e.report.fill] : []))
    expect(fills.slice(1).map(f => [f.instrument, f.side, f.lots, f.priceTicks, f.reason, f.tsUs])).toEqual([
      [C, 'sell', 2, 0, 'exercise', CLOSE],
      [STOCK, 'buy', 200, 200 * D, 'exercise', CLOSE],
    ])
  })
  test('a short put in the money is assigned, a short call out of it expires', () => {
    const {ledger, entries} = run([holds({[P]: -1, [C]: -3})], [...opening, settles(190)])
    expect([...ledger.account.lots]).toEqual([100, 0, 0])
    expect(ledger.equityMicros()).toBe(CASH + 400e6 + 1_500e6 - 1_000e6)
    const reasons = entries.flatMap(e =>
      e.kind === 'report' && e.report.kind === 'fill' ? [e.report.fill.reason] : [],
    )
    expect(reasons.filter(reason => reason !== undefined)).toEqual(['expiry', 'assignment', 'assignment'])
  })
  test('a cent in the money is exercised, less is not', () => {
    expect(run([holds({[C]: 1})], [...opening, settles(200.01)]).ledger.account.lots[STOCK]).toBe(100)
    expect(run([holds({[C]: 1})], [...opening, settles(200.009)]).ledger.account.lots[STOCK]).toBe(0)
  })
  test('a trade after the last quote decides', () => {
    const last: Row = {at: CLOSE, i: STOCK, trade: [210 * D, 100]}
    expect(run([holds({[C]: 1})], [...opening, last]).ledger.account.lots[STOCK]).toBe(100)
  })
  test('the price of the day decides, not one that came later', () => {
    expect(run([holds({[C]: 1})], [...opening, settles(210), after]).ledger.account.lots[STOCK]).toBe(100)
  })
  test('without a price of the day nothing is guessed: the position stays and is named', () => {
    const early = opening.map(row => ({...row, at: row.at - 24 * HOUR}))
    const {engine} = run([holds({[C]: 1})], [...early, after])
    expect(engine.ledger.account.lots[C]).toBe(1)
    expect(engine.backOffice?.unsettled).toMatchObject([{symbol: CALL, reason: 'no-settlement-price', tsUs: CLOSE}])
  })
  test('nothing of an expired contract can be wanted any more', () => {
    const again = scripted('again', (row, context) => row >= 2 && context.target(C, 1))
    expect(run([again], [...opening, settles(190), after]).engine.desk.sent).toBe(1)
  })
  test('shares sold by an exercise pay the section 31 fee of the day, $27.80 a million', () => {
    const instruments = InstrumentTable.of(['AAPL', CALL, PUT])
    const paid = (fees: typeof zeroFees) => run([holds({[P]: 1})], [...opening, settles(190)], {fees}).ledger.feesMicros
    const onOptionBuy = run([holds({[P]: 1})], opening, {fees: feeSchedule('us', instruments)}).ledger.feesMicros
    expect(paid(feeSchedule('us', instruments)) - onOptionBuy).toBe(556_000)
    expect(paid(zeroFees)).toBe(0)
  })
  test('two strategies on both sides of a contract both settle, the account does not move', () => {
    const {ledger, engine} = run([holds({[C]: 1}), {...holds({[C]: -1}), name: 'other'}], [...opening, settles(210)])
    expect([...ledger.account.lots]).toEqual([0, 0, 0])
    expect([ledger.own.lots[STOCK], ledger.own.lots[3 + STOCK]]).toEqual([100, -100])
    expect(engine.equityMicros()).toBe(CASH)
  })
  test('a restored engine has what the settlement brought, for the same strategies', () => {
    const {entries, ledger} = run([holds({[C]: 2})], [...opening, settles(210)])
    const fresh = run([holds({})], opening.slice(0, 1))
    fresh.engine.restore(entries.map(entry => ({entry})))
    expect([...fresh.ledger.own.lots]).toEqual([...ledger.own.lots])
    expect(fresh.ledger.cashMicros).toBe(ledger.cashMicros)
  })
  test('an option on an index pays the difference', () => {
    const instruments = InstrumentTable.of(['SPX', 'SPXW240621C05000000', 'SPX240621C05000000'])
    const rows: Row[] = [
      {at: CLOSE - 3 * HOUR, i: 1, quote: [20 * D, 20 * D, 10, 10]},
      {at: CLOSE - 3 * HOUR, i: 2, quote: [20 * D, 20 * D, 10, 10]},
      {at: CLOSE - 2 * HOUR, i: 0, trade: [5_000 * D, 1]},
      {at: CLOSE, i: 0, trade: [50_125_000, 1]},
    ]
    const {engine, ledger} = run([holds({1: 1, 2: 1})], rows, {instruments})
    expect([...ledger.account.lots]).toEqual([0, 0, 1])
    // 12.50 a share, less 20 for each of the two contracts; the monthly settles on an opening that no tape has.
    expect(ledger.cashMicros).toBe(CASH - 4_000e6 + 1_250e6)
    expect(engine.backOffice?.unsettled).toMatchObject([{symbol: 'SPX240621C05000000', reason: 'morning-settlement'}])
  })
})

describe('on the eve of a dividend', () => {
  const rows = (callDollars: number): Row[] => [
    {at: CLOSE - 30 * HOUR, i: C, quote: [callDollars * D, callDollars * D, 100, 100]},
    {at: CLOSE - 30 * HOUR, i: STOCK, quote: [210 * D, 210 * D, 10_000, 10_000]},
    {at: CLOSE - 29 * HOUR, i: P, quote: [D, D, 10, 10]},
    {at: CLOSE - 6 * HOUR, i: STOCK, notice: ['dividend', 0, 0, D / 2]},
  ]
  test('a short call with less time value than the dividend is assigned, and owes it', () => {
    const {ledger} = run([holds({[C]: -1})], rows(10.4))
    expect([...ledger.account.lots]).toEqual([-100, 0, 0])
    expect(ledger.dividendsMicros).toBe(-50e6)
  })
  test('with more time value it is kept, and so is a long call', () => {
    expect(run([holds({[C]: -1})], rows(10.6)).ledger.account.lots[C]).toBe(-1)
    expect(run([holds({[C]: 1})], rows(10.4)).ledger.account.lots[C]).toBe(1)
    const {ledger} = run([holds({[C]: -1})], rows(10.4), {backOffice: {earlyAssignment: false}})
    expect(ledger.account.lots[C]).toBe(-1)
  })
})

test('after a split a contract delivers the new shares for the old sum', () => {
  const rows: Row[] = [
    ...opening.map(row => ({...row, at: row.at - 24 * HOUR})),
    {at: CLOSE - 6 * HOUR, i: STOCK, notice: ['split', 4, 1]},
    settles(60),
  ]
  const {ledger} = run([holds({[C]: 1})], rows)
  expect(ledger.account.lots[STOCK]).toBe(400)
  expect(ledger.account.costMicros[STOCK]).toBe(20_000e6)
})

test('what a position is worth at expiry is its payoff, for any positions, strikes crossed and prices', () => {
  const lots = fc.integer({min: -20, max: 20})
  fc.assert(
    fc.property(lots, lots, fc.integer({min: 100, max: 400}), (calls, puts, dollars) => {
      const {ledger} = run([holds({[C]: calls, [P]: puts})], [...opening, settles(dollars)])
      const payoff = calls * Math.max(0, dollars - 200) + puts * Math.max(0, 200 - dollars)
      const stock = (ledger.account.lots[STOCK] as number) * dollars
      expect(ledger.cashMicros + stock * 1e6).toBe(CASH + (payoff - calls * 5 - puts * 4) * 100e6)
    }),
    {numRuns: 60},
  )
})

test('roots of index options pay, shares deliver', () => {
  const of = (symbol: string) => optionTermsOf(InstrumentTable.of([symbol]).at(0))
  expect(of(CALL)).toEqual({underlying: 'AAPL', settlement: 'physical', isMorning: false})
  expect(of('SPXW240621C05000000')).toEqual({underlying: 'SPX', settlement: 'cash', isMorning: false})
  expect(of('VIX240618C00015000')).toEqual({underlying: 'VIX', settlement: 'cash', isMorning: true})
  expect(of('AAPL')).toBeUndefined()
})
