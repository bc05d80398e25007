import {furtherCosts} from './report/costs.ts'
import {dollars, percent, ratio, signedDollars} from './report/format.ts'
import type {ReportData} from './report/report-data.ts'

/** The report as Markdown, for a pull request or a terminal. */
export const reportMarkdown = (d: ReportData): string => {
  const {metrics: m, costs: c} = d
  const lines = [
    `# ${d.title}`,
    '',
    `${d.from} to ${d.to}, ${d.events} events, ${d.orders} orders, ${d.fills} fills, ${d.rejected} refused.`,
    '',
    ...(d.remarks.length > 0
      ? ['Before you believe this:', '', ...d.remarks.map(r => `- ${r.text} (\`${r.code}\`)`), '']
      : []),
    '| figure | value |',
    '|---|---:|',
    `| return | ${percent(m.totalReturn)} |`,
    `| max drawdown | ${percent(m.maxDrawdown)} |`,
    `| Sharpe (${m.periods} × ${m.period}, annualised) | ${ratio(m.sharpe)} |`,
    `| Sortino | ${ratio(m.sortino)} |`,
    `| Calmar | ${ratio(m.calmar)} |`,
    `| win rate of ${m.trades} trades | ${percent(m.winRate, 1)} |`,
    `| profit factor | ${ratio(m.profitFactor)} |`,
    `| mean win / mean loss | ${ratio(m.avgWinLoss)} |`,
    `| exposure | ${percent(m.exposure, 1)} |`,
    `| turnover, times equity | ${ratio(m.turnover)} |`,
    `| fees | ${dollars(c.feesMicros)} |`,
    `| spread | ${dollars(c.spreadMicros)} |`,
    `| slippage | ${dollars(c.slippageMicros)} |`,
    ...furtherCosts(c).map(
      ({name, micros}) => `| ${name === 'impact' ? 'market impact' : name} | ${dollars(micros)} |`,
    ),
    '',
    '| target | value | 90 % interval | |',
    '|---|---:|---|---|',
    ...d.scorecard.map(
      s =>
        `| ${s.target} ${s.wanted} | ${figure(s.target, s.value)} | ${s.interval === null ? '–' : `${figure(s.target, s.interval.low)} … ${figure(s.target, s.interval.high)}`} | ${s.verdict} |`,
    ),
    '',
    '| strategy | weight | profit | fees | trades | win rate |',
    '|---|---:|---:|---:|---:|---:|',
    ...d.strategies.map(
      s =>
        `| ${s.name} | ${percent(s.weight, 0)} | ${signedDollars(s.profitMicros)} | ${dollars(s.feesMicros)} | ${s.trades} | ${percent(s.winRate, 1)} |`,
    ),
    '',
    ...searchLines(d),
    `Journal \`${d.journalHash}\`, data \`${d.dataHash}\`, seed ${d.seed}.`,
  ]
  return `${lines.join('\n')}\n`
}

/** A drawdown of 0.3 % as a ratio of two decimals would be none. */
const figure = (target: string, value: number | null): string =>
  target === 'winRate' || target === 'maxDrawdown' ? percent(value) : ratio(value)

/** What searches found, as the page has it, without its pictures. */
const searchLines = ({sweep, walkForward, monteCarlo}: ReportData): readonly string[] => {
  const failed = [...(walkForward?.failed ?? []), ...(sweep?.failed ?? [])]
  const out = walkForward?.outOfSample?.metrics
  return [
    ...(walkForward === undefined
      ? []
      : [
          `Out of sample, ${walkForward.windows.length} test windows: ${out === undefined ? 'none was finished' : `return ${percent(out.totalReturn)}, Sharpe ${ratio(out.sharpe)} on ${out.periods} × ${out.period}, max drawdown ${percent(out.maxDrawdown)}, ${out.trades} trades`}.`,
          '',
        ]),
    ...(sweep === undefined
      ? []
      : [
          `Parameter search, ${sweep.trials.length} trials${sweep.complete ? '' : ', stopped early'}: deflated Sharpe probability ${ratio(sweep.deflatedSharpe)}${sweep.deflatedTrials === undefined ? '' : ` after ${sweep.deflatedTrials} trials in this project`}, probability of overfitting ${ratio(sweep.overfitting)}.`,
          '',
          '| trial | return | max drawdown | Sharpe | fills |',
          '|---|---:|---:|---:|---:|',
          ...sweep.trials
            .slice(0, 12)
            .map(
              ({params, metrics: m, fills}) =>
                `| ${cell(params.join(' '))} | ${percent(m.totalReturn)} | ${percent(m.maxDrawdown)} | ${ratio(m.sharpe)} | ${fills} |`,
            ),
          '',
        ]),
    ...(monteCarlo?.totalReturn == null
      ? []
      : [
          `${monteCarlo.paths} price paths: return ${percent(monteCarlo.totalReturn.p5)} … ${percent(monteCarlo.totalReturn.p50)} … ${percent(monteCarlo.totalReturn.p95)} (5, 50, 95 %).`,
          '',
        ]),
    ...(failed.length === 0
      ? []
      : [
          `${failed.length} trial${failed.length === 1 ? '' : 's'} failed:`,
          '',
          ...failed.slice(0, 5).map(({params, message}) => `- ${params.join(' ')}: ${message}`),
          ...(failed.length > 5 ? [`- and ${failed.length - 5} more`] : []),
          '',
        ]),
  ]
}

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** Closed trades as CSV. */
export const tradesCsv = ({trades}: ReportData): string =>
  `${[
    'symbol,closedUs,holdingUs,pnlMicros',
    ...trades.map(t => `${quoted(t.symbol)},${t.closedUs},${t.holdingUs},${Math.round(t.pnlMicros)}`),
  ].join('\n')}\n`

/** Equity samples as CSV. */
export const equityCsv = ({equity}: ReportData): string =>
  `${[
    'tsUs,equityMicros,grossMicros',
    ...equity.tsUs.map((t, i) => `${t},${equity.equityMicros[i]},${equity.grossMicros[i] ?? ''}`),
  ].join('\n')}\n`

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
