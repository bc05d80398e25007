import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {EventKind, type TapeChunk} from '../../src/data/tape.ts'
import {createRng} from '../../src/domain/rng.ts'
import {createSimulatedMarket, type SimulatedMarket} from '../../src/exchange/simulated-market.ts'
import {at} from './exchange-rig.ts'

const OPEN = at('2025-06-02T13:30:00Z')
const SECOND = 1_000_000
const market = (seed = 1, startUs = OPEN): SimulatedMarket =>
  createSimulatedMarket({rng: createRng(seed, 'market'), startUs})

interface Row {
  readonly atUs: number
  readonly kind: number
  readonly i: number
  readonly values: readonly number[]
}
const rowsOf = (chunk: TapeChunk): Row[] =>
  Array.from({length: chunk.count}, (_, r) => ({
    atUs: chunk.tsUs[r]!,
    kind: chunk.kind[r]!,
    i: chunk.instrument[r]!,
    values: [chunk.v0[r]!, chunk.v1[r]!, chunk.v2[r]!, chunk.v3[r]!, chunk.v4[r]!, chunk.v5[r]!, chunk.flags[r]!],
  }))
const run = (source: SimulatedMarket, untilUs: number, stepUs = SECOND, maxRows = 256): Row[] => {
  const rows: Row[] = []
  for (let nowUs = Math.max(source.nowUs(), OPEN); nowUs < untilUs; ) {
    nowUs = Math.min(untilUs, nowUs + stepUs)
    for (;;) {
      const chunk = source.advanceTo(nowUs, maxRows)
      if (chunk.count === 0) break
      rows.push(...rowsOf(chunk))
    }
  }
  return rows
}

test('one seed, one market: however it is asked for', () => {
  const expected = run(market(3), OPEN + 120 * SECOND)
  fc.assert(
    fc.property(fc.integer({min: 1_000, max: 30 * SECOND}), fc.integer({min: 1, max: 500}), (stepUs, maxRows) => {
      expect(run(market(3), OPEN + 120 * SECOND, stepUs, maxRows)).toEqual(expected)
    }),
    {numRuns: 10},
  )
  expect(run(market(4), OPEN + 120 * SECOND)).not.toEqual(expected)
})

test('time never goes back, quotes never cross, prices and sizes are whole increments', () => {
  const source = market(2)
  let lastUs = 0
  for (const {atUs, kind, i, values} of run(source, OPEN + 900 * SECOND)) {
    expect(atUs).toBeGreaterThanOrEqual(lastUs)
    lastUs = atUs
    const {incrementTicks} = source.instruments.at(i)
    const [a = 0, b = 0, c = 0, d = 0] = values
    if (kind === EventKind.quote) {
      expect(b).toBeGreaterThan(a)
      expect([a % incrementTicks, b % incrementTicks]).toEqual([0, 0])
      expect(Math.min(c, d)).toBeGreaterThanOrEqual(1)
      expect(Number.isInteger(c) && Number.isInteger(d)).toBe(true)
    }
    if (kind === EventKind.trade) expect(b).toBeGreaterThanOrEqual(1)
    if (kind === EventKind.bar) expect([b >= Math.max(a, d), c <= Math.min(a, d)]).toEqual([true, true])
  }
})

test('a bar is the trades of its minute', () => {
  const rows = run(market(5), OPEN + 300 * SECOND)
  const bars = rows.filter(row => row.kind === EventKind.bar)
  expect(bars.length).toBeGreaterThan(20)
  for (const {atUs, i, values} of bars) {
    const trades = rows.filter(
      row => row.kind === EventKind.trade && row.i === i && row.atUs > atUs - 60 * SECOND && row.atUs <= atUs,
    )
    const prices = trades.map(({values: [price = 0]}) => price)
    expect(values.slice(0, 5)).toEqual([
      prices[0],
      Math.max(...prices),
      Math.min(...prices),
      prices.at(-1),
      trades.reduce((sum, {values: [, lots = 0]}) => sum + lots, 0),
    ])
  }
})

test('shares keep the sessions, coins do not', () => {
  const close = at('2025-06-02T20:00:00Z')
  const source = market(1, close - 60 * SECOND)
  const seen = new Map<string, number>()
  for (;;) {
    const chunk = source.advanceTo(close + 120 * SECOND, 256)
    if (chunk.count === 0) break
    for (const {atUs, kind, i} of rowsOf(chunk))
      if (kind !== EventKind.bar) seen.set(source.instruments.at(i).symbol, atUs)
  }
  expect(seen.get('SPY')).toBeLessThan(close)
  expect(seen.get('BTC/USD')).toBeGreaterThan(close)
})

describe('calibration over five sessions', () => {
  const STEP = 300
  /** Mids every five minutes and row counts, over the first two hours of five seeds. */
  const paths = [11, 12, 13, 14, 15].map(seed => {
    const source = market(seed)
    const size = source.instruments.size
    const mid = new Float64Array(size)
    const logs: number[][] = Array.from({length: size}, () => [])
    const quotes = new Float64Array(size)
    const gaps: number[] = []
    for (let s = 1; s <= 2 * 3_600; s++) {
      for (;;) {
        const chunk = source.advanceTo(OPEN + s * SECOND, 512)
        if (chunk.count === 0) break
        for (let r = 0; r < chunk.count; r++) {
          if (chunk.kind[r] !== EventKind.quote) continue
          const i = chunk.instrument[r]!
          quotes[i]!++
          mid[i] = (chunk.v0[r]! + chunk.v1[r]!) / 2
        }
      }
      if (s % 60 === 0) gaps.push((mid[7]! / 1e4 / (mid[6]! / mid[5]!) / 1e4 - 1) * 1e4)
      if (s % STEP === 0) for (let i = 0; i < size; i++) logs[i]!.push(Math.log(mid[i]!))
    }
    return {returns: logs.map(log => log.slice(1).map((v, k) => v - log[k]!)), quotes, gaps}
  })
  const pooled = (i: number): number[] => paths.flatMap(({returns}) => returns[i]!)
  const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length
  const deviation = (x: readonly number[]): number => Math.sqrt(mean(x.map(v => v * v)) - mean(x) ** 2)
  const correlation = (x: readonly number[], y: readonly number[]): number =>
    (mean(x.map((v, k) => v * y[k]!)) - mean(x) * mean(y)) / (deviation(x) * deviation(y))

  // Bounds are three standard errors of ten hours, widened for volatility that is itself random.
  test('correlations are those of the bars they were measured on', () => {
    expect(correlation(pooled(0), pooled(1))).toBeGreaterThan(0.88)
    expect(Math.abs(correlation(pooled(0), pooled(2)) - 0.49)).toBeLessThan(0.2)
    expect(Math.abs(correlation(pooled(3), pooled(4)) - 0.66)).toBeLessThan(0.25)
    expect(Math.abs(correlation(pooled(5), pooled(6)) - 0.72)).toBeLessThan(0.2)
  })
  test('volatilities are of the measured size', () => {
    const annual = (i: number, year: number) => deviation(pooled(i)) * Math.sqrt(year / STEP)
    const share = 252 * 23_400
    for (const [i, year, measured] of [
      [0, share, 0.09],
      [2, share, 0.177],
      [4, share, 0.141],
      [5, 365 * 86_400, 0.63],
    ] as const) {
      expect(annual(i, year) / measured).toBeGreaterThan(0.5)
      expect(annual(i, year) / measured).toBeLessThan(1.7)
    }
  })
  test('quotes come at the stated rates', () => {
    const rate = mean(paths.map(({quotes}) => quotes[0]! / (2 * 3_600)))
    expect(rate).toBeGreaterThan(5.9)
    expect(rate).toBeLessThan(6.5)
  })
  test('ETH/BTC leaves its legs by little, and not for long', () => {
    const gaps = paths.map(path => path.gaps)
    expect(deviation(gaps.flat())).toBeLessThan(5)
    const lagged = gaps.map(gap => correlation(gap.slice(0, -5), gap.slice(5)))
    expect(Math.abs(mean(lagged))).toBeLessThan(0.2)
  })
})

describe('hooks', () => {
  const mids = (source: SimulatedMarket, untilUs: number): Map<string, number> => {
    const out = new Map<string, number>()
    for (const {kind, i, values} of run(source, untilUs))
      if (kind === EventKind.quote) out.set(source.instruments.at(i).symbol, ((values[0] ?? 0) + (values[1] ?? 0)) / 2)
    return out
  }
  const from = OPEN + 60 * SECOND
  const calm = () => {
    const source = market(9)
    run(source, from)
    return source
  }

  test('a shock moves prices by its fraction, KO with PEP, and the cross not at all', () => {
    const expected = mids(calm(), from + 60 * SECOND)
    const source = calm()
    source.shock(-0.05)
    const shocked = mids(source, from + 60 * SECOND)
    const moved = (symbol: string) => (shocked.get(symbol) as number) / (expected.get(symbol) as number) - 1
    for (const symbol of ['SPY', 'AAPL', 'PEP', 'BTC/USD']) expect(moved(symbol)).toBeCloseTo(-0.05, 3)
    expect(moved('KO')).toBeCloseTo(0.95 ** 0.6758 - 1, 3)
    expect(Math.abs(moved('ETH/BTC'))).toBeLessThan(0.002)
  })

  test('a shock over time is half done at half time', () => {
    const source = calm()
    const before = source.efficientPrice(0)
    source.shock(-0.2, {instruments: [0], overUs: 100 * SECOND})
    run(source, from + 50 * SECOND)
    expect(source.efficientPrice(0) / before).toBeCloseTo(0.8 ** 0.5, 2)
    run(source, from + 130 * SECOND)
    expect(source.efficientPrice(0) / before).toBeCloseTo(0.8, 2)
  })

  test('spreads, depth and rates follow their multipliers', () => {
    const figures = (change: Parameters<SimulatedMarket['setConditions']>[0]) => {
      const source = calm()
      source.setConditions(change, [0])
      const quotes = run(source, from + 300 * SECOND).filter(({kind, i}) => kind === EventKind.quote && i === 0)
      const average = (of: (values: readonly number[]) => number) =>
        quotes.reduce((sum, {values}) => sum + of(values), 0) / quotes.length
      return {count: quotes.length, spread: average(v => v[1]! - v[0]!), depth: average(v => v[2]! + v[3]!)}
    }
    const usual = figures({})
    const stressed = figures({
      spreadMultiplier: 10,
      depthMultiplier: 0.1,
      quoteRateMultiplier: 3,
      tradeRateMultiplier: 3,
    })
    expect(stressed.spread / usual.spread).toBeGreaterThan(6)
    expect(stressed.depth / usual.depth).toBeLessThan(0.2)
    expect(stressed.count / usual.count).toBeGreaterThan(2.5)
  })

  test('a halt is one empty quote and silence; trading resumes with a quote', () => {
    const source = calm()
    source.halt(0, from + 30 * SECOND)
    const rows = run(source, from + 60 * SECOND).filter(({i, kind}) => i === 0 && kind !== EventKind.bar)
    expect(rows[0]?.values.slice(0, 4)).toEqual([0, 0, 0, 0])
    expect(rows[1]?.atUs).toBe(from + 30 * SECOND)
    expect(rows[1]?.values[0]).toBeGreaterThan(0)
  })

  test('a silent feed says nothing, though the price goes on', () => {
    const source = calm()
    source.silence(from + 30 * SECOND, 0)
    const before = source.efficientPrice(0)
    const rows = run(source, from + 29 * SECOND)
    expect(rows.filter(({i}) => i === 0)).toEqual([])
    expect(source.efficientPrice(0)).not.toBe(before)
    expect(rows.some(({i}) => i === 1)).toBe(true)
  })

  test('volatility and correlation can be raised', () => {
    const spread = (change: (source: SimulatedMarket) => void) => {
      const source = calm()
      change(source)
      const steps: [number, number][] = []
      for (let k = 1; k <= 600; k++) {
        run(source, from + k * SECOND)
        steps.push([Math.log(source.efficientPrice(0)), Math.log(source.efficientPrice(2))])
      }
      const r = (j: 0 | 1) => steps.slice(1).map((s, k) => s[j] - steps[k]![j])
      const sd = (x: number[]) => Math.sqrt(x.reduce((s, v) => s + v * v, 0) / x.length)
      const [a, b] = [r(0), r(1)]
      return {deviation: sd(a), correlation: a.reduce((s, v, k) => s + v * b[k]!, 0) / a.length / sd(a) / sd(b)}
    }
    const usual = spread(() => undefined)
    const wild = spread(source => {
      source.setVolatility(4)
      source.setCorrelation(1)
    })
    expect(wild.deviation / usual.deviation).toBeGreaterThan(3)
    expect(usual.correlation).toBeLessThan(0.8)
    expect(wild.correlation).toBeGreaterThan(0.97)
  })
})
