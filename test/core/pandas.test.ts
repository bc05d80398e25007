import {execFileSync} from 'node:child_process'
import {mkdtempSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {expect, test, vi} from 'vitest'
import Backtest from '../../src/commands/backtest.ts'
import {readReport} from '../../src/core/report.ts'
import {ingestFiles} from '../support/ingest.ts'
import {dataFile, noTestData} from '../support/test-data.ts'

const root = new URL('../..', import.meta.url).pathname
const python = ['/usr/bin/python3', 'python3'].find(command => {
  try {
    execFileSync(command, ['-c', 'import pandas'], {stdio: 'ignore'})
    return true
  } catch {
    return false
  }
})
const FILES = ['XLE', 'AAPL', 'SPY', 'NVDA'].map(symbol => [symbol, `intraday/us_5m_${symbol}_2025.csv.gz`] as const)

test.skipIf(python === undefined || noTestData)(
  `trade for trade what pandas makes of the same bars, which nobody here wrote (needs python3-pandas and GPI_TEST_DATA)`,
  {timeout: 120_000},
  async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'gpi-pandas-'))
    vi.stubEnv('GPI__HOME', path.join(folder, 'home'))
    const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const catalog = path.join(folder, 'data')
    await ingestFiles(
      'csv',
      FILES.map(([, file]) => dataFile(file)),
      {out: catalog},
    )
    // No limit of ours may touch what is compared.
    const config = path.join(folder, 'free.json')
    writeFileSync(
      config,
      '{"risk": {"stopLoss": 1, "takeProfit": 1, "maxHoldingMinutes": 10000000, "maxDrawdown": 1, "maxOrderDollars": 1000000, "maxPositionDollars": 1000000}}',
    )
    for (const [symbol, file] of FILES) {
      const report = path.join(folder, `${symbol}.json`)
      await Backtest.run(
        [
          ...['--data', catalog, '--symbols', symbol, '--strategy', path.join(root, 'test/core/pandas/crossing.ts')],
          ...['--param', 'fast=10', '--param', 'slow=60', '--capital', '10000000', '--config', config],
          ...['--report', report, '--no-baselines', '--no-save', '--quiet'],
        ],
        {root},
      )
      const ours = readReport(report, folder)
      const theirs = JSON.parse(
        execFileSync(python as string, [path.join(root, 'test/core/pandas/crossing.py'), dataFile(file), '10', '60'], {
          encoding: 'utf8',
        }),
      ) as {fills: [number, string, number][]; fees: number; profit: number}
      expect(theirs.fills.length).toBeGreaterThan(300)
      expect(ours.instruments[0]?.fills.map(f => [f.tsUs, f.side, f.price])).toEqual(theirs.fills)
      // Fees are rounded to the micro-dollar once a fill, and the ledger holds integer micros.
      expect(ours.costs.feesMicros / 1e6).toBeCloseTo(theirs.fees, 3)
      expect((ours.equityMicros - 10_000_000e6) / 1e6).toBeCloseTo(theirs.profit, 2)
    }
    out.mockRestore()
    vi.unstubAllEnvs()
  },
)
