import type {StoredPattern} from './pattern.ts'

interface StrategyCount {
  readonly count: number
  readonly uses: number
  /** Over patterns that have an outcome. */
  readonly meanBps: number
}

/** What the documents say of themselves. */
export interface PatternCount {
  readonly count: number
  readonly hot: number
  readonly cold: number
  /** Patterns that have no outcome yet. */
  readonly pending: number
  /** Event time of the newest use; 0 for none. */
  readonly lastUseUs: number
  readonly byStrategy: Readonly<Record<string, StrategyCount>>
}

export interface MemoryStats extends PatternCount {
  readonly capacity: number
  readonly coldCapacity: number
  readonly dimension: number
  readonly index: string
  /** Resident bytes of the hot index and of the cold tier's codes. Documents are not counted. */
  readonly bytes: number
  readonly coldBytes: number
  readonly searches: number
  /** Searches since the bank was opened that asked the cold tier too, and patterns that became hot by being used. */
  readonly coldSearches: number
  readonly promoted: number
  /** Share of the searches that found evidence, that is, did not abstain; 0 before the first. */
  readonly hitRate: number
}

export const countPatterns = (patterns: Iterable<StoredPattern>): PatternCount => {
  const byStrategy = new Map<string, {count: number; uses: number; meanBps: number; observed: number}>()
  let [count, pending, hot, lastUseUs] = [0, 0, 0, 0]
  for (const {strategy, observations, tier, uses, ...pattern} of patterns) {
    const group = byStrategy.get(strategy) ?? {count: 0, uses: 0, meanBps: 0, observed: 0}
    byStrategy.set(strategy, group)
    count++
    group.count++
    group.uses += uses
    group.meanBps += observations.reduce((total, {pnlBps}) => total + pnlBps / observations.length, 0)
    if (observations.length === 0) pending++
    else group.observed++
    if (tier === 'hot') hot++
    lastUseUs = Math.max(lastUseUs, pattern.lastUseUs)
  }
  const means = [...byStrategy].map(([strategy, {observed, meanBps, ...group}]) => {
    return [strategy, {...group, meanBps: meanBps / Math.max(observed, 1)}] as const
  })
  return {count, hot, cold: count - hot, pending, lastUseUs, byStrategy: Object.fromEntries(means)}
}
