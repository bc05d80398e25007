import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {styleText} from 'node:util'
import {Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import {strategyFlags, strategyOverrides} from '../cli/strategy-flags.ts'
import type {StressResult} from '../core/stress.ts'
import type {ScenarioReport} from '../core/stress-report.ts'
import {ExitCode} from '../domain/errors.ts'

const SCENARIO_NAMES =
  'flash-crash, limit-cascade, liquidity-drought, volatility-spike, correlation-breakdown, short-squeeze, gap-open, exchange-halt, quote-stuffing, dead-feed, depeg'

/** One scenario is its own document; `all` is a list of them. */
type Printed = ScenarioReport | StressResult

export default class Stress extends BaseCommand {
  static override summary = 'run the whole trading stack inside an adversarial market, over seeded paths'
  static override description =
    'Engine, risk, allocation and strategies against the matching core, in virtual time, deterministic. VaR and CVaR are of the loss ' +
    'at the end as a fraction of starting equity: var99 and cvar99 over calm twins (the same seeds without the scenario), stressedVar99 and ' +
    'stressedCvar99 over the scenario. The quantile is the smallest loss that at least 99 % of the paths do not exceed (type 1 of Hyndman and ' +
    'Fan), so below 100 paths it is the worst one; CVaR is the mean of the worst 1 % (Rockafellar and Uryasev). ' +
    `Scenarios: ${SCENARIO_NAMES}.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> --scenario flash-crash',
    '<%= config.bin %> <%= command.id %> --scenario all --paths 16 --gate --json',
  ]
  static override flags = {
    scenario: Flags.string({description: 'scenario name, or all', default: 'flash-crash', helpValue: 'NAME'}),
    paths: Flags.integer({description: 'seeded paths a scenario', default: 32, min: 1, helpValue: 'N'}),
    ...strategyFlags,
    equity: Flags.integer({description: 'starting equity in dollars', default: 100_000, min: 1}),
    book: Flags.option({
      options: ['limits', 'none'] as const,
      description: 'what the account holds besides: as much as its limits allow, the wrong way round, or nothing',
      default: 'limits',
    })(),
    threads: Flags.integer({description: 'worker threads; the number of cores by default', min: 1}),
    gate: Flags.boolean({description: 'exit with code 3 when a limit is breached'}),
    home: Flags.string({description: 'folder of journals and of the latch', helpValue: 'DIR'}),
  }

  async run(): Promise<Printed> {
    const {flags} = await this.parse(Stress)
    const resolved = await this.loadConfig(flags, {
      ...(flags.home === undefined ? {} : {home: flags.home}),
      ...(await strategyOverrides(flags)),
    })
    const {runStress} = await import('../core/stress.ts')
    const progress = this.showsProgress ? progressLine() : undefined
    const result = await runStress({
      resolved,
      scenario: flags.scenario,
      paths: flags.paths,
      seed: resolved.config.seed,
      strategies: flags.strategy ?? [],
      equityDollars: flags.equity,
      book: flags.book,
      signal: this.stopSignal,
      ...(flags.threads === undefined ? {} : {threads: flags.threads}),
      ...(progress === undefined ? {} : {onProgress: progress.draw}),
    }).finally(() => progress?.end())
    for (const report of result.scenarios) this.#tell(report)
    if (flags.gate && !result.passed) process.exitCode = ExitCode.refused
    const [only] = result.scenarios
    return flags.scenario !== 'all' && only !== undefined ? only : result
  }

  #tell(report: ScenarioReport): void {
    const percent = (fraction: number) => `${(fraction * 100).toFixed(3)} %`
    const verdict = report.passed ? styleText('green', 'passed') : styleText('red', 'BREACHED')
    this.log(`${report.scenario} ${verdict} (${report.paths} paths from seed ${report.seed})`)
    this.log(
      `  loss VaR99 ${percent(report.var99)} calm, ${percent(report.stressedVar99)} stressed; CVaR99 ${percent(report.cvar99)} calm, ${percent(report.stressedCvar99)} stressed`,
    )
    this.log(
      `  drawdown ${percent(report.maxDrawdown)} at worst; ${report.orders} orders, ${report.fills} fills, ${report.rejected} refused`,
    )
    this.log(
      `  held ${percent(report.grossAtOnset)} of equity at onset, worth ${percent(report.revaluedVar99)} less at worst had nobody acted (VaR99)`,
    )
    const {reactionUs, latchedPaths, ordersAfterLatch, exitUs, exitedPaths} = report
    if (exitUs !== null)
      this.log(
        `  closed positions by force on ${exitedPaths} paths, first ${(exitUs.p50 / 1e6).toFixed(1)} s after onset (median), ${(exitUs.p99 / 1e6).toFixed(1)} s (p99)`,
      )
    this.log(
      latchedPaths === 0
        ? '  risk never stopped trading'
        : `  risk stopped trading on ${latchedPaths} paths` +
            (reactionUs === null
              ? ''
              : `, ${(reactionUs.p50 / 1e6).toFixed(1)} s after onset (median), ${(reactionUs.p99 / 1e6).toFixed(1)} s (p99)`) +
            `; ${ordersAfterLatch} orders after it`,
    )
    for (const {rule, value, limit} of report.breaches)
      this.log(`  ${styleText('red', rule)} ${value.toPrecision(4)} over the limit of ${limit}`)
  }
}

/** One line that is drawn over itself: how far, and how long it will take at the pace so far. */
const progressLine = (): {readonly draw: (done: number, of: number) => void; readonly end: () => void} => {
  const startedMs = performance.now()
  let isDrawn = false
  return {
    draw(done, of) {
      const left = (((performance.now() - startedMs) / done) * (of - done)) / 1_000
      const pace = done === 0 || done === of ? '' : `, about ${Math.ceil(left)} s left`
      // Clears what a longer line left behind.
      process.stderr.write(`\r\u001B[K${done} of ${of} paths${pace}`)
      isDrawn = true
    },
    /** What is said next begins on a line of its own. */
    end() {
      if (isDrawn) process.stderr.write('\n')
    },
  }
}
