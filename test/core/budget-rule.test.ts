import {expect, test} from 'vitest'
import {requestBudget} from '../../src/core/budget-rule.ts'
import type {OrderIntent} from '../../src/domain/order.ts'
import type {RiskSnapshot} from '../../src/risk/risk.ts'

const verdict = (available: number, held: number, order: Partial<OrderIntent>): string => {
  const use = {perMinute: 200, lastMinute: 190, available, waiting: 0, denied: 0, throttled: 0}
  const snapshot = {positionLots: Float64Array.of(held)} as unknown as RiskSnapshot
  return requestBudget(() => use)({instrument: 0, side: 'buy', lots: 10, ...order} as OrderIntent, snapshot).kind
}

test('an order that opens or grows a position needs a request that is free', () => {
  expect(verdict(1, 0, {})).toBe('accept')
  expect(verdict(0, 0, {})).toBe('reject')
  expect(verdict(0, 50, {})).toBe('reject')
  expect(verdict(0, -9, {})).toBe('reject')
})

test('one that only closes passes without', () => {
  expect(verdict(0, -10, {})).toBe('accept')
  expect(verdict(0, 10, {side: 'sell'})).toBe('accept')
  expect(verdict(0, 0, {reduceOnly: true})).toBe('accept')
})
