import {describe, expect, test} from 'vitest'
import {resolveConfig} from '../../src/config/resolve.ts'
import {runStress} from '../../src/core/stress.ts'
import {runStressPath} from '../../src/core/stress-run.ts'

const resolved = resolveConfig([])
const path = (
  scenario: string,
  {
    seed = 1,
    calm = false,
    strategies = ['market-making'],
    book = 'none' as 'limits' | 'none',
    config = resolved.config,
  } = {},
) =>
  runStressPath(
    {scenario, seed, calm},
    {config, configHash: resolved.hash, strategies, equityMicros: 100_000_000_000, book},
  )

describe('one path', () => {
  const first = path('flash-crash')
  test('is the same journal for the same seed, and another for another', () => {
    expect(path('flash-crash')).toEqual(first)
    expect(path('flash-crash', {seed: 2}).journalHash).not.toBe(first.journalHash)
  })
  test('trades, keeps exact books, and sends nothing that opens after risk has stopped it', () => {
    expect(first.fills).toBeGreaterThan(0)
    expect(first.ledgerErrorMicros).toBe(0)
    expect(first.ordersAfterLatch).toBe(0)
  })
  test('a strategy that does nothing loses nothing in any crash', () => {
    expect(path('flash-crash', {strategies: ['do-nothing']})).toMatchObject({loss: 0, maxDrawdown: 0, orders: 0})
  })
  test('whoever holds through gap-open loses what it held times the gap', () => {
    const held = path('gap-open', {strategies: ['buy-and-hold']})
    const calm = path('gap-open', {strategies: ['buy-and-hold'], calm: true})
    expect(held.loss - calm.loss).toBeGreaterThan(0)
  })
})

describe('a book at the limits', () => {
  const held = path('flash-crash', {strategies: ['do-nothing'], book: 'limits'})
  test('is as large as they allow, and would lose twentieths of the account if nobody acted', () => {
    expect(held.grossAtOnset).toBeGreaterThan(0.45)
    expect(held.grossAtOnset).toBeLessThanOrEqual(resolved.config.risk.maxCorrelationExposure)
    expect(held.revaluedLoss).toBeGreaterThan(0.04)
    expect(held.revaluedLoss).toBeLessThan(0.54 * 0.25)
  })
  test('is closed by its exits minutes after the onset, for less than it would have lost', () => {
    expect(held.exitUs).toBeGreaterThan(10_000_000)
    expect(held.exitUs).toBeLessThan(300_000_000)
    expect(held.loss).toBeLessThan(held.revaluedLoss)
    expect(held.ledgerErrorMicros).toBe(0)
    expect(held.ordersAfterLatch).toBe(0)
  })
  test('without exits loses more, and without the crash next to nothing', () => {
    const config = resolveConfig([{source: 'test', values: {risk: {stopLoss: 1}}}]).config
    expect(path('flash-crash', {strategies: ['do-nothing'], book: 'limits', config}).maxDrawdown).toBeGreaterThan(
      1.5 * held.maxDrawdown,
    )
    const calm = path('flash-crash', {strategies: ['do-nothing'], book: 'limits', calm: true})
    expect(Math.abs(calm.loss)).toBeLessThan(0.01)
  })
  test('is short of what a squeeze lifts', () => {
    const squeezed = path('short-squeeze', {strategies: ['do-nothing'], book: 'limits'})
    expect(squeezed.revaluedLoss).toBeGreaterThan(0.04)
  })
})

test('a report does not depend on the number of threads', async () => {
  const run = (threads: number) =>
    runStress({
      resolved,
      scenario: 'exchange-halt',
      paths: 1,
      seed: 7,
      strategies: ['buy-and-hold'],
      equityDollars: 100_000,
      threads,
    })
  const [one, two] = [await run(1), await run(2)]
  expect(two).toEqual(one)
  expect(one.scenarios[0]).toMatchObject({scenario: 'exchange-halt', seed: 7, paths: 1, ledgerErrorMicros: 0})
})

test('a stop is a stop: no report of half the paths', async () => {
  const signal = AbortSignal.abort()
  const run = runStress({
    resolved,
    scenario: 'depeg',
    paths: 2,
    seed: 1,
    strategies: ['do-nothing'],
    equityDollars: 100_000,
    signal,
  })
  await expect(run).rejects.toMatchObject({code: 'STOPPED'})
})
