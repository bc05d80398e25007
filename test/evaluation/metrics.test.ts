import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {Fill} from '../../src/domain/order.ts'
import {createRng} from '../../src/domain/rng.ts'
import {lots, micros, type Side, ticks, tsUs} from '../../src/domain/units.ts'
import {chainSeries} from '../../src/evaluation/chain-series.ts'
import {drawdownTable, maxDrawdown} from '../../src/evaluation/drawdowns.ts'
import {computeMetrics, headline, sortinoOf} from '../../src/evaluation/metrics.ts'
import {moments, periodReturns, periodsPerYear} from '../../src/evaluation/returns.ts'
import {roundTrips} from '../../src/evaluation/round-trips.ts'
import {combinations, combinatorialSplits, pathCount, walkForwardSplits} from '../../src/evaluation/splits.ts'

const DAY = 86_400e6
const instruments = InstrumentTable.of(['SPY', 'KO'])
let id = 0
const fill = (side: Side, n: number, price: number, at = 0, fee = 0, instrument = 0): Fill => ({
  fillId: `${id++}`,
  clientOrderId: 'o',
  instrument,
  side,
  lots: lots(n),
  priceTicks: ticks(Math.round(price * 10_000)),
  feeMicros: micros(fee),
  liquidity: 'taker',
  tsUs: tsUs(at),
})

describe('roundTrips', () => {
  test('matches first in, first out, with each side’s share of fees', () => {
    const trips = roundTrips(
      [fill('buy', 10, 100, 1, 10), fill('buy', 10, 102, 2, 20), fill('sell', 15, 103, 3, 30)],
      instruments,
    )
    expect(trips).toHaveLength(1)
    // 10 × (103 − 100) + 5 × (103 − 102) = 35 dollars; fees 10 + 20/2 + 30.
    expect(trips[0]).toMatchObject({
      lots: 15,
      direction: 1,
      openedUs: 1,
      closedUs: 3,
      feesMicros: 50,
      pnlMicros: 35e6 - 50,
    })
  })
  test('counts lots that a split divided in new shares, fractions left out', () => {
    const at = (tsUs: number, one: Fill): Fill => ({...one, tsUs: tsUs as Fill['tsUs']})
    const split = {instrument: 0, tsUs: 5, numerator: 3, denominator: 2}
    const trips = roundTrips([at(1, fill('buy', 7, 300)), at(9, fill('sell', 10, 200))], instruments, [split])
    expect(trips.map(({lots, entryTicks, exitTicks}) => [lots, entryTicks, exitTicks])).toEqual([
      [10, fill('buy', 1, 200).priceTicks, fill('buy', 1, 200).priceTicks],
    ])
  })

  test('a flip closes one way and opens the other', () => {
    const trips = roundTrips([fill('sell', 5, 50), fill('buy', 8, 49), fill('sell', 3, 50)], instruments)
    expect(trips.map(t => [t.direction, t.lots, t.pnlMicros])).toEqual([
      [-1, 5, 5e6],
      [1, 3, 3e6],
    ])
  })
  test('closed profit plus open lots at the last price is the account’s profit, for any fills', () => {
    const any = fc.array(
      fc.record({
        isBuy: fc.boolean(),
        n: fc.integer({min: 1, max: 20}),
        cents: fc.integer({min: 5000, max: 6000}),
        fee: fc.integer({min: -50, max: 50}),
      }),
      {maxLength: 40},
    )
    fc.assert(
      fc.property(any, list => {
        const fills = list.map(f => fill(f.isBuy ? 'buy' : 'sell', f.n, f.cents / 100, 0, f.fee))
        let [cash, held] = [0, 0]
        for (const f of fills) {
          const d = f.side === 'buy' ? 1 : -1
          cash -= d * f.lots * f.priceTicks * 100 + f.feeMicros
          held += d * f.lots
        }
        // Flattening at 55 makes every lot a closed trade.
        const flat = held === 0 ? fills : [...fills, fill(held > 0 ? 'sell' : 'buy', Math.abs(held), 55)]
        const closed = roundTrips(flat, instruments).reduce((sum, t) => sum + t.pnlMicros, 0)
        expect(closed).toBeCloseTo(cash + held * 550_000 * 100, 3)
      }),
    )
  })
})

describe('returns', () => {
  test('a year is 252 sessions of 6.5 hours, or every hour', () => {
    expect(periodsPerYear(DAY, 'us-equity')).toBe(252)
    expect(periodsPerYear(60e6, 'us-equity')).toBe(252 * 390)
    expect(periodsPerYear(3600e6, 'continuous')).toBe(8760)
  })
  test('takes the longest period that leaves thirty, and keeps the first return', () => {
    const at = Array.from({length: 40}, (_, i) => i * DAY + 1)
    const equity = at.map((_, i) => 100 + i)
    const daily = periodReturns(at, equity, 'us-equity')
    // The sample of the first day is alone: it is where the second day starts.
    expect([daily.periodName, daily.returns.length, daily.days]).toEqual(['1d', 39, 40])
    expect(daily.returns.reduce((v, r) => v * (1 + r), 1)).toBeCloseTo(1.39, 12)
    const minutes = periodReturns(
      at.map(t => t / 1440),
      equity,
      'us-equity',
    )
    expect(minutes.periodName).toBe('1m')
  })
  /** Bars of `minutes` closing from 09:30 on New York summer days, Mondays to Fridays, equity drifting up with a ripple. */
  const barTimes = (days: number, minutes: number, everyDays = 1): number[] => {
    const monday = Date.UTC(2024, 3, 1) * 1000
    return Array.from({length: days * everyDays}, (_, d) => d)
      .filter(d => d % everyDays === 0)
      .flatMap(d => {
        const open = monday + (d + 2 * Math.floor(d / 5)) * DAY + 13.5 * 3600e6
        return Array.from({length: Math.floor(390 / minutes)}, (_, k) => open + (k + 1) * minutes * 60e6)
      })
  }
  const ripple = (tsUs: readonly number[]) => tsUs.map((_, i) => 1e6 * (1 + 0.001 * i + 0.002 * (i % 3)))
  test.each([
    ['25 daily bars', barTimes(25, 390), '1d', 252],
    ['60 weekly bars', barTimes(60, 390, 5), '1d', 252 / 5],
    ['half-hour bars of two days', barTimes(2, 30), '1h', 252 * 7],
    ['half-hour bars of four days', barTimes(4, 30), '5m', 252 * 13],
    ['5-minute bars of twenty days', barTimes(20, 5), '1h', 252 * 8],
    ['minutes of a day', barTimes(1, 1), '5m', 252 * 78],
    ['60 days of crypto hours', Array.from({length: 1440}, (_, i) => i * 3600e6), '1d', 365],
    ['3 days of crypto hours', Array.from({length: 72}, (_, i) => i * 3600e6), '1h', 8760],
    ['3 days of crypto bars every six hours', Array.from({length: 12}, (_, i) => i * 6 * 3600e6), '1h', 365 * 4],
  ])('are as many a year as the samples make: %s', (name, tsUs, period, perYear) => {
    const found = periodReturns(tsUs, ripple(tsUs), name.includes('crypto') ? 'continuous' : 'us-equity')
    expect(found.periodName).toBe(period)
    expect(found.periodsPerYear / perYear).toBeCloseTo(1, 1)
    if (period === '1d') expect(found.periodsPerYear).toBeCloseTo(perYear, 9)
  })
  test('a Friday’s evening session is no day of its own', () => {
    const monday = Date.UTC(2024, 0, 8) * 1000
    // From four in the morning to eight in the evening of New York in winter.
    const tsUs = Array.from({length: 40}, (_, d) => monday + (d + 2 * Math.floor(d / 5)) * DAY).flatMap(day =>
      Array.from({length: 17}, (_, h) => day + (9 + h) * 3600e6),
    )
    expect(periodReturns(tsUs, ripple(tsUs), 'us-equity')).toMatchObject({
      periodName: '1d',
      days: 40,
      periodsPerYear: 252,
    })
    expect(periodReturns(tsUs, ripple(tsUs), 'us-equity').returns).toHaveLength(40)
    const hourly = periodReturns(tsUs.slice(0, 85), ripple(tsUs.slice(0, 85)), 'us-equity')
    expect([hourly.periodName, hourly.days]).toEqual(['1h', 5])
    expect(hourly.periodsPerYear / (252 * 17)).toBeCloseTo(1, 1)
  })
  test('moments by hand', () => {
    const m = moments([1, 2, 3, 4, 10])
    expect(m.mean).toBe(4)
    expect(m.deviation).toBeCloseTo(Math.sqrt(50 / 4), 12)
    expect(m.skewness).toBeCloseTo(180 / 5 / 10 ** 1.5, 12)
    expect(m.kurtosis).toBeCloseTo(1394 / 5 / 100, 12)
    expect(moments([0.1, 0.1, 0.1])).toMatchObject({deviation: 0, skewness: 0, kurtosis: 3})
  })
})

describe('computeMetrics', () => {
  const base = {trips: [], tradedMicros: 0, calendar: 'us-equity' as const}
  const of = (returns: readonly number[], extra = {}) => {
    const equity = [1e12]
    for (const r of returns) equity.push((equity.at(-1) as number) * (1 + r))
    return computeMetrics(
      {...base, tsUs: equity.map((_, i) => i * DAY), equityMicros: equity, ...extra},
      {rng: createRng(1), bootstrapDraws: 200},
    )
  }

  test('Sharpe, Sortino and drawdown of a series worked by hand', () => {
    const returns = Array.from({length: 40}, (_, i) => (i % 2 === 0 ? 0.02 : -0.01))
    const m = of(returns)
    const mean = 0.2 / 40
    const variance = (20 * 0.02 ** 2 + 20 * 0.01 ** 2 - 40 * mean * mean) / 39
    expect(m.sharpe).toBeCloseTo((mean / Math.sqrt(variance)) * Math.sqrt(252), 9)
    expect(m.sortino).toBeCloseTo((mean / Math.sqrt((20 * 0.0001) / 40)) * Math.sqrt(252), 9)
    expect(m.maxDrawdown).toBeCloseTo(0.01, 12)
    expect(m.totalReturn).toBeCloseTo((1.02 * 0.99) ** 20 - 1, 12)
    expect(m.period).toBe('1d')
    expect(m.calmar).toBeCloseTo((m.annualReturn as number) / 0.01, 6)
    expect(m.intervals.sharpe?.low).toBeLessThan(m.sharpe as number)
  })
  test('what is undefined is null, never zero or infinite', () => {
    const m = of(Array.from({length: 40}, () => 0))
    expect(headline(m)).toEqual({
      totalReturn: 0,
      sharpe: null,
      sortino: null,
      calmar: null,
      maxDrawdown: 0,
      winRate: null,
      profitFactor: null,
      avgWinLoss: null,
      exposure: 0,
      turnover: 0,
    })
    expect(sortinoOf([0.01, 0.02])).toBeUndefined()
  })
  test('a day of data has no annual growth', () => {
    const equity = Array.from({length: 100}, (_, i) => 1e12 + i * 1e7)
    const m = computeMetrics({...base, tsUs: equity.map((_, i) => i * 60e6), equityMicros: equity}, {rng: createRng(1)})
    expect([m.calmar, m.annualReturn]).toEqual([null, null])
  })
  test('trades: rate, factor and ratio of wins and losses', () => {
    const pnl = [10, 20, -5, 0, -10]
    const trips = pnl.map(p => ({
      instrument: 0,
      direction: 1 as const,
      lots: 1,
      entryTicks: 1,
      exitTicks: 1,
      openedUs: 0,
      closedUs: 1,
      pnlMicros: p,
      feesMicros: 0,
    }))
    const m = of([0.01, -0.01], {trips, tradedMicros: 3e12})
    expect([m.winRate, m.profitFactor, m.avgWinLoss, m.trades]).toEqual([0.5, 2, 2, 5])
    expect(m.turnover).toBeCloseTo(3, 1)
  })
  test('exposure weighs by time', () => {
    const m = computeMetrics(
      {...base, tsUs: [0, 10, 40], equityMicros: [100, 100, 100], grossMicros: [100, 0, 100]},
      {rng: createRng(1)},
    )
    expect([m.exposure, m.timeInMarket]).toEqual([0.25, 0.25])
  })
})

describe('an account that loses more than it has', () => {
  const at = (equity: readonly number[]) => ({
    tsUs: equity.map((_, i) => i * DAY),
    equityMicros: equity,
    trips: [],
    tradedMicros: 1e6,
    calendar: 'continuous' as const,
  })
  const falling = Array.from({length: 40}, (_, i) => 1e8 * (1 - i / 20))
  test.each([
    ['below zero, falling on', falling],
    ['below zero, and coming back', [...falling.slice(0, 30), ...falling.slice(21, 30).reverse()]],
    ['to zero', [...falling.slice(0, 21), ...new Array<number>(20).fill(0)]],
  ])('%s', (_, equity) => {
    const found = computeMetrics(at(equity), {rng: createRng(1), bootstrapDraws: 100})
    const {returns} = periodReturns(at(equity).tsUs, equity, 'continuous')
    // Day 20 is the first without money.
    expect(returns[19]).toBe(-1)
    expect([...returns.slice(20)].every(value => value === 0)).toBe(true)
    expect(found.sharpe).toBeLessThan(0)
    expect([found.annualReturn, Math.sign(found.turnover)]).toEqual([-1, 1])
    expect(found.annualVolatility).toBeGreaterThan(0)
    expect(JSON.parse(JSON.stringify(found))).toEqual(found)
  })
  test('stays lost in the windows after', () => {
    const lost = at([100, 50, -30])
    const chained = chainSeries([lost, {...at([100, 40, -30]), tsUs: [5, 6, 7].map(day => day * DAY)}])
    expect(chained.equityMicros).toEqual([100, 50, -30, -30, -30, -30])
  })
})

describe('drawdowns', () => {
  test('the table lists falls with peak, trough and recovery, deepest first', () => {
    const equity = [100, 90, 100, 120, 60, 80, 120, 110]
    const at = equity.map((_, i) => i)
    expect(drawdownTable(at, equity)).toEqual([
      {peakUs: 3, troughUs: 4, recoveredUs: 6, depth: 0.5},
      {peakUs: 0, troughUs: 1, recoveredUs: 2, depth: 1 - 90 / 100},
      {peakUs: 6, troughUs: 7, recoveredUs: undefined, depth: 1 - 110 / 120},
    ])
    expect(maxDrawdown(equity)).toBe(0.5)
  })
  test('the table’s first row is the maximum', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({min: 1, max: 1000}), {minLength: 1, maxLength: 50}), equity => {
        const [first] = drawdownTable(
          equity.map((_, i) => i),
          equity,
        )
        expect(first?.depth ?? 0).toBe(maxDrawdown(equity))
      }),
    )
  })
})

describe('splits', () => {
  test('walk forward steps by the test window and purges between parts', () => {
    const splits = walkForwardSplits({observations: 100, train: 40, validate: 10, test: 20, purge: 2})
    expect(splits).toEqual([
      {train: {from: 0, to: 40}, validate: {from: 42, to: 52}, test: {from: 54, to: 74}},
      {train: {from: 20, to: 60}, validate: {from: 62, to: 72}, test: {from: 74, to: 94}},
    ])
    expect(walkForwardSplits({observations: 30, train: 40, validate: 0, test: 20})).toEqual([])
  })
  test('anchored training starts at the first observation', () => {
    const splits = walkForwardSplits({observations: 100, train: 40, validate: 0, test: 20, isAnchored: true})
    expect(splits.map(s => s.train)).toEqual([
      {from: 0, to: 40},
      {from: 0, to: 60},
      {from: 0, to: 80},
    ])
  })
  test('no test observation is ever trained on or repeated, whatever the lengths', () => {
    const lengths = fc.record({
      observations: fc.integer({min: 1, max: 400}),
      train: fc.integer({min: 1, max: 100}),
      validate: fc.integer({min: 0, max: 30}),
      test: fc.integer({min: 1, max: 50}),
      purge: fc.integer({min: 0, max: 10}),
      embargo: fc.integer({min: 0, max: 10}),
    })
    fc.assert(
      fc.property(lengths, o => {
        let tested = -1
        for (const s of walkForwardSplits(o)) {
          expect(s.train.from).toBeGreaterThanOrEqual(0)
          expect(s.train.to + o.purge).toBe(s.validate.from)
          expect(s.validate.to + o.purge).toBe(s.test.from)
          expect(s.test.from).toBeGreaterThan(tested)
          expect(s.test.to).toBeLessThanOrEqual(o.observations)
          tested = s.test.to - 1
        }
      }),
    )
  })
  test('combinatorial: ten groups, eight tested, make 45 splits and 36 paths (skfolio’s default)', () => {
    expect(combinatorialSplits(1000, {groups: 10, testGroups: 8})).toHaveLength(45)
    expect(pathCount(10, 8)).toBe(36)
    expect(combinations(4, 2)).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
      [2, 3],
    ])
  })
  test('combinatorial: purge on both sides of a test block, embargo after it', () => {
    const [first] = combinatorialSplits(40, {groups: 4, testGroups: 1, purge: 2, embargo: 3})
    expect(first).toEqual({groups: [0], test: [{from: 0, to: 10}], train: [{from: 15, to: 40}]})
    const [, , , between] = combinatorialSplits(40, {groups: 4, testGroups: 2, purge: 1})
    expect(between).toEqual({
      groups: [1, 2],
      test: [{from: 10, to: 30}],
      train: [
        {from: 0, to: 9},
        {from: 31, to: 40},
      ],
    })
  })
})
