import {
  drawdownChart,
  type HeatCell,
  heatMap,
  histogram,
  lineChart,
  type Series,
  tradesOnPrice,
  waterfall,
} from './report/charts.ts'
import {furtherCosts} from './report/costs.ts'
import {dollars, duration, minus, percent, ratio, signedDollars} from './report/format.ts'
import type {ReportData} from './report/report-data.ts'
import {
  comparisonSection,
  crisisSection,
  regimeSection,
  robustnessSection,
  section,
  sweepSection,
  symbolSection,
  walkForwardSection,
} from './report/sections.ts'
import {escapeText} from './report/svg.ts'
import {STYLE} from './report/theme.ts'

/**
 * A run as one self-contained page: no script, no font, no request. Every figure is the document's own, written as an
 * attribute `data-key` too, so a test (or a reader's script) can compare the page with the JSON.
 */
export const reportHtml = (data: ReportData): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeText(data.title)}</title><style>${STYLE}</style></head><body><main>
<h1>${escapeText(data.title)}</h1>
<p class="sub">${escapeText(`${minute(data.from)} to ${minute(data.to)} UTC · ${data.events.toLocaleString('en-US')} events · ${data.orders} orders, ${data.fills} fills, ${data.rejected} refused`)}</p>
${remarks(data)}
${tiles(data)}
${scorecardTable(data)}
${section('Equity', equityChart(data))}
${section('Drawdown', drawdownChart(data.equity.tsUs, data.equity.equityMicros) + drawdownTable(data))}
${walkForwardSection(data)}
${sweepSection(data)}
${section('From gross to net', costs(data))}
${strategySection(data)}
${symbolSection(data)}
${regimeSection(data)}
${crisisSection(data)}
${robustnessSection(data)}
${comparisonSection(data)}
${section('Profit of closed trades by hour of day (UTC)', hours(data))}
${section(
  'Closed trades',
  histogram(
    data.trades.map(t => t.pnlMicros),
    'profit of closed trades',
    dollars,
  ) + tradeFacts(data),
)}
${data.instruments
  .slice(0, 6)
  .map(one =>
    section(
      `Executions on ${escapeText(one.symbol)} (${signedDollars(one.profitMicros)} closed)`,
      markLegend + tradesOnPrice(one.tsUs, one.price, one.fills, `price and executions of ${one.symbol}`),
    ),
  )
  .join('\n')}
${data.instruments.length > 6 ? `<p class="note">${data.instruments.length - 6} more instruments were traded; see the JSON.</p>` : ''}
${baselineTable(data)}
${section('Made by', provenance(data))}
</main></body></html>
`

const markLegend =
  '<p class="legend"><span><i class="tri" style="color:var(--s1)">▲</i>buy</span><span><i class="tri" style="color:var(--s2)">▼</i>sell</span></p>'

const remarks = ({remarks: list}: ReportData): string =>
  list.length === 0
    ? ''
    : `<section class="warn"><h2>Before you believe this</h2><ul>${list.map(r => `<li>${escapeText(r.text)} <code>${escapeText(r.code)}</code></li>`).join('')}</ul></section>`

const tile = (key: string, name: string, shown: string, value: number | null): string =>
  `<div class="tile"><b data-key="${key}" data-value="${value === null ? 'null' : value}">${escapeText(shown)}</b><span>${escapeText(name)}</span></div>`

const tiles = ({metrics: m}: ReportData): string =>
  `<div class="tiles">${[
    tile('totalReturn', 'return', percent(m.totalReturn), m.totalReturn),
    tile('maxDrawdown', 'max drawdown', percent(m.maxDrawdown), m.maxDrawdown),
    tile('sharpe', `Sharpe (${m.periods} × ${m.period}, annualised)`, ratio(m.sharpe), m.sharpe),
    tile('sortino', 'Sortino', ratio(m.sortino), m.sortino),
    tile('calmar', 'Calmar', ratio(m.calmar), m.calmar),
    tile('winRate', `win rate of ${m.trades} trade${m.trades === 1 ? '' : 's'}`, percent(m.winRate, 1), m.winRate),
    tile('profitFactor', 'profit factor', ratio(m.profitFactor), m.profitFactor),
    tile('avgWinLoss', 'mean win / mean loss', ratio(m.avgWinLoss), m.avgWinLoss),
    tile('exposure', 'mean exposure', percent(m.exposure, 1), m.exposure),
    tile('turnover', 'turnover, times equity', ratio(m.turnover), m.turnover),
  ].join('')}</div>`

const TARGET_NAMES: Readonly<Record<string, string>> = {
  sharpe: 'Sharpe ratio at least',
  winRate: 'win rate at least',
  avgWinLoss: 'mean win / mean loss at least',
  maxDrawdown: 'max drawdown at most',
}
const scorecardTable = ({scorecard, metrics}: ReportData): string => {
  const isShare = (target: string) => target === 'winRate' || target === 'maxDrawdown'
  const show = (target: string, value: number | null) => (isShare(target) ? percent(value, 1) : ratio(value))
  const rows = scorecard.map(
    s =>
      `<tr><td>${TARGET_NAMES[s.target] ?? s.target} ${show(s.target, s.wanted)}</td><td>${show(s.target, s.value)}</td><td>${s.interval === null ? '–' : `${show(s.target, s.interval.low)} … ${show(s.target, s.interval.high)}`}</td><td class="${s.verdict}">${s.verdict}</td></tr>`,
  )
  const psr =
    metrics.psr === null
      ? ''
      : `<p class="note">Probability that the true Sharpe ratio is above zero, given this sample alone: ${percent(metrics.psr, 1)}.</p>`
  return section(
    'Targets',
    `<div class="scroll"><table><tr><th>target</th><th>value</th><th>90 % interval</th><th></th></tr>${rows.join('')}</table></div>${psr}`,
  )
}

const equityChart = ({equity}: ReportData): string =>
  lineChart(equity.tsUs, [{name: 'equity', values: equity.equityMicros, css: 's1'}], {
    label: 'equity over time',
    format: dollars,
  })

const drawdownTable = ({drawdowns}: ReportData): string =>
  drawdowns.length === 0
    ? '<p class="note">equity never fell below a peak</p>'
    : `<div class="scroll"><table><tr><th>peak</th><th>trough</th><th>recovered</th><th>depth</th><th>fall lasted</th></tr>${drawdowns
        .slice(0, 5)
        .map(
          d =>
            `<tr><td>${iso(d.peakUs)}</td><td>${iso(d.troughUs)}</td><td>${d.recoveredUs === undefined ? 'not yet' : iso(d.recoveredUs)}</td><td>${percent(d.depth, 3)}</td><td>${duration(d.troughUs - d.peakUs)}</td></tr>`,
        )
        .join('')}</table></div>`

const costs = ({equity, costs: c}: ReportData): string => {
  const net = (equity.equityMicros.at(-1) ?? 0) - (equity.equityMicros[0] ?? 0)
  const further = furtherCosts(c).map(({name, micros}) => ({name, value: -micros}))
  const gross = net + c.feesMicros + c.spreadMicros + c.slippageMicros - further.reduce((sum, f) => sum + f.value, 0)
  return waterfall(
    [
      {name: 'at mid prices', value: gross, isTotal: true},
      {name: nameOf(c.spreadMicros, 'spread', 'spread paid', 'spread earned'), value: -c.spreadMicros},
      {name: nameOf(c.slippageMicros, 'slippage', 'slippage', 'better fills'), value: -c.slippageMicros},
      {name: nameOf(c.feesMicros, 'fees', 'fees', 'rebates'), value: -c.feesMicros},
      ...further,
      {name: 'net', value: net, isTotal: true},
    ],
    'cost waterfall from profit at mid prices to net profit',
  )
}

/** A cost by what it is: nothing is neither paid nor earned. */
const nameOf = (cost: number, none: string, paid: string, earned: string): string =>
  cost === 0 ? none : cost > 0 ? paid : earned

const strategySection = ({strategies, equity}: ReportData): string => {
  const css = ['s1', 's2', 's3', 's4', 's5']
  const series = strategies
    .slice(0, 5)
    .map((s, k): Series => ({name: s.name, values: s.curveMicros, css: css[k] ?? 's1'}))
  const rows = strategies.map(
    s =>
      `<tr><td>${escapeText(s.name)}</td><td>${percent(s.weight, 0)}</td><td class="${s.profitMicros > 0 ? 'good' : s.profitMicros < 0 ? 'bad' : ''}">${signedDollars(s.profitMicros)}</td><td>${dollars(s.feesMicros)}</td><td>${s.trades}</td><td>${percent(s.winRate, 1)}</td></tr>`,
  )
  const reports = strategies
    .filter(s => Object.keys(s.report).length > 0)
    .map(
      s =>
        `<h3>${escapeText(s.name)} says</h3><dl class="says">${Object.entries(s.report)
          .map(
            ([key, value]) =>
              `<dt>${escapeText(key)}</dt><dd>${escapeText(typeof value === 'number' ? reportNumber(key, value) : value)}</dd>`,
          )
          .join('')}</dl>`,
    )
  return section(
    'Strategies',
    `${lineChart(equity.tsUs, series, {label: 'profit by strategy', format: dollars, height: 200, includeZero: true})}${strategies.length > css.length ? `<p class="note">the first ${css.length} of ${strategies.length} strategies are drawn</p>` : ''}<div class="scroll"><table><tr><th>strategy</th><th>weight</th><th>profit</th><th>fees</th><th>trades</th><th>win rate</th></tr>${rows.join('')}</table></div>${reports.join('')}`,
  )
}

const reportNumber = (key: string, value: number): string =>
  key.endsWith('Micros')
    ? dollars(value)
    : minus(Number.isInteger(value) ? value.toLocaleString('en-US') : value.toPrecision(4))

const hours = ({trades}: ReportData): string => {
  const cells = new Map<string, HeatCell>()
  for (const t of trades) {
    const column = String(new Date(t.closedUs / 1000).getUTCHours()).padStart(2, '0')
    const key = `${t.symbol}\n${column}`
    const cell = cells.get(key)
    cells.set(key, {row: t.symbol, column, value: (cell?.value ?? 0) + t.pnlMicros, count: (cell?.count ?? 0) + 1})
  }
  const all = [...cells.values()]
  const busiest = [...Map.groupBy(all, c => c.row)]
    .sort(([, a], [, b]) => b.reduce((s, c) => s + c.count, 0) - a.reduce((s, c) => s + c.count, 0))
    .slice(0, 12)
    .map(([row]) => row)
  const columns = [...new Set(all.map(c => c.column))].sort()
  return heatMap(
    busiest,
    columns,
    all.filter(c => busiest.includes(c.row)),
    'profit of closed trades by instrument and hour',
  )
}

const tradeFacts = ({trades}: ReportData): string => {
  if (trades.length === 0) return ''
  const holding = trades.map(t => t.holdingUs).sort((a, b) => a - b)
  // Not spread into Math.max: a hundred thousand arguments are too many.
  const best = trades.reduce((most, t) => Math.max(most, t.pnlMicros), Number.NEGATIVE_INFINITY)
  const worst = trades.reduce((least, t) => Math.min(least, t.pnlMicros), Number.POSITIVE_INFINITY)
  const median = holding[Math.floor(holding.length / 2)] ?? 0
  return `<p class="note">${trades.length} closed trade${trades.length === 1 ? '' : 's'}; best ${signedDollars(best)}, worst ${signedDollars(worst)}, median holding time ${duration(median)}.</p>`
}

const baselineTable = ({baselines, equity, metrics}: ReportData): string => {
  if (baselines.length === 0) return ''
  const start = equity.equityMicros[0] ?? 0
  const rows = baselines.map(
    b =>
      `<tr><td>${escapeText(b.name)}</td><td>${percent(start > 0 ? b.equityMicros / start - 1 : 0)}</td><td>${b.fills}</td></tr>`,
  )
  return section(
    'Against doing something simple',
    `<div class="scroll"><table><tr><th>on the same tape</th><th>return</th><th>fills</th></tr><tr><td>this run</td><td>${percent(metrics.totalReturn)}</td><td></td></tr>${rows.join('')}</table></div>`,
  )
}

const provenance = (d: ReportData): string =>
  `<dl>${[
    ['run', d.runId],
    ['seed', String(d.seed)],
    ['data', d.dataHash],
    ['configuration', d.configHash],
    ['journal', d.journalHash],
    ['ledger error', `${d.ledgerErrorMicros} micros`],
  ]
    .map(([name, value]) => `<dt>${name}</dt><dd><code>${escapeText(value ?? '')}</code></dd>`)
    .join('')}</dl><p class="note">Figures describe one past or simulated run. They promise nothing.</p>`

const minute = (text: string): string => text.slice(0, 16).replace('T', ' ')
const iso = (tsUs: number): string => new Date(tsUs / 1000).toISOString().slice(0, 19).replace('T', ' ')
