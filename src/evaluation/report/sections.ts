import {heatGrid, lineChart} from './charts.ts'
import {dollars, duration, minus, percent, ratio, signedDollars} from './format.ts'
import type {ReportData} from './report-data.ts'
import {escapeText} from './svg.ts'

export const section = (title: string, body: string): string => `<section><h2>${title}</h2>${body}</section>`

/** Cells are HTML; the first column is left-aligned. */
export const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<div class="scroll"><table><tr>${heads.map(head => `<th>${head}</th>`).join('')}</tr>${rows
    .map(cells => `<tr>${cells.map(cell => `<td>${cell}</td>`).join('')}</tr>`)
    .join('')}</table></div>`

const note = (text: string): string => `<p class="note">${escapeText(text)}</p>`
const signedPercent = (value: number): string =>
  `<span class="${value > 0 ? 'good' : value < 0 ? 'bad' : ''}">${percent(value)}</span>`
const orDash = (value: number | null): string => (value === null ? '–' : ratio(value))
const day = (iso: string): string => iso.slice(0, 16).replace('T', ' ')

type Failures = NonNullable<ReportData['sweep']>['failed']

/** What the test windows of a walk-forward made, end to end. */
export const walkForwardSection = ({walkForward}: ReportData): string => {
  const {outOfSample, windows} = walkForward ?? {}
  if (walkForward === undefined || windows === undefined) return ''
  const rows = windows.map(({test, params, trainSharpe, validateSharpe, result}) => [
    `${day(test.from)} – ${day(test.to)}`,
    signedPercent(result.metrics.totalReturn),
    percent(result.metrics.maxDrawdown),
    orDash(result.metrics.sharpe),
    orDash(trainSharpe),
    orDash(validateSharpe),
    String(result.fills),
    params.length === 0 ? 'as given' : escapeText(params.join(' ')),
  ])
  const heads = ['test window', 'return', 'drawdown', 'Sharpe', 'in training', 'in validation', 'fills', 'parameters']
  const m = outOfSample?.metrics
  return section(
    'Out of sample: walk-forward',
    (outOfSample === null || outOfSample === undefined || m === undefined
      ? note('no test window was finished')
      : `<p class="note">${escapeText(
          `Return ${percent(m.totalReturn)}, Sharpe ${ratio(m.sharpe)} on ${m.periods} periods of ${m.period}${
            m.intervals.sharpe === null
              ? ''
              : ` (90 % interval ${ratio(m.intervals.sharpe.low)} … ${ratio(m.intervals.sharpe.high)})`
          }, max drawdown ${percent(m.maxDrawdown)}, ${m.trades} closed trades. On the same windows: ${
            outOfSample.baselines.map(b => `${b.name} ${percent(b.metrics.totalReturn)}`).join(', ') || 'no baselines'
          }.`,
        )}</p>${lineChart(
          outOfSample.equity.tsUs,
          [{name: 'equity of the test windows', values: outOfSample.equity.equityMicros, css: 's1'}],
          {label: 'equity of the test windows end to end', format: dollars, height: 200},
        )}`) +
      table(heads, rows) +
      failedTrials(walkForward.failed) +
      note('Parameters are set before each test window is looked at; every window starts with the same capital.'),
  )
}

/** Of many the first ones. */
const failedTrials = (failed: Failures): string =>
  failed.length === 0
    ? ''
    : `<h3>Failed</h3>${table(
        ['trial', 'error'],
        failed.slice(0, 5).map(({params, message}) => [escapeText(params.join(' ')), escapeText(message)]),
      )}${failed.length > 5 ? note(`and ${failed.length - 5} more; see the JSON`) : ''}`

export const sweepSection = ({sweep}: ReportData): string => {
  if (sweep === undefined) return ''
  const best = sweep.trials[0]
  const facts = [
    `${sweep.trials.length} trials${(sweep.candidates ?? 0) > sweep.trials.length + sweep.failed.length ? `, the best of ${sweep.candidates} on their first stretch` : ''}${sweep.failed.length === 0 ? '' : `, ${sweep.failed.length} more failed`}${sweep.complete ? '' : ', stopped early'}`,
    ...(best === undefined ? [] : [`best ${best.params.join(' ')} with Sharpe ${ratio(best.metrics.sharpe)}`]),
    ...(sweep.plateau === null ? [] : [`its neighbours’ mean ${ratio(sweep.plateau)}`]),
    `deflated Sharpe probability ${ratio(sweep.deflatedSharpe)}${sweep.deflatedTrials === undefined ? '' : ` after ${sweep.deflatedTrials} trials in this project`}`,
    `probability of overfitting ${ratio(sweep.overfitting)}`,
  ]
  const rows = sweep.trials
    .slice(0, 12)
    .map(({params, metrics, fills}) => [
      escapeText(params.join(' ')),
      signedPercent(metrics.totalReturn),
      percent(metrics.maxDrawdown),
      ratio(metrics.sharpe),
      String(fills),
    ])
  const surfaces = sweep.surfaces
    .slice(0, 3)
    .map(
      s =>
        `<h3>Mean Sharpe ratio: ${escapeText(s.y)} (down) against ${escapeText(s.x)} (across)</h3>${heatGrid(s.xValues, s.yValues, s.sharpe, `mean Sharpe ratio by ${s.x} and ${s.y}`)}`,
    )
  return section(
    'Parameter search',
    note(`${facts.join('; ')}.`) +
      surfaces.join('') +
      table(['trial', 'return', 'max drawdown', 'Sharpe', 'fills'], rows) +
      failedTrials(sweep.failed) +
      note('The best of many trials is expected to look good. A ridge is worth more than a peak.'),
  )
}

export const regimeSection = ({analysis}: ReportData): string =>
  analysis === undefined || analysis.regimes.length === 0
    ? ''
    : section(
        'By regime of the market',
        table(
          ['regime', 'periods', 'return', 'market', 'Sharpe'],
          analysis.regimes.map(r => [
            `${escapeText(r.regime)} <small>${escapeText(r.dimension)}</small>`,
            String(r.periods),
            signedPercent(r.totalReturn),
            percent(r.marketReturn),
            orDash(r.sharpe),
          ]),
        ) +
          note(
            'Each period’s regime was known before it began: volatility of the 20 periods before against the median of all earlier ones, trend by their sum against its standard error.',
          ),
      )

export const crisisSection = ({analysis}: ReportData): string =>
  analysis === undefined || analysis.crises.length === 0
    ? ''
    : section(
        'In crises',
        table(
          ['stretch', 'from', 'to', 'return', 'max drawdown', 'market'],
          analysis.crises.map(c => [
            escapeText(c.name),
            day(c.from),
            day(c.to),
            signedPercent(c.totalReturn),
            percent(c.maxDrawdown),
            c.marketReturn === null ? '–' : percent(c.marketReturn),
          ]),
        ),
      )

/** What chance and size could have made of it. */
export const robustnessSection = ({analysis, monteCarlo}: ReportData): string => {
  const order = analysis?.tradeOrder ?? null
  const size = analysis?.capacity ?? null
  const parts = [
    ...(order === null
      ? []
      : [
          `<h3>The same trades in another order</h3>${note(
            `Drawdown of closed trades ${percent(order.drawdown)}; in ${order.draws} shuffled orders the median is ${percent(order.median)}, one in twenty exceeds ${percent(order.high)}.`,
          )}`,
        ]),
    ...(monteCarlo === undefined || monteCarlo.totalReturn === null || monteCarlo.maxDrawdown === null
      ? []
      : [
          `<h3>Other paths of the market</h3>${table(
            [`of ${monteCarlo.paths} paths`, '5 %', 'median', '95 %'],
            [
              ['return', ...quantileCells(monteCarlo.totalReturn)],
              ['max drawdown', ...quantileCells(monteCarlo.maxDrawdown)],
            ],
          )}${note(
            `Blocks of the tape in another order, all instruments together. ${percent(monteCarlo.lossProbability, 0)} of the paths lose; ${percent(monteCarlo.rank, 0)} do worse than the tape itself.`,
          )}`,
        ]),
    ...(size === null
      ? []
      : [
          `<h3>Profit against size</h3>${table(
            ['times the size', ...size.sizes.map(s => `${s.multiple}×`)],
            [['profit after impact', ...size.sizes.map(s => signedDollars(s.profitMicros))]],
          )}${note(
            `${
              size.bestMultiple === null || size.breakEvenMultiple === null
                ? 'There is no profit to scale.'
                : `Profit is largest at ${multiple(size.bestMultiple)} the size, and gone at ${multiple(size.breakEvenMultiple)}.`
            } ${size.isCharged === true ? 'Impact as charged in the replay, to the power of 3/2 of the size' : 'Square-root law of impact'}; an order was ${percent(size.participation, 4)} of a day’s volume on average${
              size.uncovered > 0.005
                ? `; ${percent(size.uncovered, 0)} of the traded value has no volume on the tape and no impact here`
                : ''
            }. ${
              size.isCharged === true
                ? `At this size impact took ${dollars(size.impactMicros)}.`
                : `The replay itself moves no prices: at this size impact would take ${dollars(size.impactMicros)}.`
            }`,
          )}`,
        ]),
  ]
  return parts.length === 0 ? '' : section('What chance and size could make of it', parts.join(''))
}

const multiple = (value: number): string =>
  value >= 1000 ? 'more than 1,000 times' : `${minus(value >= 10 ? value.toFixed(0) : value.toFixed(1))} times`

const quantileCells = ({p5, p50, p95}: {readonly p5: number; readonly p50: number; readonly p95: number}): string[] =>
  [p5, p50, p95].map(value => percent(value))

export const comparisonSection = ({comparison: c}: ReportData): string =>
  c === undefined
    ? ''
    : section(
        'Against the live journal',
        note(
          `${c.matched} orders matched, ${c.missed.length} filled only in the back-test, ${c.extra.length} only live${
            c.meanSlippageBps === null
              ? ''
              : `; live paid ${ratio(Math.abs(c.meanSlippageBps))} bp ${c.meanSlippageBps < 0 ? 'less' : 'more'} (mean) and filled ${duration(Math.abs(c.medianLatencyUs ?? 0))} ${(c.medianLatencyUs ?? 0) < 0 ? 'sooner' : 'later'} after its decision (median)`
          }.`,
        ) + (c.notes ?? []).map(text => note(escapeText(text))).join(''),
      )

/** Of decided trades; a report of before knows only how many there were. */
const winRate = ({
  trades,
  wins,
  losses,
}: {
  trades: number
  wins: number
  losses?: number | undefined
}): number | null => {
  const decided = losses === undefined ? trades : wins + losses
  return decided > 0 ? wins / decided : null
}

export const symbolSection = ({analysis}: ReportData): string =>
  analysis === undefined || analysis.bySymbol.length < 2
    ? ''
    : section(
        'By instrument',
        table(
          ['instrument', 'closed trades', 'win rate', 'profit', 'fees'],
          analysis.bySymbol
            .slice(0, 20)
            .map(row => [
              escapeText(row.key),
              String(row.trades),
              percent(winRate(row), 1),
              `<span class="${row.pnlMicros >= 0 ? 'good' : 'bad'}">${signedDollars(row.pnlMicros)}</span>`,
              dollars(Number(row['feesMicros'] ?? 0)),
            ]),
        ) + (analysis.bySymbol.length > 20 ? note(`${analysis.bySymbol.length - 20} more; see the JSON`) : ''),
      )
