import {describe, expect, test} from 'vitest'
import {createMarketState} from '../../src/data/market-state.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import {Survival} from '../../src/strategies/triangular-arbitrage/survival.ts'
import {evaluate, findLoops} from '../../src/strategies/triangular-arbitrage/triangles.ts'
import {bar, quote, type Row, rehearse, START, table} from './fixture.ts'

const pairs = ['BTC/USD', 'ETH/USD', 'ETH/BTC'] as const
const [BTC, ETH, CROSS] = [0, 1, 2]
/** BTC at 50,000, ETH at 2,500, so 0.05 is fair; spreads 1 dollar, 0.1 dollar and 0.00001. Ten BTC, 200 ETH a side. */
const books = (at: number, cross = 0.05, btc = 50_000): Row[] => [
  quote(at, BTC, (btc - 0.5) * 1e4, (btc + 0.5) * 1e4, 10e8, 10e8),
  quote(at, ETH, 2499.95e4, 2500.05e4, 200e8, 200e8),
  quote(at, CROSS, Math.round((cross - 5e-6) * 1e8), Math.round((cross + 5e-6) * 1e8), 200e8, 200e8),
]
const run = (rows: Row[], params = {}, options = {}) => {
  const strategy = createStrategy('triangular-arbitrage', params)
  return {...rehearse(strategy, table(...pairs), rows, options), report: strategy.report?.() ?? {}}
}

describe('triangles', () => {
  test('both ways round through dollars', () => {
    const found = findLoops(table(...pairs, 'SPY'), 3)
    expect(found.map(t => t.name)).toEqual(['USD>BTC>ETH', 'USD>ETH>BTC'])
    expect(found[0]?.legs.map(l => l.side)).toEqual(['buy', 'buy', 'sell'])
    expect(found[1]?.legs.map(l => l.side)).toEqual(['buy', 'sell', 'sell'])
    expect(findLoops(table('BTC/USD', 'ETH/USD'), 4)).toEqual([])
  })
  test('loops between dollar coins are known when asked for', () => {
    const dollars = table('BTC/USDT', 'BTC/USDC', 'USDC/USDT')
    expect(findLoops(dollars, 3)).toEqual([])
    expect(new Set(findLoops(dollars, 3, true).map(t => t.name))).toEqual(
      new Set(['USDT>BTC>USDC', 'USDT>USDC>BTC', 'USDC>BTC>USDT', 'USDC>USDT>BTC']),
    )
  })
  test('the edge is the product of executable rates, the size that of the smallest book, by hand', () => {
    const instruments = table(...pairs)
    const market = createMarketState(3)
    const set = (i: number, bid: number, ask: number, bidLots: number, askLots: number) => {
      market.bidTicks[i] = bid
      market.askTicks[i] = ask
      market.bidLots[i] = bidLots
      market.askLots[i] = askLots
    }
    set(BTC, 50_000e4, 50_001e4, 1e8, 2e8)
    set(ETH, 2500e4, 2501e4, 10e8, 1e8)
    set(CROSS, 0.0498e8, 0.0499e8, 5e8, 6e8)
    const [forward, backward] = findLoops(instruments, 3).map(t => evaluate(t, market, 0.001))
    // USD → BTC at 50,001 → ETH at 0.0499 → USD at 2,500; 6 ETH at the cross bind: 6 × 0.0499 BTC × 50,001.
    expect(forward?.grossEdge).toBeCloseTo(2500 / (50_001 * 0.0499) - 1, 12)
    expect(forward?.netEdge).toBeCloseTo((2500 / (50_001 * 0.0499)) * 0.999 ** 3 - 1, 12)
    expect(forward?.capacity).toBeCloseTo(6 * 0.0499 * 50_001, 6)
    // USD → ETH at 2,501 (1 ETH there) → BTC at 0.0498 → USD at 50,000.
    expect(backward?.grossEdge).toBeCloseTo((0.0498 * 50_000) / 2501 - 1, 12)
    expect(backward?.capacity).toBeCloseTo(2501, 6)
  })
  test('survival counts chances that outlive each horizon', () => {
    const s = new Survival()
    for (const [at, open] of [
      [0, true],
      [60_000, false],
      [100_000, true],
      [100_001, true],
      [400_000, false],
      [500_000, true],
    ] as const)
      s.update(open, at)
    expect(s.seen).toBe(3)
    expect(s.report()).toEqual({after50ms: 1, after100ms: 0.5, after250ms: 0.5, meanMs: 180})
  })
})

describe('triangular-arbitrage', () => {
  const steps = (from: number, count: number, cross = 0.05, btc = 50_000): Row[] =>
    Array.from({length: count}, (_, k) => books(START + (from + k) * 10_000, cross, btc)).flat()

  test('does nothing while the books agree', () => {
    const {targets, report} = run(steps(0, 50))
    expect(targets).toEqual([])
    expect(report['chancesBeforeFees']).toBe(0)
  })
  test('runs a loop through three legs at a profit and ends with dollars only', () => {
    const {fills, profitMicros, report} = run(
      [...steps(0, 5), ...steps(5, 1, 0.0495), ...steps(6, 1, 0.0495), ...steps(7, 20)],
      {takerFeeBps: 0},
    )
    expect(report['completed']).toBeGreaterThan(0)
    expect(report['legFailures']).toBe(0)
    expect(fills.slice(0, 3).map(f => [f.instrument, f.side])).toEqual([
      [BTC, 'buy'],
      [CROSS, 'buy'],
      [ETH, 'sell'],
    ])
    const dollars = fills.reduce(
      (sum, f) =>
        sum + (f.instrument === CROSS ? 0 : (f.side === 'buy' ? -1 : 1) * (f.lots / 1e8) * (f.priceTicks / 1e4)),
      0,
    )
    expect(dollars).toBeGreaterThan(20)
    expect(Number.isFinite(profitMicros)).toBe(true)
  })
  test('an edge below three fees is reported, not traded', () => {
    const {targets, report} = run([...steps(0, 5), ...steps(5, 5, 0.0498), ...steps(10, 5)], {takerFeeBps: 25})
    expect(targets).toEqual([])
    expect(report['chancesBeforeFees']).toBe(1)
    expect(report['chancesAfterFees']).toBe(0)
  })
  test('a refused second leg is given up after its time and the coin is sold', () => {
    const {fills, report, positions} = run(
      [...steps(0, 5), ...steps(5, 100, 0.0495)],
      {takerFeeBps: 0, legTimeoutMs: 100},
      {refuse: CROSS},
    )
    expect(report['legFailures']).toBeGreaterThan(0)
    expect(fills[0]).toMatchObject({instrument: BTC, side: 'buy'})
    expect(fills[1]).toMatchObject({instrument: BTC, side: 'sell'})
    expect(positions[CROSS]).toBe(0)
  })
  test('a first leg that never fills is a miss, not a loss', () => {
    const {report, fills} = run(
      [...steps(0, 5), ...steps(5, 60, 0.0495)],
      {takerFeeBps: 0, legTimeoutMs: 100},
      {refuse: BTC},
    )
    expect(report['missed']).toBeGreaterThan(0)
    expect(fills.filter(f => f.instrument === CROSS)).toEqual([])
  })
  test('old quotes make no chance', () => {
    const stale = [
      ...books(START),
      ...Array.from({length: 20}, (_, k) => books(START + 2e6 + k * 10_000, 0.0495)[CROSS] as Row),
    ]
    expect(run(stale, {takerFeeBps: 0}).report['chancesBeforeFees']).toBe(0)
  })
  test('closes of bars are compared and counted before and after fees, and never traded', () => {
    const FIVE = 300e6
    const at = (k: number) => START + k * FIVE
    const closes = (k: number, cross: number): Row[] => [
      bar(at(k), BTC, 50_000e4, FIVE),
      bar(at(k), ETH, 2500e4, FIVE),
      bar(at(k), CROSS, Math.round(cross * 1e8), FIVE),
    ]
    // Fair; 20 bps dear, less than three fees of 10; 50 bps dear; then one leg is missing.
    const rows = [...closes(1, 0.05), ...closes(2, 0.0501), ...closes(3, 0.05025), ...closes(4, 0.06).slice(0, 2)]
    const {report, targets} = run(rows, {takerFeeBps: 10})
    expect(report).toMatchObject({closesCompared: 6, closesBeforeFees: 2, closesAfterFees: 1})
    expect(report['closesBestGrossBps']).toBeCloseTo(50, 9)
    expect(report['closesBestNetBps']).toBeCloseTo((1.005 * 0.999 ** 3 - 1) * 1e4, 9)
    expect(targets).toEqual([])
  })
})
