import {readdirSync, readFileSync, statSync} from 'node:fs'
import path from 'node:path'
import {Worker} from 'node:worker_threads'
import {type Config, STRATEGY_NAMES} from '../config/schema.ts'
import type {CatalogKind} from '../data/catalog.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import {sha256} from '../models/model-file.ts'
import {checkStreams, type StrategyStreams} from '../models/policy-streams.ts'
import {errorOfRefusal} from './refusal.ts'
import {readSeries, type StreamSeries, seriesFile, writeSeries} from './train-policy-series.ts'
import {type StreamJob, streamsOf} from './train-policy-stream.ts'
import type {StreamAnswer} from './train-policy-stream-worker.ts'

export interface StreamsRequest {
  /** A catalog, or a folder of catalogs: one market each. */
  readonly data: string
  readonly symbols?: readonly string[]
  readonly config: Config
  /** Where finished back-tests are kept, by content hash. */
  readonly cache: string
  readonly workers: number
}

export interface StreamsHooks {
  /** What the markets were made from, before anything is run; may throw. */
  readonly onSources?: (sources: readonly MarketSource[]) => void
  readonly onProgress: (done: number, total: number) => void
  readonly isStopped: () => boolean
}

export interface MarketSource {
  readonly name: string
  readonly rows: number
  readonly sha256: string
}

export interface MarketStreams {
  readonly streams: StrategyStreams
  /** Files the market was ingested from. */
  readonly sources: readonly MarketSource[]
  /** Why strategies cannot run there, by name. */
  readonly idle: Readonly<Record<string, string>>
  readonly trades: Readonly<Record<string, number>>
  /** Of the returns themselves. */
  readonly hash: string
}

/** Part of every job's hash, with the version of gpi: rises when what a stream means changes. */
const VERSION = 1
const {version: GPI_VERSION} = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string
}

/** Back-tests every strategy alone on every market of a folder, or takes what an earlier call left. */
export const collectStreams = async (request: StreamsRequest, hooks: StreamsHooks): Promise<MarketStreams[]> => {
  const markets = await Promise.all(marketFolders(request.data).map(dir => describe(dir, request)))
  hooks.onSources?.(markets.flatMap(({sources}) => sources))
  const jobs = markets.flatMap(({jobs}) => jobs)
  const found = new Map<string, StreamSeries>()
  const missing = jobs.filter(job => {
    const series = readSeries(seriesFile(request.cache, job.id))
    if (series !== undefined) found.set(job.id, series)
    return series === undefined
  })
  hooks.onProgress(found.size, jobs.length)
  await runJobs(missing, request.workers, hooks, (job, series) => {
    writeSeries(seriesFile(request.cache, job.id), series)
    found.set(job.id, series)
    hooks.onProgress(found.size, jobs.length)
  })
  if (found.size < jobs.length)
    throw new UserError('STOPPED', `stopped with ${found.size} of ${jobs.length} back-tests done; they are kept`, {
      hints: ['the same command goes on from there'],
      exitCode: ExitCode.failure,
    })
  return markets.map(({name, jobs: own, sources}) => {
    const series = own.map(({id}) => found.get(id) as StreamSeries)
    const streams = checkStreams(streamsOf(name, STRATEGY_NAMES, series))
    const byName = <T>(of: (one: StreamSeries) => T): Record<string, T> =>
      Object.fromEntries(STRATEGY_NAMES.map((strategy, s) => [strategy, of(series[s] as StreamSeries)]))
    const reasons = byName(({idle}) => idle)
    return {
      streams,
      sources,
      idle: Object.fromEntries(Object.entries(reasons).filter(([, reason]) => reason !== '')),
      trades: byName(({fills}) => fills),
      hash: sha256(new Uint8Array(streams.returns.buffer)),
    }
  })
}

/** The folder itself where it is a catalog, else its subfolders that are. Throws UserError where there is none. */
const marketFolders = (dir: string): string[] => {
  const isFolder = (name: string): boolean => statSync(name, {throwIfNoEntry: false})?.isDirectory() === true
  const isCatalog = (name: string): boolean =>
    isFolder(name) && readdirSync(name).some(entry => entry.startsWith('ingest='))
  if (!isFolder(dir)) throw new UserError('NO_CATALOG', `there is no folder ${dir}`)
  if (isCatalog(dir)) return [dir]
  const found = readdirSync(dir)
    .map(name => path.join(dir, name))
    .filter(isCatalog)
    .sort()
  if (found.length > 0) return found
  throw new UserError('NO_CATALOG', `${dir} is neither a catalog nor a folder of catalogs`, {
    hints: [`fill it with gpi ingest SOURCE FILE --out ${path.join(dir, 'MARKET')}`],
  })
}

const describe = async (dir: string, {config, symbols}: StreamsRequest) => {
  const {readCatalog} = await import('../drivers/duckdb/catalog.ts')
  const catalog = await readCatalog(dir)
  const held = new Set<CatalogKind>(catalog.list().map(({kind}) => kind))
  const kinds: string[] = ['quote', 'trade', 'bar', 'depth', 'option'].filter(kind => held.has(kind as CatalogKind))
  const shape = {
    version: `${VERSION}/${GPI_VERSION}`,
    units: catalog.units.map(({key}) => key).sort(),
    symbols: symbols ?? [],
    kinds,
    risk: config.risk,
    seed: config.seed,
  }
  const jobs = STRATEGY_NAMES.map((strategy): StreamJob => {
    const params = config.strategies.parameters[strategy] ?? {}
    const id = sha256(JSON.stringify({...shape, strategy, params})).slice(0, 24)
    return {id, dir, symbols: symbols ?? [], kinds, strategy, config}
  })
  const sources = catalog.units.map(({file, rows}) => ({name: file.name, rows, sha256: file.sha256}))
  return {name: path.basename(path.resolve(dir)), jobs, sources}
}

/** Runs jobs in threads until all are done or a stop is asked for; the first failure ends the others. */
const runJobs = async (
  jobs: readonly StreamJob[],
  threads: number,
  {isStopped}: StreamsHooks,
  onDone: (job: StreamJob, series: StreamSeries) => void,
): Promise<void> => {
  if (jobs.length === 0 || isStopped()) return
  const file = import.meta.url.endsWith('.ts') ? './train-policy-stream-worker.ts' : './train-policy-stream-worker.js'
  let next = 0
  const workers: Worker[] = []
  const lane = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(file, import.meta.url))
      workers.push(worker)
      // A back-test cannot be interrupted from outside, but its thread can be ended.
      const watch = setInterval(() => {
        if (isStopped()) end()
      }, 200)
      const end = (error?: Error): void => {
        clearInterval(watch)
        void worker.terminate()
        if (error === undefined) resolve()
        else reject(error)
      }
      const give = (): void => {
        const job = jobs[next]
        if (job === undefined || isStopped()) {
          end()
          return
        }
        next++
        worker.once('message', (answer: StreamAnswer) => {
          if (answer.kind === 'refused') {
            end(errorOfRefusal(answer))
            return
          }
          onDone(job, answer.series)
          give()
        })
        worker.postMessage(job)
      }
      worker.on('error', end)
      give()
    })
  try {
    await Promise.all(Array.from({length: Math.min(threads, jobs.length)}, lane))
  } finally {
    await Promise.all(workers.map(worker => worker.terminate()))
  }
}
