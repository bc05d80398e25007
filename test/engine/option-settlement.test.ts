import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {SimulationOptions} from '../../src/core/simulation.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {optionTermsOf} from '../../src/domain/option-terms.ts'
import {feeSchedule, zeroFees} from '../../src/exchange/fees.ts'
import type {Strategy} from '../../src/strategies/strategy.ts'
import type {Row} from '../support/rows.ts'
import {scripted, simulate} from './engine-rig.ts'

// Friday 2024-06-21, an expiry; 16:00 New York is 20:00 UTC.
const CLOSE = Date.UTC(2024, 5, 21, 20) * 1000
const HOUR = 3_600_000_000
const D = 10_000
const CASH = 1e11
const CALL = 'AAPL240621C00200000'
const PUT = 'AAPL240621P00200000'
const [STOCK, C, P] = [0, 1, 2]

const run = (strategies: readonly Strategy[], rows: readonly Row[], options: Partial<SimulationOptions> = {}) =>
  simulate(strategies, rows, {symbols: ['AAPL', CALL, PUT], cashMicros: CASH, sessions: false, ...options})
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
    const instruments = InstrumentTable.of(['SPX', 'SPXW240621C05000000'])
    const rows: Row[] = [
      {at: CLOSE - 3 * HOUR, i: 1, quote: [20 * D, 20 * D, 10, 10]},
      {at: CLOSE - 2 * HOUR, i: 0, trade: [5_000 * D, 1]},
      {at: CLOSE - HOUR, i: 0, trade: [5_000 * D, 1]},
      {at: CLOSE, i: 0, trade: [50_125_000, 1]},
    ]
    const {ledger} = run([holds({1: 1})], rows, {instruments})
    expect([...ledger.account.lots]).toEqual([0, 0])
    // 12.50 a share, less 20 for the contract.
    expect(ledger.cashMicros).toBe(CASH - 2_000e6 + 1_250e6)
  })
})

describe('on the morning of the expiry', () => {
  // The monthly of June 2024 settles on Friday's opening, 13:30 UTC.
  const OPEN = Date.UTC(2024, 5, 21, 13, 30) * 1000
  const MINUTE = 60_000_000
  const MONTHLY = 'SPX240621C05000000'
  const instruments = InstrumentTable.of(['SPX', MONTHLY])
  const thursday: readonly Row[] = [
    {at: OPEN - 20 * HOUR, i: 1, quote: [20 * D, 20 * D, 10, 10]},
    {at: OPEN - 20 * HOUR, i: 0, trade: [5_000 * D, 1]},
    {at: OPEN - 19 * HOUR, i: 0, trade: [5_000 * D, 1]},
  ]
  const bar = (at: number, open: number, periodUs: number): Row => {
    const [o, c] = [open * D, (open + 50) * D]
    return {at, i: 0, bar: [o, c, o, c, 0], periodUs}
  }

  test.each([
    {
      from: 'bar',
      rows: [bar(OPEN, 4_000, MINUTE), bar(OPEN + MINUTE, 5_015, MINUTE), bar(OPEN + 2 * MINUTE, 5_100, MINUTE)],
    },
    {from: 'bar', rows: [bar(CLOSE, 5_015, 24 * HOUR)]},
    {
      from: 'trade',
      rows: [{at: OPEN - 1, i: 0, trade: [4_000 * D, 1]}, {at: OPEN + 5, i: 0, trade: [5_015 * D, 1]}, settles(5_300)],
    },
    {
      from: 'quote',
      rows: [
        {at: OPEN, i: 0, quote: [5_014 * D, 5_016 * D]},
        {at: CLOSE, i: 0, trade: [5_200 * D, 1]},
      ],
    },
  ] as const)('an index option settles on the opening that a $from tells', ({from, rows}) => {
    const {ledger, engine} = run([holds({1: 1})], [...thursday, ...(rows as readonly Row[])], {instruments})
    expect([...ledger.account.lots]).toEqual([0, 0])
    expect(ledger.cashMicros).toBe(CASH - 2_000e6 + 1_500e6)
    expect(engine.backOffice?.unsettled).toEqual([])
    expect(engine.backOffice?.mornings).toMatchObject([{symbol: MONTHLY, value: 5_015, source: from}])
  })
  test('out of the money it expires worthless', () => {
    const {ledger} = run([holds({1: 1})], [...thursday, {at: OPEN, i: 0, trade: [4_990 * D, 1]}], {instruments})
    expect([[...ledger.account.lots], ledger.cashMicros]).toEqual([[0, 0], CASH - 2_000e6])
  })
  test.each([
    {why: 'the first price comes at noon', rows: [{at: OPEN + 3 * HOUR, i: 0, trade: [5_015 * D, 1]}, after]},
    {why: 'the tape ends before', rows: [{at: OPEN + 1, i: 1, quote: [20 * D, 20 * D, 10, 10]}]},
  ] as const)('nothing is guessed when $why', ({rows}) => {
    const {engine} = run([holds({1: 1})], [...thursday, ...(rows as readonly Row[])], {instruments})
    expect(engine.ledger.account.lots[1]).toBe(1)
    expect(engine.backOffice?.unsettled).toMatchObject([{symbol: MONTHLY, reason: 'morning-settlement'}])
  })
  test('nothing of it can be wanted on that day', () => {
    const again = scripted('again', (row, context) => row >= 2 && context.target(1, row === 2 ? 1 : 2))
    const rows: Row[] = [
      ...thursday,
      {at: OPEN + 1, i: 1, quote: [20 * D, 20 * D, 10, 10]},
      {at: OPEN + 2, i: 0, trade: [5_000 * D, 1]},
    ]
    expect(run([again], rows, {instruments}).engine.desk.sent).toBe(1)
  })
})

describe('a holder who exercises when it is best', () => {
  const backOffice = {exercise: 'optimal'} as const
  const eve = (callDollars: number): Row[] => [
    {at: CLOSE - 30 * HOUR, i: C, quote: [callDollars * D, callDollars * D, 100, 100]},
    {at: CLOSE - 30 * HOUR, i: STOCK, quote: [210 * D, 210 * D, 10_000, 10_000]},
    {at: CLOSE - 29 * HOUR, i: P, quote: [D, D, 10, 10]},
    {at: CLOSE - 6 * HOUR, i: STOCK, notice: ['dividend', 0, 0, D / 2]},
  ]
  test('takes a dividend that is worth more than the time value of a call', () => {
    const {ledger} = run([holds({[C]: 1})], eve(10.4), {backOffice})
    expect([...ledger.account.lots]).toEqual([100, 0, 0])
    expect(ledger.dividendsMicros).toBe(50e6)
    expect(run([holds({[C]: 1})], eve(10.6), {backOffice}).ledger.account.lots[C]).toBe(1)
    expect(run([holds({[C]: 1})], eve(10.4)).ledger.account.lots[C]).toBe(1)
  })

  /** Thursday: the put is quoted at this, 50 in the money. */
  const thursday = (putDollars: number): Row[] => [
    {at: CLOSE - 28 * HOUR, i: P, quote: [putDollars * D, putDollars * D, 100, 100]},
    {at: CLOSE - 28 * HOUR, i: STOCK, quote: [150 * D, 150 * D, 10_000, 10_000]},
    {at: CLOSE - 27 * HOUR, i: C, quote: [D, D, 10, 10]},
    {at: CLOSE - 20 * HOUR, i: STOCK, quote: [150 * D, 150 * D, 10_000, 10_000]},
  ]
  test('puts a share to its writer at the first close at which the market pays no time value', () => {
    const long = run([holds({[P]: 1})], thursday(50), {backOffice})
    expect([...long.ledger.account.lots]).toEqual([-100, 0, 0])
    const fills = long.entries.flatMap(e => (e.kind === 'report' && e.report.kind === 'fill' ? [e.report.fill] : []))
    expect(fills.slice(1).map(fill => [fill.reason, fill.tsUs])).toEqual([
      ['exercise', CLOSE - 24 * HOUR],
      ['exercise', CLOSE - 24 * HOUR],
    ])
    expect([...run([holds({[P]: -1})], thursday(50), {backOffice}).ledger.account.lots]).toEqual([100, 0, 0])
  })
  test('keeps a put that is worth more alive, and by default any put', () => {
    expect(run([holds({[P]: 1})], thursday(50.5), {backOffice}).ledger.account.lots[P]).toBe(1)
    expect(run([holds({[P]: 1})], thursday(50)).ledger.account.lots[P]).toBe(1)
  })
  test('and never makes or loses money by the exercise itself', () => {
    fc.assert(
      fc.property(fc.integer({min: -20, max: 20}), fc.integer({min: 1, max: 199}), (puts, dollars) => {
        const rows = thursday(200 - dollars).map(row =>
          'quote' in row && row.i === STOCK
            ? {...row, quote: [dollars * D, dollars * D, 10_000, 10_000] as const}
            : row,
        )
        const {ledger} = run([holds({[P]: puts})], rows, {backOffice})
        expect(ledger.equityMicros()).toBe(CASH)
        expect(ledger.account.lots[P]).toBe(0)
      }),
      {numRuns: 40},
    )
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
  expect(of(CALL)).toEqual({underlying: 'AAPL', settlement: 'physical', isIndex: false, isMorning: false})
  expect(of('SPXW240621C05000000')).toEqual({underlying: 'SPX', settlement: 'cash', isIndex: true, isMorning: false})
  expect(of('VIX240618C00015000')).toEqual({underlying: 'VIX', settlement: 'cash', isIndex: true, isMorning: true})
  expect(of('AAPL')).toBeUndefined()
})
