// Indices run below lengths read in the same function, so `!` cannot miss here.
import type {MetricsDetail} from './metrics.ts'
import {gapsOf} from './returns.ts'
import type {DeflationResult} from './trial-log.ts'

export interface ReviewInput {
  readonly metrics: MetricsDetail
  readonly tsUs: ArrayLike<number>
  readonly equityMicros: ArrayLike<number>
  readonly tripPnlMicros: ArrayLike<number>
  readonly feesMicros: number
  readonly tradedMicros: number
  readonly ledgerErrorMicros: number
  /** Whether the run was tried for look-ahead, and whether its parameters were chosen on this very data. */
  readonly deflation?: DeflationResult
  readonly stopped?: string
  /** Orders sent, and how often each rule of risk made one smaller, kept one back or closed a position. */
  readonly orders?: number
  readonly limited?: {
    readonly resized: ReadonlyMap<string, number>
    readonly refused: ReadonlyMap<string, number>
    readonly closed: ReadonlyMap<string, number>
  }
  /** Assumptions kinder than a market is, in words. */
  readonly idealised?: readonly string[]
  /** Profit of closed trades by instrument. */
  readonly instrumentPnlMicros?: readonly {readonly symbol: string; readonly pnlMicros: number}[]
  /** Total return of buying and holding on the same tape. */
  readonly holdReturn?: number
}

/** One thing a careful reviewer would say before believing the figures. */
export interface Remark {
  readonly code:
    | 'LEDGER_ERROR'
    | 'STOPPED_EARLY'
    | 'RUINED'
    | 'NO_TRADES'
    | 'FEW_TRADES'
    | 'SHORT_HISTORY'
    | 'GAPS'
    | 'NO_COSTS'
    | 'LIMITED'
    | 'ONE_LUCKY_DAY'
    | 'ONE_LUCKY_TRADE'
    | 'SHARPE_NOT_ABOVE_ZERO'
    | 'THIN_EDGE'
    | 'MANY_TRIALS'
    | 'TOO_GOOD'
    | 'IDEAL_EXECUTION'
    | 'ONE_INSTRUMENT'
    | 'FADING'
    | 'BEATEN_BY_HOLDING'
  readonly text: string
}

const DAY_US = 86_400e6

/** Warnings, the gravest first; an empty list is no praise. */
export const review = (input: ReviewInput): Remark[] => {
  const {metrics, tripPnlMicros, feesMicros, tradedMicros} = input
  const n = input.equityMicros.length
  const profit = n > 0 ? input.equityMicros[n - 1]! - input.equityMicros[0]! : 0
  const remarks: Remark[] = []
  const say = (isTrue: boolean, code: Remark['code'], text: string): void => {
    if (isTrue) remarks.push({code, text})
  }
  say(
    input.ledgerErrorMicros !== 0,
    'LEDGER_ERROR',
    `the ledger is off by ${input.ledgerErrorMicros} micros: no figure can be trusted`,
  )
  say(input.stopped !== undefined, 'STOPPED_EARLY', `trading ended early: ${input.stopped}`)
  say(
    metrics.maxDrawdown >= 1,
    'RUINED',
    'equity fell to zero or below: a broker would have closed the account before, and no ratio says more than that',
  )
  say(metrics.trades === 0, 'NO_TRADES', 'nothing was closed: rates and ratios of trades are undefined')
  say(
    metrics.trades > 0 && metrics.trades < 30,
    'FEW_TRADES',
    `${metrics.trades === 1 ? '1 closed trade says' : `${metrics.trades} closed trades say`} little: a win rate of so few has a wide interval`,
  )
  say(
    metrics.days < 20,
    'SHORT_HISTORY',
    `${metrics.days} day${metrics.days === 1 ? '' : 's'} of data: annual figures are extrapolations, one regime at best`,
  )
  const [gap, ...gaps] = gapsOf(input.tsUs).toSorted((a, b) => b.toUs - b.fromUs - (a.toUs - a.fromUs))
  say(
    gap !== undefined,
    'GAPS',
    `the data stop from ${dayOf(gap?.fromUs ?? 0)} to ${dayOf(gap?.toUs ?? 0)}${gaps.length === 0 ? '' : ` and ${gaps.length} time${gaps.length === 1 ? '' : 's'} more`}: what was held over it gained or lost in one period what the market did meanwhile`,
  )
  say(feesMicros === 0 && tradedMicros > 0, 'NO_COSTS', 'no fees were paid: check that the fee schedule is the venue’s')
  const shaped = limitsText(input)
  say(
    shaped !== undefined,
    'LIMITED',
    `risk’s limits shaped this run, so that it is not the strategy’s own: ${shaped} (risk in the configuration)`,
  )
  const bestDay = largestDay(input)
  say(
    profit > 0 && metrics.days >= 3 && bestDay > profit / 2,
    'ONE_LUCKY_DAY',
    `the best day made ${share(bestDay, profit)} of the profit`,
  )
  const bestTrade = Array.from(tripPnlMicros).reduce((best, p) => Math.max(best, p), 0)
  say(
    profit > 0 && metrics.trades >= 5 && bestTrade > profit / 2,
    'ONE_LUCKY_TRADE',
    `the best trade made ${share(bestTrade, profit)} of the profit`,
  )
  const low = metrics.intervals.sharpe?.low
  say(
    low !== undefined && low <= 0,
    'SHARPE_NOT_ABOVE_ZERO',
    `the 90 % interval of the Sharpe ratio reaches ${low?.toFixed(2)}: chance explains it`,
  )
  const breakEvenBps = tradedMicros > 0 ? (1e4 * profit) / tradedMicros : 0
  say(
    profit > 0 && tradedMicros > 0 && breakEvenBps < 1,
    'THIN_EDGE',
    `${breakEvenBps.toFixed(2)} bp of turnover is all there is: one basis point more cost and the profit is gone`,
  )
  const {deflation} = input
  say(
    deflation !== undefined && deflation.trials > 1 && deflation.deflatedSharpe < 0.95,
    'MANY_TRIALS',
    `after ${deflation?.trials} trials the deflated Sharpe ratio is ${deflation?.deflatedSharpe.toFixed(3)}: the best of many is expected to look like this`,
  )
  say(
    (metrics.sharpe ?? 0) > 10,
    'TOO_GOOD',
    'an annualised Sharpe ratio above 10 is more often look-ahead, a cost left out or a made-up market than skill',
  )
  const {idealised = [], instrumentPnlMicros = [], holdReturn} = input
  say(
    idealised.length > 0 && tradedMicros > 0,
    'IDEAL_EXECUTION',
    `execution was kinder than a market is: ${idealised.join(', ')}`,
  )
  const top = instrumentPnlMicros.reduce((best, one) => (one.pnlMicros > best.pnlMicros ? one : best), {
    symbol: '',
    pnlMicros: 0,
  })
  const closedPnl = instrumentPnlMicros.reduce((sum, {pnlMicros}) => sum + pnlMicros, 0)
  say(
    instrumentPnlMicros.length >= 5 && closedPnl > 0 && top.pnlMicros > 0.7 * closedPnl,
    'ONE_INSTRUMENT',
    `${top.symbol} made ${share(top.pnlMicros, closedPnl)} of the profit of ${instrumentPnlMicros.length} instruments`,
  )
  const [early, late] = halves(input)
  say(
    profit > 0 && metrics.days >= 20 && early > 0 && late <= 0,
    'FADING',
    'all of the profit was made in the first half of the time: what earned it may be gone',
  )
  say(
    holdReturn !== undefined &&
      metrics.days >= 20 &&
      metrics.trades > 0 &&
      holdReturn > Math.max(0, metrics.totalReturn),
    'BEATEN_BY_HOLDING',
    `buying and holding returned ${((holdReturn ?? 0) * 100).toFixed(2)} %, this ${(metrics.totalReturn * 100).toFixed(2)} %`,
  )
  return remarks
}

/** From this share of the orders on, limits are part of what was measured. */
const LEAST_LIMITED = 0.05

/** What limits did, by rule; undefined where they hardly did anything. */
const limitsText = ({orders = 0, limited, metrics}: ReviewInput): string | undefined => {
  if (limited === undefined) return undefined
  const parts = (
    [
      [limited.resized, orders, 'order', 'made smaller'],
      [limited.refused, orders + total(limited.refused), 'order', 'refused'],
      [limited.closed, metrics.trades, 'position', 'closed'],
    ] as const
  ).flatMap(([counts, of, noun, verb]) => {
    const count = total(counts)
    if (count === 0 || count < LEAST_LIMITED * of) return []
    const [first, ...others] = [...counts].sort((a, b) => b[1] - a[1]).map(([rule]) => rule)
    const rules = others.length > 1 ? `${first} and ${others.length} others` : [first, ...others].join(' and ')
    return [`${count} ${noun}${count === 1 ? '' : 's'} ${verb} by ${rules}`]
  })
  return parts.length === 0 ? undefined : parts.join(', ')
}

const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, n) => sum + n, 0)

/** Change of equity in the first and in the second half of the samples. */
const halves = ({equityMicros}: ReviewInput): readonly [number, number] => {
  const n = equityMicros.length
  if (n < 4) return [0, 0]
  const middle = equityMicros[n >> 1]!
  return [middle - equityMicros[0]!, equityMicros[n - 1]! - middle]
}

const dayOf = (tsUs: number): string => new Date(tsUs / 1000).toISOString().slice(0, 10)

const share = (part: number, whole: number): string => `${Math.round((100 * part) / whole)} %`

const largestDay = ({tsUs, equityMicros}: ReviewInput): number => {
  let best = 0
  let dayStart = equityMicros[0] ?? 0
  for (let i = 0; i < tsUs.length; i++) {
    const isLastOfDay = i + 1 === tsUs.length || Math.floor(tsUs[i + 1]! / DAY_US) !== Math.floor(tsUs[i]! / DAY_US)
    if (!isLastOfDay) continue
    best = Math.max(best, equityMicros[i]! - dayStart)
    dayStart = equityMicros[i]!
  }
  return best
}
