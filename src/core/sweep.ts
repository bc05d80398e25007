import {overfittingProbability} from '../evaluation/overfitting.ts'
import {sharpeSample} from '../evaluation/sharpe.ts'
import {deflate, memoryTrialLog, type TrialLog} from '../evaluation/trial-log.ts'
import {requireOneFinished, runKeptTrials} from './kept-trials.ts'
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
} from './trial.ts'
import type {TrialPool} from './trial-pool.ts'

export interface SweepOptions {
  /** The trial without the swept parameters. */
  readonly base: TrialRequest
  readonly spec: SweepSpec
  readonly seed: number
  readonly pool: TrialPool
  /** Times that cut the market's own time into equal slices, of which halving replays the first ones. */
  readonly edges: readonly number[]
  /** Finished trials, one a line: kept over a stop, and not run again. */
  readonly file?: string
  readonly trials?: TrialLog
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
  /** Told before a trial runs how many of how many were finished before. */
  readonly onKept?: (kept: number, total: number) => void
}

export type ShownTrial = Omit<TrialResult, 'returns' | 'kind' | 'series'>

export interface SweepSummary {
  readonly kind: 'sweep'
  readonly method: SweepSpec['method']
  /** Sets of parameters that were tried; halving replays only its best to the end. */
  readonly candidates: number
  /** Those replayed to the end. Best Sharpe ratio first, those without one last. */
  readonly trials: readonly ShownTrial[]
  /** Those that ended in an error, which were tried all the same. */
  readonly failed: readonly ShownFailure[]
  readonly best: ShownTrial | null
  /** Probability that the best's Sharpe ratio is above what the best of so many shows by chance. */
  readonly deflatedSharpe: number | null
  /** How many that is: every trial of these strategies that the project's log knows, those before this search included. */
  readonly deflatedTrials: number
  /** Probability that the best in one half of the time is below the median in the other (purged CSCV); null with too little data, or where all did the same. */
  readonly overfitting: number | null
  /** Mean Sharpe ratio at each value of each parameter, over every candidate; of halving on its first stretch. */
  readonly sensitivity: Readonly<
    Record<string, readonly {readonly value: string; readonly sharpe: number | null; readonly trials: number}[]>
  >
  /** Mean Sharpe ratio over each pair of parameters; empty for a search of one. */
  readonly surfaces: readonly Surface[]
  /** Mean Sharpe ratio of the grid's trials one step from the best: far below it, the best is a lucky peak. */
  readonly plateau: number | null
  readonly complete: boolean
}

export interface Surface {
  readonly x: string
  readonly y: string
  readonly xValues: readonly string[]
  readonly yValues: readonly string[]
  /** By y, then x; null where no trial has a ratio. */
  readonly sharpe: readonly (readonly (number | null)[])[]
}

/** Share of the time each rung of a halving search replays, and of its trials that go on to the next. */
const RUNGS = [0.25, 0.5, 1]
const SURVIVORS = 1 / 3

/** Runs every trial of a search that is not in its file yet. Stopping keeps what is finished. */
export const runSweep = async (options: SweepOptions): Promise<SweepSummary> => {
  const {spec, seed, signal} = options
  const candidates = expandSweep(spec, seed)
  const rungs = spec.method === 'halving' ? RUNGS : [1]
  let alive = candidates
  let results: TrialResult[] = []
  let surveyed: TrialResult[] = []
  const failed: FailedTrial[] = []
  let [tried, ended] = [0, 0]
  for (const [rung, share] of rungs.entries()) {
    const outcomes = await runRung(options, alive, share)
    if (rung === 0) requireOneFinished(outcomes)
    results = outcomes.filter(isFinished)
    failed.push(...outcomes.filter(isFailed))
    ended = outcomes.filter(outcome => outcome !== undefined).length
    if (rung === 0) [surveyed, tried] = [results, ended]
    if (signal?.aborted === true) break
    if (rung < rungs.length - 1)
      alive = ranked(results)
        .slice(0, Math.max(1, Math.ceil(alive.length * SURVIVORS)))
        .map(({params}) => params.slice(options.base.params.length))
  }
  return summarise(options, {results, surveyed, failed, tried}, ended === alive.length && signal?.aborted !== true)
}

const runRung = async (
  {base, edges, onProgress, ...kept}: SweepOptions,
  params: readonly (readonly string[])[],
  share: number,
): Promise<readonly (TrialOutcome | undefined)[]> => {
  const toUs = edges[Math.round(SLICE_COUNT * share)] as number
  const requests = params.map(list => ({
    ...base,
    params: [...base.params, ...list],
    source: share === 1 ? base.source : {...base.source, toUs},
  }))
  let done = 0
  return runKeptTrials(requests, {
    ...kept,
    onDone: count => {
      done += count
      onProgress?.(done, requests.length)
    },
  })
}

/** Best first: Sharpe ratio, then return, then the order they were in. */
export const ranked = (results: readonly TrialResult[]): TrialResult[] =>
  results.toSorted(
    (a, b) =>
      (b.metrics.sharpe ?? Number.NEGATIVE_INFINITY) - (a.metrics.sharpe ?? Number.NEGATIVE_INFINITY) ||
      b.metrics.totalReturn - a.metrics.totalReturn ||
      0,
  )

interface Replayed {
  /** Of the last rung. */
  readonly results: readonly TrialResult[]
  /** Every candidate on the same stretch: of the first rung, which is the last where there is one. */
  readonly surveyed: readonly TrialResult[]
  /** Of any rung. */
  readonly failed: readonly FailedTrial[]
  /** Candidates that came to an end on the first rung, whichever. */
  readonly tried: number
}

/**
 * What chance could have done is judged by all that were tried: the survivors of a halving search were chosen, and their
 * number and spread alone would flatter the best.
 */
const summarise = (
  {base, spec, trials}: SweepOptions,
  {results, surveyed, failed, tried}: Replayed,
  complete: boolean,
): SweepSummary => {
  const order = ranked(results)
  const best = order[0]
  const bestSample = best === undefined ? undefined : sharpeSample(best.returns)
  const {family} = base
  const log = trials ?? logOf(surveyed, family)
  const deflation = bestSample === undefined ? null : deflate(bestSample, log, family, best?.period)
  return {
    kind: 'sweep',
    method: spec.method,
    candidates: tried,
    trials: order.map(shown),
    failed: failed.map(shownFailure),
    best: best === undefined ? null : shown(best),
    deflatedSharpe: deflation?.deflatedSharpe ?? null,
    deflatedTrials: deflation?.trials ?? log.trials(family).length,
    overfitting: overfittingOf(surveyed),
    sensitivity: sensitivityOf(surveyed, base.params.length),
    surfaces: surfacesOf(surveyed, base.params.length),
    plateau: plateauOf(results, order[0], base.params.length),
    complete,
  }
}

const logOf = (results: readonly TrialResult[], family: string): TrialLog => {
  const log = memoryTrialLog()
  for (const {id, returns, period} of results)
    log.record({id, family, sharpe: sharpeSample(returns)?.sharpe, observations: returns.length, period, tsUs: 0})
  return log
}

const shown = ({returns: _, kind: __, series: ___, ...result}: TrialResult) => result

const overfittingOf = (results: readonly TrialResult[]): number | null => {
  const periods = results[0]?.returns.length ?? 0
  const comparable = results.filter(({returns}) => returns.length === periods)
  // Trials that all did the same, nothing for one, leave nothing to choose.
  const differ = comparable.some(({returns}) => returns.some((value, k) => value !== comparable[0]?.returns[k]))
  return !differ || periods < 20
    ? null
    : overfittingProbability(
        comparable.map(({returns}) => returns),
        10,
        periods >= 30 ? 1 : 0,
      ).probability
}

const sensitivityOf = (results: readonly TrialResult[], skip: number): SweepSummary['sensitivity'] => {
  const axes = new Map<string, Map<string, number[]>>()
  for (const {params, metrics} of results) {
    for (const text of params.slice(skip)) {
      const at = text.indexOf('=')
      const values = axes.get(text.slice(0, at)) ?? new Map<string, number[]>()
      axes.set(text.slice(0, at), values)
      const value = text.slice(at + 1)
      values.set(value, [...(values.get(value) ?? []), ...(metrics.sharpe === null ? [] : [metrics.sharpe])])
    }
  }
  return Object.fromEntries(
    [...axes].map(([key, values]) => [
      key,
      [...values].map(([value, sharpes]) => ({
        value,
        sharpe: sharpes.length === 0 ? null : sharpes.reduce((a, b) => a + b, 0) / sharpes.length,
        trials: sharpes.length,
      })),
    ]),
  )
}

const split = (text: string): readonly [string, string] => {
  const at = text.indexOf('=')
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Values a surface shows of each parameter: a random search has as many as trials, and no surface to see. */
const MOST_VALUES = 16

const surfacesOf = (results: readonly TrialResult[], skip: number): Surface[] => {
  const trials = results.map(({params, metrics}) => ({at: new Map(params.slice(skip).map(split)), ...metrics}))
  const axes = [...new Set(trials.flatMap(({at}) => [...at.keys()]))]
  const valuesOf = (axis: string) => [...new Set(trials.map(({at}) => at.get(axis) ?? ''))].sort(byNumber)
  const usable = axes.filter(axis => valuesOf(axis).length >= 2 && valuesOf(axis).length <= MOST_VALUES)
  return usable.flatMap((x, k) =>
    usable.slice(k + 1).map((y): Surface => {
      const [xValues, yValues] = [valuesOf(x), valuesOf(y)]
      const mean = (xValue: string, yValue: string) => {
        const own = trials.flatMap(({at, sharpe}) =>
          at.get(x) === xValue && at.get(y) === yValue && sharpe !== null ? [sharpe] : [],
        )
        return own.length === 0 ? null : own.reduce((a, b) => a + b, 0) / own.length
      }
      return {x, y, xValues, yValues, sharpe: yValues.map(yValue => xValues.map(xValue => mean(xValue, yValue)))}
    }),
  )
}

const byNumber = (a: string, b: string): number => Number(a) - Number(b) || (a < b ? -1 : 1)

const plateauOf = (results: readonly TrialResult[], best: TrialResult | undefined, skip: number): number | null => {
  if (best === undefined) return null
  const places = new Map<string, readonly string[]>()
  for (const {params} of results)
    for (const [axis, value] of params.slice(skip).map(split)) {
      const known = places.get(axis) ?? []
      if (!known.includes(value)) places.set(axis, [...known, value].sort(byNumber))
    }
  const placeOf = ({params}: TrialResult) =>
    params.slice(skip).map(text => {
      const [axis, value] = split(text)
      return (places.get(axis) ?? []).indexOf(value)
    })
  const top = placeOf(best)
  const steps = (one: TrialResult) => placeOf(one).reduce((sum, place, k) => sum + Math.abs(place - (top[k] ?? 0)), 0)
  const around = results.filter(one => one !== best && steps(one) === 1).flatMap(({metrics}) => metrics.sharpe ?? [])
  return around.length === 0 ? null : around.reduce((a, b) => a + b, 0) / around.length
}
