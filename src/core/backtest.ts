import {performance} from 'node:perf_hooks'
import {setImmediate} from 'node:timers/promises'
import type {Journal} from '../broker/journal.ts'
import type {Config} from '../config/schema.ts'
import type {TapeChunk} from '../data/tape.ts'
import {hashTape} from '../data/tape-hash.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {Fill} from '../domain/order.ts'
import type {BackOfficeTerms} from '../engine/back-office.ts'
import type {Engine} from '../engine/engine.ts'
import type {MorningSettlement, Unsettled} from '../engine/option-settlement.ts'
import type {Metrics, MetricsDetail, RunSeries} from '../evaluation/metrics.ts'
import type {Remark} from '../evaluation/review.ts'
import type {RunAnalysis} from '../evaluation/run-analysis.ts'
import type {DeflationResult, TrialLog} from '../evaluation/trial-log.ts'
import type {FeeScheduleName} from '../exchange/fees.ts'
import type {BarMatching, QueueModelName} from '../exchange/venue.ts'
import type {Strategy} from '../strategies/strategy.ts'
import {backtestRunId, baselineRuns, createRun, seriesOf} from './backtest-runs.ts'
import {summaryOf} from './backtest-summary.ts'
import type {LatencyRecording, LatencySummary} from './recorded-latency.ts'
import {PriceRecorder} from './report-prices.ts'
import type {AllocationChoice, AllocationSummary} from './risk-setup.ts'
import type {TradeEvent} from './trade-events.ts'

export interface BacktestStrategy {
  readonly name: string
  /** Share of capital, of 1 in all. */
  readonly weight: number
  readonly params: unknown
  /** A fresh one: a back-test may need several. */
  readonly create: () => Strategy
}

export interface BacktestOptions {
  readonly source: TapeSource
  readonly config: Config
  /** Hash of everything that shapes the run but the data and the seed. */
  readonly configHash: string
  readonly seed: number
  /** Where `config` has the choice made, how it was made. */
  readonly allocation?: AllocationChoice
  readonly strategies: readonly BacktestStrategy[]
  readonly capitalMicros: number
  readonly latencyUs: number
  /** Instead of `latencyUs`. */
  readonly latency?: LatencyRecording
  readonly fees: FeeScheduleName
  readonly queue: QueueModelName
  readonly bars?: BarMatching
  /** Where every decision goes; only its hash is kept when absent. */
  readonly journal?: Journal
  /** Borrow and other terms of the account; what the data says of borrow comes first. */
  readonly backOffice?: BackOfficeTerms
  /** Runs buy-and-hold, random-entry and do-nothing on the same tape. */
  readonly baselines?: boolean
  /** Leaves out intervals and analysis: for one of many trials. */
  readonly isBrief?: boolean
  /** Of the tape, where it is known: then it is not reckoned again. */
  readonly dataHash?: string
  /** Told after each stretch of tape: rows replayed, and the market's time. */
  readonly onProgress?: (events: number, tsUs: number) => void
  /** What happened in each stretch of tape, in order; awaited, so a slow reader slows the run. */
  readonly onEvents?: (events: readonly TradeEvent[]) => Promise<void>
  /** The run behind the summary, for a report. */
  readonly onFinished?: (summary: BacktestSummary, run: FinishedRun) => void
  readonly signal?: AbortSignal
  /** Until this time strategies only watch; figures count from it. */
  readonly tradeFromUs?: number
  /** Where every trial of the project is counted; without it the run counts as the only one. */
  readonly trials?: TrialLog
}

export interface BacktestSummary {
  readonly runId: string
  readonly seed: number
  readonly dataHash: string
  readonly configHash: string
  readonly journalHash: string
  readonly events: number
  /** Rows through matching, risk, ledger and strategies, a second of that work alone. */
  readonly eventsPerSecond: number
  readonly from: string
  readonly to: string
  readonly signals: number
  readonly orders: number
  readonly fills: number
  readonly rejected: number
  readonly equityMicros: number
  readonly ledgerErrorMicros: number
  readonly metrics: Metrics
  readonly detail: MetricsDetail
  /** The Sharpe ratio against the best that as many trials as were ever made of these strategies would show by chance. */
  readonly deflation: DeflationResult | null
  /** What a careful reviewer would say before believing the figures. */
  readonly remarks: readonly Remark[]
  /** By symbol, hour and regime, in crises, in another order of trades, at another size; null for a trial. */
  readonly analysis: RunAnalysis | null
  readonly costs: {
    readonly feesMicros: number
    /** Paid for crossing from mid to the price hoped for; negative is earned by resting. */
    readonly spreadMicros: number
    /** From the price hoped for to the price got: latency and size. */
    readonly slippageMicros: number
    /** Paid because our own orders move the market; 0 without a model of it. */
    readonly impactMicros: number
    /** Paid for shares sold short. */
    readonly borrowMicros: number
  }
  /** What was measured, where latencies were recorded. */
  readonly latency?: LatencySummary
  /** Received by longs less paid by shorts, from each ex-date on. */
  readonly dividendsMicros: number
  /** Expired options that could not be settled, for want of a price of their day; they stay in the equity at their last value. */
  readonly unsettled: readonly Unsettled[]
  /** Options settled on an opening that approximates the exchange's special opening quotation. */
  readonly morningSettlements: readonly MorningSettlement[]
  readonly strategies: readonly StrategySummary[]
  /** How capital was shared between them, and what moving it earned or cost. */
  readonly allocation: AllocationSummary
  readonly baselines: readonly BaselineSummary[]
  /** Why trading ended early, when a limit or the caller ended it. */
  readonly stopped?: string
}
export interface StrategySummary {
  readonly name: string
  readonly weight: number
  readonly params: unknown
  readonly profitMicros: number
  readonly feesMicros: number
  readonly trades: number
  readonly winRate: number | null
  readonly report: Readonly<Record<string, number | string>>
}
export interface BaselineSummary {
  readonly name: string
  readonly equityMicros: number
  readonly fills: number
  readonly metrics: Metrics
}

/** Rows between two looks at the clock, and the time after which others get a turn. */
const SLICE_ROWS = 1_024
const BREATH_MS = 100

/**
 * Replays a tape through strategies, risk, matching and ledger, and says what came of it. The same tape, configuration and
 * seed give the same journal hash in any process.
 */
export const runBacktest = async (options: BacktestOptions): Promise<BacktestSummary> => {
  const {source, configHash, seed, signal} = options
  const main = createRun(options, backtestRunId(configHash, seed))
  const baselines = options.baselines === false ? [] : baselineRuns(options)
  const prices = new PriceRecorder(source.instruments)
  let elapsedMs = 0
  let breathedMs = performance.now()
  let firstUs = Number.NaN
  let lastUs = Number.NaN
  const replayed = async function* (): AsyncGenerator<TapeChunk> {
    for await (const chunk of source.chunks()) {
      if (signal?.aborted === true) return
      if (chunk.count === 0) continue
      if (Number.isNaN(firstUs)) firstUs = chunk.tsUs[0] as number
      lastUs = chunk.tsUs[chunk.count - 1] as number
      for (let from = 0; from < chunk.count; from += SLICE_ROWS) {
        const to = Math.min(chunk.count, from + SLICE_ROWS)
        const startMs = performance.now()
        main.simulation.play(chunk, from, to)
        elapsedMs += performance.now() - startMs
        if (performance.now() - breathedMs < BREATH_MS) continue
        // A strategy may think for a millisecond a row: a stop and the progress line must not wait for a whole chunk.
        await setImmediate()
        breathedMs = performance.now()
        options.onProgress?.(main.simulation.engine.events, chunk.tsUs[to - 1] as number)
        if (hasStopped(signal)) break
      }
      if (options.isBrief !== true) prices.note(chunk)
      for (const baseline of baselines) baseline.simulation.play(chunk)
      await main.flush()
      options.onProgress?.(main.simulation.engine.events, lastUs)
      yield chunk
    }
  }
  let {dataHash} = options
  if (dataHash === undefined) dataHash = await hashTape(source.instruments, replayed())
  else for await (const _ of replayed());
  if (Number.isNaN(firstUs))
    throw new UserError('NO_ROWS', 'there are no market events to replay', {
      exitCode: ExitCode.invalidData,
      hints: ['widen --start, --end or --symbols, or check the input'],
    })
  for (const {simulation} of [main, ...baselines]) simulation.finish()
  await main.flush()
  // Fills are matched into trades once: it takes tens of milliseconds for every 50,000 of them.
  const finished: FinishedRun = {
    engine: main.simulation.engine,
    fills: main.fills,
    series: seriesOf(main, options),
    prices,
    baselines: baselines.map(run => ({
      name: run.name,
      fills: run.simulation.engine.ledger.fills,
      equityMicros: run.simulation.engine.equityMicros(),
      run: seriesOf(run, options),
    })),
  }
  const summary = summaryOf(options, main, finished, {dataHash, elapsedMs, firstUs, lastUs})
  options.onFinished?.(summary, finished)
  return summary
}

/** Asked anew: it may have been aborted since the compiler last looked. */
const hasStopped = (signal: AbortSignal | undefined): boolean => signal?.aborted === true

export interface FinishedRun {
  /** What the figures were computed from. */
  readonly series: RunSeries
  readonly engine: Engine
  readonly fills: readonly {readonly fill: Fill; readonly strategy: number}[]
  readonly prices: PriceRecorder
  readonly baselines: readonly {
    readonly name: string
    readonly fills: number
    readonly equityMicros: number
    readonly run: RunSeries
  }[]
}
