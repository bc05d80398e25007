import {Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {ChainSummary} from '../core/chain.ts'

export default class Chain extends BaseCommand {
  static override summary = 'turn option quotes into implied volatilities, greeks, smiles and arbitrage'
  static override description =
    `Reads option-quote records and writes a greeks record for each contract; on request also smile and surface records
(fits free of static arbitrage) and violation records (trades at bid and ask after fees, with their legs). Forwards and
discounts are implied from put-call parity. American contracts are de-Americanised; index classes and coins are European.
A greeks record has delta, gamma, vega, theta, rho, vanna, volga and charm of the price at the mid.
Units: prices in dollars, volatility and rates in units of 1, vega per 1.00, theta per year, time in years of 365 days.`
  static override examples = [
    '<%= config.bin %> ingest cboe spx_quotedata.csv --out - | <%= config.bin %> <%= command.id %> --from - --out - | head -3',
    '<%= config.bin %> <%= command.id %> --from quotes.ndjson --surface --plot smile.svg --out greeks.ndjson',
    '<%= config.bin %> <%= command.id %> --from quotes.ndjson --violations --json',
    '<%= config.bin %> <%= command.id %> --from quotes.ndjson --out greeks.parquet',
  ]
  static override flags = {
    from: Flags.string({description: 'NDJSON file, - for standard input', default: '-', helpValue: 'FILE|-'}),
    out: Flags.string({
      description: 'NDJSON or .parquet file, - for standard output',
      default: '-',
      helpValue: 'FILE|-',
    }),
    style: Flags.option({
      description: 'exercise style; auto goes by the option class',
      options: ['auto', 'european', 'american'] as const,
      default: 'auto' as const,
    })(),
    rate: Flags.string({
      description: 'financing rate, such as 0.05 (default: implied from the quotes)',
      helpValue: 'R',
    }),
    dividends: Flags.string({
      description: 'cash dividends to come: dividend records, or a CSV of symbol, exDate, amount',
      helpValue: 'FILE',
    }),
    window: Flags.string({description: 'quotes of a symbol within this time are one chain', default: '1m'}),
    realised: Flags.string({
      description:
        'volatility of the underlying, to compare with (default: from the levels of earlier days in the stream)',
      helpValue: 'VOL',
    }),
    surface: Flags.boolean({description: 'fit smiles and the surface; writes smile and surface records'}),
    violations: Flags.boolean({description: 'look for executable arbitrage; writes violation records'}),
    fee: Flags.string({description: 'dollars a contract and side, for violations (default: 0.69)', helpValue: 'USD'}),
    plot: Flags.string({description: 'draw the smiles of the last chain', helpValue: 'FILE.svg'}),
    rejects: Flags.string({description: 'write invalid records here', helpValue: 'FILE'}),
    'skip-invalid': Flags.boolean({description: 'leave invalid records out instead of failing'}),
  }

  async run(): Promise<ChainSummary> {
    const {flags} = await this.parse(Chain)
    const {checkPaths} = await import('../cli/check-paths.ts')
    await checkPaths({outputs: [flags.out, flags.plot, flags.rejects]})
    await this.loadConfig(flags)
    const {analyseChains} = await import('../core/chain.ts')
    const {requireQuoteRecords} = await import('../core/open-input.ts')
    const {parseNumber} = await import('../core/parse-number.ts')
    const {parseDurationMs} = await import('../core/system-clock.ts')
    const {UserError} = await import('../domain/errors.ts')
    const windowMs = parseDurationMs(flags.window)
    if (windowMs === undefined)
      throw new UserError('DURATION_INVALID', `--window must be a duration such as 1m or 500ms, was "${flags.window}"`)
    requireQuoteRecords(flags.from, 'chain')
    const {records, summary} = analyseChains({
      from: flags.from,
      style: flags.style,
      windowUs: windowMs * 1_000,
      surface: flags.surface,
      violations: flags.violations,
      skipInvalid: flags['skip-invalid'],
      signal: this.stopSignal,
      ...(flags.rate === undefined ? {} : {rate: parseNumber('--rate', flags.rate, {min: -0.1, max: 1})}),
      ...(flags.dividends === undefined ? {} : {dividends: flags.dividends}),
      ...(flags.realised === undefined ? {} : {realised: parseNumber('--realised', flags.realised, {min: 0, max: 10})}),
      ...(flags.fee === undefined ? {} : {feePerContract: parseNumber('--fee', flags.fee, {min: 0})}),
      ...(flags.plot === undefined ? {} : {plot: flags.plot}),
      ...(flags.rejects === undefined ? {} : {rejectsFile: flags.rejects}),
    })
    if (flags.out !== '-') await (await import('../cli/record-file.ts')).writeRecordFile(flags.out, records)
    else if (this.jsonEnabled()) for await (const _record of records);
    else await this.stream(records)
    this.note(describe(summary))
    return summary
  }
}

const describe = (summary: ChainSummary): string => {
  const {chains, contracts, byStatus, smiles, rmseVolPoints, coverage, arbitrageFree, violations} = summary
  const statuses = Object.entries(byStatus).filter(([, count]) => count > 0)
  const fitted =
    smiles === 0
      ? ''
      : `; ${smiles} smiles, ${arbitrageFree} free of arbitrage, ±${rmseVolPoints?.toFixed(2)} vol points, ${((coverage ?? 0) * 100).toFixed(0)} % inside bid–ask`
  return `${chains} chains, ${contracts} contracts: ${statuses.map(([name, count]) => `${count} ${name}`).join(', ')}${fitted}${violations > 0 ? `; ${violations} violations` : ''}`
}
