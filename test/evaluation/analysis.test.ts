import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {PriceRecorder} from '../../src/core/report-prices.ts'
import {EventKind, emptyChunk} from '../../src/data/tape.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {breakdown, hourOf} from '../../src/evaluation/breakdown.ts'
import {capacity} from '../../src/evaluation/capacity.ts'
import {crisisTable, WORST_MARKET} from '../../src/evaluation/crises.ts'
import {indexReturns} from '../../src/evaluation/market-index.ts'
import {overfittingProbability} from '../../src/evaluation/overfitting.ts'
import {REGIME_LOOKBACK, regimesOf, regimeTable} from '../../src/evaluation/regimes.ts'
import type {RoundTrip} from '../../src/evaluation/round-trips.ts'
import {tradeOrder} from '../../src/evaluation/trade-order.ts'

const DAY = 86_400e6
const days = (from: string, count: number) => Array.from({length: count}, (_, k) => Date.parse(from) * 1000 + k * DAY)

describe('indexReturns', () => {
  test('is the mean over instruments of the log change of the last price', () => {
    const [up, late] = [
      {tsUs: [0, 10, 20], price: [100, 110, 121]},
      {tsUs: [12, 20], price: [50, 25]},
    ]
    const found = indexReturns([up, late], [5, 15, 25])
    expect(found[0]).toBe(0)
    expect(found[1]).toBeCloseTo(Math.log(1.1), 12)
    expect(found[2]).toBeCloseTo((Math.log(1.1) + Math.log(0.5)) / 2, 12)
  })
})

describe('regimes', () => {
  const calm = (t: number) => (t % 2 === 0 ? 0.001 : -0.001)
  test('wild times are volatile, quiet ones calm, a climb rises, and the first lookbacks have no name', () => {
    const market = Array.from({length: 120}, (_, t) => (t >= 80 ? 30 * calm(t) : calm(t) + (t >= 50 ? 0.002 : 0)))
    const found = regimesOf(market)
    expect(found.slice(0, REGIME_LOOKBACK + 10).every(r => r === undefined)).toBe(true)
    expect(found[45]).toEqual({volatility: 'calm', trend: 'sideways'})
    expect(found[79]?.trend).toBe('rising')
    expect(found[110]).toEqual({volatility: 'volatile', trend: 'sideways'})
  })
  test('a period’s regime never depends on that period or a later one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({min: -0.1, max: 0.1, noNaN: true}), {minLength: 40, maxLength: 80}),
        fc.nat(79),
        (market, cut) => {
          const kept = market.slice(0, cut)
          expect(regimesOf([...kept, 0.5, -0.5]).slice(0, kept.length + 1)).toEqual(
            regimesOf([...kept, -0.9, 0.1]).slice(0, kept.length + 1),
          )
        },
      ),
      {numRuns: 50},
    )
  })
  test('each dimension’s rows share out the periods that have a name, and compound to the whole', () => {
    const rng = createRng(5, 'regime')
    const market = Array.from({length: 300}, () => 0.01 * rng.normal())
    const returns = Array.from({length: 300}, () => 0.01 * rng.normal())
    const rows = regimeTable(returns, market, 252)
    for (const dimension of ['volatility', 'trend'] as const) {
      const own = rows.filter(row => row.dimension === dimension)
      expect(own.reduce((sum, {periods}) => sum + periods, 0)).toBe(300 - REGIME_LOOKBACK - 10)
      const whole = own.reduce((product, {totalReturn}) => product * (1 + totalReturn), 1)
      expect(whole).toBeCloseTo(
        returns.slice(REGIME_LOOKBACK + 10).reduce((product, r) => product * (1 + r), 1),
        10,
      )
    }
  })
})

describe('crisisTable', () => {
  test('finds a known crisis by its dates and the market’s own largest fall', () => {
    const tsUs = days('2020-02-01', 80)
    // The market halves evenly from day 20 to day 50; the strategy loses a tenth on day 30.
    const price = tsUs.map((_, k) => 100 * 0.5 ** (Math.min(Math.max(k - 20, 0), 30) / 30))
    const equity = tsUs.map((_, k) => (k < 30 ? 100 : 90))
    const rows = crisisTable(tsUs, equity, [{tsUs, price}])
    expect(rows.map(({name}) => name)).toEqual(['pandemic', WORST_MARKET])
    const [pandemic, worst] = rows
    expect(pandemic?.totalReturn).toBeCloseTo(-0.1, 12)
    expect(pandemic?.maxDrawdown).toBeCloseTo(0.1, 12)
    expect(pandemic?.from).toBe('2020-02-19T00:00:00.000Z')
    expect(pandemic?.to).toBe('2020-03-23T00:00:00.000Z')
    expect(worst?.marketReturn).toBeCloseTo(-0.5, 12)
  })
  test('says nothing of a run without samples, and no market return without prices', () => {
    expect(crisisTable([], [], [])).toEqual([])
    const tsUs = days('2020-02-20', 10)
    expect(crisisTable(tsUs, new Float64Array(10).fill(1), [])[0]).toMatchObject({name: 'pandemic', marketReturn: null})
  })
})

describe('tradeOrder', () => {
  test('all losses first is the worst order there is, and alternation a mild one', () => {
    const worst = [...Array.from({length: 20}, () => -1), ...Array.from({length: 20}, () => 1)]
    const found = tradeOrder(worst, 100, {rng: createRng(1), draws: 500})
    expect(found?.drawdown).toBeCloseTo(0.2, 12)
    expect(found?.rank).toBeGreaterThan(0.99)
    expect(found?.median).toBeLessThan(0.12)
    const mild = Array.from({length: 40}, (_, k) => (k % 2 === 0 ? 1 : -1))
    expect(tradeOrder(mild, 100, {rng: createRng(1), draws: 500})?.rank).toBeLessThan(0.01)
  })
  test('is undefined below ten trades', () => expect(tradeOrder([1, -1], 100, {rng: createRng(1)})).toBeUndefined())
})

describe('capacity', () => {
  // σ 2 %, an order of 1 % of a day's volume: 0.02·√0.01 = 0.2 % of its value.
  const orders = [{instrument: 0, lots: 100, valueMicros: 1_000_000e6}]
  const depth = () => ({dailyLots: 10_000, dailyVolatility: 0.02})
  test('follows the square-root law', () => {
    const found = capacity(orders, depth, 6_000e6)
    expect(found?.impactMicros).toBe(2_000e6)
    expect(found?.participation).toBeCloseTo(0.01, 12)
    // (2P/3C)² = (12/6)² = 4 and (P/C)² = 9.
    expect(found?.bestMultiple).toBeCloseTo(4, 12)
    expect(found?.breakEvenMultiple).toBeCloseTo(9, 12)
    expect(found?.sizes[0]).toEqual({multiple: 1, profitMicros: 4_000e6})
    expect(found?.sizes[1]?.profitMicros).toBeCloseTo(3 * 6_000e6 - 3 ** 1.5 * 2_000e6, -1)
  })
  test('what the replay charged takes the place of the law, and is added back before it scales', () => {
    const found = capacity(orders, depth, 3_000e6, 1_000e6)
    expect(found).toMatchObject({impactMicros: 1_000e6, isCharged: true})
    expect(found?.sizes[0]).toEqual({multiple: 1, profitMicros: 3_000e6})
    expect(found?.breakEvenMultiple).toBeCloseTo(16, 12)
  })
  test('no profit scales to nothing, and what has no volume is said', () => {
    expect(capacity(orders, depth, -1)?.bestMultiple).toBeNull()
    const half = [...orders, {instrument: 1, lots: 1, valueMicros: 1_000_000e6}]
    const found = capacity(half, i => (i === 0 ? depth() : {dailyLots: 0, dailyVolatility: 0.01}), 1e6)
    expect(found?.uncovered).toBeCloseTo(0.5, 12)
    expect(capacity([], depth, 1)).toBeUndefined()
  })
})

test('breakdown sums trades by key', () => {
  const trip = (instrument: number, hour: number, pnlMicros: number) =>
    ({instrument, closedUs: hour * 3_600e6, pnlMicros, feesMicros: 1}) as RoundTrip
  const trips = [trip(0, 14, 5), trip(0, 15, -2), trip(1, 14, 1), trip(1, 14, 0)]
  expect(breakdown(trips, ({instrument}) => String(instrument))).toEqual([
    {key: '0', trades: 2, wins: 1, losses: 1, pnlMicros: 3, feesMicros: 2},
    {key: '1', trades: 2, wins: 1, losses: 0, pnlMicros: 1, feesMicros: 2},
  ])
  expect(breakdown(trips, hourOf).map(({key, pnlMicros}) => [key, pnlMicros])).toEqual([
    ['14', 6],
    ['15', -2],
  ])
})

test('PriceRecorder keeps each stretch’s last price, within its bound, and counts volume once', () => {
  const instruments = InstrumentTable.of(['SPY', 'QQQ'])
  const recorder = new PriceRecorder(instruments)
  const chunk = emptyChunk(20_000)
  const ticksPerDollar = 10 ** instruments.at(0).priceDecimals
  for (let row = 0; row < 20_000; row++) {
    chunk.tsUs[row] = 1e15 + row * 500_000
    chunk.kind[row] = row % 2 === 0 ? EventKind.trade : EventKind.bar
    chunk.v0[row] = (100 + row / 1000) * ticksPerDollar
    chunk.v3[row] = (100 + row / 1000) * ticksPerDollar
    chunk.v1[row] = 3
    chunk.v4[row] = 3
  }
  chunk.count = 20_000
  recorder.note(chunk)
  const {tsUs, price} = recorder.series(0)
  expect(tsUs.length).toBeLessThanOrEqual(4_097)
  expect(price.at(-1)).toBeCloseTo(100 + 19_999 / 1000, 9)
  expect(price.every((p, k) => k === 0 || p > (price[k - 1] as number))).toBe(true)
  // 10,000 seconds from 2001-09-09T01:46:40Z: one day.
  expect(recorder.dailyLots(0)).toBe(30_000)
  expect(recorder.series(1)).toEqual({tsUs: [], price: []})
})

test.each([
  ['5-minute bars of 150 sessions', 150, 78, 300e6],
  ['hourly bars of 900 sessions', 900, 7, 3600e6],
  ['bars at noon and at the close of 6,000 sessions', 6_000, 2, 3.25 * 3600e6],
])('PriceRecorder loses no day’s last price: %s', (_, days, bars, stepUs) => {
  const instruments = InstrumentTable.of(['SPY'])
  const recorder = new PriceRecorder(instruments)
  const chunk = emptyChunk(days * bars)
  const scale = 10 ** instruments.at(0).priceDecimals
  const openUs = Date.UTC(2000, 0, 3, 14, 30) * 1000
  const closes: (readonly [number, number])[] = []
  for (let row = 0; row < days * bars; row++) {
    const at = openUs + Math.floor(row / bars) * 86_400e6 + ((row % bars) + 1) * stepUs
    const price = 100 + Math.round(1e4 * Math.sin(row)) / 1e4
    chunk.tsUs[row] = at
    chunk.kind[row] = EventKind.bar
    chunk.v3[row] = Math.round(price * scale)
    chunk.v4[row] = 1
    if (row % bars === bars - 1) closes.push([at, price])
  }
  chunk.count = days * bars
  recorder.note(chunk)
  const {tsUs, price} = recorder.series(0)
  expect(tsUs.length).toBeLessThanOrEqual(4_098 + days)
  expect(tsUs.every((at, k) => k === 0 || at >= (tsUs[k - 1] as number))).toBe(true)
  expect(recorder.dailyLots(0)).toBeCloseTo(bars, 9)
  for (const [at, wanted] of closes) expect(price[tsUs.findLastIndex(known => known <= at)]).toBeCloseTo(wanted, 9)
})

test('purging drops what a seam would put into both samples of an overfitting test', () => {
  const rng = createRng(8, 'pbo')
  const clean = Array.from({length: 6}, (_, k) => Array.from({length: 100}, () => rng.normal() + (k === 0 ? 1 : 0)))
  // Of two blocks the second starts at period 50, right after the other sample: only a purged test is blind to it.
  const spoilt = clean.map((returns, k) => (k === 0 ? returns.map((r, t) => (t === 50 ? -1e3 : r)) : returns))
  expect(overfittingProbability(spoilt, 2, 1)).toEqual(overfittingProbability(clean, 2, 1))
  expect(overfittingProbability(spoilt, 2, 0)).not.toEqual(overfittingProbability(clean, 2, 0))
  expect(() => overfittingProbability(clean, 50, 1)).toThrow(/at least 3 periods/)
})
