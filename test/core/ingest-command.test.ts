import {spawn} from 'node:child_process'
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {describe, expect, it} from 'vitest'
import {runGpi, temporaryFolder} from '../support/run-gpi.ts'

const BARS =
  'datetime_utc,open,high,low,close,volume\n2024-01-02 14:30,10.5,11,10,10.75,100\n2024-01-02 14:31,10.75,10.8,10.7,10.72,50\n'
const gpi = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

describe('gpi ingest at the shell', () => {
  it('prints one JSON document with the agreed keys', async () => {
    using folder = temporaryFolder()
    writeFileSync(folder.join('us_1m_AAPL.csv'), BARS)
    const {code, stdout} = await runGpi(['ingest', 'csv', 'us_1m_AAPL.csv', '--out', 'data', '--json'], {
      cwd: folder.path,
    })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      source: 'csv',
      files: 1,
      unchanged: 0,
      rows: 2,
      rejected: 0,
      defects: {},
      from: '2024-01-02T14:31:00.000Z',
      to: '2024-01-02T14:32:00.000Z',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      out: 'data',
    })
  })

  it('streams records on stdout and says the rest on stderr', async () => {
    using folder = temporaryFolder()
    writeFileSync(folder.join('us_1m_AAPL.csv'), BARS)
    const {code, stdout, stderr} = await runGpi(['ingest', 'csv', 'us_1m_AAPL.csv', '--out', '-'], {cwd: folder.path})
    expect(code).toBe(0)
    expect(
      stdout
        .trim()
        .split('\n')
        .map(line => (JSON.parse(line) as {kind: string}).kind),
    ).toEqual(['bar', 'bar'])
    expect(stderr).toMatch(/2 rows from 1 unit/)
  })

  it('survives a reader that leaves', async () => {
    using folder = temporaryFolder()
    const command = `"${process.execPath}" "${gpi}" ingest synthetic --events 300000 --symbols SPY --seed 1 --out - | head -2`
    const child = spawn('bash', ['-o', 'pipefail', '-c', command], {
      cwd: folder.path,
      env: {...process.env, TMPDIR: folder.path},
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => {
      stdout += String(chunk)
    })
    child.stderr.on('data', chunk => {
      stderr += String(chunk)
    })
    const code = await new Promise(resolve => child.once('close', resolve))
    expect(stdout.trim().split('\n')).toHaveLength(2)
    expect(stderr).not.toMatch(/EPIPE|BUG|^\s+at /m)
    expect(code).toBe(0)
    expect(readdirSync(folder.path).filter(name => name.startsWith('gpi-'))).toEqual([])
  })

  it('says that it was stopped, with what was finished in place', async () => {
    using folder = temporaryFolder()
    const args = ['ingest', 'synthetic', '--events', '50000000', '--symbols', 'SPY', '--seed', '1', '--out', 'data']
    const {code, stdout, stderr} = await runGpi(args, {
      cwd: folder.path,
      onStart: child => {
        const timer = setInterval(() => {
          if (!existsSync(folder.join('data')) || readdirSync(folder.join('data')).length === 0) return
          clearInterval(timer)
          child.kill('SIGINT')
        }, 50)
      },
    })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/stopped by SIGINT/)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(readdirSync(folder.join('data')).filter(name => name.startsWith('.'))).toEqual([])
  })

  it.each([
    [['ingest', 'lobstr', 'x.csv', '--out', 'data'], 2, /did you mean lobster/],
    [['ingest', 'csv', 'missing.csv', '--out', 'data'], 2, /missing\.csv/],
    [['ingest', 'csv', '--out', 'data'], 2, /no file/],
    [['ingest', 'csv', 'bad.csv', '--out', 'data'], 6, /bad\.csv:3: price/],
    [['ingest', 'csv', 'bad.csv', '--out', '-'], 6, /bad\.csv:3: price/],
    [['ingest', 'csv', 'empty.csv', '--out', 'data'], 6, /empty/],
    [['ingest', 'csv', 'bad.csv', '--adjust', 'nowhere.csv', '--out', 'data'], 2, /nowhere\.csv/],
    [['ingest', 'csv', 'bad.csv', '--period', '7x', '--out', 'data'], 2, /--period/],
    [['ingest', 'csv', 'bad.csv', '--tz', 'Mars/Base', '--out', 'data'], 2, /Mars/],
    [['ingest', 'csv', 'bad.csv', '--map', 'price', '--out', 'data'], 2, /--map/],
    [['ingest', 'csv', 'bad.csv', '--from-date', 'today', '--out', 'data'], 2, /--from-date/],
    [['ingest', 'csv', 'bad.csv', '--out', 'bad.csv'], 2, /bad\.csv/],
    [['ingest', 'csv', 'bad.csv', '--skip-invalid', '--rejects', 'no/where', '--out', 'data'], 2, /no\/where/],
    [['ingest', 'csv', 'bad.csv', '--skip-invalid', '--rejects', '.', '--out', 'data'], 2, /folder/],
    [['ingest', 'csv', 'bad.csv', '--map', 'prise=price', '--out', 'data'], 2, /did you mean price/],
    [['ingest', 'csv', 'bad.csv', '--map', 'price=prise', '--out', 'data'], 2, /did you mean price/],
    [['ingest', 'alpaca', '--symbols', 'AAPL', '--from-date', '2024-01-02', '--out', 'data'], 2, /APCA_API_KEY_ID/],
  ])('%j leaves with %i and one clear line', async (args, expected, words) => {
    using folder = temporaryFolder()
    writeFileSync(folder.join('bad.csv'), 'timestamp,price,size\n1,10,1\n2,NaN,1\n')
    writeFileSync(folder.join('empty.csv'), '')
    const {code, stdout, stderr} = await runGpi(args, {
      cwd: folder.path,
      env: {APCA_API_KEY_ID: '', APCA_API_SECRET_KEY: ''},
    })
    expect([code, stdout]).toEqual([expected, ''])
    expect(stderr).toMatch(words)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(existsSync(folder.join('data')) ? readdirSync(folder.join('data')) : []).toEqual([])
    expect(readFileSync(folder.join('bad.csv'), 'utf8')).toMatch(/NaN/)
  })
})
