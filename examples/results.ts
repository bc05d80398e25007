/**
 * Makes docs/results.md: every strategy on the shared market data, out of sample, with costs: `npm run results`. Uses the
 * built product as a user would (`gpi ingest`, `gpi backtest --walk-forward`), in a home of its own, so that the number
 * of trials is this script's own. Data: GPI_TEST_DATA, default ../shared/data; a run whose files are missing is left out.
 */
import {spawn} from 'node:child_process'
import {existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import path from 'node:path'
import process from 'node:process'

const root = path.resolve(import.meta.dirname, '..')
const data = path.resolve(root, process.env['GPI_TEST_DATA'] ?? '../shared/data')
const work = mkdtempSync(path.join(tmpdir(), 'gpi-results-'))
/** A run that takes longer says so in the table instead of holding up the rest. */
const LIMIT_S = 300

interface Market {
  readonly name: string
  readonly source: string
  readonly files: readonly string[]
  readonly ingest?: readonly string[]
  /** Arguments of every back-test on it. */
  readonly replay?: readonly string[]
}
const MARKETS = {
  lobster: {
    name: 'LOBSTER GOOG, AMZN 2012-06-21, books',
    source: 'lobster',
    files: ['lob/lobster_GOOG_*.gz', 'lob/lobster_AMZN_*.gz'],
  },
  binance: {name: 'Binance spot BTC, ETH 2024-08-08, books', source: 'binance', files: ['lob/binance_spot_*.gz']},
  bitstamp: {
    name: 'Bitstamp BTC 2015-05-01, single orders',
    source: 'bitstamp',
    files: ['lob/bitstamp_*.gz'],
    replay: ['--queue', 'fifo-l3'],
  },
  ticks: {name: 'LEAN ticks BAC, IBM 2013-10', source: 'lean', files: ['lob/lean_*_tick_*.gz']},
  taq: {
    name: 'TAQ 2018-01-02 to 03, one stock',
    source: 'taq',
    files: ['lob/taq_sample_quotes_*.gz', 'lob/taq_sample_trades_*.gz'],
  },
  seconds: {
    name: 'LEAN seconds AIG, BAC, IBM, SPY 2013-10',
    source: 'lean',
    files: ['intraday/lean_*_1s_*.gz'],
  },
  sectors: {name: 'sector ETFs 2025, 5 minutes', source: 'csv', files: ['intraday/us_5m_XL*_2025.csv.gz']},
  stocks5m: {
    name: 'sixty stocks and ETFs 2025, 5 minutes',
    source: 'csv',
    files: ['intraday/us_5m_*_2025.csv.gz'],
  },
  stocks1m: {
    name: 'ten S&P 500 stocks 2024, 1 minute',
    source: 'csv',
    files: ['intraday/us_1m_*_2024-01_09.csv.gz'],
  },
  daily: {
    name: '400 liquid stocks 2015-03 to 2016-12, daily',
    source: 'csv',
    files: ['daily/us_stocks_liquid400_1d_*.gz'],
  },
  crosses: {
    name: 'Binance coins and crosses 2021-04 to 05, 5 minutes and 1 hour',
    source: 'csv',
    files: ['crypto/binance_*_2021-05-15.csv.gz'],
  },
  crosses18: {
    name: 'Binance coins and crosses 2018-06, bars',
    source: 'csv',
    files: ['crypto/*multi_2018-06-18.csv.gz'],
  },
  binanceus: {
    name: 'Binance US BTC, USDC, USDT 2023-03, 1 minute',
    source: 'csv',
    files: ['crypto/binanceus_*_1m_2023-03-*.csv.gz'],
  },
  kraken: {
    name: 'Kraken BTC, USD, USDC, USDT 2023-03, 1 minute',
    source: 'csv',
    files: ['crypto/kraken_*_1m_2023-03-*.csv.gz'],
  },
  spxw: {
    name: 'SPXW chain 2021-01-06, 1 minute',
    source: 'lean',
    files: ['options/lean_SPXW_option_quotes_1m_2021-01-06.csv.gz'],
  },
  goog: {
    name: 'GOOG and its options 2015-12-24, 1 minute',
    source: 'lean',
    files: [
      'options/lean_GOOG_option_quotes_1m_2015-12-24.csv.gz',
      'intraday/lean_underlying_1m_quotes_option_days.csv.gz',
    ],
  },
  aapl: {
    name: 'AAPL and its options 2014, hourly',
    source: 'lean',
    files: ['options/lean_AAPL_option_quotes_1h_2014.csv.gz', 'intraday/lean_AAPL_1h.csv.gz'],
    replay: ['--start', '2014-01-01', '--end', '2015-01-01'],
  },
  spx: {
    name: 'SPX chains 2019-04 to 06, daily',
    source: 'spx',
    files: ['options/spx_chain_snapshots_*.gz'],
  },
} as const satisfies Record<string, Market>

interface Run {
  readonly strategy: string
  readonly market: keyof typeof MARKETS
  /** A part of the data, where the whole would take minutes: flags and words. */
  readonly part?: readonly [words: string, ...flags: string[]]
  /** Its rules were chosen looking at this very data: no evidence. */
  readonly isDevelopment?: boolean
}
const RUNS: readonly Run[] = [
  {strategy: 'market-making', market: 'lobster', isDevelopment: true},
  {strategy: 'market-making', market: 'binance', isDevelopment: true},
  {strategy: 'market-making', market: 'ticks'},
  {strategy: 'market-making', market: 'taq'},
  {strategy: 'market-making', market: 'bitstamp'},
  {strategy: 'market-making', market: 'seconds'},
  {strategy: 'statistical-arbitrage', market: 'sectors'},
  {
    strategy: 'statistical-arbitrage',
    market: 'stocks5m',
    part: ['from December', '--start', '2025-12-01'],
  },
  {strategy: 'statistical-arbitrage', market: 'stocks1m'},
  {strategy: 'statistical-arbitrage', market: 'daily'},
  {strategy: 'pattern-recognition', market: 'seconds'},
  {strategy: 'pattern-recognition', market: 'stocks1m', part: ['last week of September', '--start', '2024-09-23']},
  {strategy: 'pattern-recognition', market: 'sectors', part: ['from December', '--start', '2025-12-01']},
  {strategy: 'triangular-arbitrage', market: 'crosses'},
  {strategy: 'triangular-arbitrage', market: 'crosses18'},
  {strategy: 'triangular-arbitrage', market: 'binanceus'},
  {strategy: 'triangular-arbitrage', market: 'kraken'},
  {strategy: 'triangular-arbitrage', market: 'spxw'},
  {strategy: 'triangular-arbitrage', market: 'goog'},
  {strategy: 'triangular-arbitrage', market: 'aapl'},
  {strategy: 'option-sentiment', market: 'aapl'},
  {strategy: 'option-sentiment', market: 'spx'},
]

interface Interval {
  readonly low: number
  readonly high: number
}
interface OutOfSample {
  readonly from: string
  readonly to: string
  readonly fills: number
  readonly metrics: {
    readonly totalReturn: number
    readonly sharpe: number | null
    readonly maxDrawdown: number
    readonly winRate: number | null
    readonly avgWinLoss: number | null
    readonly trades: number
    readonly days: number
    readonly period: string
    readonly periods: number
    readonly turnover: number
    readonly intervals: {
      readonly sharpe: Interval | null
      readonly winRate: Interval | null
      readonly avgWinLoss: Interval | null
    }
  }
  readonly scorecard: readonly {readonly target: string; readonly verdict: string}[]
  readonly deflation: {readonly trials: number; readonly deflatedSharpe: number} | null
  readonly costs: Readonly<Record<string, number>>
  readonly baselines: readonly {
    readonly name: string
    readonly metrics: {readonly totalReturn: number; readonly sharpe: number | null; readonly maxDrawdown: number}
  }[]
}
interface Result {
  readonly events: number
  readonly dataHash: string
  readonly journalHash: string
  readonly strategies: readonly {readonly report: Readonly<Record<string, number | string>>}[]
  readonly walkForward: {readonly windows: readonly unknown[]; readonly outOfSample: OutOfSample | null}
}
type Outcome = Run & {readonly seconds: number} & (
    | {readonly kind: 'done'; readonly result: Result}
    | {readonly kind: 'failed'; readonly why: string}
  )

const gpi = (
  args: readonly string[],
): Promise<{readonly code: number | null; readonly out: string; readonly err: string}> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(root, 'bin/run.js'), ...args], {
      cwd: work,
      env: {...process.env, GPI__HOME: path.join(work, 'home'), NO_COLOR: '1'},
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', text => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      err += text
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_S * 1000)
    child.on('error', reject)
    child.on('close', code => {
      clearTimeout(timer)
      resolve({code, out, err})
    })
  })

const catalogs = new Map<string, Promise<string | undefined>>()
const ingested = (key: keyof typeof MARKETS): Promise<string | undefined> => {
  const market: Market = MARKETS[key]
  const known =
    catalogs.get(key) ??
    (async () => {
      const files = market.files.flatMap(pattern => globSync(pattern, {cwd: data}).sort())
      if (files.length === 0) return undefined
      const out = path.join(work, key)
      const paths = files.map(file => path.join(data, file))
      const {code, err} = await gpi([
        'ingest',
        market.source,
        ...paths,
        '--out',
        out,
        '--quiet',
        ...(market.ingest ?? []),
      ])
      if (code !== 0) throw new Error(`${market.name} could not be ingested: ${err}`)
      return out
    })()
  catalogs.set(key, known)
  return known
}

const execute = async (run: Run): Promise<Outcome | undefined> => {
  const catalog = await ingested(run.market)
  if (catalog === undefined) return undefined
  const market: Market = MARKETS[run.market]
  const start = Date.now()
  const {code, out, err} = await gpi([
    'backtest',
    ...['--data', catalog, '--strategy', run.strategy, '--walk-forward', '--json', '--quiet'],
    ...(market.replay ?? []),
    ...(run.part?.slice(1) ?? []),
  ])
  const seconds = (Date.now() - start) / 1000
  const why =
    seconds >= LIMIT_S
      ? `not finished in ${LIMIT_S} s`
      : (err.split('\n')[0] ?? '')
          .replace(/^error /, '')
          .replaceAll(`${root}/`, '')
          .replaceAll(`${work}/`, '')
  if (code !== 0 || seconds >= LIMIT_S) return {...run, seconds, kind: 'failed', why}
  return {...run, seconds, kind: 'done', result: JSON.parse(out) as Result}
}

const percent = (value: number | null, digits = 2): string =>
  value === null
    ? '–'
    : `${(value * 100).toFixed(Math.abs(value) < 5e-5 && value !== 0 ? 4 : digits)} %`.replace('-', '−')
const ratio = (value: number | null): string => (value === null ? '–' : value.toFixed(2).replace('-', '−'))
const within = (interval: Interval | null, show: (value: number) => string): string =>
  interval === null ? '' : ` (${show(interval.low)} … ${show(interval.high)})`
const dollars = (micros: number): string => `$${(micros / 1e6).toFixed(2)}`.replace('$-', '−$')
const baseline = (o: OutOfSample, name: string): string =>
  percent(o.baselines.find(b => b.name === name)?.metrics.totalReturn ?? null)

const MARKS: Readonly<Record<string, string>> = {met: 'met', missed: 'missed', uncertain: 'open', undefined: '–'}
const verdict = (o: OutOfSample, target: string): string =>
  MARKS[o.scorecard.find(line => line.target === target)?.verdict ?? 'undefined'] ?? '–'

const NAMES = [
  'market-making',
  'statistical-arbitrage',
  'pattern-recognition',
  'triangular-arbitrage',
  'option-sentiment',
]

const sectionOf = (strategy: string, outcomes: readonly Outcome[]): string[] => {
  const own = outcomes.filter(outcome => outcome.strategy === strategy)
  const label = ({market, part, isDevelopment}: Outcome) =>
    `${MARKETS[market].name}${part === undefined ? '' : `, ${part[0]}`}${isDevelopment === true ? ' **(development)**' : ''}`
  const traded = own.flatMap(outcome => {
    const o = outcome.kind === 'done' ? outcome.result.walkForward.outOfSample : null
    return o === null || o.metrics.trades === 0 ? [] : [{outcome, o}]
  })
  const silent = own.filter(outcome => !traded.some(found => found.outcome === outcome))
  return [
    `## ${strategy}`,
    '',
    ...(traded.length === 0
      ? []
      : [
          '| data | test windows | return | Sharpe (90 %) | max drawdown | trades | win rate (90 %) | win / loss (90 %) |',
          '|---|---|---:|---:|---:|---:|---:|---:|',
          ...traded.map(({outcome, o}) => {
            const m = o.metrics
            return `| ${label(outcome)} | ${o.from.slice(0, 16).replace('T', ' ')} – ${o.to.slice(0, 16).replace('T', ' ')} | ${percent(m.totalReturn)} | ${ratio(m.sharpe)}${within(m.intervals.sharpe, ratio)} | ${percent(m.maxDrawdown)} | ${m.trades} | ${percent(m.winRate, 1)}${within(m.intervals.winRate, v => percent(v, 1))} | ${ratio(m.avgWinLoss)}${within(m.intervals.avgWinLoss, ratio)} |`
          }),
          '',
          '| data | costs: fees, spread, slippage, others | trials | deflated Sharpe | buy and hold | random entry | Sharpe 2.0 | win rate 52 % | win / loss 1.5 | drawdown 5 % |',
          '|---|---|---:|---:|---:|---:|---|---|---|---|',
          ...traded.map(({outcome, o}) => {
            const {feesMicros = 0, spreadMicros = 0, slippageMicros = 0, ...rest} = o.costs
            const others = Object.entries(rest).map(
              ([name, value]) => `, ${name.replace(/Micros$/, '')} ${dollars(value)}`,
            )
            return `| ${label(outcome)} | ${dollars(feesMicros)}, ${dollars(spreadMicros)}, ${dollars(slippageMicros)}${others.join('')} | ${o.deflation?.trials ?? 0} | ${ratio(o.deflation?.deflatedSharpe ?? null)} | ${baseline(o, 'buy-and-hold')} | ${baseline(o, 'random-entry')} | ${['sharpe', 'winRate', 'avgWinLoss', 'maxDrawdown'].map(target => verdict(o, target)).join(' | ')} |`
          }),
          '',
        ]),
    ...(strategy === 'triangular-arbitrage' ? chances(own) : []),
    ...silent.map(outcome =>
      outcome.kind === 'failed'
        ? `- ${label(outcome)}: no result, ${outcome.why}.`
        : `- ${label(outcome)}: no trade in the test windows. It says: ${said(outcome.result)}.`,
    ),
    ...(silent.length === 0 ? [] : ['']),
  ]
}

/** What a strategy's report says, without what is nothing; the numbers that matter most when they are zero are always told. */
const said = ({strategies}: Result): string =>
  Object.entries(strategies[0]?.report ?? {})
    .filter(([key, value]) => value !== 0 || /signals|forecasts|entries|chances|Before|After|^bundles$/.test(key))
    .map(([key, value]) => `${key} ${typeof value === 'number' ? Number(value.toPrecision(4)) : `“${value}”`}`)
    .join(', ') || 'nothing'

/** Chances of arbitrage that were there, before and after costs, traded or not. */
const chances = (outcomes: readonly Outcome[]): string[] => {
  const rows = outcomes.flatMap(outcome => {
    if (outcome.strategy !== 'triangular-arbitrage' || outcome.kind !== 'done') return []
    const report = outcome.result.strategies[0]?.report ?? {}
    const number = (key: string): number => Number(report[key] ?? 0)
    const tenths = (key: string): string => number(key).toFixed(1).replace('-', '−')
    const kinds = Object.keys(report).flatMap(key => (key.endsWith('BeforeCosts') ? [key.slice(0, -11)] : []))
    const {name} = MARKETS[outcome.market]
    const loops = number('triangles') + number('longerLoops')
    return [
      ...(loops > 0
        ? [
            `| ${name} | loops at quotes | ${loops} loops | ${number('chancesBeforeFees')} | ${number('chancesAfterFees')} | – |`,
          ]
        : []),
      ...(number('closesCompared') > 0
        ? [
            `| ${name} | loops at closes of bars, never traded | ${number('closesCompared')} closes | ${number('closesBeforeFees')} | ${number('closesAfterFees')} | ${tenths('closesBestGrossBps')} → ${tenths('closesBestNetBps')} |`,
          ]
        : []),
      ...(number('chainsRead') > 0
        ? (kinds.length > 0 ? kinds : ['box, parity, conversion']).map(
            kind =>
              `| ${name} | ${kind} | ${number('chainsRead')} chains | ${number(`${kind}BeforeCosts`)} | ${number(`${kind}Seen`)} | – |`,
          )
        : []),
    ]
  })
  if (rows.length === 0) return []
  return [
    'What there was to arbitrage. Closes are last trades of one minute or hour, seconds apart and one side of a spread each: a gain there is a hint, not a chance, and before fees one of the two ways round always gains. Fees: 25 bps a leg, $0.69 a contract.',
    '',
    '| data | kind | looked at | chances before costs | after costs | best, bps before → after |',
    '|---|---|---|---:|---:|---:|',
    ...rows,
    '',
  ]
}

const summary = (outcomes: readonly Outcome[]): string[] => {
  const lines = outcomes.flatMap(outcome => {
    const o = outcome.kind === 'done' && outcome.isDevelopment !== true ? outcome.result.walkForward.outOfSample : null
    return o === null || o.metrics.trades === 0 ? [] : [o]
  })
  const count = (isSo: (o: OutOfSample) => boolean) => lines.filter(isSo).length
  const met = (target: string) => count(o => verdict(o, target) === 'met')
  return [
    `Of ${lines.length} runs on data that no rule is known to be tuned on and that traded at all, ${count(o => o.metrics.totalReturn > 0)} made money after costs, and ${count(o => (o.metrics.intervals.sharpe?.low ?? -1) > 0)} have a Sharpe ratio whose 90 % interval lies above zero.`,
    `The targets were met beyond doubt: Sharpe ratio 2.0 by ${met('sharpe')}, win rate 52 % by ${met('winRate')}, mean win over mean loss 1.5 by ${met('avgWinLoss')}, drawdown of 5 % at most by ${met('maxDrawdown')} (a small position falls little).`,
  ]
}

const page = (outcomes: readonly Outcome[]): string =>
  `${[
    '# Results',
    '',
    'What the strategies made of recorded markets that they had not seen, as they are shipped, after costs. Made by `npm run results`; nothing here is edited by hand.',
    'These figures describe past markets under stated assumptions. They promise nothing.',
    '',
    ...summary(outcomes),
    '',
    '## How to read this',
    '',
    '- **Out of sample**: each tape is cut into a hundred slices of equal activity; five test windows of ten slices follow each other, each after 40 slices of training and 10 of validation with one slice purged between. No parameter is chosen here: the strategies run with their defaults, start watching where training starts, and trade in the test windows only. The windows’ equity is chained; every window starts with $100,000.',
    '- **(development)**: the market maker’s quoting rules were tuned by looking at this very data. Such a row is no evidence and counts in no sum. The other data was on the disk while the strategies were written, but no default is known to have been tuned to it.',
    '- **Costs** are inside every figure: US regulatory fees and crypto taker and maker tiers, the spread when it is crossed (negative: earned by resting), slippage between the price hoped for and the price got; 500 µs of latency each way; resting orders queue behind everything shown (conservative), bars fill pessimistically. Our orders move no prices.',
    '- **Sharpe ratios** are annualised from the longest period of which there are thirty. On a few hours of data they are extrapolations, however large; the 90 % interval (stationary bootstrap) says how little is known.',
    '- **Trials** counts the configurations of that strategy tried by this script; what was tried while it was built is not in it. **Deflated Sharpe** is the probability that the true ratio exceeds what the best of so many would show by chance.',
    '- **Targets**: Sharpe 2.0, win rate 52 %, mean win over mean loss 1.5, drawdown 5 % at most. *met* and *missed* only where the whole interval and enough data say so, else *open*.',
    '- **Baselines** run on the same windows without limits: buy-and-hold, random entries (the same costs), and doing nothing, which returns 0.',
    '',
    ...NAMES.flatMap(name => sectionOf(name, outcomes)),
    '## Not tried',
    '',
    '- SHFE rebar futures: quoted in yuan, which no account here holds.',
    '- Triangles on books: the shared data has no three books of one triangle at one time; bars hold no executable quote, so the strategy stays silent on them by design; what their closes would have given is counted.',
    '',
    '## Made of',
    '',
    '| data | strategy | events | data hash | journal hash | seconds |',
    '|---|---|---:|---|---|---:|',
    ...outcomes.map(outcome =>
      outcome.kind === 'done'
        ? `| ${MARKETS[outcome.market].name} | ${outcome.strategy} | ${outcome.result.events} | \`${outcome.result.dataHash.slice(0, 12)}\` | \`${outcome.result.journalHash.slice(0, 12)}\` | ${outcome.seconds.toFixed(0)} |`
        : `| ${MARKETS[outcome.market].name} | ${outcome.strategy} | – | – | – | ${outcome.seconds.toFixed(0)} |`,
    ),
    '',
  ].join('\n')}`

const only = process.argv[2]
const outcomes: Outcome[] = []
try {
  if (!existsSync(data)) throw new Error(`there is no market data in ${data}: set GPI_TEST_DATA`)
  for (const [k, run] of RUNS.entries()) {
    if (only !== undefined && !`${run.strategy} ${run.market}`.includes(only)) continue
    process.stderr.write(`${k + 1} of ${RUNS.length}: ${run.strategy} on ${MARKETS[run.market].name}\n`)
    const outcome = await execute(run)
    if (outcome === undefined) process.stderr.write('  left out: its files are missing\n')
    else {
      outcomes.push(outcome)
      process.stderr.write(`  ${outcome.seconds.toFixed(0)} s${outcome.kind === 'failed' ? `: ${outcome.why}` : ''}\n`)
    }
  }
  const text = page(outcomes)
  const file = path.join(root, 'docs/results.md')
  if (only !== undefined) process.stdout.write(text)
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text)
} finally {
  rmSync(work, {recursive: true, force: true})
}
