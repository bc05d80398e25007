import {existsSync, mkdtempSync, readFileSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'
import {chromium} from 'playwright-core'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {marketRecords} from '../../examples/markets.ts'
import {Config} from '../../src/config/schema.ts'
import {runBacktest} from '../../src/core/backtest.ts'
import {readReport, reportOf} from '../../src/core/report.ts'
import {type NumberedRecord, Rejects} from '../../src/data/ndjson.ts'
import {GpiRecord} from '../../src/data/records.ts'
import {recordsToTape} from '../../src/data/records-to-tape.ts'
import {UserError} from '../../src/domain/errors.ts'
import {createRng} from '../../src/domain/rng.ts'
import {computeMetrics} from '../../src/evaluation/metrics.ts'
import {tradesOnPrice} from '../../src/evaluation/report/charts.ts'
import {ReportData} from '../../src/evaluation/report/report-data.ts'
import {linearScale, thin} from '../../src/evaluation/report/svg.ts'
import {reportHtml} from '../../src/evaluation/report-html.ts'
import {equityCsv, reportMarkdown, tradesCsv} from '../../src/evaluation/report-text.ts'
import {createStrategy} from '../../src/strategies/registry.ts'

async function* numbered(market: string): AsyncGenerator<NumberedRecord> {
  let line = 0
  for (const record of marketRecords(market)) yield {line: ++line, record: GpiRecord.parse(record)}
}

const makeReport = (market: string, names: readonly string[]): Promise<ReportData> => reportOn(numbered(market), names)

const reportOn = async (records: AsyncIterable<NumberedRecord>, names: readonly string[]): Promise<ReportData> => {
  await using tape = await recordsToTape(records, {spoolDirectory: tmpdir(), rejects: new Rejects(() => {})})
  let report: ReportData | undefined
  await runBacktest({
    source: tape,
    config: Config.parse({}),
    configHash: 'test',
    seed: 1,
    strategies: names.map(name => ({name, weight: 1 / names.length, params: {}, create: () => createStrategy(name)})),
    capitalMicros: 100_000e6,
    latencyUs: 500,
    fees: 'us',
    queue: 'conservative',
    onFinished: (summary, run) => {
      report = reportOf(summary, run, tape.instruments)
    },
  })
  if (report === undefined) throw new Error('no report was made')
  return report
}

let data: ReportData
beforeAll(async () => {
  data = await makeReport('book', ['market-making', 'random-entry'])
}, 60_000)

describe('the report document', () => {
  test('is what its schema says, also after a trip through JSON', () => {
    expect(ReportData.parse(JSON.parse(JSON.stringify(data)))).toEqual(JSON.parse(JSON.stringify(data)))
  })
  test('agrees with itself: equity, strategies, trades', () => {
    const first = data.equity.equityMicros[0] as number
    const last = data.equity.equityMicros.at(-1) as number
    expect(last).toBe(data.equityMicros)
    expect((last - first) / first).toBeCloseTo(data.metrics.totalReturn, 12)
    const byStrategy = data.strategies.reduce((sum, s) => sum + s.profitMicros, 0)
    expect(Math.abs(byStrategy - (last - first))).toBeLessThan(1000)
    expect(data.trades).toHaveLength(data.metrics.trades)
  })
  test('keeps the samples that its Sharpe ratio is of, however much else is thinned out', async () => {
    const start = Date.UTC(2024, 0, 2) * 1000
    const minutes = Array.from(
      {length: 60 * 390},
      (_, i) => start + (Math.floor(i / 390) * 1440 + 870 + (i % 390)) * 60e6,
    )
    const price = (i: number) => 100 + 5 * Math.sin(i / 3000) + 0.3 * Math.sin(i / 7)
    async function* bars(): AsyncGenerator<NumberedRecord> {
      for (const [i, tsUs] of minutes.entries()) {
        const at = Number(price(i).toFixed(2))
        const bar = {open: at, high: at, low: at, close: at, volume: 1e6, periodUs: 60e6}
        yield {line: i + 1, record: GpiRecord.parse({kind: 'bar', symbol: 'AAA', tsUs, ...bar})}
      }
    }
    const long = await reportOn(bars(), ['buy-and-hold'])
    expect(long.equity.tsUs.length).toBeLessThan(6_000)
    const found = computeMetrics(
      {...long.equity, trips: [], tradedMicros: 0, calendar: 'us-equity'},
      {rng: createRng(1), bootstrapDraws: 0},
    )
    expect(found.periods).toBe(long.metrics.periods)
    expect(found.sharpe).toBeCloseTo(long.metrics.sharpe as number, 9)
  }, 60_000)
  test('is found by file, folder or id, and missed by name', () => {
    const home = mkdtempSync(path.join(tmpdir(), 'gpi-report-'))
    const file = path.join(home, 'r.json')
    writeFileSync(file, JSON.stringify(data))
    expect(readReport(file, home).runId).toBe(data.runId)
    expect(() => readReport('nothing', home)).toThrow(UserError)
    writeFileSync(file, '{"kind":"report"}')
    expect(() => readReport(file, home)).toThrow(/cannot|can draw/)
  })
  test('trials that failed are named on the page and in Markdown, with what was searched', () => {
    const metrics = {totalReturn: 0.01, sharpe: 1.5, maxDrawdown: 0.02}
    const sweep = {
      trials: [{params: ['fast=3'], fills: 7, metrics}],
      failed: [{params: ['fast=8'], code: 'Error', message: 'fast 8 is <cursed>'}],
      ...{deflatedSharpe: 0.5, overfitting: 0.4, plateau: null, surfaces: [], complete: true},
    }
    const searched = ReportData.parse({...JSON.parse(JSON.stringify(data)), sweep})
    expect(reportHtml(searched)).toContain('fast 8 is &lt;cursed&gt;')
    const markdown = reportMarkdown(searched)
    expect(markdown).toContain('| fast=3 | 1.00 % | 2.00 % | 1.50 | 7 |')
    expect(markdown).toContain('1 trial failed:\n\n- fast=8: fast 8 is <cursed>')
    expect(reportMarkdown(data)).not.toContain('trial')
  })
  test('Markdown and CSV carry the same figures', () => {
    const borrowed = reportMarkdown({...data, costs: {...data.costs, borrowMicros: 7_250_000}})
    expect(borrowed).toContain('| borrow | $7.25 |')
    const rows = tradesCsv(data).trim().split('\n').slice(1)
    const written = rows.reduce((sum, row) => sum + Number(row.split(',').at(-1)), 0)
    expect(Math.abs(written - data.trades.reduce((sum, t) => sum + t.pnlMicros, 0))).toBeLessThan(data.trades.length)
    expect(reportMarkdown(data)).toContain(data.journalHash)
    expect(tradesCsv(data).trim().split('\n')).toHaveLength(data.trades.length + 1)
    expect(equityCsv(data).trim().split('\n').at(-1)).toContain(String(data.equityMicros))
  })
})

describe('drawing', () => {
  test('round ticks inside the domain', () => {
    expect(linearScale(0.3, 9.7, 0, 100).ticks).toEqual([2, 4, 6, 8])
    expect(linearScale(5, 5, 0, 100).of(5)).toBe(50)
  })
  test('break-even trades are neither won nor lost, and live that was better is said so', () => {
    const row = {key: 'AAA', trades: 4, wins: 1, losses: 1, pnlMicros: 0, feesMicros: 0}
    const analysis = {...data.analysis, bySymbol: [row, {...row, key: 'BBB'}]} as NonNullable<ReportData['analysis']>
    const comparison = {matched: 1, missed: [], extra: [], meanSlippageBps: -3, medianLatencyUs: -2_000_000}
    const html = reportHtml({...data, analysis, comparison})
    expect(html).toContain('<td>4</td><td>50.0 %</td>')
    expect(html).toContain('live paid 3.00 bp less (mean) and filled 2.0 s sooner')
  })
  test('what never moved has labels that differ, and no picture of nothing', () => {
    const flat = {...data.equity, equityMicros: data.equity.equityMicros.map(() => 1e11)}
    const still = {...data, equity: flat, costs: {feesMicros: 0, spreadMicros: 0, slippageMicros: 0}, drawdowns: []}
    const html = reportHtml(still)
    const chart = html.split('<h2>Equity</h2>')[1]?.split('</svg>')[0] ?? ''
    const labels = [...chart.matchAll(/text-anchor="end">([^<]*\$[^<]*)</g)].map(([, label]) => label)
    expect(labels.length).toBeGreaterThan(2)
    expect(new Set(labels).size).toBe(labels.length)
    expect(html).toContain('no profit and no costs')
    expect(html).not.toContain('aria-label="drawdown"')
  })
  test('thinning keeps the ends and the extremes', () => {
    const values = Array.from({length: 10_000}, (_, i) => Math.sin(i / 50) + (i === 5_003 ? 9 : 0))
    const kept = thin(values, 400)
    expect(kept.length).toBeLessThanOrEqual(400)
    expect(kept).toContain(5_003)
    expect([kept[0], kept.at(-1)]).toEqual([0, 9_999])
  })
  test('both sides of executions that take turns are drawn, however many there are', () => {
    const fills = Array.from(
      {length: 800},
      (_, k) => ({tsUs: k, side: k % 2 === 0 ? 'buy' : 'sell', price: 1, size: 1}) as const,
    )
    const drawn = tradesOnPrice([0, 800], [1, 1], fills, 'x', 400)
    const count = (side: string) => drawn.split(`mark ${side}`).length - 1
    expect([count('buy'), count('sell')]).toEqual([134, 133])
  })
  test('any number of trades is drawn', () => {
    const trades = Array.from({length: 300_000}, (_, k) => ({
      symbol: 'SPY',
      closedUs: k,
      holdingUs: 1,
      pnlMicros: k - 7,
    }))
    expect(reportHtml({...data, trades})).toContain('300000 closed trades; best +$0.30')
  })
  test('names from the data cannot inject markup', () => {
    const html = reportHtml({...data, title: '<script>alert(1)</script>'})
    expect(html).not.toContain('<script>')
    expect(html).toContain('&lt;script&gt;')
  })
})

const chromiumPath = process.env['GPI_CHROMIUM'] ?? '/usr/bin/chromium'
describe.skipIf(!existsSync(chromiumPath))('in a real browser (needs Chromium)', () => {
  const open = () =>
    chromium.launch({
      executablePath: chromiumPath,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
    })
  let browser: Awaited<ReturnType<typeof open>> | undefined
  afterAll(() => browser?.close())

  test('shows the document’s figures, asks nobody for anything, and has no errors, in light, dark and print', async () => {
    browser = await open()
    const page = await browser.newPage({viewport: {width: 1100, height: 900}})
    const problems: string[] = []
    page.on('console', message => problems.push(message.text()))
    page.on('pageerror', error => problems.push(String(error)))
    page.on('request', request => {
      if (!request.url().startsWith('file:')) problems.push(`request ${request.url()}`)
    })
    const folder = mkdtempSync(path.join(tmpdir(), 'gpi-page-'))
    const file = path.join(folder, 'r.html')
    writeFileSync(file, reportHtml(data))
    await page.goto(`file://${file}`)

    // The page's figures are read in the browser, so what is compared is what a reader is shown.
    const shown = await page.$$eval('[data-key]', nodes =>
      nodes.map(n => [n.getAttribute('data-key'), n.getAttribute('data-value')] as [string, string]),
    )
    expect(shown.length).toBe(10)
    for (const [key, value] of shown) expect(value).toBe(String((data.metrics as Record<string, unknown>)[key]))

    const drawn = await page.$$eval('path.line', paths =>
      paths.map(p => (p as unknown as {getTotalLength: () => number}).getTotalLength()),
    )
    expect(drawn.length).toBeGreaterThanOrEqual(4)
    for (const length of drawn) expect(length).toBeGreaterThan(100)
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true)

    const surface = () => page.evaluate('getComputedStyle(document.body).backgroundColor') as Promise<string>
    await page.emulateMedia({colorScheme: 'light'})
    const light = await surface()
    await page.emulateMedia({colorScheme: 'dark'})
    const dark = await surface()
    await page.emulateMedia({media: 'print', colorScheme: 'light'})
    const print = await surface()
    expect(new Set([light, dark, print]).size).toBe(3)
    expect(print).toBe('rgb(255, 255, 255)')
    await page.setViewportSize({width: 390, height: 800})
    await page.emulateMedia({media: 'screen', colorScheme: 'light'})
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true)
    expect(problems).toEqual([])
    expect(readFileSync(file, 'utf8').length).toBeLessThan(3_000_000)
    await page.close()
  }, 60_000)

  test('prints whole: no column is cut off, and legends keep their colours', async () => {
    browser ??= await open()
    const page = await browser.newPage({viewport: {width: 700, height: 900}})
    const params = ['fast=10', 'slow=60', 'fraction=0.05', 'threshold=0.0025']
    const window = {
      test: {from: data.from, to: data.to},
      params,
      trainSharpe: -12.34,
      validateSharpe: -23.45,
      result: {fills: 1234, metrics: data.metrics},
    }
    const html = reportHtml({
      ...data,
      title: `pairs on ${'AAPL250620C00200000'.repeat(8)}`,
      walkForward: {windows: [window], totalReturn: 0, failed: [], outOfSample: null},
    })
    await page.setContent(html)
    await page.emulateMedia({media: 'print'})
    const cut = await page.$$eval('.scroll', nodes =>
      nodes.filter(n => n.scrollWidth > n.clientWidth + 1).map(n => (n.textContent ?? '').slice(0, 60)),
    )
    expect(cut).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true)
    const swatches = (await page.evaluate(
      `[...document.querySelectorAll('.legend i:not(.tri)')].map(n => getComputedStyle(n).getPropertyValue('print-color-adjust'))`,
    )) as string[]
    expect(swatches.length).toBeGreaterThan(1)
    expect(new Set(swatches)).toEqual(new Set(['exact']))
    await page.close()
  }, 60_000)
})
