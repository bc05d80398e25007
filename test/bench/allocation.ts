/**
 * How capital is shared between the five strategies, on markets that the shipped policy never saw: `node test/bench/allocation.ts [WORK]
 * [MARKET,…] [POLICY.onnx]`. Every rule replays the same tape with all strategies that can run there, 100,000 dollars, 500 µs, US fees, the
 * conservative queue and the default risk limits; what a rule does not use stays in cash. Prints the growth of each rule, in basis points of
 * the capital, and the paired difference of the policy to the others with a 90 % interval (stationary bootstrap of the periods'
 * differences); `all` adds the markets up. WORK keeps the catalogs for the next time. Data: GPI_TEST_DATA, default ../shared/data.
 */
import {spawnSync} from 'node:child_process'
import {copyFileSync, globSync, mkdirSync, mkdtempSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {performance} from 'node:perf_hooks'
import process from 'node:process'
import {Config} from '../../src/config/schema.ts'
import {type BacktestSummary, type FinishedRun, runBacktest} from '../../src/core/backtest.ts'
import {backtestSetup} from '../../src/core/backtest-setup.ts'
import {openSource} from '../../src/core/backtest-source.ts'
import {createRng} from '../../src/domain/rng.ts'
import {bootstrapInterval, sortedQuantile} from '../../src/evaluation/bootstrap.ts'
import {periodReturns} from '../../src/evaluation/returns.ts'
import {dataFile} from '../support/test-data.ts'

interface Market {
  readonly source: string
  readonly files: readonly string[]
  readonly from?: string
  readonly to?: string
}
/** Chosen before any was run; no file and no day of them, but for the months of banks-oil-5m, is on the policy's card. */
const MARKETS: Readonly<Record<string, Market>> = {
  'stocks-1m': {source: 'csv', files: ['intraday/us_1m_*_2024-01_09.csv.gz'], from: '2024-09-01'},
  'banks-oil-5m': {
    source: 'csv',
    files: ['BAC', 'C', 'GS', 'JPM', 'MS', 'CVX', 'XOM', 'SLB', 'OXY', 'HAL'].map(
      symbol => `intraday/us_5m_${symbol}_2025.csv.gz`,
    ),
    from: '2025-10-01',
  },
  'country-etfs-1d': {source: 'csv', files: ['daily/country_etf_close_45_*.gz']},
  'rebar-books': {source: 'shfe', files: ['lob/shfe_*.gz']},
  'bitstamp-orders': {source: 'bitstamp', files: ['lob/bitstamp_*.gz']},
  'taq-ticks': {source: 'taq', files: ['lob/taq_sample_quotes_*.gz', 'lob/taq_sample_trades_*.gz']},
  'coins-2018': {source: 'csv', files: ['crypto/*multi_2018-06-18.csv.gz']},
  'coins-2021': {source: 'csv', files: ['crypto/binance_*_2021-05-15.csv.gz']},
  'goog-options-1m': {
    source: 'lean',
    files: [
      'options/lean_GOOG_option_quotes_1m_2015-12-24.csv.gz',
      'intraday/lean_underlying_1m_quotes_option_days.csv.gz',
    ],
    // The file of underlyings also has the days around AAPL's split of 2014, which nothing in it corrects for.
    from: '2015-12-01',
  },
  'aapl-options-1h': {
    source: 'lean',
    files: ['options/lean_AAPL_option_quotes_1h_2014.csv.gz', 'intraday/lean_AAPL_1h.csv.gz'],
    from: '2014-01-01',
    to: '2015-01-01',
  },
}
const RULES = ['policy', 'static', 'inverse-volatility', 'risk-parity'] as const
type Rule = (typeof RULES)[number]
const OTHERS = ['static', 'inverse-volatility', 'risk-parity', 'cash'] as const
const CAPITAL = 100_000
/** Fewest periods that a difference is resampled over. */
const LEAST_PERIODS = 200
const DRAWS = 2_000

const [, , given = '', wanted = '', policy = ''] = process.argv
const work = given === '' ? mkdtempSync(path.join(tmpdir(), 'gpi-allocation-')) : path.resolve(given)
const home = path.join(work, 'home')
mkdirSync(path.join(home, 'models'), {recursive: true})
if (policy !== '') copyFileSync(policy, path.join(home, 'models/policy.onnx'))
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const ingest = (name: string, {source, files}: Market): string => {
  const out = path.join(work, name)
  const found = files.flatMap(pattern => globSync(dataFile(pattern)).sort())
  const cli = path.resolve(import.meta.dirname, '../../bin/run.js')
  const {status, stderr} = spawnSync(process.execPath, [cli, 'ingest', source, ...found, '--out', out, '-q'], {
    env: {...process.env, GPI__HOME: home},
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${name}: ingest ended with ${status}: ${stderr}`)
  return out
}

interface Replay {
  readonly summary: BacktestSummary
  readonly run: FinishedRun
}
const replay = async (data: string, {from, to}: Market, allocation: Rule): Promise<Replay> => {
  const config = Config.parse({home, strategies: {allocation}})
  await using opened = await openSource({
    data,
    symbols: [],
    skipInvalid: false,
    kinds: ['quote', 'trade', 'bar', 'depth', ...(data.includes('options') ? ['option'] : [])],
    ...(from === undefined ? {} : {fromUs: Date.parse(from) * 1000}),
    ...(to === undefined ? {} : {toUs: Date.parse(to) * 1000}),
  })
  const setup = await backtestSetup({
    resolved: {config, sources: new Map(), hash: ''},
    instruments: opened.source.instruments,
    names: ['all'],
    params: [],
    capitalDollars: CAPITAL,
    latencyUs: 500,
    fees: 'us',
    queue: 'conservative',
  })
  let run: FinishedRun | undefined
  const summary = await runBacktest({
    ...setup,
    source: opened.source,
    baselines: false,
    isBrief: true,
    onFinished: (_, finished) => {
      run = finished
    },
  })
  return {summary, run: run as unknown as FinishedRun}
}

const bp = (value: number): string => `${(1e4 * value).toFixed(3)}`
const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0)
const logReturns = ({run: {series}}: Replay, periodUs?: number) => {
  const grid = periodReturns(
    series.tsUs,
    series.equityMicros,
    series.calendar,
    periodUs === undefined ? {leastReturns: LEAST_PERIODS} : {periodUs},
  )
  return {...grid, log: Float64Array.from(grid.returns, Math.log1p)}
}

/** Sums of the differences, as they are and resampled. */
const differences = new Map<string, {readonly total: number; readonly draws: number[]}[]>()
const growths: Record<string, Partial<Record<Rule, number>>> = {}
const names = wanted === '' ? Object.keys(MARKETS) : wanted.split(',')
say(`${'market'.padEnd(17)} ${RULES.map(rule => rule.padStart(18)).join('')}   in basis points; cash 0`)
for (const name of names) {
  const market = MARKETS[name]
  if (market === undefined) throw new Error(`markets are ${Object.keys(MARKETS).join(', ')}, was ${name}`)
  const data = ingest(name, market)
  const startMs = performance.now()
  const replays = new Map<Rule, Replay>()
  for (const rule of RULES) replays.set(rule, await replay(data, market, rule))
  const own = replays.get('policy') as Replay
  const {periodUs, periodName, log} = logReturns(own)
  growths[name] = Object.fromEntries(RULES.map(rule => [rule, sum(logReturns(replays.get(rule) as Replay).log)]))
  say(`${name.padEnd(17)} ${RULES.map(rule => bp(growths[name]?.[rule] ?? Number.NaN).padStart(18)).join('')}`)
  const {strategies, allocation} = own.summary
  const fills = RULES.map(rule => replays.get(rule)?.summary.fills ?? 0)
  const weights = strategies.map(({name: strategy}) => {
    const mean = sum(allocation.weights.map(row => row.weights[strategy] ?? 0)) / allocation.weights.length
    return `${strategy} ${mean.toFixed(3)} (${replays.get('static')?.summary.strategies.find(one => one.name === strategy)?.trades ?? 0} trades)`
  })
  say(`  policy's mean weight, trades under static: ${weights.join(', ')}; fills ${fills.join(' ')}`)
  const line: string[] = []
  for (const other of OTHERS) {
    const theirs = other === 'cash' ? undefined : logReturns(replays.get(other) as Replay, periodUs).log
    if (theirs !== undefined && theirs.length !== log.length) throw new Error(`${name}: ${other} has other periods`)
    const paired = log.map((value, at) => value - (theirs?.[at] ?? 0))
    const draws: number[] = []
    bootstrapInterval(
      paired,
      sample => {
        draws.push(sum(sample))
        return draws.at(-1)
      },
      {rng: createRng(1, `allocation/${name}`), draws: DRAWS},
    )
    const total = sum(paired)
    differences.set(other, [...(differences.get(other) ?? []), {total, draws}])
    line.push(`${other} ${interval(total, draws)}`)
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0)
  say(`  policy less ${line.join(', ')}; ${log.length} periods of ${periodName}, ${seconds} s`)
}
say('all')
for (const other of OTHERS) {
  const parts = differences.get(other) ?? []
  const draws = Array.from({length: DRAWS}, (_, d) => sum(parts.map(part => part.draws[d] ?? 0)))
  const worst = parts.reduce((least, {total}, m) => (total < (parts[least]?.total ?? 0) ? m : least), 0)
  say(
    `  policy less ${other}: ${interval(sum(parts.map(({total}) => total)), draws)}, worst on ${names[worst]}: ${bp(parts[worst]?.total ?? 0)}`,
  )
}
writeFileSync(path.join(work, 'allocation.json'), `${JSON.stringify(growths, undefined, 2)}\n`)

function interval(total: number, draws: readonly number[]): string {
  const sorted = draws.toSorted((a, b) => a - b)
  return `${bp(total)} [${bp(sortedQuantile(sorted, 0.05))}, ${bp(sortedQuantile(sorted, 0.95))}]`
}
