import {expect, test} from 'vitest'
import type {BacktestSummary} from '../../src/core/backtest.ts'
import {backtestText} from '../../src/core/backtest-text.ts'

test('what was earned has its sign before the currency', () => {
  const text = backtestText({
    metrics: {totalReturn: 0, maxDrawdown: 0, sharpe: null},
    detail: {periods: 0, period: '1d'},
    costs: {feesMicros: 1_470_000, spreadMicros: -35_400_000, slippageMicros: 0, borrowMicros: -1},
    eventsPerSecond: 1,
    baselines: [],
    remarks: [],
  } as unknown as BacktestSummary)
  expect(text).toContain('fees $1.47, spread -$35.40, slippage $0.00')
})
