import {renderToString} from 'ink'
import {expect, test} from 'vitest'
import type {TradeEvent} from '../../src/core/trade-events.ts'
import {sparkline} from '../../src/tui/format.ts'
import {viewEnvironment} from '../../src/tui/render-trade.ts'
import {emptyTradeModel, reduceTrade} from '../../src/tui/trade-model.ts'
import {TradeView} from '../../src/tui/trade-view.tsx'

const AT = 1_759_671_001_000_000 // 2025-10-05 09:30:01 in New York

const events: TradeEvent[] = [
  {
    kind: 'run',
    phase: 'started',
    runId: 'r1',
    tsUs: AT,
    broker: 'local',
    feed: 'simulated',
    strategies: ['market-making'],
    idle: [],
    symbols: ['SPY', 'BTC/USD'],
    seed: 1,
    speed: 60,
    equityMicros: 100_000_000_000,
  },
  {
    kind: 'position',
    symbol: 'SPY',
    tsUs: AT,
    size: 10,
    averageEntry: 600,
    price: 601.25,
    unrealizedMicros: 12_500_000,
  },
  {
    kind: 'position',
    symbol: 'BTC/USD',
    tsUs: AT,
    size: 0.0125,
    averageEntry: 90_000,
    price: 89_000,
    unrealizedMicros: -12_500_000,
  },
  {
    kind: 'signal',
    strategy: 'market-making',
    symbol: 'SPY',
    tsUs: AT,
    direction: 1,
    strength: 1,
    holdingPeriodUs: 1,
    size: 1,
    confidence: 0.61,
  },
  {
    kind: 'risk',
    tsUs: AT,
    state: 'active',
    equityMicros: 100_010_000_000,
    cashMicros: 90_000_000_000,
    pnlMicros: 10_000_000,
    realizedMicros: 0,
    feesMicros: 1_000_000,
    grossMicros: 7_100_000_000,
    drawdown: 0.001,
    openOrders: 2,
    limits: {maxDrawdown: 0.05, maxDailyLossMicros: 5_000_000_000},
  },
  {
    kind: 'latency',
    tsUs: AT,
    decisionUs: {p50: 310, p99: 1_250},
    totalUs: {p50: 900, p99: 4_000},
    loopDelayMs: {p50: 0.1, p99: 1.7, max: 3, start: 30, work: 2},
    events: 123_456,
    eventsPerSecond: 4_000,
  },
  {kind: 'log', tsUs: AT, level: 'warn', text: 'option-sentiment is idle: no chains in this feed'},
]
const model = events.reduce(reduceTrade, emptyTradeModel)
const frame = (columns: number, rows: number): string =>
  renderToString(<TradeView model={model} columns={columns} rows={rows} />, {columns})

test('shows what is held, earned, refused, said and how fast, on one wide screen', () => {
  expect(
    frame(110, 23)
      .split('\n')
      .map(line => line.trimEnd())
      .join('\n'),
  ).toMatchInlineSnapshot(`
    "gpi trade · r1 · local · simulated ACTIVE
    2025-10-05 09:30:01 New York ×60 · signals 1 · orders 0 · fills 0 · refused 0
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
    positions                                              risk
    symbol           size      entry      price      P&L $ equity $100,010.00  P&L +10.00  fees 1.00
    SPY                10     600.00     601.25     +12.50 drawdown 0.10 % of 5 %  gross $7,100  open orders 2
    BTC/USD       0.01250   90000.00   89000.00     -12.50 decision p50 310 µs p99 1.25 ms · total p99 4.00 ms
                                                           events 123,456 (4,000/s) · loop delay p99 1.7 ms
                                                           ▁
                                                           last signals
                                                           09:30:01 ▲ SPY       61 % market-making

    fills







    log
    09:30:01 option-sentiment is idle: no chains in this feed
    q stop · gpi kill --flatten stops everything from another terminal"
  `)
})

test.each([
  {columns: 80, rows: 23},
  {columns: 60, rows: 16},
  {columns: 200, rows: 49},
])('never draws past $columns columns and $rows rows', ({columns, rows}) => {
  const lines = frame(columns, rows).split('\n')
  expect(lines.length).toBeLessThanOrEqual(rows)
  expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(columns)
})

test('in a terminal too low for all of it the heading, the log and the keys stay', () => {
  const lines = frame(60, 14).split('\n')
  expect(lines).toHaveLength(14)
  expect(lines[0]).toMatch(/^gpi trade ACTIVE · r1/)
  expect(lines.filter(line => /^(positions|log)\b/.test(line))).toHaveLength(2)
  expect(lines.at(-2)).toMatch(/option-sentiment is idle/)
  expect(lines.at(-1)).toMatch(/^q stop/)
})

test('no colour where NO_COLOR says so, whatever it says', () => {
  expect(viewEnvironment({NO_COLOR: '1', TERM: 'xterm'})).toMatchObject({FORCE_COLOR: '0', TERM: 'xterm'})
  expect(viewEnvironment({NO_COLOR: ''})).not.toHaveProperty('FORCE_COLOR')
})

test('the curve spans its own range and keeps the latest value', () => {
  expect(sparkline([1, 2, 3], 10)).toBe('▁▅█')
  expect(sparkline([5, 5], 10)).toBe('▁▁')
  expect(
    sparkline(
      Array.from({length: 100}, (_, i) => i),
      5,
    ),
  ).toHaveLength(5)
})
