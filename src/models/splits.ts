// Columns are indexed inside their bounds, hence the `!`.
import type {Dataset} from './dataset.ts'
import {RowRuns} from './row-runs.ts'

export interface Split {
  readonly train: RowRuns
  readonly valid: RowRuns
  readonly test: RowRuns
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
export const splitInTime = (dataset: Dataset, ends: RowRuns, options: SplitOptions): Split => {
  const {window, trainShare = 0.6, validShare = 0.2, embargoUs = 0} = options
  const {rows} = dataset
  const groups = overlapping(dataset)
  const groupOf = dataset.symbols.map((_, symbol) => groups.findIndex(group => group.has(symbol)))
  const starts = blockStarts(dataset, ends, groupOf)
  const limits = groups.map((_, group) =>
    boundariesOf(dataset, ends, row => groupOf[rows.field(row, 'symbol')] === group, starts[group] ?? new Map(), [
      trainShare,
      trainShare + validShare,
    ]),
  )
  const parts = {train: new RowRuns(), valid: new RowRuns(), test: new RowRuns()}
  let purged = 0
  for (const row of ends) {
    const limit = limits[groupOf[rows.field(row, 'symbol')]!]
    if (limit === undefined) continue
    const [validUs, testUs] = limit as [number, number]
    const from = rows.field(row - window + 1, 'tsUs')
    const to = rows.field(rows.field(row, 'labelEnd'), 'tsUs')
    if (to < validUs) parts.train.push(row)
    else if (from >= validUs + embargoUs && to < testUs) parts.valid.push(row)
    else if (from >= testUs + embargoUs) parts.test.push(row)
    else purged++
  }
  const boundaries = groups.flatMap((group, i) => {
    const limit = limits[i]
    if (limit === undefined) return []
    return [{symbols: [...group].map(s => dataset.symbols[s]!), validUs: limit[0]!, testUs: limit[1]!}]
  })
  return {...parts, purged, boundaries}
}

/** Walk-forward: fold k trains on everything before its test stretch, which follows that of fold k - 1. */
export const walkForward = (dataset: Dataset, ends: RowRuns, folds: number, options: SplitOptions): Split[] => {
  const {validShare = 0.2} = options
  const first = 0.4
  const step = (1 - first - validShare / 2) / folds
  return Array.from({length: folds}, (_, fold) => {
    const trainShare = first + fold * step
    const until = trainShare + validShare / 2 + step
    const split = splitInTime(dataset, ends, {...options, trainShare, validShare: validShare / 2})
    if (until >= 1) return split
    const later = splitInTime(dataset, ends, {...options, trainShare: until, validShare: 0}).test
    return {...split, test: without(split.test, later)}
  })
}

/** Rows of the first list that are not in the second; both ascend. */
const without = (rows: RowRuns, removed: RowRuns): RowRuns => {
  const kept = new RowRuns()
  const others = removed[Symbol.iterator]()
  let next = others.next()
  for (const row of rows) {
    while (!next.done && next.value < row) next = others.next()
    if (next.done || next.value !== row) kept.push(row)
  }
  return kept
}

/** Groups of symbols whose time ranges touch. */
const overlapping = ({rows, symbols}: Dataset): ReadonlySet<number>[] => {
  const ranges = symbols.map((_, symbol) => ({
    symbol,
    from: Number.POSITIVE_INFINITY,
    to: Number.NEGATIVE_INFINITY,
  }))
  for (let row = 0; row < rows.length; row++) {
    const range = ranges[rows.field(row, 'symbol')]!
    const at = rows.field(row, 'tsUs')
    range.from = Math.min(range.from, at)
    range.to = Math.max(range.to, at)
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

/**
 * First instant of every block in which a group has a window. The first row of the block, not its first full window:
 * nothing of it may be left on the other side.
 */
const blockStarts = ({rows}: Dataset, ends: RowRuns, groupOf: readonly number[]): Map<number, number>[] => {
  const first = new Map<number, number>()
  for (let row = 0; row < rows.length; row++) {
    const block = rows.field(row, 'block')
    first.set(block, Math.min(first.get(block) ?? Number.POSITIVE_INFINITY, rows.field(row, 'tsUs')))
  }
  const starts: Map<number, number>[] = []
  for (const row of ends) {
    const group = groupOf[rows.field(row, 'symbol')]!
    starts[group] ??= new Map()
    const block = rows.field(row, 'block')
    starts[group].set(block, first.get(block)!)
  }
  return starts
}

const boundariesOf = (
  dataset: Dataset,
  ends: RowRuns,
  isMine: (row: number) => boolean,
  blocks: ReadonlyMap<number, number>,
  shares: readonly number[],
): number[] | undefined => {
  if (blocks.size === 0) return undefined
  const starts = [...blocks].sort(([a], [b]) => a - b)
  if (starts.length >= 5) {
    return shares.map(share => starts[Math.min(starts.length - 1, Math.max(1, Math.round(starts.length * share)))]![1])
  }
  return shares.map(share => timeAtShare(dataset, ends, isMine, share))
}

const BINS = 4096

/** The time before which this share of the rows lies, exact, by counting into ever narrower bins: no list of times. */
const timeAtShare = ({rows}: Dataset, ends: RowRuns, isMine: (row: number) => boolean, share: number): number => {
  let [low, high, total] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
  for (const row of ends) {
    if (!isMine(row)) continue
    const at = rows.field(row, 'tsUs')
    low = Math.min(low, at)
    high = Math.max(high, at)
    total++
  }
  let rank = Math.min(total - 1, Math.floor(total * share))
  while (high > low) {
    const width = Math.max(1, Math.ceil((high - low + 1) / BINS))
    const counts = new Float64Array(BINS)
    for (const row of ends) {
      const at = rows.field(row, 'tsUs')
      if (at >= low && at <= high && isMine(row)) counts[Math.floor((at - low) / width)]!++
    }
    let bin = 0
    while (rank >= counts[bin]!) rank -= counts[bin++]!
    low += bin * width
    high = Math.min(high, low + width - 1)
  }
  return low
}
