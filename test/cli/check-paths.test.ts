import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs'
import {expect, it} from 'vitest'
import {checkPaths} from '../../src/cli/check-paths.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

it('lets pass what can be read and written, and the standard streams', async () => {
  using folder = temporaryFolder()
  writeFileSync(folder.join('there'), '')
  writeFileSync(folder.join('old'), '')
  await checkPaths({
    inputs: ['-', undefined, folder.join('there')],
    outputs: ['-', undefined, folder.join('old'), folder.join('new')],
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

it.each(['inputs', 'kept'])('refuses to write over what is read (%s), whatever it is called', async which => {
  using folder = temporaryFolder()
  writeFileSync(folder.join('data'), 'x')
  symlinkSync(folder.join('data'), folder.join('also'))
  await expect(checkPaths({[which]: ['-', folder.join('data')], outputs: [folder.join('also')]})).rejects.toMatchObject(
    {code: 'WOULD_OVERWRITE', exitCode: 2},
  )
  await checkPaths({kept: [folder.join('missing')], outputs: [folder.join('data')]})
})

it('refuses one file for two outputs, though any number may go to a device', async () => {
  using folder = temporaryFolder()
  const outputs = [folder.join('new'), `${folder.join('.')}/new`]
  await expect(checkPaths({outputs})).rejects.toMatchObject({code: 'WOULD_OVERWRITE', exitCode: 2})
  writeFileSync(folder.join('new'), '')
  await expect(checkPaths({outputs})).rejects.toMatchObject({code: 'WOULD_OVERWRITE'})
  await checkPaths({outputs: ['/dev/null', '/dev/null', '-', '-']})
})
