import type {Journal, JournalEntry} from '../broker/journal.ts'
import {memoryJournal} from '../broker/memory-journal.ts'
import type {ResolvedConfig} from '../config/resolve.ts'
import {fileTrialLog} from '../drivers/files/trial-log.ts'
import {openSqliteJournal} from '../drivers/sqlite/journal.ts'
import type {FeeScheduleName} from '../exchange/fees.ts'
import type {QueueModelName} from '../exchange/venue.ts'
import {type BacktestSummary, runBacktest} from './backtest.ts'
import {type Comparison, compareJournals} from './backtest-compare.ts'
import type {BacktestSearch, SearchResult} from './backtest-search.ts'
import {type BacktestSetup, backtestSetup, checkParameters} from './backtest-setup.ts'
import {openSource, type SourceRequest} from './backtest-source.ts'
import {backtestText, comparisonText} from './backtest-text.ts'
import {openComparedJournal} from './compared-journal.ts'
import {removeReplacedJournal} from './replaced-journal.ts'
import {ReportWriter, type ReportWriterOptions} from './report-writer.ts'
import {TapeCollector} from './shared-tape.ts'
import {isModulePath, trialFamily} from './strategy-module.ts'
import {expandSweep, readSweepSpec, type SweepSpec, samplesOf} from './sweep-spec.ts'
import type {TradeEvent} from './trade-events.ts'
import type {TrialRequest} from './trial.ts'

/** Everything that `gpi backtest` does at once: the run, what is asked about it, and where it is kept. */
export interface BacktestJob {
  readonly resolved: ResolvedConfig
  readonly source: SourceRequest
  /** Built-in names, `all`, or paths of modules. */
  readonly names: readonly string[]
  /** `key=value`, or `strategy.key=value` where several run. */
  readonly params: readonly string[]
  readonly capitalDollars: number
  readonly latencyUs: number
  readonly fees: FeeScheduleName
  readonly queue: QueueModelName
  readonly baselines: boolean
  readonly checksLookahead: boolean
  /** Folder of a pattern bank to read. */
  readonly bank: string | undefined
  /** Whether what the run learned is added to it. */
  readonly learns: boolean
  /** File for every decision. */
  readonly journal: string | undefined
  /** Journal of a trading node to compare with: a file, a run id, or `last`. */
  readonly compare: string | undefined
  readonly search: BacktestSearch & {
    /** File that says what to search. */
    readonly sweep: string | undefined
  }
  readonly output: Pick<ReportWriterOptions, 'html' | 'report' | 'save'>
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Who asked for it, and hears of it while it goes on. */
export interface BacktestListener {
  readonly signal: AbortSignal
  /** Words about the run. */
  readonly note: (text: string) => void
  /** A result in words. */
  readonly log: (text: string) => void
  /** What happened, at the reader's pace; then the run is told as its last event, not in words. */
  readonly onEvents?: (events: readonly (TradeEvent | BacktestEnded)[]) => Promise<void>
  /** Events replayed, of how many where that is known, and the market's time. */
  readonly onReplayed?: (events: number, rows: number | undefined, tsUs: number) => void
  /** Trials done of a phase, such as `sweep`. */
  readonly onSearched?: (phase: string, done: number, total: number) => void
}
export interface BacktestEnded extends BacktestSummary {
  readonly kind: 'run'
  readonly phase: 'ended'
}

export interface BacktestResult extends BacktestSummary, SearchResult {
  readonly comparison?: Comparison
  /** What `gpi report` knows the run by. */
  readonly savedAs?: string
}

/** What is wrong with any input is told before the long replay, not after it. */
export const runBacktestJob = async (job: BacktestJob, listener: BacktestListener): Promise<BacktestResult> => {
  const {resolved, compare, search, output} = job
  const {config} = resolved
  const {signal, note, log, onEvents, onReplayed} = listener
  const spec = search.sweep === undefined ? undefined : await readSweepSpec(search.sweep)
  using live = compare === undefined ? undefined : openComparedJournal(config.home, compare)
  await using opened = await openSource(job.source)
  const {instruments, rows} = opened.source
  const setup = await backtestSetup({...job, instruments, newBank: job.learns})
  await using services = setup.services
  if (spec !== undefined) await checkSearched(setup, job, spec)
  for (const {strategy, reason} of setup.idle) note(`${strategy} does not run: ${reason}`)
  if (setup.strategies.length > 1) note(`capital is shared by ${setup.allocation?.method}: ${setup.allocation?.reason}`)
  if (job.checksLookahead) {
    const {checkLookahead} = await import('./backtest-lookahead.ts')
    const found = await checkLookahead({...setup, source: opened.source, baselines: false, signal})
    note(
      `no look-ahead in ${found.decisions} decisions: ${found.replays} replays without the future agreed` +
        (job.names.some(isModulePath) ? '; what a strategy reads from files of its own is not seen by this' : ''),
    )
  }
  const compared: {readonly entry: JournalEntry}[] = []
  using journal = openJournal(job, live?.file, entry => void compared.push({entry}))
  const trials = fileTrialLog(config.home)
  const isSearched = spec !== undefined || search.walkForward || search.monteCarlo !== undefined
  const collector = isSearched ? new TapeCollector() : undefined
  const writer = new ReportWriter({...output, instruments, config})
  const summary = await runBacktest({
    ...setup,
    source: collector?.watching(opened.source) ?? opened.source,
    baselines: job.baselines,
    signal,
    trials,
    onFinished: (result, run) => writer.begin(result, run),
    ...(onReplayed === undefined ? {} : {onProgress: (events, tsUs) => onReplayed(events, rows, tsUs)}),
    ...(journal === undefined ? {} : {journal}),
    ...(onEvents === undefined ? {} : {onEvents}),
  })
  if (job.learns) {
    const {patterns, outcomes} = await services.remember()
    note(`${patterns} patterns and ${outcomes} outcomes went to ${job.bank}`)
  }
  if (onEvents === undefined) log(backtestText(summary))
  else await onEvents([{kind: 'run', phase: 'ended', ...summary}])
  const result: BacktestResult = {...summary, ...writer.write()}
  if (live !== undefined) {
    const entries = job.journal === undefined || journal === undefined ? compared : journal.entries()
    const replayed = {fromUs: Date.parse(summary.from) * 1000, toUs: Date.parse(summary.to) * 1000}
    const comparison = compareJournals(entries, live.entries(), replayed)
    log(comparisonText(comparison, live.file))
    Object.assign(result, {comparison}, writer.write({comparison}))
  }
  if (!isSearched) return result
  const {searchBacktest} = await import('./backtest-search.ts')
  const found = await searchBacktest(
    {
      ...search,
      base: trialOf(job, setup, summary),
      spec,
      trials,
      tape: collector?.tape,
      sampledUs: writer.sampledUs,
      totalReturn: summary.metrics.totalReturn,
    },
    listener,
  )
  return Object.assign(result, found, writer.write(found))
}

/** Whether the strategies can take what a search asks for. */
const checkSearched = async (setup: BacktestSetup, {params, search}: BacktestJob, spec: SweepSpec): Promise<void> =>
  checkParameters(setup, params, samplesOf(expandSweep(spec, setup.seed)), search.sweep ?? '')

const openJournal = (
  {
    journal,
    compare,
    resolved: {
      config: {home},
    },
  }: BacktestJob,
  compared: string | undefined,
  onEntry: (entry: JournalEntry) => void,
): (Journal & Disposable) | undefined => {
  if (journal === undefined) return compare === undefined ? undefined : memoryJournal({keep: false, onEntry})
  removeReplacedJournal(journal, home, compared)
  return openSqliteJournal(journal, {durable: 'end'})
}

/** The run as one trial of a search, without what is searched. */
const trialOf = (
  job: BacktestJob,
  {strategies, services}: BacktestSetup,
  {dataHash, configHash, journalHash}: BacktestSummary,
): TrialRequest => {
  const {source, resolved, names, params, capitalDollars, latencyUs, fees, queue, bank} = job
  return {
    source,
    // All that shapes a trial besides its parameters, the code included: what it decided with those given.
    content: [dataHash, configHash, journalHash, ...Object.values(services.inputs())].join('.'),
    config: resolved.config,
    family: trialFamily(strategies),
    ...{names, params, capitalDollars, latencyUs, fees, queue},
    ...(bank === undefined ? {} : {bank}),
  }
}
