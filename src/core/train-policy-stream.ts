// Samples and cells are indexed below their counts, hence the `!`.
import type {Config} from '../config/schema.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {PERIODS, periodsPerYear} from '../evaluation/returns.ts'
import type {StrategyStreams} from '../models/policy-streams.ts'
import {type FinishedRun, runBacktest} from './backtest.ts'
import {backtestSetup} from './backtest-setup.ts'
import {openSource} from './backtest-source.ts'
import {chooseStrategies} from './strategy-setup.ts'
import type {StreamSeries} from './train-policy-series.ts'

/** One strategy alone on one market, as plain data: any thread can run it. */
export interface StreamJob {
  /** Hash of all that shapes the result. */
  readonly id: string
  readonly dir: string
  readonly symbols: readonly string[]
  readonly kinds: readonly string[]
  readonly strategy: string
  readonly config: Config
}

const CAPITAL_DOLLARS = 100_000
const LATENCY_US = 500

/** Replays the market through the strategy with the whole capital, costs and latency counted. */
export const runStream = async ({dir, symbols, kinds, strategy, config: given}: StreamJob): Promise<StreamSeries> => {
  // The account's own halts are left out: a stream that ends at its first bad day would teach nothing about the rest.
  const config = {...given, risk: {...given.risk, maxDrawdown: 1, maxDailyLossDollars: Number.MAX_SAFE_INTEGER / 1e6}}
  await using opened = await openSource({data: dir, symbols, kinds, skipInvalid: false})
  const {source} = opened
  const {instruments} = source
  const idle = chooseStrategies({config, instruments, names: []}).idle.find(one => one.strategy === strategy)
  const setup = await backtestSetup({
    resolved: {config, sources: new Map(), hash: ''},
    instruments,
    names: [idle === undefined ? strategy : 'do-nothing'],
    params: [],
    capitalDollars: CAPITAL_DOLLARS,
    latencyUs: LATENCY_US,
    fees: 'us',
    queue: 'conservative',
  })
  let run: FinishedRun | undefined
  const {costs, fills} = await runBacktest({
    ...setup,
    source,
    baselines: false,
    onFinished: (_, finished) => {
      run = finished
    },
  })
  const {series, fills: executions} = run as unknown as FinishedRun
  const tsUs = Float64Array.from(series.tsUs)
  return {
    tsUs,
    equityMicros: Float64Array.from(series.equityMicros),
    grossMicros: Float64Array.from(series.grossMicros ?? []),
    tradedMicros: tradedBy(
      tsUs,
      executions.map(({fill}) => fill),
      instruments,
    ),
    costMicros: costs.feesMicros + costs.spreadMicros + costs.slippageMicros + costs.impactMicros,
    fills,
    calendar: series.calendar,
    idle: idle?.reason ?? '',
  }
}

/** Value of all fills until each sample. */
const tradedBy = (tsUs: Float64Array, fills: readonly Fill[], instruments: InstrumentTable): Float64Array => {
  const out = new Float64Array(tsUs.length)
  const ordered = fills.toSorted((a, b) => a.tsUs - b.tsUs)
  let [next, traded] = [0, 0]
  for (let i = 0; i < tsUs.length; i++) {
    for (; next < ordered.length && ordered[next]!.tsUs <= tsUs[i]!; next++) {
      const {instrument, lots, priceTicks} = ordered[next]!
      const {multiplier, priceDecimals, sizeDecimals} = instruments.at(instrument)
      traded += Math.abs(lots) * Math.abs(priceTicks) * multiplier * 10 ** (6 - priceDecimals - sizeDecimals)
    }
    out[i] = traded
  }
  return out
}

/** A market is cut into the longest periods that leave this many, or nearly as many as the shortest would. */
const WANTED_PERIODS = 500
/** What moving exposure costs where nothing was traded to measure it by, and the bounds of what is believed. */
const [COST_UNKNOWN, COST_LEAST, COST_MOST] = [2e-4, 5e-5, 5e-3]

/** The series of all strategies on one market, put on one regular grid of periods that saw the market. */
export const streamsOf = (
  market: string,
  strategies: readonly string[],
  series: readonly StreamSeries[],
): StrategyStreams => {
  const clock = series.reduce((longest, one) => (one.tsUs.length > longest.tsUs.length ? one : longest))
  const {calendar} = clock
  const finest = PERIODS[PERIODS.length - 1]!
  const wanted = Math.min(WANTED_PERIODS, 0.95 * endsOf(clock.tsUs, finest[0]).length)
  const [periodUs, period] = PERIODS.find(([length]) => endsOf(clock.tsUs, length).length >= wanted) ?? finest
  const endUs = Float64Array.from(endsOf(clock.tsUs, periodUs))
  const count = strategies.length
  const [returns, exposure, turnover] = [0, 0, 0].map(() => new Float64Array(endUs.length * count)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  for (const [s, one] of series.entries()) {
    let i = 0
    let equity = one.equityMicros[0] ?? 0
    let traded = 0
    for (let at = 0; at < endUs.length; at++) {
      while (i + 1 < one.tsUs.length && one.tsUs[i + 1]! < endUs[at]!) i++
      if (one.tsUs.length === 0) break
      const now = one.equityMicros[i]!
      returns[at * count + s] = now / equity - 1
      exposure[at * count + s] = one.grossMicros[i]! / now
      turnover[at * count + s] = (one.tradedMicros[i]! - traded) / now
      equity = now
      traded = one.tradedMicros[i]!
    }
  }
  const total = (of: (one: StreamSeries) => number): number => series.reduce((sum, one) => sum + of(one), 0)
  const traded = total(one => one.tradedMicros.at(-1) ?? 0)
  const measured = traded > 0 ? total(one => one.costMicros) / traded : COST_UNKNOWN
  return {
    market,
    strategies,
    available: series.map(({idle}) => idle === ''),
    endUs,
    period,
    periodsPerYear: periodsPerYear(periodUs, calendar),
    returns,
    exposure,
    turnover,
    costRate: Math.max(COST_LEAST, Math.min(COST_MOST, measured)),
  }
}

/** Ends of the periods in which there was a sample. */
const endsOf = (tsUs: Float64Array, periodUs: number): number[] => {
  const ends: number[] = []
  for (const at of tsUs) {
    const end = (Math.floor(at / periodUs) + 1) * periodUs
    if (ends.at(-1) !== end) ends.push(end)
  }
  return ends
}
