import type {JournalEntry} from '../broker/journal.ts'
import type {Fill, OrderIntent} from '../domain/order.ts'
import {sign} from '../domain/units.ts'
import {sortedQuantile} from '../evaluation/bootstrap.ts'

export interface ComparedTrade {
  readonly symbol: string
  readonly strategy: string
  readonly side: 'buy' | 'sell'
  readonly decidedUs: number
  /** Filled of either order; less live was filled in part only. */
  readonly backtestLots: number
  readonly liveLots: number
  readonly backtestTicks: number
  readonly liveTicks: number
  /** What the live fill cost more than the back-test's, bps of its price; negative is better. */
  readonly slippageBps: number
  /** From the decision to the first fill, live less back-test, microseconds. */
  readonly latencyUs: number
  /** How much later in market time the live node decided; negative is earlier. */
  readonly decidedLaterUs: number
}
export interface Comparison {
  /** Market time that both have; orders decided outside of it are left out. Null without any. */
  readonly from: string | null
  readonly to: string | null
  /** Filled orders outside of it. */
  readonly outside: {readonly backtest: number; readonly live: number}
  readonly matched: number
  /** Orders that filled in the back-test and not live, and the other way round. */
  readonly missed: readonly Unmatched[]
  readonly extra: readonly Unmatched[]
  readonly meanSlippageBps: number | null
  readonly medianLatencyUs: number | null
  readonly medianDecidedLaterUs: number | null
  /** Why the two hardly compare, when they do not: other instruments, strategies or times. */
  readonly notes: readonly string[]
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

/** Market time of the tape that the back-test replayed. */
export interface ReplayedSpan {
  readonly fromUs: number
  readonly toUs: number
}
type Entries = Iterable<{readonly entry: JournalEntry}>

/**
 * Two decisions of one strategy, instrument and side may be the same one when they are no further apart in market time than
 * half the usual time between such decisions of the back-test, within these bounds: a live node at a hurried clock, or one
 * that waits for a bar, decides later.
 */
const SAME_DECISION_US = {least: 2_000_000, most: 900_000_000}

/**
 * Pairs the filled orders of two journals by strategy, symbol, side and time of decision, nearest first, each at most once,
 * over the market time that both have.
 */
export const compareJournals = (
  backtest: Entries,
  live: Entries,
  replayed: ReplayedSpan = {fromUs: Number.NEGATIVE_INFINITY, toUs: Number.POSITIVE_INFINITY},
): Comparison => {
  const [expected, actual] = [executedOf(backtest), executedOf(live)]
  const {least} = SAME_DECISION_US
  const fromUs = Math.max(replayed.fromUs, actual.fromUs)
  const toUs = Math.min(replayed.toUs, actual.toUs)
  const isInside = ({intent}: Executed): boolean =>
    intent.decidedUs >= fromUs - least && intent.decidedUs <= toUs + least
  const [wanted, had] = [expected.orders.filter(isInside), actual.orders.filter(isInside)]
  const pairs = pairsOf(wanted, had)
  const taken = new Set(pairs.flat())
  const trades = pairs.map(([one, other]) => compared(one, other)).sort((a, b) => a.decidedUs - b.decidedUs)
  return {
    from: fromUs <= toUs ? isoOf(fromUs) : null,
    to: fromUs <= toUs ? isoOf(toUs) : null,
    outside: {backtest: expected.orders.length - wanted.length, live: actual.orders.length - had.length},
    matched: trades.length,
    missed: wanted.filter(one => !taken.has(one)).map(unmatched),
    extra: had.filter(one => !taken.has(one)).map(unmatched),
    meanSlippageBps: trades.length === 0 ? null : trades.reduce((sum, t) => sum + t.slippageBps, 0) / trades.length,
    medianLatencyUs: medianOf(trades.map(t => t.latencyUs)),
    medianDecidedLaterUs: medianOf(trades.map(t => t.decidedLaterUs)),
    notes: notesOn(expected, actual, replayed),
    trades,
  }
}

const medianOf = (values: readonly number[]): number | null =>
  values.length === 0
    ? null
    : sortedQuantile(
        values.toSorted((a, b) => a - b),
        0.5,
      )
const isoOf = (us: number): string | null => (Number.isFinite(us) ? new Date(us / 1000).toISOString() : null)

/** Nearest in time first, so that no order takes the partner of one that is nearer to it. */
const pairsOf = (expected: readonly Executed[], actual: readonly Executed[]): (readonly [Executed, Executed])[] => {
  const keyOf = ({symbol, intent}: Executed): string => `${symbol}\n${intent.strategy}\n${intent.side}`
  const others = Map.groupBy(actual, keyOf)
  const near: {readonly apart: number; readonly pair: readonly [Executed, Executed]}[] = []
  for (const [key, ones] of Map.groupBy(expected, keyOf)) {
    const candidates = (others.get(key) ?? []).toSorted(byDecision)
    const most = toleranceOf(ones)
    let first = 0
    for (const one of ones.toSorted(byDecision)) {
      const atUs = one.intent.decidedUs
      while (first < candidates.length && (candidates[first] as Executed).intent.decidedUs < atUs - most) first++
      for (let k = first; k < candidates.length; k++) {
        const other = candidates[k] as Executed
        const apart = Math.abs(other.intent.decidedUs - atUs)
        if (other.intent.decidedUs > atUs + most) break
        near.push({apart, pair: [one, other]})
      }
    }
  }
  const taken = new Set<Executed>()
  return near
    .sort((a, b) => a.apart - b.apart)
    .flatMap(({pair}) => {
      if (pair.some(one => taken.has(one))) return []
      for (const one of pair) taken.add(one)
      return [pair]
    })
}

const byDecision = (a: Executed, b: Executed): number => a.intent.decidedUs - b.intent.decidedUs

const toleranceOf = (orders: readonly Executed[]): number => {
  const times = orders.map(({intent}) => intent.decidedUs).sort((a, b) => a - b)
  const gaps = times.slice(1).map((atUs, k) => atUs - (times[k] as number))
  const {least, most} = SAME_DECISION_US
  return Math.min(most, Math.max(least, (medianOf(gaps) ?? Number.POSITIVE_INFINITY) / 2))
}

const notesOn = (expected: Executions, actual: Executions, {fromUs, toUs}: ReplayedSpan): string[] => {
  if (actual.orders.length === 0) return ['the journal has no order that filled']
  const differing = (what: string, of: (one: Executed) => string): string[] => {
    const [ours, theirs] = [new Set(expected.orders.map(of)), new Set(actual.orders.map(of))]
    return expected.orders.length === 0 || [...ours].some(name => theirs.has(name))
      ? []
      : [`the journal has orders of the ${what} ${listed(theirs)}, the back-test of ${listed(ours)}`]
  }
  return [
    ...(actual.toUs < fromUs || actual.fromUs > toUs
      ? [
          `no market time in common: the journal is of ${isoOf(actual.fromUs)} to ${isoOf(actual.toUs)}, the back-test of ${isoOf(fromUs)} to ${isoOf(toUs)}`,
        ]
      : []),
    ...differing('instruments', ({symbol}) => symbol),
    ...differing('strategies', ({intent}) => intent.strategy),
  ]
}

const listed = (names: ReadonlySet<string>): string => {
  const all = [...names].sort()
  return all.length <= 4 ? all.join(', ') : `${all.slice(0, 4).join(', ')} and ${all.length - 4} more`
}

/** Filled orders of a journal, and the market time that it covers. */
interface Executions {
  readonly orders: readonly Executed[]
  readonly fromUs: number
  readonly toUs: number
}

const executedOf = (entries: Entries): Executions => {
  const orders = new Map<string, Executed>()
  let [fromUs, toUs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const {entry} of entries) {
    // Not every kind of entry has a time.
    const {tsUs} = entry as {readonly tsUs?: number}
    if (tsUs !== undefined) [fromUs, toUs] = [Math.min(fromUs, tsUs), Math.max(toUs, tsUs)]
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
  return {orders: [...orders.values()].filter(({lots}) => lots > 0), fromUs, toUs}
}

const addFill = (order: Executed | undefined, fill: Fill): void => {
  if (order === undefined) return
  if (order.lots === 0) order.firstUs = fill.tsUs
  order.lots += fill.lots
  order.valueTicks += fill.lots * fill.priceTicks
}

const compared = (one: Executed, other: Executed): ComparedTrade => {
  const backtestTicks = one.valueTicks / one.lots
  const liveTicks = other.valueTicks / other.lots
  return {
    symbol: one.symbol,
    strategy: one.intent.strategy,
    side: one.intent.side,
    decidedUs: other.intent.decidedUs,
    backtestLots: one.lots,
    liveLots: other.lots,
    backtestTicks,
    liveTicks,
    slippageBps: (sign(one.intent.side) * (liveTicks - backtestTicks) * 10_000) / backtestTicks,
    decidedLaterUs: other.intent.decidedUs - one.intent.decidedUs,
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
