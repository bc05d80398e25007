/**
 * Ten million events from Parquet to a finished back-test: `node test/bench/tape-ten-million.ts [millions] [rounds]`. Rows a
 * second of the loop alone (matching, risk, ledger, strategy) and of everything (reading, merging eight symbols, hashing the
 * data, metrics, analysis), beside plain DuckDB reading and sorting the same Parquet, interleaved in one run. Wall time, and
 * CPU time of all threads, which a busy machine changes less.
 */
import {mkdtempSync, rmSync} from 'node:fs'
import {loadavg, tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {Config} from '../../src/config/schema.ts'
import {runBacktest} from '../../src/core/backtest.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {Database, quoted} from '../../src/drivers/duckdb/database.ts'
import {cpuMsOf, emaCross, median} from '../support/bench-kit.ts'
import {BENCH_SYMBOLS, writeSyntheticCatalog} from '../support/synthetic-catalog.ts'

const millions = Number(process.argv[2] ?? 10)
const rounds = Number(process.argv[3] ?? 3)
const folder = mkdtempSync(path.join(tmpdir(), 'gpi-ten-million-'))

let note = ''
const backtest = async (): Promise<number> => {
  const source = await openCatalog(folder)
  const summary = await runBacktest({
    source,
    config: Config.parse({}),
    configHash: 'ten-million',
    seed: 1,
    strategies: [{name: 'ema-cross', weight: 1, params: {}, create: () => emaCross(BENCH_SYMBOLS.length, 20)}],
    capitalMicros: 100_000e6,
    latencyUs: 500,
    fees: 'us',
    queue: 'conservative',
    baselines: false,
  })
  note = `${summary.orders} orders, ${summary.fills} fills, ledger error ${summary.ledgerErrorMicros}, journal ${summary.journalHash.slice(0, 12)}`
  return summary.eventsPerSecond
}

const scan = async (): Promise<number> => {
  await using database = await Database.open()
  let rows = 0
  const files = quoted(path.join(folder, '**/*.parquet'))
  for await (const chunk of database.stream(
    `SELECT ts_us FROM read_parquet(${files}, union_by_name = true, hive_partitioning = false) ORDER BY ts_us`,
  ))
    rows += chunk.rowCount
  return rows
}

const timed = async (run: () => Promise<number>) => {
  const startMs = performance.now()
  const cpu = process.cpuUsage()
  const value = await run()
  return {value, wallMs: performance.now() - startMs, cpuMs: cpuMsOf(process.cpuUsage(cpu))}
}

try {
  await writeSyntheticCatalog(folder, millions * 1e6)
  const runs: Awaited<ReturnType<typeof timed>>[] = []
  const scans: Awaited<ReturnType<typeof timed>>[] = []
  for (let round = 0; round < rounds; round++) {
    runs.push(await timed(backtest))
    scans.push(await timed(scan))
  }
  const wallMs = median(runs.map(run => run.wallMs))
  const cpuMs = median(runs.map(run => run.cpuMs))
  const scanMs = median(scans.map(run => run.wallMs))
  const rate = (ms: number) => ((millions * 1e3) / ms).toFixed(2)
  process.stdout.write(
    `${millions} M quotes and trades of ${BENCH_SYMBOLS.length} symbols, median of ${rounds}, load ${loadavg()[0]?.toFixed(1)} (${note})\n` +
      `  loop alone            ${(median(runs.map(run => run.value)) / 1e6).toFixed(2).padStart(7)} M/s\n` +
      `  Parquet to report     ${rate(wallMs).padStart(7)} M/s wall, ${rate(cpuMs).padStart(6)} M/s CPU\n` +
      `  DuckDB, time sorted   ${rate(scanMs).padStart(7)} M/s wall; the whole back-test takes ${(wallMs / scanMs).toFixed(2)} x as long\n`,
  )
} finally {
  rmSync(folder, {recursive: true, force: true})
}
