import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {resolveConfig} from '../../src/config/resolve.ts'
import {openMemory} from '../../src/core/memory.ts'
import {startPatternWriter} from '../../src/core/pattern-writer.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-writer-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

const setup = () => resolveConfig([{source: 'test', values: {home}}]).config
const pattern = (id: string) => ({
  id,
  symbol: 'SPY',
  strategy: 'mm',
  regime: 'normal',
  tsUs: 1,
  vector: Float32Array.from({length: 256}, (_, i) => Math.sin(i + id.length)),
})

test('what the bank learned is in the store when the writer has closed, and a later opening has it', async () => {
  const config = setup()
  {
    await using memory = await openMemory({config})
    await using _writer = await startPatternWriter(
      memory.bank,
      {config, directory: memory.directory, environment: {}},
      message => expect.unreachable(message),
    )
    memory.bank.add(pattern('a'))
    memory.bank.recordOutcome('a', 12, 5)
    memory.bank.add(pattern('bb'))
  }
  await using again = await openMemory({config})
  expect(again.bank.count).toBe(2)
  expect([...again.bank.patterns()].find(({id}) => id === 'a')?.observations).toEqual([{atUs: 5, pnlBps: 12}])
})

test('changes made while a batch is under way go with the next one, none twice and none lost', async () => {
  const config = setup()
  {
    await using memory = await openMemory({config})
    await using writer = await startPatternWriter(
      memory.bank,
      {config, directory: memory.directory, environment: {}},
      message => expect.unreachable(message),
    )
    for (let k = 0; k < 40; k++) {
      memory.bank.add(pattern(`p${k}`))
      writer.write()
      if (k % 10 === 0) await new Promise(resolve => setImmediate(resolve))
    }
  }
  await using again = await openMemory({config})
  expect(again.bank.count).toBe(40)
})
