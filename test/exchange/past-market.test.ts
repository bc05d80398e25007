import {describe, expect, test} from 'vitest'
import {InstrumentTable, instrumentOf} from '../../src/domain/instrument.ts'
import {createRng} from '../../src/domain/rng.ts'
import {listedInstrument} from '../../src/exchange/assets.ts'
import {createPastMarket, joined} from '../../src/exchange/past-market.ts'
import {isTradingDay, newYorkDay, sessionOf} from '../../src/exchange/sessions.ts'
import {createSimulatedMarket, DEFAULT_SYMBOLS} from '../../src/exchange/simulated-market.ts'
import {at} from './exchange-rig.ts'

const START = at('2025-06-02T13:30:00Z')
const instruments = InstrumentTable.of(DEFAULT_SYMBOLS.map(symbol => listedInstrument(instrumentOf(symbol))))
const market = createSimulatedMarket({instruments, rng: createRng(1, 'market'), startUs: START})
const openingPrices = instruments.all().map((_, i) => market.efficientPrice(i))
const past = createPastMarket({instruments, rng: createRng(1, 'past'), startUs: START, openingPrices})
const [SPY, KO, PEP, BITCOIN] = ['SPY', 'KO', 'PEP', 'BTC/USD'].map(symbol => instruments.indexOf(symbol) as number)

describe('the past of a simulated market', () => {
  test('a year of trading days, ten days of minutes, nothing at or after the start', () => {
    const days = past.days(SPY as number)
    expect(days.length).toBeGreaterThan(245)
    expect(days.every(({startUs}) => isTradingDay(newYorkDay(startUs)))).toBe(true)
    const minutes = past.minutes(SPY as number)
    // Five sessions: Memorial Day lies among the ten days.
    expect(minutes.length).toBe(5 * 390)
    for (const {startUs} of minutes) {
      const session = sessionOf(newYorkDay(startUs))
      expect(startUs >= (session?.openUs ?? Infinity) && startUs < (session?.closeUs ?? 0)).toBe(true)
    }
    expect(past.minutes(BITCOIN as number).length).toBe(10 * 1_440)
    for (const i of instruments.all().keys()) expect(past.minutes(i).at(-1)?.startUs).toBeLessThan(START)
  })

  test('bars are in order, whole, and each begins where the one before ended', () => {
    for (const i of instruments.all().keys())
      for (const bars of [past.days(i), past.minutes(i)])
        for (const [k, {startUs, open, high, low, close, lots, count}] of bars.entries()) {
          expect(low).toBeLessThanOrEqual(Math.min(open, close))
          expect(high).toBeGreaterThanOrEqual(Math.max(open, close))
          expect(Math.min(low, lots, count)).toBeGreaterThan(0)
          const before = bars[k - 1]
          if (before === undefined) continue
          expect(startUs).toBeGreaterThan(before.startUs)
          if (bars === past.minutes(i) && startUs - before.startUs === 60_000_000) expect(open).toBe(before.close)
        }
  })

  test('leads to the first price of the market, and moves as the market does', () => {
    const last = past.minutes(BITCOIN as number).at(-1)?.close ?? 0
    const perUnit = 10 ** instruments.at(BITCOIN as number).priceDecimals
    expect(last / perUnit / (openingPrices[BITCOIN as number] ?? 0)).toBeCloseTo(1, 4)
    // KO follows PEP here as it does in the market itself.
    const returns = (i: number) => past.days(i).map(({open, close}) => Math.log(close / open))
    const [x, y] = [returns(KO as number), returns(PEP as number)]
    const mean = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length
    const [mx, my] = [mean(x), mean(y)]
    const covariance = mean(x.map((v, k) => (v - mx) * ((y[k] ?? 0) - my)))
    const deviation = (v: number[], m: number) => Math.sqrt(mean(v.map(a => (a - m) ** 2)))
    expect(covariance / deviation(x, mx) / deviation(y, my)).toBeGreaterThan(0.3)
  })

  test('is the same for the same seed', () => {
    const again = createPastMarket({instruments, rng: createRng(1, 'past'), startUs: START, openingPrices})
    expect(again.days(SPY as number)).toEqual(past.days(SPY as number))
  })

  test('a day that the market began in the middle of is one day', () => {
    const bar = (startUs: number, open: number, close: number) => ({
      startUs,
      open,
      high: Math.max(open, close),
      low: Math.min(open, close),
      close,
      lots: 10,
      count: 1,
      turnover: 10,
    })
    expect(joined([bar(1, 5, 6), bar(2, 6, 9)], [bar(2, 9, 7), bar(3, 7, 8)])).toMatchObject([
      {startUs: 1, close: 6},
      {startUs: 2, open: 6, high: 9, low: 6, close: 7, lots: 20},
      {startUs: 3},
    ])
  })
})
