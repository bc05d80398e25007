import {configHash} from '../config/resolve.ts'
import {type Config, STRATEGY_NAMES} from '../config/schema.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {createRng} from '../domain/rng.ts'
import type {Metrics, RunSeries} from '../evaluation/metrics.ts'
import {periodReturns} from '../evaluation/returns.ts'
import type {FeeScheduleName} from '../exchange/fees.ts'
import type {QueueModelName} from '../exchange/venue.ts'
import {type BacktestSummary, runBacktest} from './backtest.ts'
import {backtestSetup, shapingConfig} from './backtest-setup.ts'
import {type OpenedSource, openSource, type SourceRequest} from './backtest-source.ts'
import {type BlockedTape, blockTape, pricePath} from './price-paths.ts'
import type {Refusal} from './refusal.ts'
import {chooseAllocation, policyHashOf, withAllocation} from './risk-setup.ts'
import {openSharedTape, type SharedTape} from './shared-tape.ts'
import {strategyLabel} from './strategy-module.ts'

/** One back-test as plain data: it may run in any thread or process, and its id says what it is. */
export interface TrialRequest {
  readonly source: SourceRequest
  /** Until this time the strategy only watches, so that it is warm when its window begins. */
  readonly tradeFromUs?: number
  /** What the source holds, so that a result is not taken for that of other data. */
  readonly content: string
  readonly config: Config
  readonly names: readonly string[]
  /** What its trials are counted under (`trialFamily`). */
  readonly family: string
  /** `key=value`, as on the command line. */
  readonly params: readonly string[]
  readonly capitalDollars: number
  readonly latencyUs: number
  readonly fees: FeeScheduleName
  readonly queue: QueueModelName
  /** Folder of a pattern bank that the trial may read. */
  readonly bank?: string
  /** Another path of the market instead of its own; needs the tape in memory. */
  readonly path?: {readonly seed: number; readonly number: number}
  /** Keeps the run's series and runs the baselines: for a test window, whose result is reported. */
  readonly isTest?: boolean
}

/** The run behind a trial's figures, and those of the baselines on the same tape. */
export interface TrialSeries {
  readonly run: RunSeries
  readonly baselines: readonly {readonly name: string; readonly fills: number; readonly run: RunSeries}[]
  readonly costs: BacktestSummary['costs']
}

export interface TrialResult {
  readonly kind: 'trial'
  readonly id: string
  readonly params: readonly string[]
  readonly from: string
  readonly to: string
  readonly orders: number
  readonly fills: number
  readonly trades: number
  readonly ledgerErrorMicros: number
  readonly journalHash: string
  readonly metrics: Metrics
  /** Returns on the period named; what overfitting is judged by. */
  readonly returns: readonly number[]
  readonly period: string
  /** Of a test window only. */
  readonly series?: TrialSeries
}

/** A trial that ended in an error: it was tried, and says why it has no figures. */
export interface FailedTrial extends Omit<Refusal, 'kind'> {
  readonly kind: 'failed'
  readonly id: string
  readonly params: readonly string[]
}
export type TrialOutcome = TrialResult | FailedTrial

export const isFinished = (outcome: TrialOutcome | undefined): outcome is TrialResult => outcome?.kind === 'trial'
export const isFailed = (outcome: TrialOutcome | undefined): outcome is FailedTrial => outcome?.kind === 'failed'

/** What is shown of it. */
export type ShownFailure = Pick<FailedTrial, 'params' | 'code' | 'message'>
export const shownFailure = ({params, code, message}: FailedTrial): ShownFailure => ({params, code, message})

/** A pure function of the content of data, configuration and code of the strategies' parameters. */
export const trialId = (request: TrialRequest): string => {
  const {source, config: asked, family: _, ...rest} = request
  const {symbols, fromUs, toUs, kinds} = source
  // Which of all strategies can run is not known before the tape is open: the most that may share stands for them.
  const names = rest.names.includes('all') ? STRATEGY_NAMES : rest.names
  const config = withAllocation(asked, chooseAllocation(asked, names))
  const policy = policyHashOf(config, names)
  return configHash({
    ...rest,
    names: rest.names.map(strategyLabel),
    config: {...shapingConfig(config), risk: config.risk},
    window: {symbols, fromUs, toUs, kinds},
    ...(policy === undefined ? {} : {policy}),
  }).slice(0, 20)
}

/** Runs one trial to its end, on the tape in memory where there is one. The same request gives the same result anywhere. */
export const runTrial = async (request: TrialRequest, tape?: SharedTape): Promise<TrialResult> => {
  const {config, names, params, capitalDollars, latencyUs, fees, queue} = request
  if (request.path !== undefined && tape === undefined) throw new Error('a price path needs the tape in memory')
  await using opened = tape === undefined ? await openSource(request.source) : undefined
  const source = tape === undefined ? (opened as OpenedSource).source : sourceOf(tape, request)
  const {instruments} = source
  const setup = await backtestSetup({
    resolved: {config, sources: new Map(), hash: ''},
    instruments,
    names,
    params,
    capitalDollars,
    latencyUs,
    fees,
    queue,
    bank: request.bank,
  })
  await using _services = setup.services
  let returns: readonly number[] = []
  let period = ''
  let kept: Omit<TrialSeries, 'costs'> | undefined
  const summary = await runBacktest({
    ...setup,
    source,
    dataHash: request.content,
    baselines: request.isTest === true,
    isBrief: true,
    onFinished: (_, {series, baselines}) => {
      if (request.isTest === true)
        kept = {
          run: copyOf(series),
          baselines: baselines.map(({name, fills, run}) => ({name, fills, run: copyOf(run)})),
        }
      const found = periodReturns(series.tsUs, series.equityMicros, series.calendar)
      returns = [...found.returns]
      period = found.periodName
    },
    ...(request.tradeFromUs === undefined ? {} : {tradeFromUs: request.tradeFromUs}),
  })
  return {
    kind: 'trial',
    id: trialId(request),
    params,
    from: summary.from,
    to: summary.to,
    orders: summary.orders,
    fills: summary.fills,
    trades: summary.detail.trades,
    ledgerErrorMicros: summary.ledgerErrorMicros,
    journalHash: summary.journalHash,
    metrics: summary.metrics,
    returns,
    period,
    ...(kept === undefined ? {} : {series: {...kept, costs: summary.costs}}),
  }
}

let blocked: BlockedTape | undefined

const sourceOf = (tape: SharedTape, {source, path}: TrialRequest): TapeSource => {
  if (path === undefined) return openSharedTape(tape, source)
  if (blocked?.tape !== tape) blocked = blockTape(tape)
  return pricePath(blocked, createRng(path.seed, `price path ${path.number}`))
}

/** Without the unused rest of growing columns, which would travel between threads, too. */
const copyOf = ({tsUs, equityMicros, grossMicros, ...rest}: RunSeries): RunSeries => ({
  ...rest,
  tsUs: Float64Array.from(tsUs),
  equityMicros: Float64Array.from(equityMicros),
  ...(grossMicros === undefined ? {} : {grossMicros: Float64Array.from(grossMicros)}),
})
