// Columns are indexed inside their bounds, hence the `!`.
import type {Dataset} from './dataset.ts'

export interface Split {
  readonly train: Int32Array
  readonly valid: Int32Array
  readonly test: Int32Array
  /** Windows that belong to no part: their data or their label reaches over a boundary, or into an embargo. */
  readonly purged: number
  readonly boundaries: readonly {
    readonly symbols: readonly string[]
    readonly validUs: number
    readonly testUs: number
  }[]
}

export interface SplitOptions {
  readonly window: number
  /** Share of the time axis that ends the training and the validation part. */
  readonly trainShare?: number
  readonly validShare?: number
  /** Time left out after each boundary, in microseconds. */
  readonly embargoUs?: number
}

/**
 * Purged and embargoed split in time. Symbols whose histories overlap share their boundaries, so that no day trains on
 * one symbol and tests on another; histories apart are split each for itself. With five blocks or more a boundary is the
 * start of one.
 */
export const splitInTime = (dataset: Dataset, ends: Int32Array, options: SplitOptions): Split => {
  const {window, trainShare = 0.6, validShare = 0.2, embargoUs = 0} = options
  const parts = {train: [] as number[], valid: [] as number[], test: [] as number[]}
  const boundaries: {symbols: readonly string[]; validUs: number; testUs: number}[] = []
  let purged = 0
  for (const symbols of overlapping(dataset)) {
    const mine = ends.filter(row => symbols.has(dataset.symbol[row]!))
    if (mine.length === 0) continue
    const [validUs, testUs] = boundariesOf(dataset, mine, [trainShare, trainShare + validShare]) as [number, number]
    boundaries.push({symbols: [...symbols].map(i => dataset.symbols[i]!), validUs, testUs})
    for (const row of mine) {
      const from = dataset.tsUs[row - window + 1]!
      const to = dataset.tsUs[dataset.labelEnd[row]!]!
      if (to < validUs) parts.train.push(row)
      else if (from >= validUs + embargoUs && to < testUs) parts.valid.push(row)
      else if (from >= testUs + embargoUs) parts.test.push(row)
      else purged++
    }
  }
  return {
    train: Int32Array.from(parts.train),
    valid: Int32Array.from(parts.valid),
    test: Int32Array.from(parts.test),
    purged,
    boundaries,
  }
}

/** Walk-forward: fold k trains on everything before its test stretch, which follows that of fold k - 1. */
export const walkForward = (dataset: Dataset, ends: Int32Array, folds: number, options: SplitOptions): Split[] => {
  const {validShare = 0.2} = options
  const first = 0.4
  const step = (1 - first - validShare / 2) / folds
  return Array.from({length: folds}, (_, fold) => {
    const trainShare = first + fold * step
    const until = trainShare + validShare / 2 + step
    const split = splitInTime(dataset, ends, {...options, trainShare, validShare: validShare / 2})
    const limit = until >= 1 ? [] : splitInTime(dataset, ends, {...options, trainShare: until, validShare: 0}).test
    const later = new Set(limit)
    return {...split, test: split.test.filter(row => !later.has(row))}
  })
}

/** Groups of symbols whose time ranges touch. */
const overlapping = (dataset: Dataset): ReadonlySet<number>[] => {
  const ranges = dataset.symbols.map((_, symbol) => ({
    symbol,
    from: Number.POSITIVE_INFINITY,
    to: Number.NEGATIVE_INFINITY,
  }))
  for (let row = 0; row < dataset.tsUs.length; row++) {
    const range = ranges[dataset.symbol[row]!]!
    range.from = Math.min(range.from, dataset.tsUs[row]!)
    range.to = Math.max(range.to, dataset.tsUs[row]!)
  }
  const groups: {members: Set<number>; to: number}[] = []
  for (const {symbol, from, to} of ranges.filter(range => range.to >= range.from).sort((a, b) => a.from - b.from)) {
    const last = groups.at(-1)
    if (last !== undefined && from <= last.to) {
      last.members.add(symbol)
      last.to = Math.max(last.to, to)
    } else groups.push({members: new Set([symbol]), to})
  }
  return groups.map(group => group.members)
}

const boundariesOf = (dataset: Dataset, rows: Int32Array, shares: readonly number[]): number[] => {
  const blockStart = new Map<number, number>()
  for (const row of rows) {
    const block = dataset.block[row]!
    // The first row of the block, not its first full window: nothing of it may be left on the other side.
    blockStart.set(block, Math.min(blockStart.get(block) ?? Number.POSITIVE_INFINITY, dataset.tsUs[row]!))
  }
  const starts = [...blockStart].sort(([a], [b]) => a - b)
  if (starts.length >= 5) {
    return shares.map(share => {
      const at = starts[Math.min(starts.length - 1, Math.max(1, Math.round(starts.length * share)))]!
      return firstOfBlock(dataset, at[0], at[1])
    })
  }
  const times = Float64Array.from(rows, row => dataset.tsUs[row]!).sort()
  return shares.map(share => times[Math.min(times.length - 1, Math.floor(times.length * share))]!)
}

const firstOfBlock = (dataset: Dataset, block: number, known: number): number => {
  let first = known
  for (let row = 0; row < dataset.block.length; row++) {
    if (dataset.block[row] === block && dataset.tsUs[row]! < first) first = dataset.tsUs[row]!
  }
  return first
}
