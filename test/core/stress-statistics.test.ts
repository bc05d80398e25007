import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {PathResult} from '../../src/core/stress-path.ts'
import {reportScenario} from '../../src/core/stress-report.ts'
import {quantile, tailMean} from '../../src/core/stress-statistics.ts'

const upTo = (n: number) => Array.from({length: n}, (_, i) => i + 1)

describe('the quantile is an observed value, never one between two', () => {
  test.each([
    {values: upTo(100), p: 0.99, expected: 99},
    {values: upTo(200), p: 0.99, expected: 198},
    {values: upTo(64), p: 0.99, expected: 64},
    {values: upTo(4), p: 0.5, expected: 2},
    {values: [3], p: 0.01, expected: 3},
  ])('$p of $values.length values is $expected', ({values, p, expected}) => {
    expect(quantile(values, p)).toBe(expected)
  })
  test('at least p of the values do not exceed it, and fewer than p lie strictly below', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), {minLength: 1}), fc.double({min: 0.01, max: 1, noNaN: true}), (values, p) => {
        const q = quantile(values, p)
        expect(values.filter(value => value <= q).length).toBeGreaterThanOrEqual(p * values.length - 1e-6)
        expect(values.filter(value => value < q).length).toBeLessThan(p * values.length + 1e-6)
      }),
    )
  })
})

describe('the tail mean', () => {
  test('of 200 losses at 99 % is the mean of the two worst', () => {
    expect(tailMean(upTo(200), 0.99)).toBeCloseTo(199.5, 12)
  })
  test('counts the boundary loss by the share that lies in the tail', () => {
    // 150 losses: the tail is 1.5 of them, so 150 counts whole and 149 by half.
    expect(tailMean(upTo(150), 0.99)).toBeCloseTo((150 + 149 / 2) / 1.5, 9)
  })
  test('is never below the quantile', () => {
    fc.assert(
      fc.property(fc.array(fc.double({min: -1, max: 1, noNaN: true}), {minLength: 1, maxLength: 300}), losses => {
        expect(tailMean(losses, 0.99)).toBeGreaterThanOrEqual(quantile(losses, 0.99) - 1e-9)
      }),
    )
  })
})

const path = (over: Partial<PathResult> = {}): PathResult => ({
  seed: 1,
  calm: false,
  loss: 0.01,
  maxDrawdown: 0.02,
  latchedAtUs: undefined,
  reactionUs: undefined,
  grossAtOnset: 0.5,
  revaluedLoss: 0.03,
  exitUs: undefined,
  latchReason: undefined,
  ordersAfterLatch: 0,
  events: 10,
  orders: 1,
  fills: 1,
  rejected: 0,
  ledgerErrorMicros: 0,
  journalHash: 'x',
  ...over,
})
const report = (stressed: readonly PathResult[]) =>
  reportScenario({
    scenario: 'flash-crash',
    seed: 1,
    stressed,
    calm: [path({calm: true, loss: 0.001})],
    limits: {stressVarLimit: 0.1, maxDrawdown: 0.05, maxDailyLossDollars: 5_000},
    equityDollars: 100_000,
    hash: parts => parts.join(),
  })

describe('the report of a scenario', () => {
  test('keeps the calm VaR apart from the stressed one', () => {
    expect(report([path({loss: 0.04})])).toMatchObject({var99: 0.001, stressedVar99: 0.04, passed: true, breaches: []})
  })
  test.each([
    {what: {loss: 0.11}, rules: ['stressed-var', 'daily-loss']},
    {what: {maxDrawdown: 0.06}, rules: ['drawdown']},
    {what: {ordersAfterLatch: 1}, rules: ['orders-after-latch']},
    {what: {ledgerErrorMicros: -1}, rules: ['ledger']},
  ])('$what breaches $rules', ({what, rules}) => {
    const {passed, breaches} = report([path(), path(what)])
    expect(passed).toBe(false)
    expect(breaches.map(({rule}) => rule)).toEqual(rules)
  })
  test('tells the earliest latch and how long the reaction took', () => {
    expect(
      report([
        path({latchedAtUs: 700, reactionUs: 100, latchReason: 'drawdown'}),
        path({latchedAtUs: 650, reactionUs: 50, latchReason: 'drawdown'}),
        path(),
      ]),
    ).toMatchObject({
      latchedAtUs: 650,
      latchedPaths: 2,
      reactionUs: {p50: 50, p99: 100},
      latchReasons: {drawdown: 2},
    })
  })
})
