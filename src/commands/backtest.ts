import {Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {BacktestSummary, FinishedRun} from '../core/backtest.ts'
import type {TapeSource} from '../data/tape-source.ts'

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
      description: 'where a resting order stands in its level; fifo-l3 needs single orders in the data',
      options: ['conservative', 'probabilistic', 'fifo-l3', 'none'] as const,
      default: 'conservative' as const,
    })(),
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
    baselines: Flags.boolean({description: 'run the baselines beside', default: true, allowNo: true}),
    events: Flags.boolean({description: 'stream events as NDJSON on stdout', exclusive: ['json']}),
    rejects: Flags.string({description: 'write invalid records here', helpValue: 'FILE'}),
    'skip-invalid': Flags.boolean({description: 'leave invalid records out instead of refusing the input'}),
  }

  async run(): Promise<BacktestSummary> {
    const {flags} = await this.parse(Backtest)
    const [{backtestSetup}, {openSource, parseTimeUs}, {runBacktest}] = await Promise.all([
      import('../core/backtest-setup.ts'),
      import('../core/backtest-source.ts'),
      import('../core/backtest.ts'),
    ])
    const resolved = await this.loadConfig(flags)
    await using opened = await openSource({
      symbols: flags.symbols ?? [],
      skipInvalid: flags['skip-invalid'],
      ...(flags.from === undefined ? {} : {from: flags.from}),
      ...(flags.data === undefined ? {} : {data: flags.data}),
      ...(flags.start === undefined ? {} : {fromUs: parseTimeUs(flags.start, 'start')}),
      ...(flags.end === undefined ? {} : {toUs: parseTimeUs(flags.end, 'end')}),
      ...(flags.rejects === undefined ? {} : {rejectsFile: flags.rejects}),
      ...(flags.kinds === undefined ? {} : {kinds: flags.kinds}),
    })
    const setup = await backtestSetup({
      resolved,
      instruments: opened.source.instruments,
      names: flags.strategy,
      params: flags.param ?? [],
      capitalDollars: flags.capital,
      latencyUs: flags['latency-us'],
      fees: flags.fees,
      queue: flags.queue,
    })
    for (const {strategy, reason} of setup.idle) this.note(`${strategy} does not run: ${reason}`)
    if (flags['check-lookahead']) {
      const {checkLookahead} = await import('../core/backtest-lookahead.ts')
      const found = await checkLookahead({...setup, source: opened.source, baselines: false, signal: this.stopSignal})
      this.note(`no look-ahead in ${found.decisions} decisions: ${found.replays} replays without the future agreed`)
    }
    const report =
      flags.html === undefined && flags.report === undefined ? undefined : await this.#openReport(opened.source, flags)
    const journal = flags.journal === undefined ? undefined : await this.#openJournal(flags.journal)
    const {fileTrialLog} = await import('../drivers/files/trial-log.ts')
    try {
      const summary = await runBacktest({
        ...setup,
        source: report?.source ?? opened.source,
        baselines: flags.baselines,
        signal: this.stopSignal,
        trials: fileTrialLog(resolved.config.home),
        ...(report === undefined ? {} : {onFinished: report.onFinished}),
        ...(journal === undefined ? {} : {journal}),
        ...(flags.events ? {onEvents: async events => void (await this.stream(events))} : {}),
      })
      if (flags.events) await this.stream([{kind: 'run', phase: 'ended', ...summary}])
      else this.#describe(summary)
      return summary
    } finally {
      journal?.[Symbol.dispose]()
    }
  }

  async #openReport(
    source: TapeSource,
    flags: {readonly html?: string | undefined; readonly report?: string | undefined},
  ) {
    const [{PriceRecorder, reportOf}, {reportHtml}, {writeFileSync}] = await Promise.all([
      import('../core/report.ts'),
      import('../evaluation/report-html.ts'),
      import('node:fs'),
    ])
    const prices = new PriceRecorder(source.instruments)
    return {
      source: prices.watching(source),
      onFinished: (summary: BacktestSummary, run: FinishedRun): void => {
        const data = reportOf(summary, run, source.instruments, prices)
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
