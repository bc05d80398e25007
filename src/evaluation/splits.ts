/** Half-open range of observation indices. */
export interface Range {
  readonly from: number
  readonly to: number
}
export interface WalkForwardSplit {
  readonly train: Range
  readonly validate: Range
  readonly test: Range
}
export interface WalkForwardOptions {
  readonly observations: number
  readonly train: number
  readonly validate: number
  readonly test: number
  /** Observations whose outcome reaches into the next part: dropped from the end of train and of validate. */
  readonly purge?: number
  /** Observations after a test part that the next training part leaves out (only when it is anchored past it). */
  readonly embargo?: number
  /** Training always starts at the first observation instead of moving along. */
  readonly isAnchored?: boolean
}

/**
 * Consecutive train → validate → test windows that step by one test length, so each observation is tested at most once and
 * never before it was possible to train for it. Empty when the data are too short for one window.
 */
export const walkForwardSplits = (options: WalkForwardOptions): WalkForwardSplit[] => {
  const {observations, train, validate, test, purge = 0, embargo = 0, isAnchored = false} = options
  if (train < 1 || test < 1 || validate < 0 || purge < 0 || embargo < 0)
    throw new RangeError(`window lengths must be positive, were train ${train}, validate ${validate}, test ${test}`)
  const splits: WalkForwardSplit[] = []
  const lead = train + validate + 2 * purge
  for (let testFrom = lead; testFrom + 1 <= observations; testFrom += test + embargo) {
    const validateTo = testFrom - purge
    const validateFrom = validateTo - validate
    const trainTo = validateFrom - purge
    const testTo = Math.min(observations, testFrom + test)
    if (testTo - testFrom < Math.ceil(test / 2)) break
    splits.push({
      train: {from: isAnchored ? 0 : trainTo - train, to: trainTo},
      validate: {from: validateFrom, to: validateTo},
      test: {from: testFrom, to: testTo},
    })
  }
  return splits
}

export interface CombinatorialSplit {
  /** Groups tested in this split. */
  readonly groups: readonly number[]
  readonly test: readonly Range[]
  /** Everything else, less what purge and embargo remove. */
  readonly train: readonly Range[]
}

/**
 * Combinatorial purged cross-validation (López de Prado 2018, ch. 12): N groups, every choice of k as test; C(N,k) splits
 * make C(N,k)·k/N paths. `purge` observations before each test block and `purge + embargo` after it leave the training set.
 */
export const combinatorialSplits = (
  observations: number,
  {
    groups,
    testGroups,
    purge = 0,
    embargo = 0,
  }: {
    readonly groups: number
    readonly testGroups: number
    readonly purge?: number
    readonly embargo?: number
  },
): CombinatorialSplit[] => {
  if (testGroups < 1 || testGroups >= groups || groups > observations)
    throw new RangeError(`need 1 ≤ testGroups < groups ≤ observations, were ${testGroups}, ${groups}, ${observations}`)
  const edges = Array.from({length: groups + 1}, (_, g) => Math.floor((g * observations) / groups))
  const rangeOf = (g: number): Range => ({from: edges[g] as number, to: edges[g + 1] as number})
  return combinations(groups, testGroups).map(chosen => {
    const test = mergeRanges(chosen.map(rangeOf))
    const blocked = test.map(r => ({from: r.from - purge, to: r.to + purge + embargo}))
    return {groups: chosen, test, train: complement(blocked, observations)}
  })
}

/** C(N,k)·k/N. */
export const pathCount = (groups: number, testGroups: number): number =>
  (combinations(groups, testGroups).length * testGroups) / groups

/** All k-element subsets of 0…n−1 in lexicographic order. */
export const combinations = (n: number, k: number): number[][] => {
  const out: number[][] = []
  const extend = (from: number, chosen: readonly number[]): void => {
    if (chosen.length === k) {
      out.push([...chosen])
      return
    }
    for (let i = from; i <= n - (k - chosen.length); i++) extend(i + 1, [...chosen, i])
  }
  extend(0, [])
  return out
}

const mergeRanges = (ranges: readonly Range[]): Range[] => {
  const out: Range[] = []
  for (const range of ranges) {
    const last = out.at(-1)
    if (last !== undefined && last.to === range.from) out[out.length - 1] = {from: last.from, to: range.to}
    else out.push(range)
  }
  return out
}

const complement = (blocked: readonly Range[], observations: number): Range[] => {
  const out: Range[] = []
  let from = 0
  for (const block of blocked) {
    if (block.from > from) out.push({from, to: block.from})
    from = Math.max(from, block.to)
  }
  if (from < observations) out.push({from, to: observations})
  return out
}
