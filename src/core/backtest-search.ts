import {UserError} from '../domain/errors.ts'
import type {TrialLog} from '../evaluation/trial-log.ts'
import type {BacktestListener} from './backtest-job.ts'
import {monteCarloText, sweepText, walkForwardText} from './backtest-text.ts'
import {keptTrialsFile} from './kept-trials.ts'
import {type MonteCarloSummary, runMonteCarlo} from './monte-carlo.ts'
import type {SharedTape} from './shared-tape.ts'
import {runSweep, type SweepSummary} from './sweep.ts'
import {type SweepSpec, timeEdges} from './sweep-spec.ts'
import type {TrialRequest} from './trial.ts'
import {openTrialPool} from './trial-pool.ts'
import {runWalkForward, type WalkForwardSummary} from './walk-forward.ts'

/** What is asked of many runs beside the one with the parameters as given. */
export interface BacktestSearch {
  readonly walkForward: boolean
  /** Price paths. */
  readonly monteCarlo: number | undefined
  /** Threads; one a core when undefined. */
  readonly workers: number | undefined
  /** File of finished trials; in the home when undefined. */
  readonly keptIn: string | undefined
}

export interface SearchRequest extends BacktestSearch {
  readonly base: TrialRequest
  readonly spec: SweepSpec | undefined
  readonly trials: TrialLog
  /** The run's rows; undefined where they were too many to keep. */
  readonly tape: SharedTape | undefined
  /** When the run's account was sampled: the market's own time, which windows are cut from. */
  readonly sampledUs: Float64Array
  /** Of the run itself. */
  readonly totalReturn: number
}

export interface SearchResult {
  readonly sweep?: SweepSummary
  readonly walkForward?: WalkForwardSummary
  readonly monteCarlo?: MonteCarloSummary
}

/** Searches parameters, walks forward, or draws price paths. A stop keeps what is finished. */
export const searchBacktest = async (request: SearchRequest, listener: BacktestListener): Promise<SearchResult> => {
  const {base, spec, sampledUs, trials, tape, totalReturn, walkForward, monteCarlo, workers, keptIn} = request
  const {signal, note, log, onSearched} = listener
  if (tape === undefined && base.source.from === '-')
    throw new UserError('TAPE_TOO_LARGE', 'a search replays its data many times, and this pipe was too long to keep', {
      hints: ['write the records to a file, or ingest them into a catalog'],
    })
  const file = keptIn ?? keptTrialsFile(base.config.home, base)
  await using pool = openTrialPool(workers, tape)
  const onKept = onceKept((kept, total) =>
    note(`${kept} of ${total} trials were finished before and are not run again: ${file}`),
  )
  const common = {base, pool, file, trials, seed: base.config.seed, signal, onKept}
  const progressOf = (phase: string) => (done: number, total: number) => onSearched?.(phase, done, total)
  const found: {-readonly [K in keyof SearchResult]: SearchResult[K]} = {}
  if (walkForward) {
    const edges = timeEdges(sampledUs)
    const onProgress = progressOf('walk-forward')
    found.walkForward = await runWalkForward({...common, edges, onProgress, ...(spec === undefined ? {} : {spec})})
    log(walkForwardText(found.walkForward))
  } else if (spec !== undefined) {
    const edges = spec.method === 'halving' ? timeEdges(sampledUs) : []
    found.sweep = await runSweep({...common, edges, spec, onProgress: progressOf('sweep')})
    log(sweepText(found.sweep))
    if (!found.sweep.complete) note(`finished trials are kept in ${file}: the same command goes on from there`)
  }
  if (monteCarlo !== undefined && !signal.aborted) {
    if (tape === undefined)
      throw new UserError('TAPE_TOO_LARGE', 'the tape is too long to make price paths of it', {
        hints: ['narrow it with --start, --end, --symbols or --kinds'],
      })
    const onProgress = progressOf('price paths')
    found.monteCarlo = await runMonteCarlo({...common, paths: monteCarlo, onProgress}, totalReturn)
    log(monteCarloText(found.monteCarlo))
  }
  return found
}

/** Only of the first stage of a search: later ones follow from it. */
const onceKept = (tell: (kept: number, total: number) => void): ((kept: number, total: number) => void) => {
  let isFirst = true
  return (kept, total) => {
    if (isFirst && kept > 0) tell(kept, total)
    isFirst = false
  }
}
