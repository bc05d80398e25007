import type {JournalEntry} from '../broker/journal.ts'
import type {Fill, OrderIntent} from '../domain/order.ts'
import {sign} from '../domain/units.ts'

export interface ComparedTrade {
  readonly symbol: string
  readonly strategy: string
  readonly side: 'buy' | 'sell'
  readonly decidedUs: number
  readonly backtestTicks: number
  readonly liveTicks: number
  /** What the live fill cost more than the back-test's, bps of its price; negative is better. */
  readonly slippageBps: number
  /** From the decision to the first fill, live less back-test, microseconds. */
  readonly latencyUs: number
}
export interface Comparison {
  readonly matched: number
  /** Orders that filled in the back-test and not live, and the other way round. */
  readonly missed: readonly Unmatched[]
  readonly extra: readonly Unmatched[]
  readonly meanSlippageBps: number | null
  readonly medianLatencyUs: number | null
  readonly trades: readonly ComparedTrade[]
}
export interface Unmatched {
  readonly symbol: string
  readonly strategy: string
  readonly side: 'buy' | 'sell'
  readonly decidedUs: number
  readonly lots: number
}

interface Executed {
  readonly intent: OrderIntent
  readonly symbol: string
  lots: number
  valueTicks: number
  firstUs: number
}

/** Decisions of one strategy, instrument and side closer than this in market time are the same decision. */
const SAME_DECISION_US = 2_000_000

/** Pairs the filled orders of two journals by strategy, symbol, side and time of decision, each at most once. */
export const compareJournals = (
  backtest: Iterable<{readonly entry: JournalEntry}>,
  live: Iterable<{readonly entry: JournalEntry}>,
): Comparison => {
  const expected = executedOf(backtest)
  const actual = executedOf(live)
  const trades: ComparedTrade[] = []
  const missed: Unmatched[] = []
  const taken = new Set<Executed>()
  for (const one of expected) {
    const other = nearestOf(one, actual, taken)
    if (other === undefined) missed.push(unmatched(one))
    else {
      taken.add(other)
      trades.push(compared(one, other))
    }
  }
  return {
    matched: trades.length,
    missed,
    extra: actual.filter(one => !taken.has(one)).map(unmatched),
    meanSlippageBps: trades.length === 0 ? null : trades.reduce((sum, t) => sum + t.slippageBps, 0) / trades.length,
    medianLatencyUs:
      trades.length === 0 ? null : (trades.map(t => t.latencyUs).sort((a, b) => a - b)[trades.length >> 1] as number),
    trades,
  }
}

const executedOf = (entries: Iterable<{readonly entry: JournalEntry}>): Executed[] => {
  const orders = new Map<string, Executed>()
  for (const {entry} of entries) {
    if (entry.kind === 'intent')
      orders.set(entry.intent.clientOrderId, {
        intent: entry.intent,
        symbol: entry.symbol,
        lots: 0,
        valueTicks: 0,
        firstUs: 0,
      })
    else if (entry.kind === 'report' && entry.report.kind === 'fill')
      addFill(orders.get(entry.report.fill.clientOrderId), entry.report.fill)
  }
  return [...orders.values()].filter(({lots}) => lots > 0)
}

const addFill = (order: Executed | undefined, fill: Fill): void => {
  if (order === undefined) return
  if (order.lots === 0) order.firstUs = fill.tsUs
  order.lots += fill.lots
  order.valueTicks += fill.lots * fill.priceTicks
}

const nearestOf = (one: Executed, others: readonly Executed[], taken: ReadonlySet<Executed>): Executed | undefined => {
  let best: Executed | undefined
  let distance = SAME_DECISION_US + 1
  for (const other of others) {
    const {intent} = other
    if (taken.has(other) || other.symbol !== one.symbol) continue
    if (intent.strategy !== one.intent.strategy || intent.side !== one.intent.side) continue
    const apart = Math.abs(intent.decidedUs - one.intent.decidedUs)
    if (apart >= distance) continue
    best = other
    distance = apart
  }
  return best
}

const compared = (one: Executed, other: Executed): ComparedTrade => {
  const backtestTicks = one.valueTicks / one.lots
  const liveTicks = other.valueTicks / other.lots
  return {
    symbol: one.symbol,
    strategy: one.intent.strategy,
    side: one.intent.side,
    decidedUs: other.intent.decidedUs,
    backtestTicks,
    liveTicks,
    slippageBps: (sign(one.intent.side) * (liveTicks - backtestTicks) * 10_000) / backtestTicks,
    latencyUs: other.firstUs - other.intent.decidedUs - (one.firstUs - one.intent.decidedUs),
  }
}

const unmatched = ({symbol, intent, lots}: Executed): Unmatched => ({
  symbol,
  strategy: intent.strategy,
  side: intent.side,
  decidedUs: intent.decidedUs,
  lots,
})
