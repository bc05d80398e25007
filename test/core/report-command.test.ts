import {existsSync, mkdtempSync, readFileSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {describe, expect, test, vi} from 'vitest'
import {marketRecords} from '../../examples/markets.ts'
import Backtest from '../../src/commands/backtest.ts'
import Report from '../../src/commands/report.ts'

const root = new URL('../..', import.meta.url).pathname
const folder = mkdtempSync(path.join(tmpdir(), 'gpi-report-command-'))
const at = (name: string) => path.join(folder, name)

describe('gpi backtest --report and gpi report', () => {
  test('one leaves the document, the other draws the same figures from it', async () => {
    vi.stubEnv('GPI__HOME', at('home'))
    vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const records = [...marketRecords('trend')].map(r => JSON.stringify(r)).join('\n')
    writeFileSync(at('trend.ndjson'), `${records}\n`)
    const summary = await Backtest.run(
      [
        '--from',
        at('trend.ndjson'),
        '--strategy',
        'buy-and-hold',
        '--no-baselines',
        '--report',
        at('r.json'),
        '--html',
        at('direct.html'),
      ],
      {root},
    )
    const written = await Report.run(
      [
        at('r.json'),
        '--html',
        at('r.html'),
        '--markdown',
        at('r.md'),
        '--trades',
        at('t.csv'),
        '--equity',
        at('e.csv'),
      ],
      {root},
    )
    expect(written).toEqual({runId: summary.runId, written: ['r.html', 'r.md', 't.csv', 'e.csv'].map(at)})
    expect(readFileSync(at('r.html'), 'utf8')).toBe(readFileSync(at('direct.html'), 'utf8'))
    expect(readFileSync(at('r.md'), 'utf8')).toContain(summary.journalHash)
    expect(existsSync(at('t.csv'))).toBe(true)
    vi.unstubAllEnvs()
  })
})
