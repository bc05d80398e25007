import process from 'node:process'
import {Flags} from '@oclif/core'
import {allocationFlag, allocationOverride} from '../cli/allocation-flag.ts'
import {BaseCommand} from '../cli/base-command.ts'
import {ProgressLine} from '../cli/progress-line.ts'
import type {BacktestListener, BacktestResult} from '../core/backtest-job.ts'
import {DEFAULT_TAPE_KINDS} from '../data/catalog.ts'
import {ExitCode, UserError} from '../domain/errors.ts'

export default class Backtest extends BaseCommand {
  static override summary = 'replay market data through strategies, with costs, latency and queues counted'
  static override description =
    `Market data comes from records (--from) or a catalog (--data). Orders meet the market of their arrival: they queue behind
what is shown, take no more than is shown, and pay fees. The same data, configuration and seed give the same journalHash.
Baselines (buy and hold, random entry, do nothing) run on the same tape without limits.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> --data data --strategy statistical-arbitrage --json',
    '<%= config.bin %> ingest lobster GOOG_2012-06-21_L10.csv.gz --out - | <%= config.bin %> <%= command.id %> --from - --strategy market-making',
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
      kept: [flags.from, flags.compare, ...flags.strategy],
      outputs: [flags.html, flags.report, flags.rejects, flags.out],
    })
    if (flags.out === '-')
      throw new UserError('OUT_IS_A_FILE', '--out - : finished trials of a search are kept in a file, not in a pipe', {
        hints: ['name a file', 'for records on standard output use --events, for the whole result --json'],
      })
    const [{parseTimeUs}, {runBacktestJob}] = await Promise.all([
      import('../core/backtest-source.ts'),
      import('../core/backtest-job.ts'),
    ])
    const resolved = await this.loadConfig(flags, {
      ...allocationOverride(flags.allocation),
      ...executionOverride(flags),
    })
    const {from, data, html, report} = flags
    using progress = progressLines()
    const result = await runBacktestJob(
      {
        resolved,
        source: {
          symbols: flags.symbols ?? [],
          skipInvalid: flags['skip-invalid'],
          ...(from === undefined ? {} : {from}),
          ...(data === undefined ? {} : {data}),
          ...(flags.start === undefined ? {} : {fromUs: parseTimeUs(flags.start, 'start')}),
          ...(flags.end === undefined ? {} : {toUs: parseTimeUs(flags.end, 'end')}),
          ...(flags.rejects === undefined ? {} : {rejectsFile: flags.rejects}),
          ...kindsOf(flags),
        },
        names: flags.strategy,
        params: flags.param ?? [],
        capitalDollars: flags.capital,
        latencyUs: flags['latency-us'],
        fees: flags.fees,
        queue: flags.queue,
        baselines: flags.baselines,
        checksLookahead: flags['check-lookahead'],
        bank: flags.bank,
        learns: flags['bank-learn'],
        journal: flags.journal,
        compare: flags.compare,
        search: {
          sweep: flags.sweep,
          walkForward: flags['walk-forward'],
          monteCarlo: flags['monte-carlo'],
          workers: flags.workers,
          keptIn: flags.out,
        },
        output: {
          ...(html === undefined ? {} : {html}),
          ...(report === undefined ? {} : {report}),
          ...(flags.save ? {save: {command: this.argv, gpiVersion: this.config.version}} : {}),
        },
        environment: process.env,
      },
      {
        signal: this.stopSignal,
        note: text => {
          progress.clear()
          this.note(text)
        },
        log: text => {
          progress.clear()
          this.log(text)
        },
        ...(flags.events ? {onEvents: async events => void (await this.stream(events))} : {}),
        ...(this.showsProgress ? progress : {}),
      },
    )
    // The rest stands, but a script must not take a search that lost trials for a whole one.
    if ([result.sweep, result.walkForward, result.monteCarlo].some(part => (part?.failed.length ?? 0) > 0))
      process.exitCode = ExitCode.failure
    return result
  }
}

interface ProgressLines extends Required<Pick<BacktestListener, 'onReplayed' | 'onSearched'>>, Disposable {
  /** Makes room for words. */
  readonly clear: () => void
}

/** Draws one line of progress a phase. */
const progressLines = (): ProgressLines => {
  const lines = new Map<string, ProgressLine>()
  const lineOf = (phase: string): ProgressLine => {
    const line = lines.get(phase) ?? new ProgressLine(phase)
    lines.set(phase, line)
    return line
  }
  const clear = (): void => {
    for (const line of lines.values()) line.clear()
    lines.clear()
  }
  return {
    onReplayed: (events, rows, tsUs) => {
      const line = lineOf('replay')
      const at = new Date(tsUs / 1000).toISOString().slice(0, 16).replace('T', ' ')
      if (rows === undefined) line.update(events, Infinity, `${events.toLocaleString('en-US')} events, ${at}`)
      else if (events >= rows) line.clear()
      else line.update(events, rows, `${Math.floor((100 * events) / rows)} %, ${at}`)
    },
    onSearched: (phase, done, total) => lineOf(phase).update(done, total, `${done} of ${total}`),
    clear,
    [Symbol.dispose]: clear,
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
