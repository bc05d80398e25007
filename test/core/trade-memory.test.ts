import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {MarketWindow} from '../../src/core/market-window.ts'
import {TradeMemory} from '../../src/core/trade-memory.ts'
import {createMarketState} from '../../src/data/market-state.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'
import type {Fill} from '../../src/domain/order.ts'
import {lots, micros, ticks, tsUs} from '../../src/domain/units.ts'
import type {NewPattern} from '../../src/memory/memory.ts'

const instruments = InstrumentTable.of(['SPY', 'BTC/USD'])
const setup = ({full = true} = {}) => {
  const patterns: NewPattern[] = []
  const outcomes: {id: string; pnlBps: number; atUs: number}[] = []
  const memory = new TradeMemory({
    runId: 'r',
    instruments,
    window: {vector: () => (full ? new Float32Array(256).fill(0.1) : undefined), regime: () => 'normal'},
    bank: {
      add: pattern => {
        patterns.push(pattern)
        return 'added'
      },
      recordOutcome: (id, pnlBps, atUs) => {
        outcomes.push({id, pnlBps, atUs})
        return 'recorded'
      },
    },
  })
  return {memory, patterns, outcomes}
}
let fills = 0
const fill = (side: 'buy' | 'sell', size: number, dollars: number, feeDollars = 0, at = 1): Fill => ({
  fillId: `f${++fills}`,
  clientOrderId: 'o',
  instrument: 0,
  side,
  lots: lots(size),
  priceTicks: ticks(dollars * 10_000),
  feeMicros: micros(feeDollars * 1e6),
  liquidity: 'taker',
  tsUs: tsUs(at),
})

describe('a closed trade', () => {
  test('is remembered with what it earned after costs, in basis points of what was put on', () => {
    const {memory, patterns, outcomes} = setup()
    memory.onFill('mm', fill('buy', 10, 100, 0.5, 5))
    memory.onFill('mm', fill('sell', 10, 101, 0.5, 9))
    expect(patterns).toMatchObject([{id: 'r:mm:SPY:1', symbol: 'SPY', strategy: 'mm', regime: 'normal', tsUs: 5}])
    expect(outcomes).toHaveLength(1)
    expect(outcomes[0]).toMatchObject({id: 'r:mm:SPY:1', atUs: 9})
    expect(outcomes[0]?.pnlBps).toBeCloseTo(90, 9) // 10 dollars less 1 of fees on 1,000
  })
  test('a short earns when the price falls', () => {
    const {memory, outcomes} = setup()
    memory.onFill('mm', fill('sell', 10, 100))
    memory.onFill('mm', fill('buy', 10, 99))
    expect(outcomes[0]?.pnlBps).toBeCloseTo(100, 9)
  })
  test('is one trade however many fills it took, and a turn-around is two', () => {
    const {memory, outcomes} = setup()
    memory.onFill('mm', fill('buy', 4, 100))
    memory.onFill('mm', fill('buy', 6, 100))
    memory.onFill('mm', fill('sell', 3, 101))
    expect(outcomes).toHaveLength(0)
    memory.onFill('mm', fill('sell', 12, 101))
    expect(outcomes).toHaveLength(1)
    memory.onFill('mm', fill('buy', 5, 101))
    expect(outcomes.map(({pnlBps}) => Math.round(pnlBps * 1e6) / 1e6)).toEqual([100, 0])
    expect(memory.recorded).toBe(2)
  })
  test('leaves no pattern while the market window is not full', () => {
    const {memory, patterns, outcomes} = setup({full: false})
    memory.onFill('mm', fill('buy', 10, 100))
    memory.onFill('mm', fill('sell', 10, 101))
    expect([patterns, outcomes]).toEqual([[], []])
  })
  test('strategies do not share trades', () => {
    const {memory, outcomes} = setup()
    memory.onFill('a', fill('buy', 1, 100))
    memory.onFill('b', fill('sell', 1, 100))
    expect(outcomes).toEqual([])
  })
})

describe('the market window', () => {
  const window = (prices: readonly number[]) => {
    const market = createMarketState(2)
    const out = new MarketWindow(market, 2)
    prices.forEach((price, step) => {
      market.bidTicks[0] = price - 1
      market.askTicks[0] = price + 1
      market.bidLots[0] = 3
      market.askLots[0] = 1
      out.onTime((step + 1) * 1_000_000)
    })
    return out
  }
  test('says nothing until 64 samples are in, and never of an instrument without a price', () => {
    expect(window(Array(63).fill(100)).vector(0)).toBeUndefined()
    expect(window(Array(64).fill(100)).vector(0)).toHaveLength(256)
    expect(window(Array(64).fill(100)).vector(1)).toBeUndefined()
  })
  test('does not depend on the price level, only on the shape', () => {
    const prices = fc.array(fc.integer({min: 90_000, max: 110_000}), {minLength: 64, maxLength: 90})
    fc.assert(
      fc.property(prices, path => {
        const returns = (vector: Float32Array | undefined) => vector?.filter((_, i) => i % 4 === 0)
        const [one, ten] = [returns(window(path).vector(0)), returns(window(path.map(p => p * 10)).vector(0))]
        for (const [i, value] of (one ?? []).entries()) expect(ten?.[i]).toBeCloseTo(value, 5)
      }),
      {numRuns: 30},
    )
  })
  test('hands out a copy: what comes later does not change what was', () => {
    const path = Array.from({length: 70}, (_, i) => 100_000 + ((i * 7_919) % 301))
    const market = window(path)
    const then = market.vector(0)
    const kept = [...(then ?? [])]
    market.onTime(71_000_000)
    expect([...(then ?? [])]).toEqual(kept)
    expect([...(market.vector(0) ?? [])]).not.toEqual(kept)
  })
})
