import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {afterAll, describe, expect, test} from 'vitest'

const folder = mkdtempSync(path.join(tmpdir(), 'gpi-full-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** Runs a shell script that sees a disk of one megabyte at `folder`, in a mount namespace of its own. */
const onSmallDisk = (script: string) =>
  spawnSync('unshare', ['-rm', 'sh', '-c', `mount -t tmpfs -o size=1m tmpfs ${folder} && ${script}`], {
    encoding: 'utf8',
    timeout: 60_000,
  })
const maySee = process.platform === 'linux' && onSmallDisk('true').status === 0
const node = (script: string): string => `${process.execPath} ${path.resolve('test/support', script)}`

describe.skipIf(!maySee)('on a full disk (needs unprivileged mount namespaces)', () => {
  test('a bank says so, and keeps every acknowledged pattern', () => {
    const bank = path.join(folder, 'bank')
    // Nothing is freed in between: what is there can be read however full the disk.
    const filler = `${node('memory-filler.ts')} ${bank}`
    const script = [filler, 'echo', `${filler} verify`].join(' && ')
    const {stdout, stderr} = onSmallDisk(script)
    const [filled = '', verified = ''] = stdout.trim().split('\n')
    expect(stderr).not.toMatch(/Error/)
    const {acknowledged, ...problem} = JSON.parse(filled)
    expect(problem).toMatchObject({isUserError: true, code: 'DISK_FULL', message: expect.stringContaining(bank)})
    expect(acknowledged).toBeGreaterThan(0)
    expect(JSON.parse(verified)).toMatchObject({patterns: acknowledged, problems: []})
  }, 60_000)
})
