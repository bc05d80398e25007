import process from 'node:process'
import {styleText} from 'node:util'
import {Flags} from '@oclif/core'
import {allocationFlag} from '../cli/allocation-flag.ts'
import {BaseCommand} from '../cli/base-command.ts'
import {outputFailure} from '../cli/output-failure.ts'
import {strategyFlags, strategyOverrides} from '../cli/strategy-flags.ts'
import type {TradeSummary} from '../core/trade.ts'
import type {TradeEvent} from '../core/trade-events.ts'
import {UserError} from '../domain/errors.ts'

export default class Trade extends BaseCommand {
  static override summary = 'trade on paper: at a local exchange without any keys, or at Alpaca with them'
  static override description =
    'Without --broker alpaca the node starts an exchange of its own on loopback, with a simulated market (or a replay of --data), and trades ' +
    'there through the same client, streams, risk and journal as at Alpaca. On a terminal it shows a live view; otherwise, or with --events, ' +
    'it prints NDJSON; with --json one document at the end. Exit code 3 when the kill latch or a risk limit stopped it. ' +
    'Nothing here promises a profit.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --paper',
    '<%= config.bin %> <%= command.id %> --paper --duration 30s --speed 60 --json',
    '<%= config.bin %> <%= command.id %> --paper --data catalog --speed 60 --strategy market-making --events',
    '<%= config.bin %> <%= command.id %> --paper --data catalog --speed 60 --strategy ./mine.ts --param window=10',
    'APCA_API_KEY_ID=… APCA_API_SECRET_KEY=… <%= config.bin %> <%= command.id %> --paper --broker alpaca',
  ]
  static override flags = {
    paper: Flags.boolean({description: 'paper trading; the default', exclusive: ['live']}),
    live: Flags.boolean({
      description: 'real money: also needs --broker alpaca, --i-understand-live and a passed checklist',
    }),
    'i-understand-live': Flags.boolean({description: 'confirms --live', dependsOn: ['live']}),
    broker: Flags.option({
      options: ['local', 'alpaca'] as const,
      description: 'where orders go; from the configuration by default',
    })(),
    exchange: Flags.string({description: 'trade at a local exchange that runs already', helpValue: 'URL'}),
    duration: Flags.string({description: 'wall time to trade for; until stopped without it', helpValue: '30s'}),
    speed: Flags.string({description: "how fast the local market's clock runs", default: '1', helpValue: 'N'}),
    data: Flags.string({description: 'catalog to replay instead of simulating', helpValue: 'DIR'}),
    symbols: Flags.string({description: 'instruments, separated by commas', helpValue: 'A,B'}),
    options: Flags.string({
      description: 'shares whose option chains are simulated, separated by commas; none for an empty list',
      default: 'SPY',
      helpValue: 'A,B',
    }),
    ...strategyFlags,
    allocation: allocationFlag,
    flatten: Flags.boolean({description: 'close every position when it ends by itself'}),
    events: Flags.boolean({description: 'stream every event as NDJSON', exclusive: ['json']}),
    home: Flags.string({description: 'folder of journals and of the latch', helpValue: 'DIR'}),
    port: Flags.integer({
      description: "port of the node's own exchange; a free one by default",
      default: 0,
      min: 0,
      max: 65_535,
    }),
  }

  async run(): Promise<TradeSummary> {
    const {flags} = await this.parse(Trade)
    const resolved = await this.loadConfig(flags, {
      ...(flags.home === undefined ? {} : {home: flags.home}),
      ...(await strategyOverrides(flags)),
    })
    const {parseDurationMs} = await import('../core/system-clock.ts')
    const durationMs = flags.duration === undefined ? undefined : parseDurationMs(flags.duration)
    if (flags.duration !== undefined && durationMs === undefined)
      throw new UserError('BAD_DURATION', `--duration must be a duration, was ${JSON.stringify(flags.duration)}`, {
        hints: ['for example 30s, 5m or 1h'],
      })
    const speed = Number(flags.speed)
    if (!(speed > 0) || !Number.isFinite(speed))
      throw new UserError('BAD_SPEED', `--speed must be a number above 0, was ${JSON.stringify(flags.speed)}`)
    const broker = flags.broker ?? (flags.exchange === undefined ? resolved.config.api.broker : 'local')
    if (broker === 'alpaca' && speed !== 1)
      throw new UserError(
        'SPEED_NEEDS_LOCAL',
        `--speed ${speed} needs a local exchange: nobody can hurry a real market`,
      )

    const stop = new AbortController()
    this.stopSignal.addEventListener('abort', () => stop.abort(), {once: true})
    // A terminal that is closed ends the run in order, as q does, though nobody can be told any more.
    process.on('SIGHUP', () => stop.abort())
    process.stderr.on('error', () => stop.abort())
    const output = await this.#output(flags.events, () => stop.abort())
    const {runTrade} = await import('../core/trade.ts')
    let summary: TradeSummary
    try {
      summary = await runTrade({
        resolved,
        target: {
          broker,
          live: flags.live,
          understandsLive: flags['i-understand-live'],
          ...(flags.exchange === undefined ? {} : {exchange: flags.exchange}),
        },
        environment: process.env,
        ...(durationMs === undefined ? {} : {durationMs}),
        speed,
        ...(flags.data === undefined ? {} : {data: flags.data}),
        symbols: flags.symbols?.split(',').flatMap(symbol => symbol.trim() || []) ?? [],
        optionsOn: optionsOf(flags.options, flags.symbols),
        strategies: flags.strategy ?? [],
        port: flags.port,
        flattenOnStop: flags.flatten,
        signal: stop.signal,
        onEvent: output.show,
        onNote: text => this.note(text),
      })
    } finally {
      await output.close()
    }
    process.exitCode = summary.exitCode
    if (output.tells) this.#tell(summary)
    return summary
  }

  /** One document, NDJSON, or the live view: whoever watches decides. */
  async #output(events: boolean, onQuit: () => void): Promise<Output> {
    if (this.jsonEnabled()) return {show: () => {}, close: async () => {}, tells: false}
    if (!events && process.stdout.isTTY === true) {
      process.stdout.removeAllListeners('error')
      process.stdout.on('error', onQuit)
      const {renderTrade} = await import('../tui/render-trade.ts')
      let view: Awaited<ReturnType<typeof renderTrade>> | undefined
      return {
        // The screen is taken only when there is something to show, so that a refusal to start stays readable.
        show: event => {
          view ??= renderTrade(onQuit)
          view.show(event)
        },
        close: async () => view?.close(),
        tells: true,
      }
    }
    const {EventQueue} = await import('../core/event-queue.ts')
    const queue = new EventQueue<TradeEvent>()
    // A reader that leaves ends the run cleanly: orders must not stay behind for want of a pipe.
    process.stdout.removeAllListeners('error')
    process.stdout.on('error', onQuit)
    let failure: unknown
    const written = this.stream(queue).then(
      stayed => {
        if (!stayed) onQuit()
      },
      error => {
        failure = error
        onQuit()
      },
    )
    return {
      show: event => queue.push(event),
      close: async () => {
        queue.close()
        await written
        if (failure !== undefined) throw outputFailure(failure)
        if (queue.dropped > 0) this.note(`${queue.dropped} snapshots were left out because the reader was slow`)
      },
      tells: false,
    }
  }

  #tell(summary: TradeSummary): void {
    const money = (micros: number) => (micros / 1e6).toFixed(2)
    const {latencyUs, loopDelayMs} = summary
    this.log(`${styleText('bold', summary.runId)} stopped by ${summary.stoppedBy}`)
    this.log(
      `  ${summary.orders} orders, ${summary.fills} fills, ${summary.rejected} refused, ledger error ${summary.ledgerErrorMicros}`,
    )
    this.log(
      `  equity ${money(summary.equityMicros)}, ${summary.openOrders} open orders, ${summary.flat ? 'flat' : 'positions held'}`,
    )
    this.log(
      `  decision p50 ${latencyUs.decision.p50} µs p99 ${latencyUs.decision.p99} µs, total p99 ${latencyUs.total.p99} µs, loop delay p99 ${loopDelayMs.p99} ms max ${loopDelayMs.max} ms, its own work at most ${loopDelayMs.work} ms`,
    )
    for (const {name, profitMicros, report} of summary.strategies) {
      const why = report['silent'] === undefined ? '' : `, nothing opened: ${report['silent']}`
      this.log(`  ${name}: ${money(profitMicros)}${why}`)
    }
    this.log(`  journal ${summary.journalHash.slice(0, 16)}`)
  }
}

/** Chains of the shares that are traded: those asked for, unless the run leaves them out. */
const optionsOf = (options: string, symbols: string | undefined): string[] => {
  const traded = symbols?.split(',').map(symbol => symbol.trim())
  return options
    .split(',')
    .map(symbol => symbol.trim())
    .filter(symbol => symbol !== '' && (traded === undefined || traded.includes(symbol)))
}

interface Output {
  readonly show: (event: TradeEvent) => void
  readonly close: () => Promise<void>
  /** Whether the summary is told in words at the end. */
  readonly tells: boolean
}
