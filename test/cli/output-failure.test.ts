import {spawn} from 'node:child_process'
import {closeSync, existsSync, openSync} from 'node:fs'
import process from 'node:process'
import {Writable} from 'node:stream'
import {expect, it} from 'vitest'
import {writeNdjson} from '../../src/cli/ndjson.ts'
import {temporaryFolder} from '../support/run-gpi.ts'

const bin = new URL('../../bin/run.js', import.meta.url).pathname

/** A command whose standard output is a file on a disk without room. */
const onFullDisk = (home: string, args: readonly string[]): Promise<{code: number | null; stderr: string}> =>
  new Promise((resolve, reject) => {
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: home,
      env: {...process.env, HOME: home, GPI__HOME: `${home}/.gpi`, NO_COLOR: '1'},
      stdio: ['ignore', full, 'pipe'],
    })
    closeSync(full)
    let stderr = ''
    child.stderr?.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', code => resolve({code, stderr}))
  })

it
  .skipIf(!existsSync('/dev/full'))
  .each([[['config', 'show']], [['trade', '--paper', '--duration', '60s', '--speed', '30', '--events']]])(
  '%j says that the disk is full, and ends in order',
  async args => {
    using folder = temporaryFolder()
    const {code, stderr} = await onFullDisk(folder.path, args)
    expect(code).toBe(1)
    expect(stderr).toContain('error standard output cannot be written: the disk is full [OUTPUT_FAILED]')
    expect(stderr).not.toContain('    at ')
    // The node stopped by itself: its record of running is gone.
    if (args[0] === 'trade') {
      const {readdirSync} = await import('node:fs')
      expect(readdirSync(`${folder.path}/.gpi/nodes`)).toEqual([])
    }
  },
  120_000,
)

it('does not wait for a stream that has broken', async () => {
  const broken = new Writable({
    highWaterMark: 1,
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('full'), {code: 'ENOSPC'})),
  })
  broken.on('error', () => {})
  await expect(writeNdjson(broken, [1, 2, 3])).rejects.toMatchObject({code: 'ENOSPC'})
  await expect(writeNdjson(broken, [4])).rejects.toMatchObject({code: 'ENOSPC'})
})
