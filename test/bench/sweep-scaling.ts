/**
 * One sweep with one and with two worker threads: `node test/bench/sweep-scaling.ts [trials] [thousand rows] [disk]`. Both pools replay
 * the same tape from shared memory, in turn, three rounds; prints wall time, the speed-up, and the CPU time of the process,
 * which must stay the same: what two threads spend more is what they cost each other. With `disk` also trials that read
 * the Parquet catalog for themselves, as they must where a tape is too long to keep.
 */
import {mkdtempSync, rmSync} from 'node:fs'
import {availableParallelism, loadavg, tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {Config} from '../../src/config/schema.ts'
import {type SharedTape, TapeCollector} from '../../src/core/shared-tape.ts'
import type {TrialRequest} from '../../src/core/trial.ts'
import {openTrialPool} from '../../src/core/trial-pool.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {cpuMsOf, median} from '../support/bench-kit.ts'
import {writeSyntheticCatalog} from '../support/synthetic-catalog.ts'

const trials = Number(process.argv[2] ?? 8)
const rows = Number(process.argv[3] ?? 1_000) * 1_000
const folder = mkdtempSync(path.join(tmpdir(), 'gpi-sweep-scaling-'))

const requests: readonly TrialRequest[] = Array.from({length: trials}, (_, k) => ({
  source: {data: folder, symbols: [], skipInvalid: false},
  content: 'sweep-scaling',
  config: Config.parse({}),
  names: ['market-making'],
  params: [`riskAversion=${(0.05 * (k + 1)).toFixed(2)}`],
  capitalDollars: 100_000,
  latencyUs: 500,
  fees: 'us',
  queue: 'conservative',
}))

const timed = async (threads: number, tape: SharedTape | undefined) => {
  await using pool = openTrialPool(threads, tape)
  // Threads start and compile outside of what is measured.
  await pool.run(requests.slice(0, threads))
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  const results = await pool.run(requests)
  const wallMs = performance.now() - startMs
  return {wallMs, cpuMs: cpuMsOf(process.cpuUsage(cpu)), hashes: results.map(result => result?.journalHash).join()}
}

const compare = async (name: string, tape: SharedTape | undefined): Promise<void> => {
  const one: Awaited<ReturnType<typeof timed>>[] = []
  const two: Awaited<ReturnType<typeof timed>>[] = []
  for (let round = 0; round < 3; round++) {
    one.push(await timed(1, tape))
    two.push(await timed(2, tape))
  }
  const same = new Set([...one, ...two].map(({hashes}) => hashes)).size === 1
  const [wall1, wall2] = [one, two].map(runs => median(runs.map(({wallMs}) => wallMs))) as [number, number]
  const [cpu1, cpu2] = [one, two].map(runs => median(runs.map(({cpuMs}) => cpuMs))) as [number, number]
  process.stdout.write(
    `${name.padEnd(16)} 1 worker ${(wall1 / 1000).toFixed(2)} s, 2 workers ${(wall2 / 1000).toFixed(2)} s: ${(wall1 / wall2).toFixed(2)} x; ` +
      `CPU a trial ${(cpu1 / trials).toFixed(0)} ms and ${(cpu2 / trials).toFixed(0)} ms (${(cpu1 / cpu2).toFixed(2)}); ${same ? 'same journals' : 'DIFFERENT JOURNALS'}\n`,
  )
}

try {
  await writeSyntheticCatalog(folder, rows)
  const collector = new TapeCollector()
  for await (const _ of collector.watching(await openCatalog(folder)).chunks());
  process.stdout.write(
    `${trials} trials of ${rows / 1e6} M rows on ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(1)}\n`,
  )
  await compare('tape in memory', collector.tape)
  if (process.argv[4] === 'disk') await compare('tape on disk', undefined)
} finally {
  rmSync(folder, {recursive: true, force: true})
}
