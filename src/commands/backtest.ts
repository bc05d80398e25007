import process from 'node:process'
import {Flags} from '@oclif/core'
import type {JournalEntry} from '../broker/journal.ts'
import {BaseCommand} from '../cli/base-command.ts'
import type {BacktestSummary, FinishedRun} from '../core/backtest.ts'
import type {Comparison} from '../core/backtest-compare.ts'
import type {SourceRequest} from '../core/backtest-source.ts'
import type {SweepSummary} from '../core/sweep.ts'
import type {TrialRequest} from '../core/trial.ts'
import type {WalkForwardSummary} from '../core/walk-forward.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {UserError} from '../domain/errors.ts'
import type {TrialLog} from '../evaluation/trial-log.ts'

interface BacktestResult extends BacktestSummary {
  readonly sweep?: SweepSummary
  readonly walkForward?: WalkForwardSummary
  readonly comparison?: Comparison
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
    '<%= config.bin %> <%= command.id %> --data data --strategy ./mine.ts --param fast=10 --check-lookahead',
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
    capital: Flags.integer({description: 'starting cash in dollars', default: 100_000, min: 1, helpValue: 'DOLLARS'}),
    'latency-us': Flags.integer({
      description: 'one-way latency of orders and of reports, microseconds',
      default: 500,
      min: 0,
      helpValue: 'US',
    }),
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
      description: 'kinds of catalog rows to replay: quote, trade, bar, depth, order, option',
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
    sweep: Flags.string({description: 'search parameters as this file says', helpValue: 'grid.json'}),
    workers: Flags.integer({description: 'threads for a search; one a core by default', min: 1, helpValue: 'N'}),
    out: Flags.string({
      description: 'keep finished trials of a sweep here; they are not run again',
      dependsOn: ['sweep'],
      helpValue: 'FILE',
    }),
    compare: Flags.string({
      description: 'journal of a trading node to compare the fills with',
      exclusive: ['sweep'],
      helpValue: 'JOURNAL',
    }),
    baselines: Flags.boolean({description: 'run the baselines beside', default: true, allowNo: true}),
    events: Flags.boolean({description: 'stream events as NDJSON on stdout', exclusive: ['json']}),
    rejects: Flags.string({description: 'write invalid records here', helpValue: 'FILE'}),
    'skip-invalid': Flags.boolean({description: 'leave invalid records out instead of refusing the input'}),
  }

  async run(): Promise<BacktestResult> {
    const {flags} = await this.parse(Backtest)
    const [{backtestSetup}, {openSource, parseTimeUs}, {runBacktest}] = await Promise.all([
      import('../core/backtest-setup.ts'),
      import('../core/backtest-source.ts'),
      import('../core/backtest.ts'),
    ])
    const resolved = await this.loadConfig(flags)
    const sourceRequest: SourceRequest = {
      symbols: flags.symbols ?? [],
      skipInvalid: flags['skip-invalid'],
      ...(flags.from === undefined ? {} : {from: flags.from}),
      ...(flags.data === undefined ? {} : {data: flags.data}),
      ...(flags.start === undefined ? {} : {fromUs: parseTimeUs(flags.start, 'start')}),
      ...(flags.end === undefined ? {} : {toUs: parseTimeUs(flags.end, 'end')}),
      ...(flags.rejects === undefined ? {} : {rejectsFile: flags.rejects}),
      ...(flags.kinds !== undefined
        ? {kinds: flags.kinds}
        : flags.queue === 'fifo-l3'
          ? {kinds: ['depth', 'order']}
          : {}),
    }
    const searches = flags.sweep !== undefined || flags['walk-forward']
    if (searches && flags.from === '-')
      throw new UserError('SWEEP_NEEDS_FILE', 'a search replays its data many times, so it cannot come from a pipe', {
        hints: ['write the records to a file, or ingest them into a catalog'],
      })
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
    for (const {strategy, reason} of setup.idle) this.note(`${strategy} does not run: ${reason}`)
    if (flags['check-lookahead']) {
      const {checkLookahead} = await import('../core/backtest-lookahead.ts')
      const found = await checkLookahead({...setup, source: opened.source, baselines: false, signal: this.stopSignal})
      this.note(`no look-ahead in ${found.decisions} decisions: ${found.replays} replays without the future agreed`)
    }
    const report =
      flags.html === undefined && flags.report === undefined ? undefined : await this.#openReport(opened.source, flags)
    const {memoryJournal} = await import('../broker/memory-journal.ts')
    const compared: {readonly entry: JournalEntry}[] = []
    const journal =
      flags.journal !== undefined
        ? await this.#openJournal(flags.journal)
        : flags.compare === undefined
          ? undefined
          : memoryJournal({keep: false, onEntry: entry => void compared.push({entry})})
    const {fileTrialLog} = await import('../drivers/files/trial-log.ts')
    const trials = fileTrialLog(resolved.config.home)
    let sampledUs = new Float64Array()
    try {
      const summary = await runBacktest({
        ...setup,
        source: opened.source,
        baselines: flags.baselines,
        signal: this.stopSignal,
        trials,
        onFinished: (result, run) => {
          report?.onFinished(result, run)
          const {equity} = run.engine.record
          sampledUs = equity.tsUs.slice(0, equity.count)
        },
        ...(journal === undefined ? {} : {journal}),
        ...(flags.events ? {onEvents: async events => void (await this.stream(events))} : {}),
      })
      if (flags['bank-learn']) {
        const {patterns, outcomes} = await services.remember()
        this.note(`${patterns} patterns and ${outcomes} outcomes went to ${flags.bank}`)
      }
      if (flags.events) await this.stream([{kind: 'run', phase: 'ended', ...summary}])
      else this.#describe(summary)
      const comparison =
        flags.compare === undefined
          ? {}
          : {
              comparison: await this.#compare(
                journal === undefined ? [] : flags.journal === undefined ? compared : journal.entries(),
                flags.compare,
              ),
            }
      if (!searches) return {...summary, ...comparison}
      const base: TrialRequest = {
        source: sourceRequest,
        content: [summary.dataHash, ...Object.values(services.inputs())].join('.'),
        config: resolved.config,
        names: flags.strategy,
        params: flags.param ?? [],
        capitalDollars: flags.capital,
        latencyUs: flags['latency-us'],
        fees: flags.fees,
        queue: flags.queue,
        ...(flags.bank === undefined ? {} : {bank: flags.bank}),
      }
      return {...summary, ...comparison, ...(await this.#search(base, sampledUs, trials, flags))}
    } finally {
      journal?.[Symbol.dispose]()
    }
  }

  /** The sweep's or the walk-forward's result, beside the run with the parameters as given. */
  async #search(
    base: TrialRequest,
    sampledUs: Float64Array,
    trials: TrialLog,
    flags: {
      readonly sweep?: string | undefined
      readonly out?: string | undefined
      readonly workers?: number | undefined
      readonly 'walk-forward': boolean
    },
  ): Promise<{readonly sweep?: SweepSummary; readonly walkForward?: WalkForwardSummary}> {
    const [{openTrialPool}, {readSweepSpec, timeEdges}, {runSweep}, {runWalkForward}] = await Promise.all([
      import('../core/trial-pool.ts'),
      import('../core/sweep-spec.ts'),
      import('../core/sweep.ts'),
      import('../core/walk-forward.ts'),
    ])
    const spec = flags.sweep === undefined ? undefined : await readSweepSpec(flags.sweep)
    const edges = timeEdges(sampledUs)
    await using pool = openTrialPool(flags.workers)
    const common = {base, edges, pool, seed: base.config.seed, signal: this.stopSignal}
    const onProgress = (done: number, total: number): void => {
      if (this.showsProgress) this.note(`${done} of ${total}`)
    }
    if (flags['walk-forward']) {
      const walkForward = await runWalkForward({...common, onProgress, ...(spec === undefined ? {} : {spec})})
      this.#describeWalk(walkForward)
      return {walkForward}
    }
    if (spec === undefined) return {}
    const sweep = await runSweep({
      ...common,
      spec,
      trials,
      onProgress,
      ...(flags.out === undefined ? {} : {file: flags.out}),
    })
    this.#describeSweep(sweep)
    return {sweep}
  }

  async #compare(entries: Iterable<{readonly entry: JournalEntry}>, file: string): Promise<Comparison> {
    const [{compareJournals}, {openSqliteJournal}] = await Promise.all([
      import('../core/backtest-compare.ts'),
      import('../drivers/sqlite/journal.ts'),
    ])
    using live = openSqliteJournal(file, {readOnly: true})
    const comparison = compareJournals(entries, live.entries())
    const {matched, missed, extra, meanSlippageBps, medianLatencyUs} = comparison
    this.log(
      `against ${file}: ${matched} orders matched, ${missed.length} missed live, ${extra.length} only live` +
        (meanSlippageBps === null
          ? ''
          : `; live paid ${meanSlippageBps.toFixed(2)} bp more, ${medianLatencyUs} µs later`),
    )
    return comparison
  }

  #describeWalk({windows, totalReturn, profitableWindows, meanTrainSharpe, meanTestSharpe}: WalkForwardSummary): void {
    const ratio = (value: number | null) => (value === null ? 'undefined' : value.toFixed(2))
    this.log(
      [
        `walk-forward: ${windows.length} test windows, ${profitableWindows} profitable, ${(totalReturn * 100).toFixed(2)} % in all; mean Sharpe ${ratio(meanTestSharpe)} in test, ${ratio(meanTrainSharpe)} in training`,
        ...windows.map(
          ({test, params, result}) =>
            `  ${test.from} to ${test.to}: ${(result.metrics.totalReturn * 100).toFixed(2)} %, ${result.fills} fills ${params.join(' ')}`,
        ),
      ].join('\n'),
    )
  }

  #describeSweep({trials, best, deflatedSharpe, overfitting, complete}: SweepSummary): void {
    const ratio = (value: number | null) => (value === null ? 'undefined' : value.toFixed(2))
    this.log(
      [
        `sweep: ${trials.length} trials${complete ? '' : ' (stopped early)'}; best ${best?.params.join(' ') ?? 'none'} with Sharpe ${ratio(best?.metrics.sharpe ?? null)}`,
        `deflated Sharpe probability ${ratio(deflatedSharpe)}, probability of overfitting ${ratio(overfitting)}`,
        ...trials
          .slice(0, 10)
          .map(
            ({params, metrics}) =>
              `  ${params.join(' ')}: ${(metrics.totalReturn * 100).toFixed(2)} %, Sharpe ${ratio(metrics.sharpe)}`,
          ),
      ].join('\n'),
    )
  }

  async #openReport(
    source: TapeSource,
    flags: {readonly html?: string | undefined; readonly report?: string | undefined},
  ) {
    const [{reportOf}, {reportHtml}, {writeFileSync}] = await Promise.all([
      import('../core/report.ts'),
      import('../evaluation/report-html.ts'),
      import('node:fs'),
    ])
    return {
      onFinished: (summary: BacktestSummary, run: FinishedRun): void => {
        const data = reportOf(summary, run, source.instruments)
        if (flags.report !== undefined) writeFileSync(flags.report, `${JSON.stringify(data)}\n`)
        if (flags.html !== undefined) writeFileSync(flags.html, reportHtml(data))
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

  #describe(summary: BacktestSummary): void {
    const {metrics, costs, detail} = summary
    const percent = (value: number) => `${(value * 100).toFixed(2)} %`
    const ratio = (value: number | null) => (value === null ? 'undefined' : value.toFixed(2))
    this.log(
      [
        `${summary.events} events, ${summary.from} to ${summary.to} (${(summary.eventsPerSecond / 1e6).toFixed(2)} M/s)`,
        `return ${percent(metrics.totalReturn)}, max drawdown ${percent(metrics.maxDrawdown)}, Sharpe ${ratio(metrics.sharpe)} on ${detail.periods} periods of ${detail.period}`,
        `${summary.orders} orders, ${summary.fills} fills, ${summary.rejected} refused; fees $${(costs.feesMicros / 1e6).toFixed(2)}, spread $${(costs.spreadMicros / 1e6).toFixed(2)}, slippage $${(costs.slippageMicros / 1e6).toFixed(2)}`,
        ...summary.baselines.map(
          ({name, metrics: m}) => `${name}: return ${percent(m.totalReturn)}, max drawdown ${percent(m.maxDrawdown)}`,
        ),
        ...(summary.stopped === undefined ? [] : [`stopped: ${summary.stopped}`]),
        ...summary.remarks.map(({text}) => `note: ${text}`),
        `journal ${summary.journalHash}`,
      ].join('\n'),
    )
  }
}
