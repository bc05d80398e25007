import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {SavedRun} from '../core/saved-runs.ts'
import {UserError} from '../domain/errors.ts'
import type {ReportData} from '../evaluation/report/report-data.ts'

interface Written {
  readonly runId: string
  readonly written: readonly string[]
  /** The report document, where nothing was to be written. */
  readonly report?: ReportData
}
interface Listed {
  /** Newest first. */
  readonly runs: readonly SavedRun[]
}

export default class Report extends BaseCommand {
  static override summary = 'draw a finished back-test, or list those that were kept'
  static override description =
    `Every back-test leaves its report in the home (HOME/runs/ID: report.json, run.json with seed and hashes, config.json); the
newest 50, or 256 MiB, stay. Without a run this lists them. The page is self-contained: no script and no request.
Tables are written as Parquet where the name ends in .parquet, else as CSV; - is standard output.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> last --html run.html',
    '<%= config.bin %> <%= command.id %> run.json',
    '<%= config.bin %> <%= command.id %> last --trades trades.csv --equity equity.parquet',
  ]
  static override args = {
    run: Args.string({description: 'id from the list, run id, last, folder of a run, or report document'}),
  }
  static override flags = {
    html: Flags.string({description: 'write the page here', helpValue: 'FILE|-'}),
    markdown: Flags.string({description: 'write Markdown here', helpValue: 'FILE|-'}),
    trades: Flags.string({description: 'write closed trades here, CSV or Parquet', helpValue: 'FILE|-'}),
    equity: Flags.string({description: 'write the equity curve here, CSV or Parquet', helpValue: 'FILE|-'}),
  }

  async run(): Promise<Written | Listed> {
    const {args, flags} = await this.parse(Report)
    const {config} = await this.loadConfig(flags)
    const {html, markdown, trades, equity} = flags
    if (args.run === undefined && [html, markdown, trades, equity].every(file => file === undefined))
      return this.#list(config.home)
    const {checkPaths} = await import('../cli/check-paths.ts')
    await checkPaths({kept: [args.run], outputs: [html, markdown, trades, equity]})
    const piped = [html, markdown, trades, equity].filter(file => file === '-').length
    if (piped > (this.jsonEnabled() ? 0 : 1))
      throw new UserError(
        'ONE_OUTPUT',
        `${piped} outputs${this.jsonEnabled() ? ' and --json' : ''} would share standard output`,
        {
          hints: ['name files for the others'],
        },
      )
    const [
      {readReport},
      {reportHtml},
      {equityCsv, reportMarkdown, tradesCsv},
      {requireTableFormat, writeTable},
      {writeFile},
    ] = await Promise.all([
      import('../core/report.ts'),
      import('../evaluation/report-html.ts'),
      import('../evaluation/report-text.ts'),
      import('../core/report-table.ts'),
      import('node:fs/promises'),
    ])
    for (const file of [trades, equity]) if (file !== undefined) requireTableFormat(file)
    const data = readReport(args.run ?? 'last', config.home)
    const outputs: [string | undefined, () => string, (file: string, text: string) => Promise<void>][] = [
      [html, () => reportHtml(data), writeFile],
      [markdown, () => reportMarkdown(data), writeFile],
      [trades, () => tradesCsv(data), writeTable],
      [equity, () => equityCsv(data), writeTable],
    ]
    const written: string[] = []
    for (const [file, textOf, write] of outputs) {
      if (file === undefined) continue
      if (file === '-') this.log(textOf().trimEnd())
      else await write(file, textOf())
      written.push(file)
    }
    if (written.length === 0) {
      this.log(reportMarkdown(data))
      return {runId: data.runId, written, report: data}
    }
    const files = written.filter(file => file !== '-')
    if (files.length > 0) this.note(`wrote ${files.join(', ')}`)
    return {runId: data.runId, written}
  }

  async #list(home: string): Promise<Listed> {
    const {savedRuns} = await import('../core/saved-runs.ts')
    const runs = savedRuns(home)
    if (runs.length === 0) this.note(`no back-test was kept in ${home}: gpi backtest leaves one`)
    for (const {savedAs, totalReturn, sharpe, trades, title} of runs)
      this.log(
        `${savedAs}  ${`${(100 * totalReturn).toFixed(2)} %`.padStart(10)}  Sharpe ${(sharpe === null ? '–' : sharpe.toFixed(2)).padStart(8)}  ${String(trades).padStart(6)} trades  ${title}`,
      )
    return {runs}
  }
}
