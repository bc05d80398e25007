import {mkdtempSync, readFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {describe, expect, test} from 'vitest'
import {writeNewStrategy} from '../../src/core/new-strategy.ts'
import {loadStrategyModule} from '../../src/core/strategy-module.ts'
import {bar, rehearse, START, table} from '../strategies/fixture.ts'

const folder = () => mkdtempSync(path.join(tmpdir(), 'gpi-new-'))

describe('gpi strategy new', () => {
  test('what it writes loads, trades, and answers to its parameters', async () => {
    const file = await writeNewStrategy('mean-reversion', folder())
    const factory = await loadStrategyModule(file)
    const closes = [...Array.from({length: 30}, (_, k) => 1_000_000 + 500 * (k % 3)), 990_000, 990_500, 1_001_000]
    const rows = closes.map((c, k) => bar(START + k * 60e6, 0, c))
    const {targets} = rehearse(factory({window: 20}), table('SPY'), rows)
    expect(targets.map(t => Math.sign(t.lots))).toEqual([1, 0])
    expect(rehearse(factory({window: 100}), table('SPY'), rows).targets).toEqual([])
    expect(readFileSync(file, 'utf8')).toContain("name: 'mean-reversion'")
  })
  test('refuses a bad name and never overwrites', async () => {
    const dir = folder()
    await expect(writeNewStrategy('Mean Reversion', dir)).rejects.toMatchObject({code: 'STRATEGY_NAME'})
    await writeNewStrategy('mine', dir)
    await expect(writeNewStrategy('mine', dir)).rejects.toMatchObject({code: 'STRATEGY_EXISTS'})
  })
})
