import {existsSync, readFileSync, writeFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {runGpi, temporaryFolder} from '../support/run-gpi.ts'

describe('a person at the shell', () => {
  test('sees the version', async () => {
    const {code, stdout} = await runGpi(['--version'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^gpi\/\d+\.\d+\.\d+ /)])
  })

  test('sees every command in the help', async () => {
    const {code, stdout} = await runGpi(['--help'])
    expect(code).toBe(0)
    const commands = JSON.parse(readFileSync('oclif.manifest.json', 'utf8')).commands as Record<string, unknown>
    for (const id of Object.keys(commands)) expect(stdout).toContain(id.split(':')[0])
  })

  test.each([
    [['config', 'check', '--confg', 'x'], /did you mean --config/],
    [['config', 'chek'], /did you mean.*config check/],
    [['ingst'], /did you mean.*ingest/],
    [['config', 'check', '--seed', 'x'], /integer/],
  ])('gpi %j is told what is wrong and how to go on, exit 2', async (args, words) => {
    const {code, stdout, stderr} = await runGpi(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(words)
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})

describe('configuration at the shell', () => {
  test('a wrong key is named with the nearest right one', async () => {
    using folder = temporaryFolder()
    writeFileSync(folder.join('c.json'), '{"risk": {"maxDrawdwn": 0.1}}')
    const {code, stderr} = await runGpi(['config', 'check', '--config', 'c.json'], {cwd: folder.path})
    expect(code).toBe(2)
    expect(stderr).toMatch(/risk\.maxDrawdwn.*risk\.maxDrawdown/)
  })
  test('errors are one JSON document with --json', async () => {
    const {code, stdout} = await runGpi(['config', 'check', '--config', 'nowhere.json', '--json'])
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({error: {code: 'CONFIG_UNREADABLE', hints: expect.any(Array)}})
  })
  test('comes from stdin with -, and show says where each value is from', async () => {
    const {stdout} = await runGpi(['config', 'show', '--config', '-', '--json'], {
      input: '{"risk": {"maxDrawdown": 0.07}}',
      env: {GPI__SEED: '9'},
    })
    expect(JSON.parse(stdout)).toMatchObject({
      config: {seed: 9, risk: {maxDrawdown: 0.07}},
      sources: {seed: '$GPI__SEED', 'risk.maxDrawdown': 'standard input', 'risk.stopLoss': 'default'},
    })
  })
  test('and records cannot both come from stdin', async () => {
    const {code, stderr} = await runGpi(['chain', '--from', '-', '--config', '-'], {input: '{}'})
    expect(code).toBe(2)
    expect(stderr).toMatch(/both be read from standard input/)
  })
  test('show never prints a secret', async () => {
    const {stdout, stderr} = await runGpi(['config', 'show'], {
      env: {APCA_API_SECRET_KEY: 'hush-hush', APCA_API_KEY_ID: 'PKhush'},
    })
    expect(stdout).toMatch(/APCA_API_SECRET_KEY\s+set/)
    expect(stdout + stderr).not.toMatch(/hush/)
  })
  test('a secrets file that others can read is refused', async () => {
    using folder = temporaryFolder()
    writeFileSync(folder.join('s'), 'APCA_API_KEY_ID=x\n', {mode: 0o644})
    const {code, stderr} = await runGpi(['config', 'show'], {env: {GPI_SECRETS_FILE: folder.join('s')}})
    expect(code).toBe(2)
    expect(stderr).toMatch(/can be read by others.*\n.*chmod 600/)
  })
})

describe('gpi init', () => {
  test('makes a home and a configuration, and changes nothing the second time', async () => {
    using folder = temporaryFolder()
    const first = await runGpi(['init', '--json'], {cwd: folder.path})
    expect(first.code).toBe(0)
    expect(JSON.parse(first.stdout).created).toContain('gpi.config.json')
    expect(existsSync(folder.join('.gpi/memory'))).toBe(true)
    writeFileSync(folder.join('gpi.config.json'), '{"seed": 77}')
    const second = await runGpi(['init', '--json'], {cwd: folder.path})
    expect(JSON.parse(second.stdout).created).toEqual([])
    expect(readFileSync(folder.join('gpi.config.json'), 'utf8')).toBe('{"seed": 77}')
  })
})

describe('gpi doctor', () => {
  test('is healthy with nothing configured, and fails on a Redis that is not there', async () => {
    using folder = temporaryFolder()
    const healthy = await runGpi(['doctor', '--json'], {cwd: folder.path})
    expect([healthy.code, JSON.parse(healthy.stdout).healthy]).toEqual([0, true])
    const ill = await runGpi(['doctor', '--json'], {cwd: folder.path, env: {REDIS_URL: 'redis://127.0.0.1:1'}})
    expect(ill.code).toBe(1)
    expect(JSON.parse(ill.stdout).checks).toContainEqual(expect.objectContaining({name: 'redis', status: 'fail'}))
  })
})

describe('a lock', () => {
  test('held by a living process refuses with exit 3; left by a dead one is taken over', async () => {
    using folder = temporaryFolder()
    const check = (holder: string) => {
      writeFileSync(folder.join('.gpi/locks/nightly.lock'), holder)
      return runGpi(['config', 'check', '--lock', 'nightly'], {cwd: folder.path})
    }
    await runGpi(['init'], {cwd: folder.path})
    const held = await check(`${process.pid}\n`)
    expect([held.code, held.stderr]).toEqual([3, expect.stringContaining(String(process.pid))])
    expect((await check('999999999\n')).code).toBe(0)
    expect(existsSync(folder.join('.gpi/locks/nightly.lock'))).toBe(false)
  })
})
