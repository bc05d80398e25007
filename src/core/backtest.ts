import {performance} from 'node:perf_hooks'
import {setImmediate} from 'node:timers/promises'
import {staticAllocation, type WeightAllocator} from '../allocation/allocation.ts'
import type {Journal} from '../broker/journal.ts'
import {memoryJournal} from '../broker/memory-journal.ts'
import type {Config} from '../config/schema.ts'
import type {TapeChunk} from '../data/tape.ts'
import {hashTape} from '../data/tape-hash.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {notionalMicros} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {createRng} from '../domain/rng.ts'
import {tsUs as toTsUs} from '../domain/units.ts'
import type {BackOfficeTerms} from '../engine/back-office.ts'
import type {Engine, EngineListener} from '../engine/engine.ts'
import type {MorningSettlement, Unsettled} from '../engine/option-settlement.ts'
import type {ExecutedOrder} from '../evaluation/capacity.ts'
import {computeMetrics, headline, type Metrics, type MetricsDetail, type RunSeries} from '../evaluation/metrics.ts'
import {periodReturns} from '../evaluation/returns.ts'
import {type Remark, review} from '../evaluation/review.ts'
import {roundTrips} from '../evaluation/round-trips.ts'
import {analyseRun, type RunAnalysis} from '../evaluation/run-analysis.ts'
import {sharpeSample} from '../evaluation/sharpe.ts'
import {type DeflationResult, deflate, memoryTrialLog, type TrialLog} from '../evaluation/trial-log.ts'
import {type FeeScheduleName, feeSchedule} from '../exchange/fees.ts'
import {constantLatency, recordedLatency} from '../exchange/latency.ts'
import type {BarMatching, QueueModelName} from '../exchange/venue.ts'
import {riskLimits} from '../risk/limits.ts'
import {createStrategy} from '../strategies/registry.ts'
import type {Strategy} from '../strategies/strategy.ts'
import {nodeEvents} from './node-events.ts'
import type {LatencyRecording, LatencySummary} from './recorded-latency.ts'
import {PriceRecorder} from './report-prices.ts'
import {
  type AllocationSummary,
  allocationMethod,
  allocationSummary,
  allocatorOf,
  exitRulesOf,
  weightsNote,
} from './risk-setup.ts'
import {Simulation, type SimulationOptions} from './simulation.ts'
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

/** A pure function of what shapes the run, so that its client order ids are, too. */
export const backtestRunId = (configHash: string, seed: number): string => `bt.${configHash.slice(0, 10)}.${seed}`

interface Run {
  readonly name: string
  readonly simulation: Simulation
  readonly journal: Journal
  readonly fills: {readonly fill: Fill; readonly strategy: number}[]
  readonly strategies: readonly Strategy[]
  readonly allocator: WeightAllocator
  readonly flush: () => Promise<void>
}

const createRun = (options: BacktestOptions, runId: string): Run => {
  const {config, source, strategies: requested, capitalMicros, onEvents} = options
  const strategies = requested.map(({create}) => create())
  const journal = options.journal ?? memoryJournal({keep: false})
  const fills: Run['fills'] = []
  const pending: TradeEvent[] = []
  const limits = riskLimits(config.risk)
  const events = nodeEvents({
    instruments: source.instruments,
    strategies: strategies.map(({name}) => name),
    limits,
    engine: () => simulation.engine,
    onEvent: event => void pending.push(event),
  })
  const told: EngineListener = onEvents === undefined ? {} : events.listener
  const names = requested.map(({name}) => name)
  const allocator = allocatorOf(config, names, capitalMicros, {
    base: requested.map(({weight}) => weight),
    // Weights that never move are in the configuration.
    ...(allocationMethod(config) === 'static'
      ? {}
      : {
          onWeights: record => {
            journal.append({kind: 'note', tsUs: toTsUs(record.tsUs), text: weightsNote(names, record)})
            if (onEvents !== undefined) events.weights(names, record)
          },
        }),
  })
  const simulation: Simulation = new Simulation({
    ...venueOf(options),
    runId,
    strategies,
    limits,
    exits: exitRulesOf(config),
    allocator,
    journal,
    listener: {
      ...told,
      onFill: (fill, order, effect, nowUs) => {
        fills.push({fill, strategy: order?.strategy ?? -1})
        told.onFill?.(fill, order, effect, nowUs)
      },
    },
  })
  return {
    name: 'main',
    simulation,
    journal,
    fills,
    strategies,
    allocator,
    flush: async () => {
      if (onEvents === undefined || pending.length === 0) return
      await onEvents(pending)
      pending.length = 0
    },
  }
}

const venueOf = (
  options: BacktestOptions,
): Omit<SimulationOptions, 'runId' | 'strategies' | 'limits' | 'allocator' | 'journal'> => {
  const {seed, configHash, source, capitalMicros, latencyUs, fees, queue} = options
  const {latency, bars, tradeFromUs, backOffice} = options
  const {borrowBpsAnnual} = options.config.risk
  const {impact, impactHalfLifeMs, impactInverseTurnover, sharesOutstanding, exercise} = options.config.backtest
  return {
    seed,
    configHash,
    instruments: source.instruments,
    cashMicros: capitalMicros,
    latency: latency === undefined ? constantLatency(latencyUs) : recordedLatency(latency.recorded),
    fees: feeSchedule(fees, source.instruments),
    queue,
    impact: {
      model: impact,
      halfLifeUs: impactHalfLifeMs * 1000,
      inverseTurnover: impactInverseTurnover,
      sharesOutstanding,
    },
    ...(bars === undefined ? {} : {bars}),
    backOffice: {borrowBpsAnnual, exercise, ...backOffice},
    ...(tradeFromUs === undefined ? {} : {tradeFromUs}),
  }
}

/** Seconds between two random entries of a baseline, over all instruments. */
const RANDOM_ENTRY_SECONDS = 300

/**
 * The same market, costs and latency without anybody's limits: what any strategy must beat. Random entries come at one pace
 * however many instruments there are: sixty of them each on its own would trade a year of bars half a million times.
 */
const baselineRuns = (options: BacktestOptions): Run[] => {
  const traded = options.source.instruments.all().filter(({kind}) => kind !== 'option').length
  const params = {'random-entry': {meanWaitSeconds: RANDOM_ENTRY_SECONDS * Math.max(1, traded)}}
  return ['buy-and-hold', 'random-entry', 'do-nothing'].map(name => {
    const strategies = [createStrategy(name, name === 'random-entry' ? params[name] : {})]
    const fills: Run['fills'] = []
    const journal = memoryJournal({keep: false})
    const allocator = staticAllocation({base: [1], capitalMicros: options.capitalMicros})
    const simulation = new Simulation({
      ...venueOf(options),
      runId: name,
      strategies,
      limits: riskLimits(options.config.risk, {maxDailyLossMicros: Infinity, maxDrawdown: Infinity}),
      rules: [],
      allocator,
      journal,
      listener: {onFill: fill => void fills.push({fill, strategy: 0})},
    })
    return {name, simulation, journal, fills, strategies, allocator, flush: async () => undefined}
  })
}

const summaryOf = (
  options: BacktestOptions,
  main: Run,
  {series, baselines, prices}: FinishedRun,
  {dataHash, elapsedMs, firstUs, lastUs}: {dataHash: string; elapsedMs: number; firstUs: number; lastUs: number},
): BacktestSummary => {
  const {engine} = main.simulation
  const {ledger, desk, record} = engine
  const isBrief = options.isBrief === true
  const detail = computeMetrics(series, {
    rng: createRng(options.seed, 'metrics'),
    ...(isBrief ? {bootstrapDraws: 0} : {}),
  })
  const deflation = deflationOf(options, detail, series, dataHash)
  const held = baselines.find(({name}) => name === 'buy-and-hold')
  const stopped = options.signal?.aborted === true ? 'stopped by the caller' : engine.stateReason
  const analysis = isBrief
    ? null
    : analyseRun({
        series,
        instruments: options.source.instruments,
        path: instrument => prices.series(instrument),
        dailyLots: instrument => prices.dailyLots(instrument),
        orders: executedOrders(main.fills, options.source.instruments),
        impactMicros: record.impactMicros,
        rng: createRng(options.seed, 'trade-order'),
      })
  return {
    runId: backtestRunId(options.configHash, options.seed),
    seed: options.seed,
    dataHash,
    configHash: options.configHash,
    journalHash: main.journal.hash(),
    events: engine.events,
    eventsPerSecond: Math.round(engine.events / Math.max(1e-9, elapsedMs / 1000)),
    from: isoUs(firstUs),
    to: isoUs(lastUs),
    signals: engine.signals,
    orders: desk.sent,
    fills: ledger.fills,
    rejected: desk.rejected,
    equityMicros: engine.equityMicros(),
    ledgerErrorMicros: ledger.errorMicros(),
    metrics: headline(detail),
    detail,
    deflation,
    remarks: review({
      metrics: detail,
      tsUs: series.tsUs,
      equityMicros: series.equityMicros,
      tripPnlMicros: series.trips.map(({pnlMicros}) => pnlMicros),
      feesMicros: ledger.feesMicros,
      tradedMicros: ledger.turnoverMicros,
      ledgerErrorMicros: ledger.errorMicros(),
      ...(deflation === null ? {} : {deflation}),
      idealised: idealisedBy(options, analysis?.capacity?.participation ?? 0),
      instrumentPnlMicros: [...Map.groupBy(series.trips, ({instrument}) => instrument)].map(([instrument, trips]) => ({
        symbol: options.source.instruments.at(instrument).symbol,
        pnlMicros: trips.reduce((sum, {pnlMicros}) => sum + pnlMicros, 0),
      })),
      ...(held === undefined ? {} : {holdReturn: held.equityMicros / options.capitalMicros - 1}),
      ...(stopped === '' ? {} : {stopped}),
    }),
    analysis,
    costs: {
      feesMicros: ledger.feesMicros,
      spreadMicros: Math.round(record.spreadMicros),
      slippageMicros: Math.round(record.slippageMicros),
      impactMicros: Math.round(record.impactMicros),
      borrowMicros: ledger.borrowMicros,
    },
    ...(options.latency === undefined ? {} : {latency: options.latency.summary}),
    dividendsMicros: ledger.dividendsMicros,
    unsettled: engine.backOffice?.unsettled ?? [],
    morningSettlements: engine.backOffice?.mornings ?? [],
    strategies: options.strategies.map((requested, k) => strategySummary(requested, main, series, k, options)),
    allocation: allocationSummary(
      options.config,
      options.strategies.map(({name}) => name),
      options.strategies.map(({weight}) => weight),
      main.allocator,
      {
        tsUs: engine.nowUs,
        profitMicros: options.strategies.map((_, k) => ledger.profitMicros(k)),
        equityMicros: engine.equityMicros(),
        initialCashMicros: ledger.initialCashMicros,
      },
    ),
    baselines: baselines.map(({name, equityMicros, fills, run}) => ({
      name,
      equityMicros,
      fills,
      metrics: headline(computeMetrics(run, {rng: createRng(options.seed, 'metrics'), bootstrapDraws: 0})),
    })),
    ...(stopped === '' ? {} : {stopped}),
  }
}

/** Share of a day's volume from which an order's own weight can no longer be left out. */
const LARGE_SHARE = 0.01

/** What was asked for that no venue grants. */
const idealisedBy = ({fees, latency, latencyUs, queue, config}: BacktestOptions, participation: number): string[] => [
  ...(fees === 'zero' ? ['no fees'] : []),
  ...(latencyUs === 0 && latency === undefined ? ['no latency'] : []),
  ...(queue === 'none' ? ['no queue before resting orders'] : []),
  ...(config.backtest.impact === 'none' && participation > LARGE_SHARE
    ? [`no market impact of orders of ${(100 * participation).toFixed(1)} % of a day’s volume (--impact)`]
    : []),
]

const strategySummary = (
  {weight, params}: BacktestStrategy,
  main: Run,
  series: RunSeries,
  k: number,
  {source}: BacktestOptions,
): StrategySummary => {
  const {ledger, backOffice} = main.simulation.engine
  const own = main.fills.filter(({strategy}) => strategy === k)
  const trips =
    own.length === main.fills.length
      ? series.trips
      : roundTrips(
          own.map(({fill}) => fill),
          source.instruments,
          backOffice?.splits,
        )
  const wins = trips.filter(({pnlMicros}) => pnlMicros > 0).length
  return {
    name: main.strategies[k]?.name ?? '',
    weight,
    params,
    profitMicros: ledger.profitMicros(k),
    feesMicros: ledger.ownFeesMicros[k] ?? 0,
    trades: trips.length,
    winRate: trips.length === 0 ? null : wins / trips.length,
    report: main.strategies[k]?.report?.() ?? {},
  }
}

const seriesOf = (run: Run, {source, tradeFromUs = 0}: BacktestOptions): RunSeries => {
  const {ledger, record, backOffice} = run.simulation.engine
  const {equity} = record
  const times = equity.tsUs.subarray(0, equity.count)
  // The last sample of the watching is where the first return starts.
  const first = Math.max(0, times.findIndex(at => at >= tradeFromUs) - 1)
  const allCoins = source.instruments.all().every(({kind}) => kind === 'crypto')
  return {
    tsUs: times.subarray(first),
    equityMicros: (equity.values[0] as Float64Array).subarray(first, equity.count),
    grossMicros: (equity.values[1] as Float64Array).subarray(first, equity.count),
    trips: roundTrips(
      run.fills.map(({fill}) => fill),
      source.instruments,
      backOffice?.splits,
    ),
    tradedMicros: ledger.turnoverMicros,
    calendar: allCoins ? 'continuous' : 'us-equity',
  }
}

/** Fills summed by order, since impact is of the whole order. */
const executedOrders = (fills: Run['fills'], instruments: InstrumentTable): ExecutedOrder[] => {
  const orders = new Map<string, {instrument: number; lots: number; valueMicros: number}>()
  for (const {fill} of fills) {
    const order = orders.get(fill.clientOrderId) ?? {instrument: fill.instrument, lots: 0, valueMicros: 0}
    orders.set(fill.clientOrderId, order)
    order.lots += fill.lots
    order.valueMicros += notionalMicros(instruments.at(fill.instrument), fill.priceTicks, fill.lots)
  }
  return [...orders.values()]
}

/** Counts this run among all that were made of the same strategies, then deflates by their number. */
const deflationOf = (
  {configHash, strategies, trials = memoryTrialLog()}: BacktestOptions,
  detail: MetricsDetail,
  series: RunSeries,
  dataHash: string,
): DeflationResult | null => {
  const sample = sharpeSample(periodReturns(series.tsUs, series.equityMicros, series.calendar).returns)
  if (sample === undefined) return null
  const family = strategies.map(({name}) => name).join('+')
  const last = series.tsUs[series.tsUs.length - 1] ?? 0
  const sharpe = detail.sharpe === null ? undefined : detail.sharpe / Math.sqrt(detail.periodsPerYear)
  trials.record({
    id: `${configHash}.${dataHash}`,
    family,
    sharpe,
    observations: detail.periods,
    period: detail.period,
    tsUs: last,
  })
  return deflate(sample, trials, family, detail.period)
}

const isoUs = (tsUs: number): string => new Date(Math.floor(tsUs / 1000)).toISOString()
