import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import type {SavedRun} from '../core/saved-runs.ts'

interface Written {
  readonly runId: string
  readonly written: readonly string[]
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
CSV files are written as Parquet where the name ends in .parquet.`
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
    html: Flags.string({description: 'write the page here', helpValue: 'FILE'}),
    markdown: Flags.string({description: 'write Markdown here', helpValue: 'FILE'}),
    trades: Flags.string({description: 'write closed trades here, CSV or Parquet', helpValue: 'FILE'}),
    equity: Flags.string({description: 'write the equity curve here, CSV or Parquet', helpValue: 'FILE'}),
  }

  async run(): Promise<Written | Listed> {
    const {args, flags} = await this.parse(Report)
    const {config} = await this.loadConfig(flags)
    const {html, markdown, trades, equity} = flags
    if (args.run === undefined && [html, markdown, trades, equity].every(file => file === undefined))
      return this.#list(config.home)
    const [{readReport}, {reportHtml}, {equityCsv, reportMarkdown, tradesCsv}, {writeTable}, {writeFile}] =
      await Promise.all([
        import('../core/report.ts'),
        import('../evaluation/report-html.ts'),
        import('../evaluation/report-text.ts'),
        import('../core/report-table.ts'),
        import('node:fs/promises'),
      ])
    const data = readReport(args.run ?? 'last', config.home)
    const outputs: [string | undefined, (file: string) => Promise<void>][] = [
      [html, file => writeFile(file, reportHtml(data))],
      [markdown, file => writeFile(file, reportMarkdown(data))],
      [trades, file => writeTable(file, tradesCsv(data))],
      [equity, file => writeTable(file, equityCsv(data))],
    ]
    const written: string[] = []
    for (const [file, write] of outputs) {
      if (file === undefined) continue
      await write(file)
      written.push(file)
    }
    if (written.length === 0) this.log(reportMarkdown(data))
    else this.note(`wrote ${written.join(', ')}`)
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
