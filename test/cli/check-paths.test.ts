import {mkdirSync, writeFileSync} from 'node:fs'
import {expect, it} from 'vitest'
import {checkPaths} from '../../src/cli/check-paths.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

it('lets pass what can be read and written, and the standard streams', async () => {
  using folder = temporaryFolder()
  writeFileSync(folder.join('there'), '')
  await checkPaths({
    inputs: ['-', undefined, folder.join('there')],
    outputs: ['-', undefined, folder.join('there'), folder.join('new')],
  })
})

it.each([
  ['inputs', 'missing', 'ENOENT'],
  ['outputs', 'no/where', 'ENOENT'],
  ['outputs', 'folder', 'EISDIR'],
  ['outputs', 'file/below', 'ENOTDIR'],
])('refuses %s of %s with %s', async (which, name, code) => {
  using folder = temporaryFolder()
  mkdirSync(folder.join('folder'))
  writeFileSync(folder.join('file'), '')
  await expect(checkPaths({[which]: [folder.join(name)]})).rejects.toMatchObject({code, path: folder.join(name)})
})
