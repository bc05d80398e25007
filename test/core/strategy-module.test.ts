import {execFile} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {promisify} from 'node:util'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Config} from '../../src/config/schema.ts'
import {codeDifference, type StrategyCode} from '../../src/core/strategy-code.ts'
import {loadStrategyModule, loadStrategyModules, trialFamily} from '../../src/core/strategy-module.ts'
import {chooseStrategies} from '../../src/core/strategy-setup.ts'
import {runStressPath} from '../../src/core/stress-run.ts'
import {EventKind} from '../../src/data/tape.ts'
import {InstrumentTable} from '../../src/domain/instrument.ts'

const MODULE = new URL('../../src/core/strategy-module.ts', import.meta.url).href
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'gpi-strategy-'))
})
afterAll(() => rmSync(folder, {recursive: true}))

const written = (name: string, text: string): string => {
  const file = path.join(folder, name)
  writeFileSync(file, text)
  return file
}

describe('a strategy file of one’s own', () => {
  test('may import values from gpi in a folder where gpi is not installed', async () => {
    const file = written(
      'values.ts',
      `import {EventKind, midTicks, type Strategy} from 'gpi'
       export default (): Strategy => ({name: \`bar\${EventKind.bar}\${typeof midTicks}\`, onEvent() {}})`,
    )
    // In a process of its own: the test runner resolves imports itself.
    const script = `import {loadStrategyModule} from ${JSON.stringify(MODULE)}
      console.log((await loadStrategyModule(${JSON.stringify(file)}))({}).name)`
    const {stdout} = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {cwd: folder})
    expect(stdout.trim()).toBe(`bar${EventKind.bar}function`)
  })
  test('its code is itself and all it imports of the user’s, packages and gpi apart', async () => {
    written('deep.ts', 'export const deep = 1')
    written(
      'helper.ts',
      `import {deep} from './deep.ts'\nimport {EventKind} from 'gpi'\nexport const helper = deep + EventKind.bar`,
    )
    const text = `import path from 'node:path'\nimport {helper} from './helper.ts'
      export default () => ({name: path.basename('x') + helper, onEvent() {}})`
    const files = [written('first.ts', text), written('second.ts', `${text}\n`)]
    const codeModule = new URL('../../src/core/strategy-code.ts', import.meta.url).href
    const script = `import {loadStrategyModules} from ${JSON.stringify(MODULE)}
      import {strategyCodeOf} from ${JSON.stringify(codeModule)}
      const files = ${JSON.stringify(files)}
      await loadStrategyModules(files)
      console.log(JSON.stringify(files.map(strategyCodeOf)))`
    const {stdout} = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {cwd: folder})
    const [first, second] = JSON.parse(stdout) as [StrategyCode, StrategyCode]
    expect(first.files.map(file => file.path)).toEqual(['first.ts', 'deep.ts', 'helper.ts'])
    expect(second.files.slice(1)).toEqual(first.files.slice(1))
    expect(codeDifference(second, first)).toBe('second.ts differs')
    expect(codeDifference({...first, files: first.files.slice(0, 2), sha256: ''}, first)).toBe('helper.ts is gone')
  })
  test('a run of it is another when what it imports has changed', async () => {
    const file = written(
      'run.ts',
      `import {step} from './step.ts'\nexport default () => ({name: \`r\${step}\`, onEvent() {}})`,
    )
    const source = (name: string): string => JSON.stringify(new URL(`../../src/${name}.ts`, import.meta.url).href)
    const script = `import {Config} from ${source('config/schema')}
      import {backtestSetup} from ${source('core/backtest-setup')}
      import {InstrumentTable} from ${source('domain/instrument')}
      const resolved = {config: Config.parse({}), sources: new Map(), hash: ''}
      const shape = {capitalDollars: 1, latencyUs: 0, fees: 'zero', queue: 'none', params: []}
      console.log((await backtestSetup({...shape, resolved, instruments: new InstrumentTable(), names: [${JSON.stringify(file)}]})).configHash)`
    const hashOf = async (step: number): Promise<string> => {
      written('step.ts', `export const step = ${step}`)
      return (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {cwd: folder})).stdout
    }
    const hashes = [await hashOf(1), await hashOf(2), await hashOf(1)]
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}\n$/)
    expect(hashes[1]).not.toBe(hashes[0])
    expect(hashes[2]).toBe(hashes[0])
  })
  test('one that asks for a package that is not there says so', async () => {
    const file = written('absent.ts', `import 'no-such-package'\nexport default () => ({name: 'x', onEvent() {}})`)
    await expect(loadStrategyModule(file)).rejects.toThrow(/absent\.ts cannot be loaded: .*no-such-package/)
  })
})

test('trials of a strategy are counted together however its file is spelled', () => {
  const families = ['./mine.ts', 'mine.ts', 'x/../mine.ts', path.resolve('mine.ts')].map(name => trialFamily([{name}]))
  expect(new Set(families)).toEqual(new Set(['mine.ts']))
  expect(trialFamily([{name: 'market-making'}, {name: './a/mine.ts'}])).toBe('market-making+a/mine.ts')
})

describe('a strategy file where the configuration’s own would run', () => {
  const instruments = InstrumentTable.of(['KO', 'PEP'])
  test('is made with its parameters, as in a back-test', async () => {
    const file = written(
      'own.ts',
      `export const params = {fast: 3}\nexport default p => ({name: 'own' + p.fast, onEvent() {}})`,
    )
    const config = Config.parse({strategies: {parameters: {[file]: {fast: 7}}}})
    const modules = await loadStrategyModules([file, 'do-nothing'])
    expect([...modules.keys()]).toEqual([file])
    const {running} = chooseStrategies({config, instruments, names: [file, 'do-nothing'], modules})
    expect(running.map(({name}) => name)).toEqual(['own7', 'do-nothing'])
  })
  test('may not bear the name of another that runs', async () => {
    const file = written('twin.ts', `export default () => ({name: 'do-nothing', onEvent() {}})`)
    const modules = await loadStrategyModules([file])
    const choose = () => chooseStrategies({config: Config.parse({}), instruments, names: [file, 'do-nothing'], modules})
    expect(choose).toThrow(/two strategies are named "do-nothing"/)
  })
  test('is stressed', async () => {
    const file = written(
      'trader.ts',
      `export default () => ({name: 'trader', onEvent(context, chunk, row) {
        if (row % 50 === 0) context.target(chunk.instrument[row], context.positionLots(chunk.instrument[row]) > 0 ? 0 : 5)
      }})`,
    )
    const options = {config: Config.parse({}), configHash: '', strategies: [file], equityMicros: 1e11}
    const request = {scenario: 'flash-crash', seed: 1, calm: true}
    const {orders, ledgerErrorMicros} = runStressPath(request, options, await loadStrategyModules([file]))
    expect(orders).toBeGreaterThan(0)
    expect(ledgerErrorMicros).toBe(0)
  })
})
