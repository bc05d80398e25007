import {describe, expect, test} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import type {SimulationOptions} from '../../src/core/simulation.ts'
import {standardRules} from '../../src/risk/gate.ts'
import {riskLimits} from '../../src/risk/limits.ts'
import type {RiskRule} from '../../src/risk/risk.ts'
import type {Strategy} from '../../src/strategies/strategy.ts'
import type {Row} from '../support/rows.ts'
import {scripted, simulate} from './engine-rig.ts'

const CASH = 1e11
const day = (d: number, hour = 10): number => Date.UTC(2024, 5, d, hour + 4) * 1000
const DOLLAR = 10_000

/** Plays rows of `AAPL`, which may be sold short round the clock. */
const play = (strategies: readonly Strategy[], rows: readonly Row[], options: Partial<SimulationOptions> = {}) =>
  simulate(strategies, rows, {
    symbols: ['AAPL'],
    limits: riskLimits(Config.parse({}).risk, {allowShort: true}),
    cashMicros: CASH,
    sessions: false,
    ...options,
  })
const quote = (at: number, dollars: number): Row => ({at, quote: [dollars * DOLLAR, dollars * DOLLAR, 1000, 1000]})
/** Wants these lots from a row on. */
const wants = (...targets: readonly number[]): Strategy =>
  scripted('wants', (row, context) => {
    const lots = targets[row]
    if (lots !== undefined) context.target(0, lots)
  })

describe('a split', () => {
  test('four for one: shares times four, equity and realised profit untouched, and targets follow', () => {
    const {ledger, equity, simulation} = play(
      [wants(10)],
      [
        quote(day(3), 500),
        quote(day(3, 11), 500),
        {at: day(4), notice: ['split', 4, 1]},
        quote(day(4, 11), 125),
        quote(day(4, 12), 130),
      ],
    )
    expect([...ledger.account.lots]).toEqual([40])
    expect(ledger.account.costMicros[0]).toBe(5_000_000_000)
    expect(equity).toEqual([CASH, CASH, CASH, CASH, CASH + 200_000_000])
    // Nothing was sold to get back to ten.
    expect(simulation.engine.desk.sent).toBe(1)
  })

  test('three for two of 7 shares: 10 are kept, half a share is paid out at the split price', () => {
    const {ledger, equity} = play(
      [wants(7)],
      [quote(day(3), 300), quote(day(3, 11), 300), {at: day(4), notice: ['split', 3, 2]}, quote(day(4, 11), 200)],
    )
    expect(ledger.account.lots[0]).toBe(10)
    expect(ledger.cashMicros).toBe(CASH - 7 * 300e6 + 100e6)
    // Its cost was 7·300/10.5 a new share: 100 for the half.
    expect(ledger.account.costMicros[0]).toBe(2_000e6)
    expect(ledger.realizedMicros).toBe(0)
    expect(equity.at(-1)).toBe(CASH)
  })

  test('one for ten of 7 shares: all is paid out, and the trade is closed', () => {
    const {ledger, simulation, equity} = play(
      [wants(7, 7)],
      [quote(day(3), 5), quote(day(3, 11), 6), {at: day(4), notice: ['split', 1, 10]}, quote(day(4, 11), 60)],
    )
    expect(ledger.account.lots[0]).toBe(0)
    expect(ledger.cashMicros).toBe(CASH + 7e6)
    expect(simulation.engine.record.trades.map(({profitMicros}) => profitMicros)).toEqual([7e6])
    expect(equity.slice(1)).toEqual([CASH + 7e6, CASH + 7e6, CASH + 7e6])
    expect(simulation.engine.desk.orders.size).toBe(0)
  })

  test('is journaled, and a restored ledger is the same', () => {
    const {entries, ledger} = play(
      [wants(7)],
      [
        quote(day(3), 300),
        quote(day(3, 11), 300),
        {at: day(4), notice: ['split', 3, 2]},
        {at: day(4, 11), notice: ['dividend', 0, day(9), 2_500]},
      ],
    )
    expect(entries.flatMap(entry => (entry.kind === 'booking' ? [[entry.booking, ...entry.values]] : []))).toEqual([
      ['split', 3, 2, 200e6],
      ['dividend', 2_500, day(9)],
    ])
    const again = play([wants()], [quote(day(3), 300)])
    again.simulation.engine.restore(entries.map(entry => ({entry})))
    for (const key of ['cashMicros', 'receivableMicros', 'dividendsMicros', 'realizedMicros'] as const)
      expect([key, again.ledger[key]]).toEqual([key, ledger[key]])
    expect(again.simulation.engine.backOffice?.dueUs).toBe(day(9))
  })
})

describe('a dividend', () => {
  test('of 0.25 on 100 shares is owed from the ex-date and paid on its day; worth does not jump', () => {
    const {ledger, equity} = play(
      [wants(100)],
      [
        quote(day(3), 50),
        quote(day(3, 11), 50),
        {at: day(4), notice: ['dividend', 0, day(6), 2_500]},
        {at: day(4, 11), quote: [497_500, 497_500, 1000, 1000]},
        quote(day(7), 50),
      ],
    )
    expect(equity).toEqual([CASH, CASH, CASH, CASH, CASH + 25e6])
    expect([ledger.dividendsMicros, ledger.receivableMicros]).toEqual([25e6, 0])
    expect(ledger.cashMicros).toBe(CASH - 5_000e6 + 25e6)
    expect(ledger.profitMicros(0)).toBe(25e6)
  })
  test('is paid by who is short', () => {
    const {ledger, equity} = play(
      [wants(-100)],
      [quote(day(3), 50), quote(day(3, 11), 50), {at: day(4), notice: ['dividend', 0, 0, 2_500]}],
    )
    expect(ledger.dividendsMicros).toBe(-25e6)
    expect(ledger.cashMicros).toBe(CASH + 5_000e6 - 25e6)
    expect(equity.at(-1)).toBe(CASH)
  })
  test('counts in the profit of the trade that earned it', () => {
    const {simulation} = play(
      [wants(100, 100, 100, 0)],
      [
        quote(day(3), 50),
        quote(day(3, 11), 50),
        {at: day(4), notice: ['dividend', 0, 0, 2_500]},
        {at: day(4, 11), quote: [497_500, 497_500, 1000, 1000]},
        {at: day(4, 12), quote: [497_500, 497_500, 1000, 1000]},
      ],
    )
    expect(simulation.engine.record.trades.map(({profitMicros}) => profitMicros)).toEqual([0])
  })
})

describe('borrow', () => {
  // 100 shares at $50 and 36 % a year: 5,000 · 0.36 / 360 = $5 a day.
  const short = (rows: readonly Row[], options: Partial<SimulationOptions> = {}) =>
    play([wants(-100)], [quote(day(7), 50), quote(day(7, 11), 50), ...rows], options)

  test('accrues a day at each New York midnight, weekends too, actual over 360', () => {
    const {ledger, entries} = short([quote(day(10), 50)], {backOffice: {borrowBpsAnnual: 3_600}})
    expect(ledger.borrowMicros).toBe(15e6)
    expect(ledger.cashMicros).toBe(CASH + 5_000e6 - 15e6)
    expect([...ledger.ownBorrowMicros]).toEqual([15e6])
    expect(entries.filter(entry => entry.kind === 'booking').length).toBe(3)
  })
  test('follows the rates of the data, and costs a long nothing', () => {
    const rows: Row[] = [{at: day(7, 12), notice: ['borrow', 36_000_000, -1]}, quote(day(8), 50)]
    expect(short(rows).ledger.borrowMicros).toBe(50e6)
    expect(play([wants(100)], [quote(day(7), 50), ...rows]).ledger.borrowMicros).toBe(0)
  })
  test('is refused where no share can be located, and only the lots there are', () => {
    const limits = riskLimits(Config.parse({}).risk, {allowShort: true})
    const rules = standardRules(limits)
    const locate = (available: number) =>
      play(
        [scripted('short', (row, context) => row === 1 && context.target(0, -100))],
        [{at: day(7), notice: ['borrow', 100, available]}, quote(day(7, 10) + 1, 50), quote(day(7, 11), 50)],
        {limits, rules},
      )
    const refused = locate(0)
    expect(refused.ledger.account.lots[0]).toBe(0)
    expect(refused.entries.find(entry => entry.kind === 'verdict')).toMatchObject({
      verdict: 'reject',
      rule: 'short-sale',
    })
    expect(locate(30).ledger.account.lots[0]).toBe(-30)
  })
})

test('a halt is risk’s business: no order is sent until trading goes on', () => {
  const limits = riskLimits(Config.parse({}).risk)
  const {entries, ledger} = play(
    [scripted('buyer', (row, context) => row >= 2 && context.target(0, 5))],
    [
      quote(day(7), 50),
      {at: day(7) + 1, notice: ['status', 1]},
      quote(day(7) + 2, 50),
      {at: day(7) + 3, notice: ['status', 0]},
      quote(day(7) + 2_000_000, 50),
    ],
    {limits, rules: standardRules(limits), sessions: true},
  )
  expect(entries.flatMap(entry => (entry.kind === 'verdict' ? [[entry.rule, entry.tsUs]] : []))).toEqual([
    ['instrument-halted', day(7) + 2],
  ])
  expect(ledger.account.lots[0]).toBe(5)
})

test('a split is no return: the volatility that risk believes does not move', () => {
  const flat = Array.from({length: 400}, (_, n) => quote(day(7) + n * 60_000_000, 100))
  const split: Row = {at: day(7) + 400 * 60_000_000, notice: ['split', 4, 1]}
  const later = Array.from({length: 5}, (_, n) => quote(day(7) + (401 + n) * 60_000_000, 25))
  const volatility = (rows: readonly Row[]): number => {
    let seen = Number.NaN
    const look: RiskRule = (_, snapshot) => {
      seen = snapshot.portfolio.dailyVolatility(0)
      return {kind: 'reject', rule: 'halted', detail: ''}
    }
    play([scripted('asks', (row, context) => row === rows.length - 1 && context.target(0, 1))], rows, {rules: [look]})
    return seen
  }
  expect(volatility([...flat, split, ...later])).toBeLessThan(volatility(flat) * 1.01)
  expect(volatility([...flat, ...later])).toBeGreaterThan(volatility(flat) * 2)
})
