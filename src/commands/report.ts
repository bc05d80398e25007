import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'

interface Written {
  readonly runId: string
  readonly written: readonly string[]
}

export default class Report extends BaseCommand {
  static override summary = 'draw a finished run: one HTML page, Markdown or CSV'
  static override description =
    'Reads the report document that a run left and writes it for people. The page is self-contained: no script and no request.'
  static override examples = [
    '<%= config.bin %> backtest --data data --strategy market-making --report run.json && <%= config.bin %> <%= command.id %> run.json --html run.html',
    '<%= config.bin %> <%= command.id %> run.json',
    '<%= config.bin %> <%= command.id %> run.json --trades trades.csv --equity equity.csv',
  ]
  static override args = {
    run: Args.string({description: 'run id, folder of a run, or report document', required: true}),
  }
  static override flags = {
    html: Flags.string({description: 'write the page here', helpValue: 'FILE'}),
    markdown: Flags.string({description: 'write Markdown here', helpValue: 'FILE'}),
    trades: Flags.string({description: 'write closed trades as CSV here', helpValue: 'FILE'}),
    equity: Flags.string({description: 'write the equity curve as CSV here', helpValue: 'FILE'}),
  }

  async run(): Promise<Written> {
    const {args, flags} = await this.parse(Report)
    const {config} = await this.loadConfig(flags)
    const [{readReport}, {reportHtml}, {equityCsv, reportMarkdown, tradesCsv}, {writeFile}] = await Promise.all([
      import('../core/report.ts'),
      import('../evaluation/report-html.ts'),
      import('../evaluation/report-text.ts'),
      import('node:fs/promises'),
    ])
    const data = readReport(args.run, config.home)
    const outputs: [string | undefined, () => string][] = [
      [flags.html, () => reportHtml(data)],
      [flags.markdown, () => reportMarkdown(data)],
      [flags.trades, () => tradesCsv(data)],
      [flags.equity, () => equityCsv(data)],
    ]
    const written: string[] = []
    for (const [file, make] of outputs) {
      if (file === undefined) continue
      await writeFile(file, make())
      written.push(file)
    }
    if (written.length === 0) this.log(reportMarkdown(data))
    else this.note(`wrote ${written.join(', ')}`)
    return {runId: data.runId, written}
  }
}
