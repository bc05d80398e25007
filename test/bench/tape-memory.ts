/**
 * Memory and load time of a long tape: `node test/bench/tape-memory.ts [millions] [days]`. Thirty trading days of quotes and
 * trades of eight symbols, two million rows a day, are written as a Parquet catalog, then back-tested (strategy, risk,
 * ledger, hash of the data) by a process of its own, whose resident memory is sampled. Prints the peak, its slope over the
 * replay, the time to the first rows, and the peak over the size of the tape as columns in memory.
 */
import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {Config} from '../../src/config/schema.ts'
import {runBacktest} from '../../src/core/backtest.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {createStrategy} from '../../src/strategies/registry.ts'
import {writeSyntheticCatalog} from '../support/synthetic-catalog.ts'

const BYTES_A_ROW = 8 + 1 + 2 + 1 + 4 * 8
const MiB = 1024 * 1024

if (process.argv[2] === 'replay') await replay(process.argv[3] as string)
else {
  const millions = Number(process.argv[2] ?? 60)
  const days = Number(process.argv[3] ?? 30)
  const folder = mkdtempSync(path.join(tmpdir(), 'gpi-tape-memory-'))
  try {
    const startMs = performance.now()
    await writeSyntheticCatalog(folder, millions * 1e6, days)
    process.stdout.write(
      `${millions} M rows of ${days} days written in ${((performance.now() - startMs) / 1000).toFixed(0)} s\n`,
    )
    execFileSync(process.execPath, [import.meta.filename, 'replay', folder], {stdio: 'inherit'})
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

async function replay(folder: string): Promise<void> {
  const startMs = performance.now()
  const source = await openCatalog(folder)
  const atOpen = process.memoryUsage.rss()
  const samples: {readonly events: number; readonly rss: number}[] = []
  let firstMs = Number.NaN
  const summary = await runBacktest({
    source,
    config: Config.parse({}),
    configHash: 'tape-memory',
    seed: 1,
    strategies: [{name: 'random-entry', weight: 1, params: {}, create: () => createStrategy('random-entry')}],
    capitalMicros: 100_000e6,
    latencyUs: 500,
    fees: 'us',
    queue: 'conservative',
    baselines: false,
    onProgress: events => {
      if (Number.isNaN(firstMs)) firstMs = performance.now() - startMs
      samples.push({events, rss: process.memoryUsage.rss()})
    },
  })
  const wallS = (performance.now() - startMs) / 1000
  const {userCPUTime, systemCPUTime} = process.resourceUsage()
  const peak = Math.max(process.resourceUsage().maxRSS * 1024, ...samples.map(({rss}) => rss))
  const tape = summary.events * BYTES_A_ROW
  // The first third fills caches; what grows after it grows with the tape.
  const settled = samples.slice(Math.floor(samples.length / 3))
  const slope = slopeOf(settled) * 1e6
  process.stdout.write(
    [
      `${(summary.events / 1e6).toFixed(1)} M rows, ${summary.from.slice(0, 10)} to ${summary.to.slice(0, 10)}, ${summary.fills} fills, ledger error ${summary.ledgerErrorMicros}`,
      `first rows after ${firstMs.toFixed(0)} ms; whole replay ${wallS.toFixed(1)} s, ${(summary.events / wallS / 1e6).toFixed(2)} M rows/s from Parquet to report (CPU ${((userCPUTime + systemCPUTime) / 1e6).toFixed(1)} s); in the loop alone ${(summary.eventsPerSecond / 1e6).toFixed(2)} M/s`,
      `resident: ${(atOpen / MiB).toFixed(0)} MiB at opening, peak ${(peak / MiB).toFixed(0)} MiB, ${(peak / tape).toFixed(2)} x the tape as columns (${(tape / MiB).toFixed(0)} MiB)`,
      `slope after the first third: ${(slope / MiB).toFixed(2)} MiB a million rows`,
      `${peak < 1024 * MiB ? 'below' : 'ABOVE'} 1 GiB`,
    ]
      .join('\n')
      .concat('\n'),
  )
}

function slopeOf(samples: readonly {readonly events: number; readonly rss: number}[]): number {
  const n = samples.length
  const meanX = samples.reduce((sum, s) => sum + s.events, 0) / n
  const meanY = samples.reduce((sum, s) => sum + s.rss, 0) / n
  const sxy = samples.reduce((sum, s) => sum + (s.events - meanX) * (s.rss - meanY), 0)
  const sxx = samples.reduce((sum, s) => sum + (s.events - meanX) ** 2, 0)
  return sxx > 0 ? sxy / sxx : 0
}
