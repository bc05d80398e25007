import {once} from 'node:events'
import process from 'node:process'
import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {IngestSummary} from '../core/ingest.ts'
import {UserError} from '../domain/errors.ts'

export default class Ingest extends BaseCommand {
  static override summary = 'normalise market data into a catalog, or into NDJSON on stdout'
  static override description =
    `Sources: csv (any table with known column names, or --map), lean, lobster, shfe, binance, bitstamp, taq, cboe, spx,
deribit, parquet, alpaca (REST history, needs keys) and synthetic (seeded). PATH is a file, folder or pattern, plain, .gz or .zip.
Files are read as their vendors give them, too: LOBSTER's pairs, Binance's archive, CBOE's quote page, LEAN's zips.
Every file becomes one unit of the catalog, all of it or nothing; a file that is there already is not read twice.
Fields of --map: time, date, clock, symbol, open, high, low, close, volume, bid, ask, bidSize, askSize, price, size, aggressor,
buyerIsMaker, strike, expiry, right, contract, openInterest, underlyingPrice, impliedVolatility, timeframe, periodUs.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> csv prices/*.csv --out data',
    '<%= config.bin %> <%= command.id %> csv trades.csv --map Zeit=time,Kurs=price,Menge=size --tz Europe/Berlin --symbol SAP --out data',
    '<%= config.bin %> <%= command.id %> lobster GOOG_2012-06-21_L10.csv.gz --out - | head -3',
    '<%= config.bin %> <%= command.id %> synthetic --events 1000000 --symbols SPY,QQQ --seed 7 --out data',
  ]
  static override strict = false
  static override usage = '<%= command.id %> SOURCE [PATH…] --out DIR|- [flags]'
  static override args = {
    source: Args.string({description: 'where the data comes from, such as csv or lean', required: true}),
  }
  static override flags = {
    out: Flags.string({description: 'catalog folder, or - for NDJSON on stdout', required: true, helpValue: 'DIR|-'}),
    symbol: Flags.string({description: 'symbol of files that do not name theirs'}),
    period: Flags.string({description: 'period of bars, such as 5m, where it cannot be told', helpValue: '5m'}),
    tz: Flags.string({description: 'zone of stamps that name none, such as America/New_York', helpValue: 'ZONE'}),
    map: Flags.string({
      description: 'what columns are called here: COLUMN=FIELD,…',
      multiple: true,
      delimiter: ',',
      helpValue: 'COLUMN=FIELD',
    }),
    stamp: Flags.option({
      description: 'whether bars are stamped at start or end (detected)',
      options: ['start', 'end'] as const,
    })(),
    level: Flags.option({
      description: 'detail of book data: 1 quotes, 2 levels, 3 orders',
      options: ['1', '2', '3'] as const,
    })(),
    events: Flags.integer({description: 'rows to make (synthetic)', min: 1, helpValue: 'N'}),
    symbols: Flags.string({
      description: 'symbols (synthetic, alpaca)',
      multiple: true,
      delimiter: ',',
      helpValue: 'A,B',
    }),
    kind: Flags.option({
      description: 'what to fetch (alpaca)',
      options: ['bars', 'quotes', 'trades'] as const,
      default: 'bars',
    })(),
    feed: Flags.option({description: 'which tape (alpaca)', options: ['iex', 'sip', 'otc', 'boats'] as const})(),
    adjust: Flags.string({
      description: 'bars: a factor file, or raw, split, dividend or all (alpaca)',
      helpValue: 'FILE|HOW',
    }),
    'from-date': Flags.string({description: 'leave out rows before this UTC day', helpValue: 'YYYY-MM-DD'}),
    'to-date': Flags.string({description: 'leave out rows from this UTC day on', helpValue: 'YYYY-MM-DD'}),
    rejects: Flags.string({description: 'write invalid rows here, one JSON document a line', helpValue: 'FILE'}),
    'skip-invalid': Flags.boolean({description: 'leave invalid rows out instead of refusing the file'}),
  }

  async run(): Promise<IngestSummary> {
    const {args, argv, flags} = await this.parse(Ingest)
    if (flags.out === '-' && this.jsonEnabled()) {
      throw new UserError('TWO_OUTPUTS', '--json and --out - would both write to stdout', {
        hints: ['leave --json out, or name a folder with --out DIR'],
      })
    }
    const {ingest, ingestToNdjson} = await import('../core/ingest.ts')
    const {alpacaRequest, ingestOptions} = await import('../core/ingest-options.ts')
    const {config} = await this.loadConfig(flags)
    const request = {
      source: args.source,
      paths: (argv as string[]).slice(1),
      options: await ingestOptions(args.source, flags),
      ...(args.source === 'alpaca' ? {alpaca: alpacaRequest(flags, process.env)} : {}),
      skipInvalid: flags['skip-invalid'],
      note: (message: string) => this.note(message),
      synthetic: {
        seed: config.seed,
        ...(flags.events === undefined ? {} : {events: flags.events}),
        ...(flags.symbols === undefined ? {} : {symbols: flags.symbols}),
      },
      signal: this.stopSignal,
      ...(flags.rejects === undefined ? {} : {rejectsFile: flags.rejects}),
      ...(this.showsProgress ? {onProgress: drawProgress} : {}),
    }
    if (flags.out !== '-') {
      const summary = await ingest({...request, out: flags.out})
      this.#describe(summary)
      return summary
    }
    const {lines, summary} = await ingestToNdjson(request)
    await writeText(lines)
    this.#describe(summary)
    return summary
  }

  #describe(summary: IngestSummary): void {
    const defects = Object.entries(summary.defects).map(([name, count]) => `${name} ${count}`)
    this.note(
      `${summary.rows} rows from ${summary.files} ${summary.files === 1 ? 'unit' : 'units'} (${summary.unchanged} unchanged), ${summary.from} to ${summary.to}` +
        `${defects.length === 0 ? '' : `; ${defects.join(', ')}`}`,
    )
  }
}

const drawProgress = (done: number, total: number, file: string): void => {
  process.stderr.write(`\r\u001B[2K${done === total ? '' : `${done + 1}/${total} ${file}`}`)
}

/** Text to stdout at the reader's pace, until the reader leaves. */
const writeText = async (batches: AsyncIterable<string>): Promise<void> => {
  for await (const text of batches) {
    if (process.stdout.destroyed) return
    if (process.stdout.write(text)) continue
    const settled = new AbortController()
    const {signal} = settled
    try {
      await Promise.race([once(process.stdout, 'drain', {signal}), once(process.stdout, 'close', {signal})])
    } finally {
      settled.abort()
    }
  }
}
