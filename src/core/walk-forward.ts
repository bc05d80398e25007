import {createRng} from '../domain/rng.ts'
import {chainSeries} from '../evaluation/chain-series.ts'
import {computeMetrics, headline, type Metrics, type MetricsDetail} from '../evaluation/metrics.ts'
import {thin} from '../evaluation/report/svg.ts'
import {periodReturns} from '../evaluation/returns.ts'
import {type ScorecardLine, scorecard} from '../evaluation/scorecard.ts'
import {sharpeSample} from '../evaluation/sharpe.ts'
import {type Range, type WalkForwardSplit, walkForwardSplits} from '../evaluation/splits.ts'
import {type DeflationResult, deflate, type TrialLog} from '../evaluation/trial-log.ts'
import {requireOneFinished, runKeptTrials} from './kept-trials.ts'
import {ranked, type ShownTrial} from './sweep.ts'
import {expandSweep, SLICE_COUNT, type SweepSpec} from './sweep-spec.ts'
import {
  type FailedTrial,
  isFailed,
  isFinished,
  type ShownFailure,
  shownFailure,
  type TrialOutcome,
  type TrialRequest,
  type TrialResult,
  type TrialSeries,
} from './trial.ts'
import type {TrialPool} from './trial-pool.ts'

export interface WalkForwardRequest {
  readonly base: TrialRequest
  /** What each training window chooses from; without it every window tests the parameters as they are. */
  readonly spec?: SweepSpec
  readonly seed: number
  readonly pool: TrialPool
  /** A hundred and one times that cut the market's own time into equal slices (`timeEdges`). */
  readonly edges: readonly number[]
  /** Where the trials that windows choose from are counted. */
  readonly trials?: TrialLog
  /** Where finished ones are kept. */
  readonly file?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
  /** Told before a trial runs how many of how many were finished before. */
  readonly onKept?: (kept: number, total: number) => void
}

interface Window {
  readonly from: string
  readonly to: string
}
export interface WalkForwardWindow {
  readonly train: Window
  readonly validate: Window
  readonly test: Window
  /** Chosen in training and validation, before the test window was looked at. */
  readonly params: readonly string[]
  readonly trainSharpe: number | null
  readonly validateSharpe: number | null
  readonly result: ShownTrial
}

/** The test windows as one run, on times that no choice had seen. */
export interface OutOfSample {
  readonly from: string
  readonly to: string
  readonly fills: number
  readonly metrics: MetricsDetail
  readonly scorecard: readonly ScorecardLine[]
  readonly deflation: DeflationResult | null
  readonly costs: TrialSeries['costs']
  /** On the same windows, without limits. */
  readonly baselines: readonly {readonly name: string; readonly fills: number; readonly metrics: Metrics}[]
  /** Equity of the windows end to end, thinned. */
  readonly equity: {readonly tsUs: readonly number[]; readonly equityMicros: readonly number[]}
}
export interface WalkForwardSummary {
  readonly windows: readonly WalkForwardWindow[]
  /** Trials of any window that ended in an error; a test window that did ends the run of windows. */
  readonly failed: readonly ShownFailure[]
  /** Compounded over the test windows, each started afresh with the same capital. */
  readonly totalReturn: number
  readonly profitableWindows: number
  readonly worstDrawdown: number
  readonly meanTrainSharpe: number | null
  readonly meanTestSharpe: number | null
  /** Null when no window was finished. */
  readonly outOfSample: OutOfSample | null
}

/** Of a hundred slices 40 train, 10 validate, 10 test, with one purged between them. */
const SLICES = {observations: SLICE_COUNT, train: 40, validate: 10, test: 10, purge: 1}
/** How many of the best in training are looked at again in validation. */
const FINALISTS = 3

/**
 * Train, validate, test, step on: what the strategy would have done with parameters chosen before each test window. The
 * windows do not depend on each other, so all train together, then all validate, then all are tested.
 */
export const runWalkForward = async (request: WalkForwardRequest): Promise<WalkForwardSummary> => {
  const {base, spec, seed, edges, onProgress} = request
  const candidates = spec === undefined ? [[]] : expandSweep(spec, seed)
  const splits = walkForwardSplits(SLICES)
  const isChoosing = candidates.length > 1
  const finalists = Math.min(FINALISTS, candidates.length)
  const total = splits.length * (1 + (isChoosing ? candidates.length + finalists : 0))
  let done = 0
  const failed: FailedTrial[] = []
  const run = async (requests: readonly TrialRequest[]) => {
    const outcomes = await runKeptTrials(requests, {
      ...request,
      onDone: count => {
        done += count
        onProgress?.(done, total)
      },
    })
    failed.push(...outcomes.filter(isFailed))
    return outcomes
  }
  const timeOf = (slice: number): number => edges[slice] as number
  // Validation and test start watching where training started, so that a strategy is warm when its window begins.
  const on = (split: WalkForwardSplit, part: 'train' | 'validate' | 'test', params: Params): TrialRequest => ({
    ...base,
    params: [...base.params, ...params],
    source: {...base.source, fromUs: timeOf(split.train.from), toUs: timeOf(split[part].to)},
    ...(part === 'train' ? {} : {tradeFromUs: timeOf(split[part].from)}),
    ...(part === 'test' ? {isTest: true} : {}),
  })
  const chosen = isChoosing
    ? await choose({base, splits, candidates, run, on})
    : splits.map((): Choice => ({params: candidates[0] ?? [], trainSharpe: null, validateSharpe: null}))
  const ready = splits.flatMap((split, k) => {
    const choice = chosen[k]
    return choice === undefined ? [] : [{split, choice}]
  })
  const results = await run(ready.map(({split, choice}) => on(split, 'test', choice.params)))
  if (!isFinished(results[0])) requireOneFinished(failed)
  const windows: WalkForwardWindow[] = []
  const tested: TrialSeries[] = []
  const span = ({from, to}: Range): Window => ({from: iso(timeOf(from)), to: iso(timeOf(to))})
  for (const [k, {split, choice}] of ready.entries()) {
    const result = results[k]
    // Windows after a gap are not a run.
    if (!isFinished(result) || result.series === undefined) break
    const {returns: _, kind: __, series, ...shown} = result
    tested.push(series)
    windows.push({
      train: span(split.train),
      validate: span(split.validate),
      test: span(split.test),
      ...choice,
      result: shown,
    })
  }
  return {
    windows,
    failed: failed.map(shownFailure),
    totalReturn: compounded(windows.map(({result}) => result.metrics.totalReturn)),
    profitableWindows: windows.filter(({result}) => result.metrics.totalReturn > 0).length,
    worstDrawdown: windows.reduce((worst, {result}) => Math.max(worst, result.metrics.maxDrawdown), 0),
    meanTrainSharpe: meanOf(windows.map(({trainSharpe}) => trainSharpe)),
    meanTestSharpe: meanOf(windows.map(({result}) => result.metrics.sharpe)),
    outOfSample: windows.length === 0 ? null : pooled(request, windows, tested),
  }
}

type Params = readonly string[]
interface Choice {
  readonly params: Params
  readonly trainSharpe: number | null
  readonly validateSharpe: number | null
}
interface Choosing {
  readonly base: TrialRequest
  readonly splits: readonly WalkForwardSplit[]
  readonly candidates: readonly Params[]
  readonly run: (requests: readonly TrialRequest[]) => Promise<readonly (TrialOutcome | undefined)[]>
  readonly on: (split: WalkForwardSplit, part: 'train' | 'validate', params: Params) => TrialRequest
}

/** For each window the parameters that were best in validation among the best in training; undefined after a stop. */
const choose = async ({base, splits, candidates, run, on}: Choosing): Promise<(Choice | undefined)[]> => {
  const own = ({params}: TrialResult): Params => params.slice(base.params.length)
  const trained = await run(splits.flatMap(split => candidates.map(params => on(split, 'train', params))))
  const finalists = splits.map((_, k) => {
    const results = trained.slice(k * candidates.length, (k + 1) * candidates.length)
    return results.includes(undefined) ? [] : ranked(results.filter(isFinished)).slice(0, FINALISTS)
  })
  const validated = await run(
    splits.flatMap((split, k) => (finalists[k] ?? []).map(finalist => on(split, 'validate', own(finalist)))),
  )
  let at = 0
  return finalists.map(list => {
    const results = validated.slice(at, at + list.length)
    at += list.length
    const best = results.includes(undefined) ? undefined : ranked(results.filter(isFinished))[0]
    if (best === undefined) return undefined
    const inTraining = list.find(finalist => own(finalist).join() === own(best).join())
    return {
      params: own(best),
      trainSharpe: inTraining?.metrics.sharpe ?? null,
      validateSharpe: best.metrics.sharpe,
    }
  })
}

const pooled = (
  {base, seed, trials}: WalkForwardRequest,
  windows: readonly WalkForwardWindow[],
  tested: readonly TrialSeries[],
): OutOfSample => {
  const series = chainSeries(tested.map(({run}) => run))
  const metrics = computeMetrics(series, {rng: createRng(seed, 'out-of-sample')})
  const sample = sharpeSample(periodReturns(series.tsUs, series.equityMicros, series.calendar).returns)
  const kept = thin(series.equityMicros, 2_000)
  const sum = (cost: keyof TrialSeries['costs']) => tested.reduce((total, {costs}) => total + costs[cost], 0)
  return {
    from: windows[0]?.test.from ?? '',
    to: windows.at(-1)?.test.to ?? '',
    fills: windows.reduce((total, {result}) => total + result.fills, 0),
    metrics,
    scorecard: scorecard(metrics),
    deflation:
      sample === undefined || trials === undefined ? null : deflate(sample, trials, base.family, metrics.period),
    costs: Object.fromEntries(
      Object.keys(tested[0]?.costs ?? {}).map(key => [key, sum(key as keyof TrialSeries['costs'])]),
    ) as unknown as TrialSeries['costs'],
    baselines: (tested[0]?.baselines ?? []).map(({name}, k) => ({
      name,
      fills: tested.reduce((total, {baselines}) => total + (baselines[k]?.fills ?? 0), 0),
      metrics: headline(
        computeMetrics(chainSeries(tested.flatMap(({baselines}) => baselines[k]?.run ?? [])), {
          rng: createRng(seed, 'out-of-sample'),
          bootstrapDraws: 0,
        }),
      ),
    })),
    equity: {
      tsUs: kept.map(k => series.tsUs[k] as number),
      equityMicros: kept.map(k => Math.round(series.equityMicros[k] as number)),
    },
  }
}

/** What is lost stays lost: two windows that lost more than all would otherwise make a gain. */
const compounded = (returns: readonly number[]): number =>
  returns.reduce((product, value) => product * Math.max(0, 1 + value), 1) - 1

const meanOf = (values: readonly (number | null)[]): number | null => {
  const known = values.filter(value => value !== null)
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length
}

const iso = (tsUs: number): string => new Date(Math.floor(tsUs / 1000)).toISOString()
