import {readFileSync, statSync} from 'node:fs'
import path from 'node:path'
import {ExitCode, nearest, UserError} from '../domain/errors.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {drawdownTable} from '../evaluation/drawdowns.ts'
import {ReportData} from '../evaluation/report/report-data.ts'
import {thin} from '../evaluation/report/svg.ts'
import {periodReturns} from '../evaluation/returns.ts'
import {roundTrips} from '../evaluation/round-trips.ts'
import {scorecard} from '../evaluation/scorecard.ts'
import type {BacktestSummary, FinishedRun} from './backtest.ts'
import type {Comparison} from './backtest-compare.ts'
import type {MonteCarloSummary} from './monte-carlo.ts'
import type {PriceRecorder} from './report-prices.ts'
import {runFolder} from './run-folder.ts'
import {savedRuns} from './saved-runs.ts'
import type {SweepSummary} from './sweep.ts'
import type {WalkForwardSummary} from './walk-forward.ts'

/** What searches and comparisons add to a report. */
export interface ReportParts {
  readonly walkForward?: WalkForwardSummary
  readonly sweep?: SweepSummary
  readonly monteCarlo?: MonteCarloSummary
  readonly comparison?: Comparison
}

/** The report with what was found about its run since, as far as a report shows it. */
export const withParts = (data: ReportData, parts: ReportParts): ReportData =>
  ReportData.parse({...data, ...plain(parts)})

/** As JSON would have it: mutable arrays, nothing undefined. */
const plain = <T>(value: T) => JSON.parse(JSON.stringify(value))

/** The report document of a back-test. */
export const reportOf = (
  summary: BacktestSummary,
  {engine, fills, prices, series}: FinishedRun,
  instruments: InstrumentTable,
): ReportData => {
  const {equity} = engine.record
  const column = (c: number) => Array.from((equity.values[c] as Float64Array).subarray(0, equity.count))
  const tsUs = Array.from(equity.tsUs.subarray(0, equity.count))
  const equityMicros = column(0)
  const executions = fills.map(({fill}) => fill)
  const trips = roundTrips(executions, instruments, engine.backOffice?.splits)
  // Curves are thinned together, by the extremes of equity, so that they share one time axis. The samples that returns are
  // between stay: ratios can be reckoned again from what is exported.
  const {samples} = periodReturns(tsUs, equityMicros, series.calendar)
  const kept = [...new Set([...thin(equityMicros, 4_000), ...samples])].sort((a, b) => a - b)
  const pick = (values: readonly number[]) => kept.map(k => values[k] as number)
  return {
    kind: 'report',
    title: `${summary.strategies.map(s => s.name).join(', ')} on ${symbolsText(instruments)}`,
    runId: summary.runId,
    seed: summary.seed,
    dataHash: summary.dataHash,
    configHash: summary.configHash,
    journalHash: summary.journalHash,
    from: summary.from,
    to: summary.to,
    events: summary.events,
    orders: summary.orders,
    fills: summary.fills,
    rejected: summary.rejected,
    equityMicros: summary.equityMicros,
    ledgerErrorMicros: summary.ledgerErrorMicros,
    metrics: {...summary.detail},
    costs: summary.costs,
    scorecard: scorecard(summary.detail),
    remarks: summary.remarks.map(remark => ({...remark})),
    ...(summary.analysis === null ? {} : {analysis: plain(summary.analysis)}),
    equity: {tsUs: pick(tsUs), equityMicros: pick(equityMicros), grossMicros: pick(column(1))},
    drawdowns: drawdownTable(tsUs, equityMicros, 10).map(({recoveredUs, ...d}) => ({
      ...d,
      ...(recoveredUs === undefined ? {} : {recoveredUs}),
    })),
    strategies: summary.strategies.map((s, k) => ({
      name: s.name,
      weight: s.weight,
      profitMicros: s.profitMicros,
      feesMicros: s.feesMicros,
      trades: s.trades,
      winRate: s.winRate,
      curveMicros: pick(column(2 + k)),
      report: {...s.report},
    })),
    baselines: summary.baselines.map(b => ({
      name: b.name,
      equityMicros: b.equityMicros,
      fills: b.fills,
      metrics: {...b.metrics},
    })),
    instruments: instrumentsOf(executions, trips, instruments, prices),
    trades: trips.map(t => ({
      symbol: instruments.at(t.instrument).symbol,
      closedUs: t.closedUs,
      holdingUs: t.closedUs - t.openedUs,
      pnlMicros: t.pnlMicros,
    })),
    ...(summary.stopped === undefined ? {} : {stopped: summary.stopped}),
  }
}

const symbolsText = (instruments: InstrumentTable): string => {
  const symbols = instruments.all().map(i => i.symbol)
  return symbols.length <= 4 ? symbols.join(', ') : `${symbols.slice(0, 3).join(', ')} and ${symbols.length - 3} more`
}

const instrumentsOf = (
  fills: readonly Fill[],
  trips: ReturnType<typeof roundTrips>,
  instruments: InstrumentTable,
  prices: PriceRecorder,
): ReportData['instruments'] => {
  const byInstrument = Map.groupBy(fills, f => f.instrument)
  return [...byInstrument]
    .sort(([a, x], [b, y]) => y.length - x.length || a - b)
    .map(([index, own]) => {
      const {symbol, priceDecimals, sizeDecimals} = instruments.at(index)
      const series = prices.series(index)
      return {
        symbol,
        tsUs: [...series.tsUs],
        price: [...series.price],
        profitMicros: trips.filter(t => t.instrument === index).reduce((sum, t) => sum + t.pnlMicros, 0),
        fills: own.slice(0, 5_000).map(f => ({
          tsUs: f.tsUs,
          side: f.side,
          price: f.priceTicks / 10 ** priceDecimals,
          size: f.lots / 10 ** sizeDecimals,
        })),
      }
    })
}

/** Reads the report of a run: an id under the home, `last`, a run's own id, its folder, or the file itself. */
export const readReport = (run: string, home: string): ReportData => {
  const file = reportFile(run, home)
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UserError('REPORT_UNREADABLE', `${file} is not a report: ${(error as Error).message}`, {
      exitCode: ExitCode.invalidData,
      hints: ['gpi backtest --report FILE writes one'],
      cause: error,
    })
  }
  const result = ReportData.safeParse(parsed)
  if (result.success) return result.data
  throw new UserError('REPORT_INVALID', `${file} is not a report this version can draw`, {
    exitCode: ExitCode.invalidData,
    hints: result.error.issues.slice(0, 3).map(i => `${i.path.join('.') || '(top level)'}: ${i.message}`),
    cause: result.error,
  })
}

const reportFile = (run: string, home: string): string => {
  const named = [run, path.join(run, 'report.json'), path.join(runFolder(home, run), 'report.json')]
  for (const candidate of named) if (statSync(candidate, {throwIfNoEntry: false})?.isFile() === true) return candidate
  // The run's own id is the same for every repetition: the newest is meant.
  const saved = savedRuns(home)
  const same = run === 'last' ? saved[0] : saved.find(({runId}) => runId === run)
  if (same !== undefined) return path.join(runFolder(home, same.savedAs), 'report.json')
  const ids = saved.map(({savedAs}) => savedAs)
  const near = nearest(run, ids)
  throw new UserError('RUN_NOT_FOUND', `there is no report of a run ${run}`, {
    hints: [
      ...(near === undefined ? [] : [`did you mean ${near}?`]),
      ids.length === 0 ? 'gpi backtest leaves one' : `gpi report lists them; the newest is ${ids[0]}`,
    ],
  })
}
