import {spawnSync} from 'node:child_process'
import {copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync} from 'node:fs'
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
  test('a parameter it does not have is refused by name, one of another type by type', async () => {
    const factory = await loadStrategyModule(await writeNewStrategy('mine', folder()))
    expect(() => factory({windw: 20})).toThrow(expect.objectContaining({code: 'UNKNOWN_PARAMETER'}))
    const hintsOf = (params: Record<string, unknown>): readonly string[] => {
      try {
        factory(params)
      } catch (error) {
        return (error as {hints: readonly string[]}).hints
      }
      return []
    }
    expect(hintsOf({windw: 20})[0]).toBe('did you mean window?')
    expect(hintsOf({window: 'many'})[0]).toBe('window: expected number, was "many"')
  })
  test('a file without params takes whatever it is given', async () => {
    const file = path.join(folder(), 'free.ts')
    writeFileSync(file, 'export default params => ({name: String(params.anything), onEvent() {}})\n')
    expect((await loadStrategyModule(file))({anything: 7}).name).toBe('7')
  })
  test('type-checks in another folder against the package’s declarations, and mistakes in it are found', {
    timeout: 60_000,
  }, async () => {
    const home = folder()
    const installed = path.join(home, 'node_modules', 'gpi')
    mkdirSync(installed, {recursive: true})
    const root = path.resolve(import.meta.dirname, '../..')
    copyFileSync(path.join(root, 'package.json'), path.join(installed, 'package.json'))
    const tsc = (...args: string[]) =>
      spawnSync(path.join(root, 'node_modules/.bin/tsc'), args, {cwd: home, encoding: 'utf8'})
    const declared = spawnSync(
      path.join(root, 'node_modules/.bin/tsc'),
      ['-p', 'tsconfig.types.json', '--outDir', path.join(installed, 'dist/types')],
      {cwd: root, encoding: 'utf8'},
    )
    expect(declared.stdout).toBe('')
    await writeNewStrategy('mine', home)
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', '']
    expect(tsc(...strict, 'mine.ts').stdout).toBe('')
    const text = readFileSync(path.join(home, 'mine.ts'), 'utf8')
    writeFileSync(path.join(home, 'wrong.ts'), text.replace('context.positionLots', 'context.positionLot'))
    expect(tsc(...strict, 'wrong.ts').stdout).toMatch(/positionLot/)
    writeFileSync(path.join(home, 'typo.ts'), text.replace('{window, entry, fraction}', '{windw, entry, fraction}'))
    expect(tsc(...strict, 'typo.ts').stdout).toMatch(/windw/)
    writeFileSync(
      path.join(home, 'values.ts'),
      "import {EventKind, lotsOfCapital, type StrategyContext} from 'gpi'\nexport const lots = (c: StrategyContext): number => lotsOfCapital(c, EventKind.quote, 0.1)\n",
    )
    expect(tsc(...strict, 'values.ts').stdout).toBe('')
  })
  test('refuses a bad name and never overwrites', async () => {
    const dir = folder()
    await expect(writeNewStrategy('Mean Reversion', dir)).rejects.toMatchObject({code: 'STRATEGY_NAME'})
    await writeNewStrategy('mine', dir)
    await expect(writeNewStrategy('mine', dir)).rejects.toMatchObject({code: 'STRATEGY_EXISTS'})
  })
})
