import {describe, expect, test} from 'vitest'
import {bestPrice, exitReason} from '../../src/risk/position-exit.ts'

const rules = {stopLoss: 0.02, takeProfit: 0.05, trailingStop: 0.03, maxHoldingUs: 1000}
const long = {lots: 10, averageEntryTicks: 10_000, openedUs: 0, bestTicks: 10_000}
const short = {...long, lots: -10}

describe('exitReason', () => {
  test.each([
    ['a long within its limits', long, 10_100, 10, undefined],
    ['a long at its stop', long, 9_800, 10, 'stop-loss'],
    ['a long at its profit', long, 10_500, 10, 'take-profit'],
    ['a long that fell from its best', {...long, bestTicks: 10_400}, 10_080, 10, 'trailing-stop'],
    ['a short at its stop', short, 10_200, 10, 'stop-loss'],
    ['a short at its profit', {...short, bestTicks: 9_500}, 9_500, 10, 'take-profit'],
    ['a short that rose from its best', {...short, bestTicks: 9_600}, 9_900, 10, 'trailing-stop'],
    ['a position that is too old', long, 10_000, 1000, 'time-out'],
    ['no position', {...long, lots: 0}, 5_000, 5000, undefined],
    ['a position without a price ages all the same', long, 0, 1000, 'time-out'],
  ] as const)('%s', (_name, position, exitTicks, nowUs, expected) => {
    expect(exitReason(position, exitTicks, nowUs, rules)).toBe(expected)
  })
  test('absent rules are off', () => {
    expect(exitReason(long, 1, 1e12, {})).toBeUndefined()
  })
  test('the best price follows the position’s direction', () => {
    expect([bestPrice(long, 10_500), bestPrice(long, 9_000), bestPrice(short, 9_000)]).toEqual([10_500, 10_000, 9_000])
  })
})
