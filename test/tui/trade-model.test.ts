import fc from 'fast-check'
import {expect, test} from 'vitest'
import type {FillEvent, LogEvent, PositionEvent, SignalEvent, TradeEvent} from '../../src/core/trade-events.ts'
import {emptyTradeModel, reduceTrade} from '../../src/tui/trade-model.ts'

const fold = (events: readonly TradeEvent[]) => events.reduce(reduceTrade, emptyTradeModel)
const signal = (over: Partial<SignalEvent> = {}): SignalEvent => ({
  kind: 'signal',
  strategy: 'market-making',
  symbol: 'SPY',
  tsUs: 1,
  direction: 1,
  strength: 0.5,
  holdingPeriodUs: 1,
  size: 0.1,
  confidence: 0.6,
  ...over,
})
const position = (over: Partial<PositionEvent> = {}): PositionEvent => ({
  kind: 'position',
  symbol: 'SPY',
  tsUs: 1,
  size: 10,
  averageEntry: 600,
  price: 601,
  unrealizedMicros: 10_000_000,
  ...over,
})
const fill = (fillId: string): FillEvent => ({
  kind: 'fill',
  fillId,
  clientOrderId: 'a',
  strategy: 'market-making',
  symbol: 'SPY',
  tsUs: 1,
  side: 'buy',
  size: 1,
  price: 600,
  feeMicros: 0,
  liquidity: 'maker',
})

test('a position of nothing leaves the screen', () => {
  expect(fold([position(), position({size: 0})]).positions.size).toBe(0)
})

test('a later signal of the same strategy and symbol replaces the earlier one and comes first', () => {
  const model = fold([signal(), signal({symbol: 'QQQ'}), signal({direction: -1})])
  expect(model.signals.map(({symbol, direction}) => [symbol, direction])).toEqual([
    ['SPY', -1],
    ['QQQ', 1],
  ])
  expect(model.counts.signals).toBe(3)
})

test('refusals of risk and of the venue are counted by reason, the most frequent first', () => {
  const verdict = (rule: string): TradeEvent => ({
    kind: 'verdict',
    clientOrderId: 'a',
    symbol: 'SPY',
    tsUs: 1,
    verdict: 'reject',
    rule,
  })
  const model = fold([verdict('price-collar'), verdict('cash-reserve'), verdict('cash-reserve')])
  expect([...model.refusals]).toEqual([
    ['cash-reserve', 2],
    ['price-collar', 1],
  ])
  expect(model.counts.rejected).toBe(3)
})

test('market time never runs back on the screen', () => {
  expect(fold([signal({tsUs: 9}), signal({tsUs: 3})]).nowUs).toBe(9)
})

test('however long the run, the model stays bounded', () => {
  const anyEvent: fc.Arbitrary<TradeEvent> = fc.oneof(
    fc.string().map(symbol => signal({symbol})),
    fc.string().map(fill),
    fc.string().map((text): LogEvent => ({kind: 'log', tsUs: 1, level: 'info', text})),
  )
  fc.assert(
    fc.property(fc.array(anyEvent, {minLength: 100, maxLength: 400}), events => {
      const model = fold(events)
      expect(model.signals.length).toBeLessThanOrEqual(12)
      expect(model.fills.length).toBeLessThanOrEqual(12)
      expect(model.log.length).toBeLessThanOrEqual(50)
    }),
    {numRuns: 30},
  )
})
