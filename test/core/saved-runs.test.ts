import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'
import {marketRecords} from '../../examples/markets.ts'
import {ProgressLine} from '../../src/cli/progress-line.ts'
import Backtest from '../../src/commands/backtest.ts'
import Report from '../../src/commands/report.ts'
import {runFolder} from '../../src/core/run-folder.ts'
import {gitHashOf, KEPT_RUNS, savedRuns, saveRun} from '../../src/core/saved-runs.ts'
import type {ReportData} from '../../src/evaluation/report/report-data.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'gpi-saved-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

const START_US = Date.UTC(2026, 0, 5) * 1000
const save = (number: number, journalHash = `${number}`.padStart(8, '0')) =>
  saveRun({
    home,
    report: {
      runId: `bt.${number}.1`,
      title: `run ${number}`,
      seed: 1,
      dataHash: 'd',
      configHash: 'c',
      journalHash,
      from: '',
      to: '',
      metrics: {totalReturn: number / 100, sharpe: null, maxDrawdown: 0, trades: number},
    } as unknown as ReportData,
    config: {seed: 1},
    command: ['--strategy', 'x'],
    gpiVersion: '0.0.0',
    workingDirectory: home,
    nowUs: START_US + number * 1_000_000,
  })

describe('saved runs', () => {
  test('are listed newest first with what made them', () => {
    const first = save(1)
    save(2)
    expect(savedRuns(home).map(({title}) => title)).toEqual(['run 2', 'run 1'])
    expect(first).toMatchObject({kind: 'backtest', runId: 'bt.1.1', gitHash: null, command: ['--strategy', 'x']})
    expect(readdirSync(runFolder(home, first.savedAs)).sort()).toEqual(['config.json', 'report.json', 'run.json'])
  })
  test('the same run again takes the place of its folder; other decisions do not', () => {
    save(1, 'aaaaaaaa')
    const again = saveRunAt(9, 1, 'aaaaaaaa')
    expect(savedRuns(home).map(({savedAs}) => savedAs)).toEqual([again.savedAs])
    saveRunAt(10, 1, 'bbbbbbbb')
    expect(savedRuns(home)).toHaveLength(2)
  })
  test('the oldest go beyond the limit, and what is no back-test stays', () => {
    const trading = runFolder(home, '20200101-000000-abcd')
    mkdirSync(trading, {recursive: true})
    writeFileSync(path.join(trading, 'summary.json'), '{}')
    for (let k = 0; k < KEPT_RUNS + 3; k++) save(k)
    expect(savedRuns(home)).toHaveLength(KEPT_RUNS)
    expect(savedRuns(home).at(-1)?.title).toBe('run 3')
    expect(existsSync(trading)).toBe(true)
  })
})

const saveRunAt = (second: number, number: number, journalHash: string) => {
  const {savedAs} = save(second, journalHash)
  const folder = runFolder(home, savedAs)
  // As if the same configuration had been run at another time.
  rmSync(folder, {recursive: true})
  return saveRun({
    home,
    report: {
      ...{runId: `bt.${number}.1`, title: '', seed: 1, dataHash: 'd', configHash: 'c', journalHash, from: '', to: ''},
      metrics: {totalReturn: 0, sharpe: null, maxDrawdown: 0, trades: 0},
    } as unknown as ReportData,
    config: {},
    command: [],
    gpiVersion: '',
    workingDirectory: home,
    nowUs: START_US + second * 1_000_000,
  })
}

describe('gitHashOf', () => {
  const hash = 'a'.repeat(40)
  test.each([
    ['a detached head', {HEAD: `${hash}\n`}],
    ['a branch', {HEAD: 'ref: refs/heads/main\n', 'refs/heads/main': `${hash}\n`}],
    ['a packed branch', {HEAD: 'ref: refs/heads/main\n', 'packed-refs': `# pack-refs\n${hash} refs/heads/main\n`}],
  ])('%s, from a folder below', (_, files) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(home, '.git', name)), {recursive: true})
      writeFileSync(path.join(home, '.git', name), text)
    }
    mkdirSync(path.join(home, 'a/b'), {recursive: true})
    expect(gitHashOf(path.join(home, 'a/b'))).toBe(hash)
  })
})

test('a back-test can be reported by id, by run id and as the last, and a search of a pipe needs no file', async () => {
  vi.stubEnv('GPI__HOME', home)
  const root = new URL('../..', import.meta.url).pathname
  const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const file = path.join(home, 'trend.ndjson')
  writeFileSync(file, [...marketRecords('trend')].map(record => JSON.stringify(record)).join('\n'))
  const strategy = path.join(root, 'examples/sma-cross/strategy.ts')
  const grid = path.join(home, 'grid.json')
  writeFileSync(grid, '{"fast": [5, 10], "slow": [40, 60]}')
  const args = ['--from', file, '--strategy', strategy, '--no-baselines', '--sweep', grid, '--monte-carlo', '3']
  const result = await Backtest.run([...args, '--workers', '2', '--quiet'], {root})
  expect(result.sweep).toMatchObject({complete: true, trials: {length: 4}, surfaces: [{x: 'fast', y: 'slow'}]})
  expect(result.monteCarlo).toMatchObject({paths: 3})
  expect(result.analysis?.bySymbol.length).toBeGreaterThan(0)
  const known = await Report.run([], {root})
  expect(known).toMatchObject({runs: [{savedAs: result.savedAs, runId: result.runId}]})
  for (const id of ['last', result.runId, result.savedAs ?? '']) {
    await Report.run([id, '--quiet', '--html', path.join(home, `${id}.html`)], {root})
    expect(readFileSync(path.join(home, `${id}.html`), 'utf8')).toContain('Parameter search')
  }
  await Report.run(['last', '--quiet', '--trades', path.join(home, 't.parquet')], {root})
  expect(readFileSync(path.join(home, 't.parquet')).subarray(0, 4).toString()).toBe('PAR1')
  // The same search again: every trial is there.
  const before = readdirSync(path.join(home, 'searches')).map(name => readFileSync(path.join(home, 'searches', name)))
  const again = await Backtest.run([...args, '--quiet'], {root})
  expect(again.sweep).toEqual(result.sweep)
  const after = readdirSync(path.join(home, 'searches')).map(name => readFileSync(path.join(home, 'searches', name)))
  expect(after).toEqual(before)
  out.mockRestore()
  vi.unstubAllEnvs()
}, 60_000)

test('ProgressLine tells the time left from what was done since it began', () => {
  let now = 0
  const lines: string[] = []
  const line = new ProgressLine(
    'sweep',
    text => lines.push(text),
    () => now,
  )
  line.update(10, 110, '10 of 110')
  now = 1_000
  line.update(20, 110, '20 of 110')
  now = 1_050
  line.update(21, 110)
  now = 5_000
  line.update(50, Infinity, '50 events')
  expect(lines.map(text => text.replace('\r\u001B[2K', ''))).toEqual([
    'sweep 10 of 110',
    'sweep 20 of 110 · 9 s left',
    'sweep 50 events',
  ])
})
