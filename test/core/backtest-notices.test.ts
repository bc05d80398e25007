import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {resolveConfig} from '../../src/config/resolve.ts'
import {runBacktest} from '../../src/core/backtest.ts'
import {backtestSetup} from '../../src/core/backtest-setup.ts'
import {openSource} from '../../src/core/backtest-source.ts'
import type {Strategy} from '../../src/strategies/strategy.ts'

const start = Date.UTC(2024, 5, 3, 13, 30) * 1000
const DAY = 86_400_000_000
let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-notices-'))
})
afterAll(() => rmSync(folder, {recursive: true}))

/** A stock that never moves but for a split on the second day and a dividend on the third, and another beside it. */
const records = (...extra: readonly object[]): string => {
  const lines: {tsUs: number}[] = [...(extra as {tsUs: number}[])]
  for (let day = 0; day < 4; day++) {
    const price = day === 0 ? 400 : day === 1 ? 100 : 99.5
    for (let minute = 1; minute < 300; minute++) {
      const tsUs = start + day * DAY + minute * 60_000_000
      lines.push({kind: 'quote', symbol: 'AAPL', tsUs, bid: price, ask: price, bidSize: 900, askSize: 900} as never)
    }
  }
  lines.push({kind: 'split', symbol: 'AAPL', tsUs: start + DAY, ratio: 4} as never)
  lines.push({kind: 'dividend', symbol: 'AAPL', tsUs: start + 2 * DAY, cashPerShare: 0.5} as never)
  const file = path.join(folder, `records-${extra.length}.ndjson`)
  const text = lines.sort((a, b) => a.tsUs - b.tsUs).map(line => JSON.stringify(line))
  writeFileSync(file, `${text.join('\n')}\n`)
  return file
}

/** Holds so many shares of the first day's, and closes near the end. */
const holder = (lots: number): Strategy => {
  let n = 0
  return {
    name: 'holder',
    onEvent: context => {
      if (++n === 10) context.target(0, lots)
      if (n === 1150) context.target(0, 0)
    },
  }
}

const run = async (lots: number, file = records(), risk: Record<string, unknown> = {}) => {
  await using opened = await openSource({from: file, symbols: [], skipInvalid: false})
  const setup = await backtestSetup({
    resolved: resolveConfig([{source: 'test', values: {seed: 1, risk: {stopLoss: 0.9, takeProfit: 0.9, ...risk}}}]),
    instruments: opened.source.instruments,
    names: ['do-nothing'],
    params: [],
    capitalDollars: 200_000,
    latencyUs: 500,
    fees: 'zero',
    queue: 'conservative',
  })
  const strategies = [{name: 'holder', weight: 1, params: {}, create: () => holder(lots)}]
  return {...(await runBacktest({...setup, source: opened.source, strategies, baselines: false})), setup}
}

describe('a back-test over a split and a dividend', () => {
  test('of a long earns nothing where the market paid nothing, and counts one trade of new shares', async () => {
    const summary = await run(10)
    expect(summary.ledgerErrorMicros).toBe(0)
    expect(summary.equityMicros).toBe(200_000e6)
    expect(summary.dividendsMicros).toBe(20e6)
    expect(summary.metrics.totalReturn).toBe(0)
    expect(summary.metrics.maxDrawdown).toBe(0)
    // 10 shares at 400 became 40, sold at 99.50: what the price lost the dividend had paid.
    expect(summary.strategies[0]).toMatchObject({trades: 1, profitMicros: 0})
    expect([summary.orders, summary.fills]).toEqual([2, 2])
  })
  test('of a short pays the dividend, and borrow where the configuration has a rate', async () => {
    const free = await run(-10)
    expect([free.equityMicros, free.dividendsMicros, free.costs.borrowMicros]).toEqual([200_000e6, -20e6, 0])
    // 4,000 dollars at 36 % for two nights, 3,980 for one, actual over 360.
    const charged = await run(-10, records(), {borrowBpsAnnual: 3_600})
    expect(charged.costs.borrowMicros).toBe(4e6 + 4e6 + 3.98e6)
    expect(charged.equityMicros).toBe(200_000e6 - charged.costs.borrowMicros)
    expect(charged.setup.configHash).not.toBe(free.setup.configHash)
  })
  test('is the same twice, and its journal differs where the data says that nothing can be borrowed', async () => {
    const [first, second] = [await run(-10), await run(-10)]
    expect(first.journalHash).toBe(second.journalHash)
    const borrow = {kind: 'borrow', symbol: 'AAPL', tsUs: start, rateBpsAnnual: 100, available: false}
    const refused = await run(-10, records(borrow))
    expect([refused.fills, refused.rejected > 0]).toEqual([0, true])
  })
})
