import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {applyRow, createMarketState, type MarketState} from '../../src/data/market-state.ts'
import {Depth, EventKind} from '../../src/data/tape.ts'
import {walkLeg, walkLoop} from '../../src/strategies/triangular-arbitrage/depth.ts'
import {findLoops, type Loop} from '../../src/strategies/triangular-arbitrage/triangles.ts'
import {chunkOf, type Row, START, table} from './fixture.ts'

const pairs = ['BTC/USD', 'ETH/USD', 'ETH/BTC'] as const
const [BTC, ETH, CROSS] = [0, 1, 2]
const instruments = table(...pairs)
type Levels = readonly (readonly [price: number, size: number])[]
type Books = readonly {readonly bids: Levels; readonly asks: Levels}[]

/** Depth rows that set a book up, as a venue would send them. */
const marketOf = (books: Books): MarketState => {
  const rows = books.flatMap(({bids, asks}, i): Row[] => {
    const scale = 10 ** instruments.at(i).priceDecimals
    const all = [...bids.map(level => [...level, 0] as const), ...asks.map(level => [...level, Depth.ask] as const)]
    return all.map(([price, size, side], k) => ({
      tsUs: START,
      kind: EventKind.depth,
      instrument: i,
      values: [Math.round(price * scale), Math.round(size * 1e8)],
      flags: side | (k === 0 ? Depth.clear : 0) | (k === all.length - 1 ? Depth.last : 0),
    }))
  })
  const market = createMarketState(books.length)
  const chunk = chunkOf(rows)
  for (let row = 0; row < chunk.count; row++) applyRow(market, chunk, row)
  return market
}
const [forward] = findLoops(instruments, 3) as [Loop, Loop]

/** USD → BTC at the asks, BTC → ETH at the asks, ETH → USD at the bids. */
const books: Books = [
  {
    bids: [[49_000, 1]],
    asks: [
      [50_000, 1],
      [50_100, 2],
    ],
  },
  {
    bids: [
      [2500, 15],
      [2480, 100],
    ],
    asks: [[2600, 1]],
  },
  {
    bids: [[0.048, 1]],
    asks: [
      [0.049, 10],
      [0.0495, 20],
    ],
  },
]

describe('a loop through the depth of its books', () => {
  test('exact size and profit, by hand', () => {
    const walk = walkLoop(forward, marketOf(books), 0, {minEdge: 0, maxDollars: 1e9})
    // 24,500 $ for the 10 ETH at 0.049; 12,375 $ for 5 more at 0.0495, which end the bids at 2,500; 13,125 $ that end the BTC
    // at 50,000; 24,048 $ at 50,100 that end the ETH at 0.0495.
    expect(walk.dollarsIn).toBeCloseTo(24_500 + 12_375 + 13_125 + 24_048, 6)
    expect(walk.dollarsOut).toBeCloseTo(30 * 2480 + 15 * 20, 6)
    expect(walk.dollarsOut - walk.dollarsIn).toBeCloseTo(652, 6)
    expect(walk.worstTicks).toEqual([50_100e4, 0.0495e8, 2480e4])
  })
  test('stops where one more dollar brings less than the edge asked for', () => {
    const walk = walkLoop(forward, marketOf(books), 0, {minEdge: 1e-4, maxDollars: 1e9})
    expect(walk.dollarsIn).toBeCloseTo(50_000, 6)
    expect(walk.worstTicks[0]).toBe(50_000e4)
    const dear = walkLoop(forward, marketOf(books), 0.0025, {minEdge: 0, maxDollars: 1e9})
    // Three fees of 25 bp leave 1.27 % of 2.04 on the first step and 0.25 % on the second.
    expect(dear.dollarsIn).toBeGreaterThan(24_500)
    expect(dear.dollarsIn).toBeLessThan(38_000)
    expect(walkLoop(forward, marketOf(books), 0.01, {minEdge: 0, maxDollars: 1e9}).dollarsIn).toBe(0)
  })
  test('a budget cuts it short', () => {
    const walk = walkLoop(forward, marketOf(books), 0, {minEdge: 0, maxDollars: 30_000})
    expect(walk.dollarsIn).toBeCloseTo(30_000, 9)
    expect(walk.dollarsOut).toBeCloseTo(25_000 + (5500 / 0.0495 / 50_000) * 2500, 6)
  })
  test('without levels the touch is all there is', () => {
    const market = createMarketState(3)
    const set = (i: number, bid: number, ask: number) => {
      market.bidTicks[i] = bid
      market.askTicks[i] = ask
      market.bidLots[i] = 1e8
      market.askLots[i] = 1e8
    }
    set(BTC, 50_000e4, 50_000e4)
    set(ETH, 2500e4, 2500e4)
    set(CROSS, 0.049e8, 0.049e8)
    // One ETH at 0.049 BTC binds.
    expect(walkLoop(forward, market, 0, {minEdge: 0, maxDollars: 1e9}).dollarsIn).toBeCloseTo(2450, 9)
  })
  test('no other size earns more, and every book is used within what it shows', () => {
    const levels = (from: number, direction: 1 | -1) =>
      fc
        .array(fc.tuple(fc.double({min: 1e-4, max: 0.02, noNaN: true}), fc.double({min: 0.05, max: 5, noNaN: true})), {
          minLength: 1,
          maxLength: 4,
        })
        .map(steps => {
          let price = from
          return steps.map(([step, size]) => {
            price *= 1 + direction * step
            return [price, size] as const
          })
        })
    fc.assert(
      fc.property(
        levels(50_000, 1),
        levels(2500, -1),
        levels(0.048, 1),
        fc.double({min: 0, max: 0.004, noNaN: true}),
        fc.array(fc.double({min: 0.01, max: 3, noNaN: true}), {minLength: 5, maxLength: 5}),
        (asks, bids, cross, fee, shares) => {
          const market = marketOf([
            {bids: [[40_000, 1]], asks},
            {bids, asks: [[4000, 1]]},
            {bids: [[0.01, 1]], asks: cross},
          ])
          const walk = walkLoop(forward, market, fee, {minEdge: 0, maxDollars: 1e9})
          const through = (dollars: number): number => {
            let amount = dollars
            for (const leg of forward.legs) {
              const {taken, got} = walkLeg(leg, market, amount)
              if (taken < amount * (1 - 1e-9)) return Number.NEGATIVE_INFINITY
              amount = got * (1 - fee)
            }
            return amount - dollars
          }
          const best = walk.dollarsOut - walk.dollarsIn
          if (walk.dollarsIn > 0) expect(through(walk.dollarsIn)).toBeCloseTo(best, 4)
          for (const share of shares)
            expect(through(share * Math.max(walk.dollarsIn, 100))).toBeLessThanOrEqual(best + 1e-4)
        },
      ),
    )
  })
})

describe('loops', () => {
  test('of four pairs are found once each way, through different coins', () => {
    const four = table('BTC/USD', 'ETH/BTC', 'SOL/ETH', 'SOL/USD')
    expect(findLoops(four, 3)).toEqual([])
    expect(findLoops(four, 4).map(({name}) => name)).toEqual(['USD>BTC>ETH>SOL', 'USD>SOL>ETH>BTC'])
    const names = findLoops(table('BTC/USD', 'ETH/USD', 'ETH/BTC', 'SOL/ETH', 'SOL/USD', 'SOL/BTC'), 4).map(l => l.name)
    expect(new Set(names).size).toBe(names.length)
    // Three triangles and three squares, both ways.
    expect(names.length).toBe(12)
  })
})
