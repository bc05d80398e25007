import {createHash} from 'node:crypto'
import {appendFileSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs'
import path from 'node:path'
import {UserError} from '../domain/errors.ts'
import {sharpeSample} from '../evaluation/sharpe.ts'
import type {Trial, TrialLog} from '../evaluation/trial-log.ts'
import {errorOfRefusal} from './refusal.ts'
import {ensureFolder} from './run-folder.ts'
import {strategyLabel} from './strategy-module.ts'
import {isFailed, isFinished, type TrialOutcome, type TrialRequest, type TrialResult, trialId} from './trial.ts'
import type {TrialPool} from './trial-pool.ts'

export interface KeptTrialsOptions {
  readonly pool: TrialPool
  /** Finished trials, one a line: kept over a stop, and not run again. */
  readonly file?: string
  /** Where every trial of the project is counted. */
  readonly trials?: TrialLog
  readonly signal?: AbortSignal
  /** Told once at the start, of those that were finished before, and then of each as it finishes. */
  readonly onDone?: (count: number) => void
  /** Told before the first trial runs how many of how many are in the file already. */
  readonly onKept?: (kept: number, total: number) => void
}

/**
 * Outcomes in the order of the requests, undefined where a stop came first. Those in the file are not run again; failed ones
 * are not in it, but they were tried and count as such.
 */
export const runKeptTrials = async (
  requests: readonly TrialRequest[],
  {pool, file, trials, signal, onDone, onKept}: KeptTrialsOptions,
): Promise<readonly (TrialOutcome | undefined)[]> => {
  const {finished, isTorn} = file === undefined ? NOTHING_KEPT() : readFinished(file)
  // A trial after a line that a crash cut short begins a line of its own.
  let separator = isTorn ? '\n' : ''
  const missing = requests.filter(request => request.isTest === true || !finished.has(trialId(request)))
  const kept = requests.length - missing.length
  onKept?.(kept, requests.length)
  onDone?.(kept)
  const failed = new Map<string, TrialOutcome>()
  await pool.run(missing, {
    ...(signal === undefined ? {} : {signal}),
    onDone: (outcome, number) => {
      const {family, isTest, path: pricePath} = missing[number] as TrialRequest
      if (isFinished(outcome)) finished.set(outcome.id, outcome)
      else failed.set(outcome.id, outcome)
      // A test window's series is long, and it is run again in less time than it would be read.
      if (file !== undefined && isTest !== true && isFinished(outcome)) {
        appendFileSync(file, `${separator}${JSON.stringify(outcome)}\n`)
        separator = ''
      }
      if (isTest !== true && pricePath === undefined) trials?.record(counted(outcome, family))
      onDone?.(1)
    },
  })
  return requests.map(request => finished.get(trialId(request)) ?? failed.get(trialId(request)))
}

/** Throws what the first trial failed with when none ended otherwise: then there is nothing to show. */
export const requireOneFinished = (outcomes: readonly (TrialOutcome | undefined)[]): void => {
  const [first] = outcomes
  if (!isFailed(first) || !outcomes.every(isFailed)) return
  const others = `none of ${outcomes.length} trials ended otherwise`
  throw errorOfRefusal({...first, kind: 'refused', hints: [...first.hints, ...(outcomes.length === 1 ? [] : [others])]})
}

const counted = (outcome: TrialOutcome, family: string): Trial =>
  isFailed(outcome)
    ? {id: outcome.id, family, sharpe: undefined, observations: 0, tsUs: 0}
    : {
        id: outcome.id,
        family,
        sharpe: sharpeSample(outcome.returns)?.sharpe,
        observations: outcome.returns.length,
        period: outcome.period,
        tsUs: Date.parse(outcome.to) * 1000,
      }

interface Kept {
  readonly finished: Map<string, TrialResult>
  /** Whether the last line was cut short. */
  readonly isTorn: boolean
}
const NOTHING_KEPT = (): Kept => ({finished: new Map(), isTorn: false})

/** A line that a crash cut short is passed over: its trial runs again. */
const readFinished = (file: string): Kept => {
  const there = statSync(file, {throwIfNoEntry: false})
  if (there === undefined) return NOTHING_KEPT()
  if (!there.isFile())
    throw new UserError('NOT_A_FILE', `finished trials cannot be kept in ${file}, which is no file`, {
      hints: ['name a file with --out, or leave it out to keep them in the home'],
    })
  const text = readFileSync(file, 'utf8')
  const finished = new Map<string, TrialResult>()
  for (const line of text.split('\n')) {
    try {
      const result = JSON.parse(line) as TrialResult
      if (result.kind === 'trial') finished.set(result.id, result)
    } catch {}
  }
  return {finished, isTorn: text !== '' && !text.endsWith('\n')}
}

/** Files of kept trials that a home holds at most; the least recently used go first. */
const KEPT_FILES = 20

/**
 * Where a search keeps its trials when no file is named: `HOME/searches/HASH.ndjson`, one file for everything that shapes
 * a trial but the searched parameters, so any later search of the same finds them.
 */
export const keptTrialsFile = (home: string, base: TrialRequest): string => {
  const folder = path.join(home, 'searches')
  ensureFolder(folder)
  const {content, names, params} = base
  const hash = createHash('sha256')
    .update(JSON.stringify([content, names.map(strategyLabel), params]))
    .digest('hex')
    .slice(0, 16)
  const file = path.join(folder, `${hash}.ndjson`)
  const byAge = readdirSync(folder)
    .filter(name => path.join(folder, name) !== file)
    .map(name => ({name, usedMs: statSync(path.join(folder, name)).mtimeMs}))
    .sort((a, b) => b.usedMs - a.usedMs)
  for (const {name} of byAge.slice(KEPT_FILES - 1)) rmSync(path.join(folder, name))
  return file
}
