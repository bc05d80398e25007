import {execFile} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {promisify} from 'node:util'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {loadStrategyModule} from '../../src/core/strategy-module.ts'
import {EventKind} from '../../src/data/tape.ts'

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
  test('one that asks for a package that is not there says so', async () => {
    const file = written('absent.ts', `import 'no-such-package'\nexport default () => ({name: 'x', onEvent() {}})`)
    await expect(loadStrategyModule(file)).rejects.toThrow(/absent\.ts cannot be loaded: .*no-such-package/)
  })
})
