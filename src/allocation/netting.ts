/** Signed lots one strategy wants of one instrument. */
export interface StrategyTarget {
  readonly strategy: number
  readonly instrument: number
  readonly lots: number
}
export interface NetTarget {
  readonly instrument: number
  /** Signed lots the account should hold. */
  readonly lots: number
  /** Lots that cancel between strategies and need no market: the smaller of what they want long and short. */
  readonly crossedLots: number
}

/** What the account should hold when strategies want different things, instrument by instrument in ascending order. */
export const netTargets = (targets: readonly StrategyTarget[]): NetTarget[] => {
  const sums = new Map<number, {long: number; short: number}>()
  for (const {instrument, lots} of targets) {
    const sum = sums.get(instrument) ?? {long: 0, short: 0}
    if (lots > 0) sum.long += lots
    else sum.short -= lots
    sums.set(instrument, sum)
  }
  return [...sums]
    .sort(([a], [b]) => a - b)
    .map(([instrument, {long, short}]) => ({instrument, lots: long - short, crossedLots: Math.min(long, short)}))
}
