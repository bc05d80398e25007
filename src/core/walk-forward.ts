import {walkForwardSplits} from '../evaluation/splits.ts'
import {ranked} from './sweep.ts'
import {expandSweep, SLICE_COUNT, type SweepSpec} from './sweep-spec.ts'
import type {TrialRequest, TrialResult} from './trial.ts'
import type {TrialPool} from './trial-pool.ts'

export interface WalkForwardRequest {
  readonly base: TrialRequest
  /** What each training window chooses from; without it every window tests the parameters as they are. */
  readonly spec?: SweepSpec
  readonly seed: number
  readonly pool: TrialPool
  /** A hundred and one times that cut the market's own time into equal slices (`timeEdges`). */
  readonly edges: readonly number[]
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
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
  readonly result: Omit<TrialResult, 'returns' | 'kind'>
}
export interface WalkForwardSummary {
  readonly windows: readonly WalkForwardWindow[]
  /** Compounded over the test windows, each started afresh with the same capital. */
  readonly totalReturn: number
  readonly profitableWindows: number
  readonly worstDrawdown: number
  readonly meanTrainSharpe: number | null
  readonly meanTestSharpe: number | null
}

/** Of a hundred slices 40 train, 10 validate, 10 test, with one purged between them. */
const SLICES = {observations: SLICE_COUNT, train: 40, validate: 10, test: 10, purge: 1}
/** How many of the best in training are looked at again in validation. */
const FINALISTS = 3

/** Train, validate, test, step on: what the strategy would have done with parameters chosen before each test window. */
export const runWalkForward = async (request: WalkForwardRequest): Promise<WalkForwardSummary> => {
  const {base, spec, seed, edges, signal, onProgress} = request
  const candidates = spec === undefined ? [[]] : expandSweep(spec, seed)
  const splits = walkForwardSplits(SLICES)
  const timeOf = (slice: number): number => edges[slice] as number
  const windows: WalkForwardWindow[] = []
  for (const [k, split] of splits.entries()) {
    if (signal?.aborted === true) break
    // Validation and test start watching where training started, so that a strategy is warm when its window begins.
    const on = (window: {readonly from: number; readonly to: number}, params: readonly string[]): TrialRequest => ({
      ...base,
      params: [...base.params, ...params],
      source: {...base.source, fromUs: timeOf(split.train.from), toUs: timeOf(window.to)},
      ...(window.from > split.train.from ? {tradeFromUs: timeOf(window.from)} : {}),
    })
    const chosen = await choose(
      request,
      candidates,
      params => on(split.train, params),
      params => on(split.validate, params),
    )
    if (chosen === undefined) break
    const [result] = await runAll(request, [on(split.test, chosen.params)])
    if (result === undefined) break
    const span = ({from, to}: {readonly from: number; readonly to: number}): Window => ({
      from: iso(timeOf(from)),
      to: iso(timeOf(to)),
    })
    const {returns: _, kind: __, ...shown} = result
    windows.push({
      train: span(split.train),
      validate: span(split.validate),
      test: span(split.test),
      params: chosen.params,
      trainSharpe: chosen.trainSharpe,
      validateSharpe: chosen.validateSharpe,
      result: shown,
    })
    onProgress?.(k + 1, splits.length)
  }
  return {
    windows,
    totalReturn: windows.reduce((product, {result}) => product * (1 + result.metrics.totalReturn), 1) - 1,
    profitableWindows: windows.filter(({result}) => result.metrics.totalReturn > 0).length,
    worstDrawdown: windows.reduce((worst, {result}) => Math.max(worst, result.metrics.maxDrawdown), 0),
    meanTrainSharpe: meanOf(windows.map(({trainSharpe}) => trainSharpe)),
    meanTestSharpe: meanOf(windows.map(({result}) => result.metrics.sharpe)),
  }
}

const choose = async (
  request: WalkForwardRequest,
  candidates: readonly (readonly string[])[],
  train: (params: readonly string[]) => TrialRequest,
  validate: (params: readonly string[]) => TrialRequest,
) => {
  const skip = request.base.params.length
  if (candidates.length === 1) return {params: candidates[0] ?? [], trainSharpe: null, validateSharpe: null}
  const trained = await runAll(request, candidates.map(train))
  const finalists = ranked(trained.filter(result => result !== undefined)).slice(0, FINALISTS)
  if (finalists.length === 0) return undefined
  const validated = await runAll(
    request,
    finalists.map(({params}) => validate(params.slice(skip))),
  )
  const best = ranked(validated.filter(result => result !== undefined))[0]
  if (best === undefined) return undefined
  const params = best.params.slice(skip)
  const inTraining = finalists.find(finalist => finalist.params.slice(skip).join() === params.join())
  return {params, trainSharpe: inTraining?.metrics.sharpe ?? null, validateSharpe: best.metrics.sharpe}
}

const runAll = ({pool, signal}: WalkForwardRequest, requests: readonly TrialRequest[]) =>
  pool.run(requests, signal === undefined ? {} : {signal})

const meanOf = (values: readonly (number | null)[]): number | null => {
  const known = values.filter(value => value !== null)
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length
}

const iso = (tsUs: number): string => new Date(Math.floor(tsUs / 1000)).toISOString()
