/**
 * One sweep with one and with two worker threads, and what two cores could give at most:
 * `node test/bench/sweep-scaling.ts [trials] [thousand rows] [disk]`. In each of five rounds, in turn: the trials in one
 * worker, in two, and, as the ceiling, in two processes that share nothing, half of them each. All have run a few trials
 * before, so that starting and compiling are not measured; what the first trials of a new worker take is printed by itself.
 * Prints wall time, speed-ups (medians of the rounds' own ratios), and processor time a trial: what two threads spend more
 * is what they cost each other, and what one worker spends beyond its wall time is help that it has from other cores.
 * Plain `nice` does nothing between sessions of one machine: run it where nothing else does. With `disk` also trials that
 * read the Parquet catalog for themselves, as they must where a tape is too long to keep.
 */
import {type ChildProcess, fork} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync} from 'node:fs'
import {availableParallelism, loadavg, tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {fileURLToPath} from 'node:url'
import {Config} from '../../src/config/schema.ts'
import {type SharedTape, TapeCollector} from '../../src/core/shared-tape.ts'
import {isFinished, runTrial, type TrialRequest} from '../../src/core/trial.ts'
import {openTrialPool, type TrialPool} from '../../src/core/trial-pool.ts'
import {openCatalog} from '../../src/drivers/duckdb/catalog.ts'
import {cpuMsOf, median} from '../support/bench-kit.ts'
import {writeSyntheticCatalog} from '../support/synthetic-catalog.ts'

const ROUNDS = 5
/** Trials, and milliseconds of them, after which a worker's code is compiled as far as it ever is: then each takes the same processor time. */
const WARM_UP = 3
const WARM_UP_MS = 2_000

const warmUp = async (run: () => Promise<unknown>): Promise<number[]> => {
  const tookMs: number[] = []
  for (let sumMs = 0; tookMs.length < WARM_UP || sumMs < WARM_UP_MS; ) {
    const startMs = performance.now()
    await run()
    tookMs.push(performance.now() - startMs)
    sumMs += tookMs.at(-1) as number
  }
  return tookMs.slice(0, WARM_UP)
}

const requestsOf = (folder: string, trials: number): readonly TrialRequest[] =>
  Array.from({length: trials}, (_, k) => ({
    source: {data: folder, symbols: [], skipInvalid: false},
    content: 'sweep-scaling',
    config: Config.parse({}),
    names: ['market-making'],
    family: 'market-making',
    params: [`riskAversion=${(0.05 * (k + 1)).toFixed(2)}`],
    capitalDollars: 100_000,
    latencyUs: 500,
    fees: 'us',
    queue: 'conservative',
  }))

const readTape = async (folder: string): Promise<SharedTape | undefined> => {
  const collector = new TapeCollector()
  for await (const _ of collector.watching(await openCatalog(folder)).chunks());
  return collector.tape
}

interface Timing {
  readonly wallMs: number
  readonly cpuMs: number
  readonly hashes: string
}

const timed = async (pool: TrialPool, requests: readonly TrialRequest[]): Promise<Timing> => {
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  const results = await pool.run(requests)
  const wallMs = performance.now() - startMs
  return {
    wallMs,
    cpuMs: cpuMsOf(process.cpuUsage(cpu)),
    hashes: results
      .filter(isFinished)
      .map(({journalHash}) => journalHash)
      .join(),
  }
}

// --- the ceiling: a process that runs its half of the trials alone --------------------------------------------

interface Share {
  readonly cpuMs: number
  readonly hashes: readonly string[]
}

const workAlone = async (folder: string, trials: number, isShared: boolean, part: number): Promise<void> => {
  const tape = isShared ? await readTape(folder) : undefined
  const mine = requestsOf(folder, trials).filter((_, k) => k % 2 === part)
  const run = async (requests: readonly TrialRequest[]): Promise<string[]> => {
    const hashes: string[] = []
    for (const request of requests) hashes.push((await runTrial(request, tape)).journalHash)
    return hashes
  }
  await warmUp(() => run(mine.slice(0, 1)))
  process.on('message', async () => {
    const cpu = process.cpuUsage()
    const hashes = await run(mine)
    process.send?.({cpuMs: cpuMsOf(process.cpuUsage(cpu)), hashes} satisfies Share)
  })
  process.send?.('ready')
}

const apart = async (children: readonly ChildProcess[], trials: number): Promise<Timing> => {
  const startMs = performance.now()
  const answers = children.map(child => once(child, 'message'))
  for (const child of children) child.send('go')
  const shares = (await Promise.all(answers)).map(([share]) => share as Share)
  return {
    wallMs: performance.now() - startMs,
    cpuMs: shares.reduce((sum, {cpuMs}) => sum + cpuMs, 0),
    hashes: Array.from({length: trials}, (_, k) => shares[k % 2]?.hashes[k >> 1]).join(),
  }
}

const compare = async (folder: string, trials: number, tape: SharedTape | undefined): Promise<void> => {
  const requests = requestsOf(folder, trials)
  const children = [0, 1].map(part =>
    fork(fileURLToPath(import.meta.url), [
      'alone',
      folder,
      `${trials}`,
      tape === undefined ? 'disk' : 'memory',
      `${part}`,
    ]),
  )
  try {
    for (const child of children) await once(child, 'message')
    await using single = openTrialPool(1, tape)
    await using pair = openTrialPool(2, tape)
    const cold = await warmUp(() => single.run(requests.slice(0, 1)))
    await warmUp(() => pair.run(requests.slice(0, 2)))
    const [one, two, ceiling]: Timing[][] = [[], [], []] as [Timing[], Timing[], Timing[]]
    for (let round = 0; round < ROUNDS; round++) {
      one?.push(await timed(single, requests))
      two?.push(await timed(pair, requests))
      ceiling?.push(await apart(children, trials))
    }
    report(tape === undefined ? 'tape on disk' : 'tape in memory', trials, {one, two, ceiling} as Rounds, cold)
  } finally {
    for (const child of children) child.kill()
  }
}

type Rounds = Readonly<Record<'one' | 'two' | 'ceiling', readonly Timing[]>>
const report = (name: string, trials: number, {one, two, ceiling}: Rounds, cold: readonly number[]): void => {
  const wall = (rounds: readonly Timing[]): string => (median(rounds.map(({wallMs}) => wallMs)) / 1000).toFixed(2)
  const cpu = (rounds: readonly Timing[]): number => median(rounds.map(({cpuMs}) => cpuMs)) / trials
  const ratio = (rounds: readonly Timing[]): number =>
    median(rounds.map(({wallMs}, round) => (one[round] as Timing).wallMs / wallMs))
  const help = median(one.map(({cpuMs, wallMs}) => cpuMs / wallMs))
  const same = new Set([...one, ...two, ...ceiling].map(({hashes}) => hashes)).size === 1
  process.stdout.write(
    `${name}: 1 worker ${wall(one)} s on ${help.toFixed(2)} cores, 2 workers ${wall(two)} s: ${ratio(two).toFixed(2)} x; ` +
      `2 processes that share nothing ${wall(ceiling)} s: ${ratio(ceiling).toFixed(2)} x\n` +
      `  CPU a trial ${cpu(one).toFixed(0)}, ${cpu(two).toFixed(0)} and ${cpu(ceiling).toFixed(0)} ms ` +
      `(${(cpu(one) / cpu(two)).toFixed(2)}, ${(cpu(one) / cpu(ceiling)).toFixed(2)}); ` +
      `first trials of a new worker ${cold.map(ms => ms.toFixed(0)).join(', ')} ms; ${same ? 'same journals' : 'DIFFERENT JOURNALS'}\n`,
  )
}

const main = async (trials: number, rows: number, disk: boolean): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gpi-sweep-scaling-'))
  try {
    await writeSyntheticCatalog(folder, rows)
    process.stdout.write(
      `${trials} trials of ${rows / 1e6} M rows on ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(1)}\n`,
    )
    await compare(folder, trials, await readTape(folder))
    if (disk) await compare(folder, trials, undefined)
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

const [first = '8', second = '1000', third, fourth, part] = process.argv.slice(2)
if (first === 'alone') await workAlone(second, Number(third), fourth === 'memory', Number(part))
else await main(Number(first), Number(second) * 1_000, third === 'disk')
