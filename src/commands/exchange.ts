import process from 'node:process'
import {Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {ExchangeResult} from '../core/exchange.ts'

export default class Exchange extends BaseCommand {
  static override summary = "serve a paper exchange that speaks Alpaca's wire, on this machine only"
  static override description =
    'Any client of the service can trade at it: REST and streams on one port of 127.0.0.1, key and secret "local" ' +
    'unless GPI_EXCHANGE_KEY and GPI_EXCHANGE_SECRET, or a secrets file, say otherwise. The market is simulated from ' +
    'the seed, or replays a catalog. Serves until SIGINT.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --port 8787 --seed 7',
    '<%= config.bin %> <%= command.id %> --port 8787 --speed 60 --at 2025-06-02T13:30:00Z',
    '<%= config.bin %> <%= command.id %> --data catalog --symbols BTC/USDT --events',
  ]
  static override flags = {
    port: Flags.integer({description: 'port on 127.0.0.1; 0 takes a free one', default: 8787, min: 0, max: 65_535}),
    speed: Flags.string({description: "how fast the market's clock runs against the wall's", default: '1'}),
    at: Flags.string({description: "where the market's clock starts (default: a market open)", helpValue: 'TIME'}),
    symbols: Flags.string({description: 'instruments, separated by commas', helpValue: 'A,B'}),
    options: Flags.string({
      description: 'shares whose option chains are simulated, separated by commas',
      helpValue: 'A,B',
      exclusive: ['data'],
    }),
    data: Flags.string({description: 'replay this catalog instead of simulating', helpValue: 'DIR'}),
    cash: Flags.integer({description: 'dollars in the account at the start', min: 1, default: 100_000}),
    'rate-limit': Flags.integer({
      description: 'requests a minute for trading, and as many for data; of market time where --speed is above 1',
      min: 1,
      default: 200,
      helpValue: 'N',
    }),
    events: Flags.boolean({description: 'requests and order updates as NDJSON on stdout', exclusive: ['json']}),
  }

  async run(): Promise<ExchangeResult> {
    const {flags} = await this.parse(Exchange)
    const {config} = await this.loadConfig(flags)
    const {serveExchange} = await import('../core/exchange.ts')
    const result = await serveExchange(
      {
        seed: config.seed,
        port: flags.port,
        speed: Number(flags.speed),
        symbols: (flags.symbols ?? '').split(',').filter(symbol => symbol !== ''),
        cash: flags.cash,
        requestsPerMinute: flags['rate-limit'],
        environment: process.env,
        ...(flags.options === undefined ? {} : {optionsOn: flags.options.split(',').filter(symbol => symbol !== '')}),
        ...(flags.at === undefined ? {} : {at: flags.at}),
        ...(flags.data === undefined ? {} : {data: flags.data}),
      },
      this.stopSignal,
      event => {
        if (event.kind === 'exchange') {
          this.note(`serving ${event.market} market on ${event.url} (streams ${event.streamUrl}); stop with Ctrl-C`)
          if (!this.jsonEnabled()) process.stdout.write(`${JSON.stringify(event)}\n`)
        } else if (flags.events) process.stdout.write(`${JSON.stringify(event)}\n`)
      },
    )
    this.note(`${result.orders} orders, ${result.fills} fills, equity ${result.equity}`)
    return result
  }
}
