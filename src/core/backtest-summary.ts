import type {InstrumentTable} from '../domain/instrument.ts'
import {notionalMicros} from '../domain/instrument.ts'
import {createRng} from '../domain/rng.ts'
import type {ExecutedOrder} from '../evaluation/capacity.ts'
import {computeMetrics, headline, type MetricsDetail, type RunSeries, winRateOf} from '../evaluation/metrics.ts'
import {periodReturns} from '../evaluation/returns.ts'
import {review} from '../evaluation/review.ts'
import {roundTrips} from '../evaluation/round-trips.ts'
import {analyseRun} from '../evaluation/run-analysis.ts'
import {sharpeSample} from '../evaluation/sharpe.ts'
import {type DeflationResult, deflate, memoryTrialLog} from '../evaluation/trial-log.ts'
import type {BacktestOptions, BacktestStrategy, BacktestSummary, FinishedRun, StrategySummary} from './backtest.ts'
import {backtestRunId, type Run} from './backtest-runs.ts'
import {allocationSummary, chooseAllocation} from './risk-setup.ts'
import {trialFamily} from './strategy-module.ts'

/** What came of a run, in figures. */
export const summaryOf = (
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
      orders: desk.sent,
      limited: main.limited,
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
      options.allocation ??
        chooseAllocation(
          options.config,
          options.strategies.map(({name}) => name),
        ),
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
  return {
    name: main.strategies[k]?.name ?? '',
    weight,
    params,
    profitMicros: ledger.profitMicros(k),
    feesMicros: ledger.ownFeesMicros[k] ?? 0,
    trades: trips.length,
    winRate: winRateOf(trips.map(({pnlMicros}) => pnlMicros)) ?? null,
    report: reported(main.strategies[k]?.report?.() ?? {}),
  }
}

/** What a strategy says of itself, as a document can hold it: a mean of nothing is NaN, and no reason to lose the run. */
const reported = (report: Readonly<Record<string, unknown>>): Record<string, number | string> =>
  Object.fromEntries(
    Object.entries(report).flatMap(([key, value]): [string, number | string][] => {
      if (value === undefined) return []
      if (typeof value === 'number' && Number.isFinite(value)) return [[key, value]]
      return [[key, typeof value === 'object' ? JSON.stringify(value) : String(value)]]
    }),
  )

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
  const family = trialFamily(strategies)
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
