import {writeFileSync} from 'node:fs'
import process from 'node:process'
import type {Config} from '../config/schema.ts'
import {UserError} from '../domain/errors.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {ReportData} from '../evaluation/report/report-data.ts'
import {reportHtml} from '../evaluation/report-html.ts'
import type {BacktestSummary, FinishedRun} from './backtest.ts'
import {type ReportParts, reportOf, withParts} from './report.ts'
import {saveRun} from './saved-runs.ts'
import {systemClock} from './system-clock.ts'

export interface ReportWriterOptions {
  readonly instruments: InstrumentTable
  readonly config: Config
  /** Files to write. */
  readonly html?: string
  readonly report?: string
  /** Leaves a folder in the home. */
  readonly save?: {readonly command: readonly string[]; readonly gpiVersion: string}
}

/** Writes a run wherever it is wanted: at once when it has ended, and again with what was found about it since. */
export class ReportWriter {
  readonly #options: ReportWriterOptions
  readonly #clock = systemClock()
  #data: ReportData | undefined
  #savedAs: string | undefined
  /** When the account was sampled: the market's own time, for windows. */
  sampledUs: Float64Array = new Float64Array()

  /** Throws UserError where a file is named -, which would be made in the folder. */
  constructor(options: ReportWriterOptions) {
    this.#options = options
    for (const flag of ['html', 'report'] as const)
      if (options[flag] === '-')
        throw new UserError('OUT_IS_A_FILE', `--${flag} - : a report is written when the run has ended, to a file`, {
          hints: ['gpi report last --html - writes the page of the last run to standard output'],
        })
  }

  begin(summary: BacktestSummary, run: FinishedRun): void {
    const {equity} = run.engine.record
    this.sampledUs = equity.dueUs()
    this.#data = reportOf(summary, run, this.#options.instruments)
  }

  write(parts: ReportParts = {}): {readonly savedAs?: string} {
    if (this.#data === undefined) return {}
    this.#data = withParts(this.#data, parts)
    const {html, report, save, config} = this.#options
    if (report !== undefined) writeFileSync(report, `${JSON.stringify(this.#data)}\n`)
    if (html !== undefined) writeFileSync(html, reportHtml(this.#data))
    if (save === undefined) return {}
    const {savedAs} = saveRun({
      ...save,
      config,
      home: config.home,
      report: this.#data,
      workingDirectory: process.cwd(),
      nowUs: this.#clock.nowUs(),
      ...(this.#savedAs === undefined ? {} : {savedAs: this.#savedAs}),
    })
    this.#savedAs = savedAs
    return {savedAs}
  }
}
