import process from 'node:process'
import {Flags} from '@oclif/core'
import type {JournalEntry} from '../broker/journal.ts'
import {allocationFlag, allocationOverride} from '../cli/allocation-flag.ts'
import {BaseCommand} from '../cli/base-command.ts'
import {ProgressLine} from '../cli/progress-line.ts'
import type {BacktestSummary} from '../core/backtest.ts'
import type {Comparison} from '../core/backtest-compare.ts'
import type {SourceRequest} from '../core/backtest-source.ts'
import type {MonteCarloSummary} from '../core/monte-carlo.ts'
import type {SharedTape} from '../core/shared-tape.ts'
import type {SweepSummary} from '../core/sweep.ts'
import type {SweepSpec} from '../core/sweep-spec.ts'
import type {TrialRequest} from '../core/trial.ts'
import type {WalkForwardSummary} from '../core/walk-forward.ts'
import {DEFAULT_TAPE_KINDS} from '../data/catalog.ts'
import {ExitCode, UserError} from '../domain/errors.ts'
import type {TrialLog} from '../evaluation/trial-log.ts'

interface SearchResult {
  readonly sweep?: SweepSummary
  readonly walkForward?: WalkForwardSummary
  readonly monteCarlo?: MonteCarloSummary
}
interface BacktestResult extends BacktestSummary, SearchResult {
  readonly comparison?: Comparison
  /** What `gpi report` knows the run by. */
  readonly savedAs?: string
}

export default class Backtest extends BaseCommand {
  static override summary = 'replay market data through strategies, with costs, latency and queues counted'
  static override description =
    `Market data comes from records (--from) or a catalog (--data). Orders meet the market of their arrival: they queue behind
what is shown, take no more than is shown, and pay fees. The same data, configuration and seed give the same journalHash.
Baselines (buy and hold, random entry, do nothing) run on the same tape without limits.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> --data data --strategy statistical-arbitrage --json',
    '<%= config.bin %> ingest lobster GOOG_L10.csv.gz --out - | <%= config.bin %> <%= command.id %> --from - --strategy market-making',
    '<%= config.bin %> <%= command.id %> --data data --strategy ./mine.ts --param window=10 --check-lookahead',
    '<%= config.bin %> <%= command.id %> --data data --strategy all --events | jq -c \'select(.kind == "fill")\'',
  ]
  static override flags = {
    from: Flags.string({description: 'NDJSON records to replay; - reads standard input', helpValue: 'FILE|-'}),
    data: Flags.string({description: 'catalog to replay', helpValue: 'DIR'}),
    strategy: Flags.string({
      description: 'built-in name, all, or a file such as ./mine.ts; repeatable',
      multiple: true,
      required: true,
      helpValue: 'NAME',
    }),
    param: Flags.string({
      description: 'parameter of the strategy; strategy.key=value where several run',
      multiple: true,
      helpValue: 'KEY=VALUE',
    }),
    symbols: Flags.string({description: 'replay only these', multiple: true, delimiter: ',', helpValue: 'A,B'}),
    start: Flags.string({description: 'leave out what came before', helpValue: 'TIME'}),
    end: Flags.string({description: 'leave out what came at this time or later', helpValue: 'TIME'}),
    allocation: allocationFlag,
    capital: Flags.integer({description: 'starting cash in dollars', default: 100_000, min: 1, helpValue: 'DOLLARS'}),
    'latency-us': Flags.integer({
      description: 'one-way latency of orders and of reports, microseconds',
      default: 500,
      min: 0,
      helpValue: 'US',
    }),
    latency: Flags.string({
      description:
        'recorded:FILE replays measured latencies of feed, orders and reports: CSV, NDJSON or a trading journal',
      exclusive: ['latency-us'],
      helpValue: 'recorded:FILE',
    }),
    impact: Flags.option({
      description:
        'what our own orders do to the market: almgren pays by volatility and volume, resilience leaves used-up books to recover, auto takes what the data allows; from the configuration by default, none',
      options: ['none', 'almgren', 'resilience', 'auto'] as const,
    })(),
    fees: Flags.option({
      description: 'us: regulatory fees and crypto tiers; alpaca-paper: crypto only; zero',
      options: ['us', 'alpaca-paper', 'zero'] as const,
      default: 'us' as const,
    })(),
    queue: Flags.option({
      description:
        'where a resting order stands in its level; fifo-l3 needs single orders in the data and replays depth and orders',
      options: ['conservative', 'probabilistic', 'fifo-l3', 'none'] as const,
      default: 'conservative' as const,
    })(),
    bank: Flags.string({
      description: 'pattern bank to read as of event time; what the run learns stays with the run',
      helpValue: 'DIR',
    }),
    'bank-learn': Flags.boolean({
      description: 'add what the run learned to the bank at its end',
      dependsOn: ['bank'],
      exclusive: ['sweep', 'walk-forward'],
    }),
    journal: Flags.string({description: 'keep every decision in this file', helpValue: 'FILE'}),
    kinds: Flags.string({
      description:
        'kinds of catalog rows to replay: quote, trade, bar, depth, order, option, notice; by default all but orders, and options where a strategy reads chains',
      multiple: true,
      delimiter: ',',
      helpValue: 'KIND,KIND',
    }),
    html: Flags.string({description: 'write the report as one page here', helpValue: 'FILE'}),
    report: Flags.string({description: 'write the report document here, for gpi report', helpValue: 'FILE'}),
    'check-lookahead': Flags.boolean({
      description: 'replay with the future hidden and cut off, and compare the decisions',
    }),
    'walk-forward': Flags.boolean({
      description: 'choose on one window, test on the next, step on; with --sweep it chooses the parameters',
    }),
    'monte-carlo': Flags.integer({
      description: 'replay this many price paths made of blocks of the tape; quotes, trades and bars only',
      min: 1,
      helpValue: 'PATHS',
    }),
    sweep: Flags.string({description: 'search parameters as this file says', helpValue: 'grid.json'}),
    workers: Flags.integer({description: 'threads for a search; one a core by default', min: 1, helpValue: 'N'}),
    out: Flags.string({
      description: 'keep finished trials of a search here, not in the home; they are not run again',
      helpValue: 'FILE',
    }),
    compare: Flags.string({
      description: 'journal of a trading node to compare the fills with: a file, a run id, or last',
      exclusive: ['sweep'],
      helpValue: 'JOURNAL',
    }),
    save: Flags.boolean({
      description: 'keep the run in the home, for gpi report; the newest 50 back-tests stay',
      default: true,
      allowNo: true,
    }),
    baselines: Flags.boolean({description: 'run the baselines beside', default: true, allowNo: true}),
    events: Flags.boolean({description: 'stream events as NDJSON on stdout', exclusive: ['json']}),
    rejects: Flags.string({description: 'write invalid records here', helpValue: 'FILE'}),
    'skip-invalid': Flags.boolean({description: 'leave invalid records out instead of refusing the input'}),
  }

  async run(): Promise<BacktestResult> {
    const {flags} = await this.parse(Backtest)
    const {checkPaths} = await import('../cli/check-paths.ts')
    await checkPaths({
      inputs: [flags.sweep],
      outputs: [flags.html, flags.report, flags.rejects, flags.out],
    })
    if (flags.out === '-')
      throw new UserError('OUT_IS_A_FILE', '--out - : finished trials of a search are kept in a file, not in a pipe', {
        hints: ['name a file', 'for records on standard output use --events, for the whole result --json'],
      })
    const spec = flags.sweep === undefined ? undefined : await readSweep(flags.sweep)
    const [{backtestSetup, checkParameters}, {openSource, parseTimeUs}, {runBacktest}] = await Promise.all([
      import('../core/backtest-setup.ts'),
      import('../core/backtest-source.ts'),
      import('../core/backtest.ts'),
    ])
    const resolved = await this.loadConfig(flags, {
      ...allocationOverride(flags.allocation),
      ...executionOverride(flags),
    })
    const sourceRequest: SourceRequest = {
      symbols: flags.symbols ?? [],
      skipInvalid: flags['skip-invalid'],
      ...(flags.from === undefined ? {} : {from: flags.from}),
      ...(flags.data === undefined ? {} : {data: flags.data}),
      ...(flags.start === undefined ? {} : {fromUs: parseTimeUs(flags.start, 'start')}),
      ...(flags.end === undefined ? {} : {toUs: parseTimeUs(flags.end, 'end')}),
      ...(flags.rejects === undefined ? {} : {rejectsFile: flags.rejects}),
      ...kindsOf(flags),
    }
    // Opened before the long replay: what is wrong with it is told now.
    using live = flags.compare === undefined ? undefined : await openLive(resolved.config.home, flags.compare)
    const searches = flags.sweep !== undefined || flags['walk-forward'] || flags['monte-carlo'] !== undefined
    await using opened = await openSource(sourceRequest)
    const setup = await backtestSetup({
      resolved,
      instruments: opened.source.instruments,
      names: flags.strategy,
      params: flags.param ?? [],
      capitalDollars: flags.capital,
      latencyUs: flags['latency-us'],
      fees: flags.fees,
      queue: flags.queue,
      bank: flags.bank,
      newBank: flags['bank-learn'],
      environment: process.env,
    })
    await using services = setup.services
    if (spec !== undefined) {
      const {expandSweep, samplesOf} = await import('../core/sweep-spec.ts')
      const lists = samplesOf(expandSweep(spec, setup.seed))
      await checkParameters(setup, flags.param ?? [], lists, flags.sweep as string)
    }
    for (const {strategy, reason} of setup.idle) this.note(`${strategy} does not run: ${reason}`)
    if (setup.strategies.length > 1)
      this.note(`capital is shared by ${setup.allocation?.method}: ${setup.allocation?.reason}`)
    if (flags['check-lookahead']) {
      const {checkLookahead} = await import('../core/backtest-lookahead.ts')
      const found = await checkLookahead({...setup, source: opened.source, baselines: false, signal: this.stopSignal})
      this.note(`no look-ahead in ${found.decisions} decisions: ${found.replays} replays without the future agreed`)
    }
    const {memoryJournal} = await import('../broker/memory-journal.ts')
    const compared: {readonly entry: JournalEntry}[] = []
    const journal =
      flags.journal !== undefined
        ? await this.#openJournal(flags.journal)
        : flags.compare === undefined
          ? undefined
          : memoryJournal({keep: false, onEntry: entry => void compared.push({entry})})
    const [{fileTrialLog}, {TapeCollector}, {ReportWriter}, {trialFamily}] = await Promise.all([
      import('../drivers/files/trial-log.ts'),
      import('../core/shared-tape.ts'),
      import('../core/report-writer.ts'),
      import('../core/strategy-module.ts'),
    ])
    const trials = fileTrialLog(resolved.config.home)
    const collector = searches ? new TapeCollector() : undefined
    const writer = new ReportWriter({
      instruments: opened.source.instruments,
      config: resolved.config,
      ...(flags.html === undefined ? {} : {html: flags.html}),
      ...(flags.report === undefined ? {} : {report: flags.report}),
      ...(flags.save ? {save: {command: this.argv, gpiVersion: this.config.version}} : {}),
    })
    try {
      const summary = await runBacktest({
        ...setup,
        source: collector?.watching(opened.source) ?? opened.source,
        baselines: flags.baselines,
        signal: this.stopSignal,
        trials,
        onFinished: (result, run) => writer.begin(result, run),
        ...this.#replayProgress(opened.source.rows),
        ...(journal === undefined ? {} : {journal}),
        ...(flags.events ? {onEvents: async events => void (await this.stream(events))} : {}),
      })
      if (flags['bank-learn']) {
        const {patterns, outcomes} = await services.remember()
        this.note(`${patterns} patterns and ${outcomes} outcomes went to ${flags.bank}`)
      }
      if (flags.events) await this.stream([{kind: 'run', phase: 'ended', ...summary}])
      const text = await import('../core/backtest-text.ts')
      if (!flags.events) this.log(text.backtestText(summary))
      const result: BacktestResult = {...summary, ...writer.write()}
      if (live !== undefined) {
        const entries = journal === undefined ? [] : flags.journal === undefined ? compared : journal.entries()
        const {compareJournals} = await import('../core/backtest-compare.ts')
        const replayed = {fromUs: Date.parse(summary.from) * 1000, toUs: Date.parse(summary.to) * 1000}
        const comparison = compareJournals(entries, live.entries(), replayed)
        this.log(text.comparisonText(comparison, live.file))
        Object.assign(result, {comparison}, writer.write({comparison}))
      }
      if (!searches) return result
      const {tape} = collector ?? {}
      if (tape === undefined && flags.from === '-')
        throw new UserError(
          'TAPE_TOO_LARGE',
          'a search replays its data many times, and this pipe was too long to keep',
          {
            hints: ['write the records to a file, or ingest them into a catalog'],
          },
        )
      const base: TrialRequest = {
        source: sourceRequest,
        // All that shapes a trial besides its parameters, the code included: what it decided with those given.
        content: [summary.dataHash, summary.configHash, summary.journalHash, ...Object.values(services.inputs())].join(
          '.',
        ),
        config: resolved.config,
        names: flags.strategy,
        family: trialFamily(setup.strategies),
        params: flags.param ?? [],
        capitalDollars: flags.capital,
        latencyUs: flags['latency-us'],
        fees: flags.fees,
        queue: flags.queue,
        ...(flags.bank === undefined ? {} : {bank: flags.bank}),
      }
      const found: SearchResult = await this.#search(
        {base, spec, sampledUs: writer.sampledUs, trials, tape, totalReturn: summary.metrics.totalReturn},
        flags,
      )
      // The rest stands, but a script must not take a search that lost trials for a whole one.
      if ([found.sweep, found.walkForward, found.monteCarlo].some(part => (part?.failed.length ?? 0) > 0))
        process.exitCode = ExitCode.failure
      return Object.assign(result, found, writer.write(found))
    } finally {
      journal?.[Symbol.dispose]()
    }
  }

  /** What the searches found, beside the run with the parameters as given. */
  async #search(
    {
      base,
      spec,
      sampledUs,
      trials,
      tape,
      totalReturn,
    }: {
      readonly base: TrialRequest
      readonly spec: SweepSpec | undefined
      readonly sampledUs: Float64Array
      readonly trials: TrialLog
      readonly tape: SharedTape | undefined
      readonly totalReturn: number
    },
    flags: {
      readonly out?: string | undefined
      readonly workers?: number | undefined
      readonly 'monte-carlo'?: number | undefined
      readonly 'walk-forward': boolean
    },
  ): Promise<SearchResult> {
    const [{openTrialPool}, {timeEdges}, {keptTrialsFile}, text] = await Promise.all([
      import('../core/trial-pool.ts'),
      import('../core/sweep-spec.ts'),
      import('../core/kept-trials.ts'),
      import('../core/backtest-text.ts'),
    ])
    const file = flags.out ?? keptTrialsFile(base.config.home, base)
    await using pool = openTrialPool(flags.workers, tape)
    const onKept = onceKept((kept, total) =>
      this.note(`${kept} of ${total} trials were finished before and are not run again: ${file}`),
    )
    const common = {base, pool, file, trials, seed: base.config.seed, signal: this.stopSignal, onKept}
    const found: {-readonly [K in keyof SearchResult]: SearchResult[K]} = {}
    if (flags['walk-forward']) {
      const {runWalkForward} = await import('../core/walk-forward.ts')
      const edges = timeEdges(sampledUs)
      const request = {...common, edges, ...(spec === undefined ? {} : {spec})}
      found.walkForward = await this.#watched('walk-forward', onProgress => runWalkForward({...request, onProgress}))
      this.log(text.walkForwardText(found.walkForward))
    } else if (spec !== undefined) {
      const {runSweep} = await import('../core/sweep.ts')
      const edges = spec.method === 'halving' ? timeEdges(sampledUs) : []
      found.sweep = await this.#watched('sweep', onProgress => runSweep({...common, edges, spec, onProgress}))
      this.log(text.sweepText(found.sweep))
      if (!found.sweep.complete) this.note(`finished trials are kept in ${file}: the same command goes on from there`)
    }
    const paths = flags['monte-carlo']
    if (paths !== undefined && !this.stopSignal.aborted) {
      if (tape === undefined)
        throw new UserError('TAPE_TOO_LARGE', 'the tape is too long to make price paths of it', {
          hints: ['narrow it with --start, --end, --symbols or --kinds'],
        })
      const {runMonteCarlo} = await import('../core/monte-carlo.ts')
      found.monteCarlo = await this.#watched('price paths', onProgress =>
        runMonteCarlo({...common, paths, onProgress}, totalReturn),
      )
      this.log(text.monteCarloText(found.monteCarlo))
    }
    return found
  }

  /** Draws a line of progress, when a person watches, for as long as the work takes. */
  async #watched<T>(
    phase: string,
    work: (onProgress: (done: number, total: number) => void) => Promise<T>,
  ): Promise<T> {
    const line = this.showsProgress ? new ProgressLine(phase) : undefined
    try {
      return await work((done, total) => line?.update(done, total, `${done} of ${total}`))
    } finally {
      line?.clear()
    }
  }

  #replayProgress(rows: number | undefined): {readonly onProgress?: (events: number, tsUs: number) => void} {
    if (!this.showsProgress) return {}
    const line = new ProgressLine('replay')
    return {
      onProgress: (events, tsUs) => {
        const at = new Date(tsUs / 1000).toISOString().slice(0, 16).replace('T', ' ')
        if (rows === undefined) line.update(events, Infinity, `${events.toLocaleString('en-US')} events, ${at}`)
        else if (events >= rows) line.clear()
        else line.update(events, rows, `${Math.floor((100 * events) / rows)} %, ${at}`)
      },
    }
  }

  async #openJournal(file: string) {
    const {openSqliteJournal} = await import('../drivers/sqlite/journal.ts')
    const {rmSync} = await import('node:fs')
    // A back-test's journal is its result: a second run replaces it.
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, {force: true})
    return openSqliteJournal(file, {durable: 'end'})
  }
}

/** Read before the long replay, not after it. */
const readSweep = async (file: string): Promise<SweepSpec> =>
  (await import('../core/sweep-spec.ts')).readSweepSpec(file)

const openLive = async (home: string, name: string) =>
  (await import('../core/compared-journal.ts')).openComparedJournal(home, name)

/** Only of the first stage of a search: later ones follow from it. */
const onceKept = (tell: (kept: number, total: number) => void): ((kept: number, total: number) => void) => {
  let isFirst = true
  return (kept, total) => {
    if (isFirst && kept > 0) tell(kept, total)
    isFirst = false
  }
}

/** How orders meet the market, where the command line says other than the configuration. */
const executionOverride = ({
  impact,
  latency,
}: {
  readonly impact?: string | undefined
  readonly latency?: string | undefined
}): Record<string, unknown> =>
  impact === undefined && latency === undefined
    ? {}
    : {backtest: {...(impact === undefined ? {} : {impact}), ...(latency === undefined ? {} : {latency})}}

/** Strategies that read option chains; others would only be slowed down by thousands of contracts. */
const READS_CHAINS = ['option-sentiment', 'triangular-arbitrage', 'all']

const kindsOf = ({
  kinds,
  queue,
  strategy,
}: {
  readonly kinds?: readonly string[] | undefined
  readonly queue: string
  readonly strategy: readonly string[]
}): {readonly kinds?: readonly string[]} => {
  if (kinds !== undefined) return {kinds}
  if (queue === 'fifo-l3') return {kinds: ['depth', 'order']}
  return strategy.some(name => READS_CHAINS.includes(name))
    ? {kinds: [...new Set([...DEFAULT_TAPE_KINDS, 'option'])]}
    : {}
}
