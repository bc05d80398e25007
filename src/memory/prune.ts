import {AXES, NearCopies} from './near-copies.ts'
import {lowerBoundBps, type OutcomeAssumptions, outcomeAsOf, withObservations} from './outcome.ts'
import type {StoredPattern} from './pattern.ts'
import {principalAxes} from './principal-axes.ts'

export interface PruneOptions extends OutcomeAssumptions {
  /** Event time of pruning; outcomes known later do not count. */
  readonly nowUs: number
  /** Patterns that stay hot, and how many more are kept cold. */
  readonly capacity: number
  readonly coldCapacity: number
  /** Patterns neither decided, used nor observed for longer than this are dropped. */
  readonly maxAgeUs: number
  /** Of two patterns of one symbol, strategy and regime nearer than this (1 - similarity), the older takes both's outcomes. */
  readonly minDistance: number
  /** Standard errors below the mean at which profit is judged. */
  readonly z: number
  /** Patterns used as evidence this recently stay hot before all others: they are near what the market does now. */
  readonly usedWithinUs: number
  /** Drops patterns whose lower bound is below this even when there is room; -Infinity keeps them. */
  readonly floorBps: number
}

export const defaultPruneOptions = {
  coldCapacity: 90_000,
  maxAgeUs: 730 * 86_400_000_000,
  minDistance: 0.005,
  z: 1,
  usedWithinUs: 86_400_000_000,
  floorBps: Number.NEGATIVE_INFINITY,
} as const

export type PruneDecision = {
  readonly id: string
  readonly lowerBoundBps: number
  readonly detail: string
} & (
  | {readonly action: 'evict'; readonly reason: 'expired' | 'unprofitable' | 'capacity'}
  | {readonly action: 'evict'; readonly reason: 'redundant'; readonly keptId: string}
  | {readonly action: 'demote' | 'promote'; readonly reason: 'capacity'}
)

export interface PrunePlan {
  readonly decisions: readonly PruneDecision[]
  /** Mean P&L over observed patterns in the hot tier, before and after: keeping what paid makes the rest look better than it was. */
  readonly meanBpsBefore: number
  readonly meanBpsAfter: number
}

/**
 * What a prune would do, pattern by pattern, in a fixed order: age, redundancy, the floor, then a ranking of all the rest
 * by recent use and the lower confidence bound of profit, the best `capacity` hot and the next `coldCapacity` cold.
 */
export const planPrune = (patterns: Iterable<StoredPattern>, options: PruneOptions): PrunePlan => {
  const steps = planPruneInSteps(patterns, options)
  for (;;) {
    const {done, value} = steps.next()
    if (done === true) return value
  }
}

/** How many patterns have been compared with those like them. */
export interface PruneProgress {
  readonly compared: number
  readonly total: number
}

/** Patterns compared between two rests. */
const STRETCH = 256

/** `planPrune` with a rest every few milliseconds, for whoever wants to show progress or to be able to stop it. */
export function* planPruneInSteps(
  patterns: Iterable<StoredPattern>,
  options: PruneOptions,
): Generator<PruneProgress, PrunePlan> {
  const judged = [...patterns].map(pattern => judge(pattern, options))
  const decisions: PruneDecision[] = []
  const fresh = judged.filter(item => !dropExpired(item, options, decisions))
  const distinct = yield* dropRedundant(fresh, options, decisions)
  const paying = distinct.filter(item => !dropUnprofitable(item, options, decisions))
  rank(paying, options, decisions)
  const leavesHot = new Set(decisions.filter(({action}) => action !== 'promote').map(({id}) => id))
  const entersHot = new Set(decisions.filter(({action}) => action === 'promote').map(({id}) => id))
  return {
    decisions,
    meanBpsBefore: meanBps(judged.filter(({pattern}) => pattern.tier === 'hot')),
    meanBpsAfter: meanBps(
      paying.filter(({pattern: {id, tier}}) => (tier === 'hot' && !leavesHot.has(id)) || entersHot.has(id)),
    ),
  }
}

export interface Judged {
  readonly pattern: StoredPattern
  readonly count: number
  readonly mean: number
  readonly bound: number
  readonly lastSignUs: number
  readonly isInUse: boolean
}

export const judge = (pattern: StoredPattern, options: PruneOptions): Judged => {
  const outcome = outcomeAsOf(pattern.observations, options.nowUs, options.halfLifeUs)
  return {
    pattern,
    count: outcome.count,
    mean: outcome.mean,
    // Unknown yet: as if one use had broken even, so a newcomer outlives a proven loser and yields to a proven winner.
    bound: outcome.count === 0 ? -options.z * options.priorSdBps : lowerBoundBps(outcome, options, options.z),
    lastSignUs: Math.max(pattern.tsUs, pattern.lastUseUs, outcome.lastAtUs),
    isInUse: pattern.lastUseUs > 0 && options.nowUs - pattern.lastUseUs <= options.usedWithinUs,
  }
}

const days = (us: number): string => `${(us / 86_400_000_000).toFixed(1)} days`
const bps = (value: number): string => `${value.toFixed(1)} bps`

/** Quiet for longer than the limit. */
export const isExpired = ({lastSignUs}: Judged, {nowUs, maxAgeUs}: PruneOptions): boolean =>
  nowUs - lastSignUs > maxAgeUs

/** Negative where `a` is kept before `b`. */
export const compareWorth = (a: Judged, b: Judged): number =>
  Number(b.isInUse) - Number(a.isInUse) ||
  b.bound - a.bound ||
  b.lastSignUs - a.lastSignUs ||
  (a.pattern.id < b.pattern.id ? -1 : 1)

const dropExpired = (item: Judged, options: PruneOptions, out: PruneDecision[]): boolean => {
  if (!isExpired(item, options)) return false
  const age = options.nowUs - item.lastSignUs
  const detail = `last decided, used or observed ${days(age)} ago, the limit is ${days(options.maxAgeUs)}`
  out.push({id: item.pattern.id, action: 'evict', reason: 'expired', lowerBoundBps: item.bound, detail})
  return true
}

const dropUnprofitable = ({pattern, bound, count}: Judged, options: PruneOptions, out: PruneDecision[]): boolean => {
  if (count === 0 || bound >= options.floorBps) return false
  const detail = `lower bound ${bps(bound)} after ${count} uses, the floor is ${bps(options.floorBps)}`
  out.push({id: pattern.id, action: 'evict', reason: 'unprofitable', lowerBoundBps: bound, detail})
  return true
}

/**
 * The older of two near copies stays: every outcome of the newer one was known after it, so it may take them all over
 * and no evidence is lost. From the oldest on, a pattern that no older one stands for takes out all newer ones near it.
 */
function* dropRedundant(
  items: readonly Judged[],
  options: PruneOptions,
  out: PruneDecision[],
): Generator<PruneProgress, Judged[]> {
  if (options.minDistance <= 0) return [...items]
  const alike = groups(items)
  const [total, largest] = [items.length, Math.max(0, ...alike.map(({length}) => length))]
  const axes = principalAxes(
    items.map(({pattern}) => pattern.vector),
    AXES,
  )
  yield {compared: 0, total}
  const near = new NearCopies(largest, axes, options.minDistance)
  const kept: Judged[] = []
  let compared = 0
  for (const group of alike) {
    const byAge = group.toSorted((a, b) => a.pattern.tsUs - b.pattern.tsUs || (a.pattern.id < b.pattern.id ? -1 : 1))
    const gone = new Uint8Array(byAge.length)
    const loading = near.load(byAge.map(({pattern}) => pattern.vector))
    while (loading.next().done !== true) yield {compared, total}
    for (const [row, item] of byAge.entries()) {
      if (++compared % STRETCH === 0) yield {compared, total}
      if (gone[row] === 1) continue
      const copies = near.take(row)
      for (const {row: copy, similarity} of copies) {
        gone[copy] = 1
        out.push(redundant(byAge[copy] as Judged, item.pattern.id, similarity))
      }
      kept.push(
        copies.length === 0
          ? item
          : withOutcomesOf(
              item,
              copies.map(({row: copy}) => byAge[copy] as Judged),
              options,
            ),
      )
    }
  }
  return kept
}

/** Judged by all that it will stand for. */
const withOutcomesOf = ({pattern}: Judged, copies: readonly Judged[], options: PruneOptions): Judged => {
  const added = copies.flatMap(({pattern: {observations}}) => observations)
  return judge({...pattern, observations: withObservations(pattern.observations, added)}, options)
}

const redundant = ({pattern, count, bound}: Judged, keptId: string, similarity: number): PruneDecision => ({
  ...{id: pattern.id, action: 'evict', reason: 'redundant', lowerBoundBps: bound, keptId},
  detail: `similarity ${similarity.toFixed(4)} to ${keptId}, which takes over its ${count} outcomes`,
})

const groups = (items: readonly Judged[]): Judged[][] => {
  const found = new Map<string, Judged[]>()
  for (const item of items) {
    const {symbol, strategy, regime} = item.pattern
    const name = JSON.stringify([symbol, strategy, regime])
    const group = found.get(name)
    if (group === undefined) found.set(name, [item])
    else group.push(item)
  }
  return [...found.values()]
}

const rank = (items: readonly Judged[], options: PruneOptions, out: PruneDecision[]): void => {
  const ranked = items.toSorted(compareWorth)
  const {capacity, coldCapacity} = options
  for (const [place, {pattern, bound}] of ranked.entries()) {
    const tier = place < capacity ? 'hot' : place < capacity + coldCapacity ? 'cold' : 'gone'
    // Nearly all stay where they are; a bank that prunes itself should not pay for words about them.
    if (tier === pattern.tier) continue
    const detail = `place ${place + 1} of ${ranked.length} by lower bound (${bps(bound)}), room for ${capacity}`
    const of = {id: pattern.id, lowerBoundBps: bound, reason: 'capacity'} as const
    if (tier === 'hot') out.push({...of, action: 'promote', detail})
    else if (tier === 'cold') out.push({...of, action: 'demote', detail})
    else out.push({...of, action: 'evict', detail: `${detail} hot and ${coldCapacity} cold`})
  }
}

const meanBps = (items: readonly Judged[]): number => {
  const observed = items.filter(({count}) => count > 0)
  return observed.length === 0 ? 0 : observed.reduce((total, {mean}) => total + mean, 0) / observed.length
}
