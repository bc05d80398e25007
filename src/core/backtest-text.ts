import type {BacktestSummary} from './backtest.ts'
import type {Comparison} from './backtest-compare.ts'
import type {MonteCarloSummary} from './monte-carlo.ts'
import type {SweepSummary} from './sweep.ts'
import type {ShownFailure} from './trial.ts'
import type {WalkForwardSummary} from './walk-forward.ts'

const percent = (value: number): string => `${(value * 100).toFixed(2)} %`
const ratio = (value: number | null): string => (value === null ? 'undefined' : value.toFixed(2))
/** Of each trial that failed, a line; of many, the first ones. */
const failures = (failed: readonly ShownFailure[], noun: string): readonly string[] =>
  failed.length === 0
    ? []
    : [
        `${failed.length} ${noun}${failed.length === 1 ? '' : 's'} failed:`,
        ...failed.slice(0, 5).map(({params, message}) => `  ${params.join(' ')}: ${message}`),
        ...(failed.length > 5 ? [`  and ${failed.length - 5} more, named by --json`] : []),
      ]
const dollars = (micros: number): string => `${micros < 0 ? '-' : ''}$${Math.abs(micros / 1e6).toFixed(2)}`

/** A back-test in words for a terminal. */
export const backtestText = (summary: BacktestSummary): string => {
  const {metrics, costs, detail} = summary
  const others = Object.entries(costs)
    .filter(([name]) => !['feesMicros', 'spreadMicros', 'slippageMicros'].includes(name))
    .map(([name, value]) => `, ${name.replace(/Micros$/, '')} ${dollars(value)}`)
  return [
    `${summary.events} events, ${summary.from} to ${summary.to} (${(summary.eventsPerSecond / 1e6).toFixed(2)} M/s)`,
    `return ${percent(metrics.totalReturn)}, max drawdown ${percent(metrics.maxDrawdown)}, Sharpe ${ratio(metrics.sharpe)} on ${detail.periods} periods of ${detail.period}`,
    `${summary.orders} orders, ${summary.fills} fills, ${summary.rejected} refused; fees ${dollars(costs.feesMicros)}, spread ${dollars(costs.spreadMicros)}, slippage ${dollars(costs.slippageMicros)}${others.join('')}`,
    ...summary.baselines.map(
      ({name, metrics: m}) => `${name}: return ${percent(m.totalReturn)}, max drawdown ${percent(m.maxDrawdown)}`,
    ),
    ...(summary.stopped === undefined ? [] : [`stopped: ${summary.stopped}`]),
    ...summary.remarks.map(({text}) => `note: ${text}`),
    `journal ${summary.journalHash}`,
  ].join('\n')
}

export const walkForwardText = ({
  windows,
  totalReturn,
  profitableWindows,
  meanTrainSharpe,
  meanTestSharpe,
  outOfSample,
  failed,
}: WalkForwardSummary): string =>
  [
    `walk-forward: ${windows.length} test windows, ${profitableWindows} profitable, ${percent(totalReturn)} in all; mean Sharpe ${ratio(meanTestSharpe)} in test, ${ratio(meanTrainSharpe)} in training`,
    ...windows.map(
      ({test, params, result}) =>
        `  ${test.from} to ${test.to}: ${percent(result.metrics.totalReturn)}, ${result.fills} fills ${params.join(' ')}`,
    ),
    ...(outOfSample === null
      ? []
      : [
          `out of sample: Sharpe ${ratio(outOfSample.metrics.sharpe)} on ${outOfSample.metrics.periods} periods of ${outOfSample.metrics.period}, max drawdown ${percent(outOfSample.metrics.maxDrawdown)}, ${outOfSample.metrics.trades} trades`,
          ...outOfSample.baselines.map(({name, metrics}) => `  ${name}: ${percent(metrics.totalReturn)}`),
        ]),
    ...failures(failed, 'trial'),
  ].join('\n')

export const sweepText = ({
  trials,
  candidates,
  best,
  deflatedSharpe,
  deflatedTrials,
  overfitting,
  plateau,
  complete,
  failed,
}: SweepSummary): string =>
  [
    `sweep: ${trials.length} trials${candidates > trials.length + failed.length ? `, the best of ${candidates}` : ''}${complete ? '' : ' (stopped early)'}; best ${best?.params.join(' ') ?? 'none'} with Sharpe ${ratio(best?.metrics.sharpe ?? null)}`,
    `deflated Sharpe probability ${ratio(deflatedSharpe)} after ${deflatedTrials} trials in this project, probability of overfitting ${ratio(overfitting)}${plateau === null ? '' : `, mean Sharpe of the best’s neighbours ${ratio(plateau)}`}`,
    ...trials
      .slice(0, 10)
      .map(
        ({params, metrics}) =>
          `  ${params.join(' ')}: ${percent(metrics.totalReturn)}, Sharpe ${ratio(metrics.sharpe)}`,
      ),
    ...failures(failed, 'trial'),
  ].join('\n')

export const monteCarloText = ({paths, totalReturn, maxDrawdown, lossProbability, failed}: MonteCarloSummary): string =>
  [
    totalReturn === null || maxDrawdown === null
      ? 'price paths: none was finished'
      : `price paths: ${paths}; return ${percent(totalReturn.p5)} … ${percent(totalReturn.p50)} … ${percent(totalReturn.p95)} (5, 50, 95 %), max drawdown ${percent(maxDrawdown.p50)} (95 %: ${percent(maxDrawdown.p95)}), ${percent(lossProbability ?? 0)} of them lose`,
    ...failures(failed, 'path'),
  ].join('\n')

export const comparisonText = (
  {
    matched,
    missed,
    extra,
    from,
    to,
    outside,
    meanSlippageBps,
    medianLatencyUs,
    medianDecidedLaterUs,
    notes,
  }: Comparison,
  file: string,
): string =>
  [
    `against ${file}${from === null ? '' : `, ${from} to ${to}`}: ${matched} orders matched, ${missed.length} missed live, ${extra.length} only live${
      meanSlippageBps === null
        ? ''
        : `; live decided ${lag(medianDecidedLaterUs)} (median), filled its orders ${lag(medianLatencyUs)} after that than the back-test, and paid ${Math.abs(meanSlippageBps).toFixed(2)} bp ${meanSlippageBps < 0 ? 'less' : 'more'} (mean)`
    }`,
    ...(outside.backtest + outside.live === 0
      ? []
      : [
          `  left out: ${outside.backtest} orders of the back-test and ${outside.live} of the journal at times that the other lacks`,
        ]),
    ...notes.map(text => `note: ${text}`),
  ].join('\n')

const lag = (us: number | null): string =>
  `${(Math.abs(us ?? 0) / 1e6).toFixed(3)} s ${(us ?? 0) < 0 ? 'sooner' : 'later'}`
