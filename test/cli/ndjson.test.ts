import {execFileSync} from 'node:child_process'
import {existsSync, lstatSync, mkdirSync, readdirSync, readFileSync} from 'node:fs'
import {expect, it} from 'vitest'
import {writeNdjsonFile} from '../../src/cli/ndjson.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

async function* records(count: number, failure?: Error): AsyncGenerator<unknown> {
  for (let i = 0; i < count; i++) yield {i}
  if (failure !== undefined) throw failure
}

it('puts a whole file in place', async () => {
  using folder = temporaryFolder()
  await writeNdjsonFile(folder.join('out'), records(20_000))
  expect(readFileSync(folder.join('out'), 'utf8').trimEnd().split('\n')).toHaveLength(20_000)
  expect(readdirSync(folder.path)).toEqual(['out'])
})

it('leaves nothing when the records break off', async () => {
  using folder = temporaryFolder()
  await expect(writeNdjsonFile(folder.join('out'), records(5, new Error('broke')))).rejects.toThrow('broke')
  expect(readdirSync(folder.path)).toEqual([])
})

it('names the file that cannot be made, and refuses a folder', async () => {
  using folder = temporaryFolder()
  const nowhere = folder.join('no', 'where')
  await expect(writeNdjsonFile(nowhere, records(1))).rejects.toMatchObject({code: 'ENOENT', path: nowhere})
  mkdirSync(folder.join('sub'))
  await expect(writeNdjsonFile(folder.join('sub'), records(1))).rejects.toMatchObject({code: 'EISDIR'})
  expect(readdirSync(folder.path)).toEqual(['sub'])
})

it.skipIf(!existsSync('/dev/full'))('says that a few lines found no room, as it says it of many', async () => {
  await expect(writeNdjsonFile('/dev/full', records(1))).rejects.toMatchObject({code: 'ENOSPC'})
  await expect(writeNdjsonFile('/dev/full', records(20_000))).rejects.toMatchObject({code: 'ENOSPC'})
})

it.skipIf(process.platform === 'win32')('writes into a named pipe and leaves it one', async () => {
  using folder = temporaryFolder()
  execFileSync('mkfifo', [folder.join('pipe')])
  const reading = import('node:fs/promises').then(({readFile}) => readFile(folder.join('pipe'), 'utf8'))
  await writeNdjsonFile(folder.join('pipe'), records(3))
  expect(await reading).toBe('{"i":0}\n{"i":1}\n{"i":2}\n')
  expect(lstatSync(folder.join('pipe')).isFIFO()).toBe(true)
})
