import {createHash} from 'node:crypto'
import {availableParallelism} from 'node:os'
import {Worker} from 'node:worker_threads'
import type {ResolvedConfig} from '../config/resolve.ts'
import {UserError} from '../domain/errors.ts'
import type {Scenario} from '../exchange/scenarios/scenario.ts'
import {scenariosNamed} from '../exchange/scenarios/scenarios.ts'
import {errorOfRefusal} from './refusal.ts'
import type {PathRequest, PathResult} from './stress-path.ts'
import {reportScenario, type ScenarioReport} from './stress-report.ts'
import type {StressRunOptions} from './stress-run.ts'
import type {StressAnswer, StressJob} from './stress-worker.ts'

export interface StressOptions {
  readonly resolved: ResolvedConfig
  /** A scenario's name, or `all`. */
  readonly scenario: string
  /** Seeded paths a scenario; path k uses seed + k. */
  readonly paths: number
  readonly seed: number
  /** Names from `--strategy`; the configured ones when empty. */
  readonly strategies: readonly string[]
  readonly equityDollars: number
  /** What the account holds besides: see `StressRunOptions`. */
  readonly book?: 'limits' | 'none'
  readonly threads?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, of: number) => void
}

export interface StressResult {
  readonly scenarios: readonly ScenarioReport[]
  readonly passed: boolean
}

/**
 * Runs every path of every scenario, and the calm twin of each seed, over worker threads. The numbers depend on the seed,
 * the configuration and the code only, not on how many threads there were. Rejects when the signal aborts.
 */
export const runStress = async (options: StressOptions): Promise<StressResult> => {
  const {resolved, paths, seed, strategies, equityDollars} = options
  const scenarios = scenariosNamed(options.scenario)
  const seeds = Array.from({length: paths}, (_, k) => seed + k)
  const requests: PathRequest[] = []
  const numberOf = new Map<string, number>()
  const want = (request: PathRequest, key: string): void => {
    if (numberOf.has(key)) return
    numberOf.set(key, requests.push(request) - 1)
  }
  for (const scenario of scenarios)
    for (const pathSeed of seeds) {
      want({scenario: scenario.name, seed: pathSeed, calm: false}, keyOf(scenario, pathSeed, false))
      want({scenario: scenario.name, seed: pathSeed, calm: true}, keyOf(scenario, pathSeed, true))
    }
  const results = await runAll(requests, {
    ...options,
    run: {
      config: resolved.config,
      configHash: resolved.hash,
      strategies,
      equityMicros: Math.round(equityDollars * 1e6),
      ...(options.book === undefined ? {} : {book: options.book}),
    },
  })
  const resultsOf = (scenario: Scenario, calm: boolean): PathResult[] =>
    seeds.map(pathSeed => results[numberOf.get(keyOf(scenario, pathSeed, calm)) as number] as PathResult)
  const reports = scenarios.map(scenario =>
    reportScenario({
      scenario: scenario.name,
      seed,
      stressed: resultsOf(scenario, false),
      calm: resultsOf(scenario, true),
      limits: resolved.config.risk,
      equityDollars,
      hash: parts => createHash('sha256').update(parts.join('\n')).digest('hex'),
    }),
  )
  return {scenarios: reports, passed: reports.every(({passed}) => passed)}
}

/** Calm twins of equally long scenarios are one and the same market. */
const keyOf = ({name, durationS}: Scenario, seed: number, calm: boolean): string =>
  calm ? `calm ${durationS} ${seed}` : `${name} ${seed}`

interface Pool {
  readonly run: StressRunOptions
  readonly threads?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, of: number) => void
}

const runAll = (requests: readonly PathRequest[], {run, threads, signal, onProgress}: Pool): Promise<PathResult[]> => {
  const results: PathResult[] = []
  const file = import.meta.url.endsWith('.ts') ? './stress-worker.ts' : './stress-worker.js'
  const count = Math.max(1, Math.min(threads ?? availableParallelism(), requests.length))
  const workers = Array.from({length: count}, () => new Worker(new URL(file, import.meta.url)))
  return new Promise<PathResult[]>((resolve, reject) => {
    let next = 0
    let done = 0
    const give = (worker: Worker): void => {
      const number = next++
      const request = requests[number]
      if (request !== undefined) worker.postMessage({number, request, options: run} satisfies StressJob)
    }
    signal?.addEventListener('abort', () => reject(stopped()), {once: true})
    if (signal?.aborted) reject(stopped())
    onProgress?.(0, requests.length)
    for (const worker of workers) {
      worker.on('error', reject)
      worker.on('message', (answer: StressAnswer) => {
        if (answer.kind === 'refused') {
          reject(errorOfRefusal(answer))
          return
        }
        results[answer.number] = answer.result
        done++
        onProgress?.(done, requests.length)
        if (done === requests.length) resolve(results)
        else give(worker)
      })
      give(worker)
    }
  }).finally(() => Promise.all(workers.map(worker => worker.terminate())))
}

const stopped = (): UserError =>
  new UserError('STOPPED', 'stopped before every path was run; nothing is reported of the others', {exitCode: 1})
