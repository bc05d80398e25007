import {sortedQuantile} from '../evaluation/bootstrap.ts'
import {requireOneFinished, runKeptTrials} from './kept-trials.ts'
import {isFailed, isFinished, type ShownFailure, shownFailure, type TrialRequest} from './trial.ts'
import type {TrialPool} from './trial-pool.ts'

export interface MonteCarloRequest {
  readonly base: TrialRequest
  readonly paths: number
  readonly seed: number
  readonly pool: TrialPool
  readonly file?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

export interface Quantiles {
  readonly p5: number
  readonly p50: number
  readonly p95: number
}
export interface MonteCarloSummary {
  /** Paths that were finished. */
  readonly paths: number
  /** Paths that ended in an error. */
  readonly failed: readonly ShownFailure[]
  readonly totalReturn: Quantiles | null
  readonly maxDrawdown: Quantiles | null
  /** Over the paths that have one. */
  readonly sharpe: Quantiles | null
  /** Share of the paths that ended below the start. */
  readonly lossProbability: number | null
  /** Share of the paths that returned less than the tape itself. */
  readonly rank: number | null
}

/** The strategy on other paths the market might have taken: blocks of the tape in another order. */
export const runMonteCarlo = async (
  {base, paths, seed, onProgress, ...kept}: MonteCarloRequest,
  totalReturn: number,
): Promise<MonteCarloSummary> => {
  let done = 0
  const found = await runKeptTrials(
    Array.from({length: paths}, (_, path): TrialRequest => ({...base, path: {seed, number: path}})),
    {
      ...kept,
      onDone: count => {
        done += count
        onProgress?.(done, paths)
      },
    },
  )
  requireOneFinished(found)
  const results = found.filter(isFinished)
  const returns = results.map(({metrics}) => metrics.totalReturn)
  const share = (isSo: (value: number) => boolean) =>
    returns.length === 0 ? null : returns.filter(isSo).length / returns.length
  return {
    paths: results.length,
    failed: found.filter(isFailed).map(shownFailure),
    totalReturn: quantiles(returns),
    maxDrawdown: quantiles(results.map(({metrics}) => metrics.maxDrawdown)),
    sharpe: quantiles(results.flatMap(({metrics}) => metrics.sharpe ?? [])),
    lossProbability: share(value => value < 0),
    rank: share(value => value < totalReturn),
  }
}

const quantiles = (values: readonly number[]): Quantiles | null => {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  return {p5: sortedQuantile(sorted, 0.05), p50: sortedQuantile(sorted, 0.5), p95: sortedQuantile(sorted, 0.95)}
}
