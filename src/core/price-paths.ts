// Numeric kernel: columns are sized from the instrument table and rows run below a chunk's count, so `!` cannot miss here.
import {EventKind, emptyChunk, type TapeChunk} from '../data/tape.ts'
import type {TapeSource} from '../data/tape-source.ts'
import {UserError} from '../domain/errors.ts'
import {InstrumentTable} from '../domain/instrument.ts'
import type {Rng} from '../domain/rng.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND} from '../domain/units.ts'
import type {SharedTape} from './shared-tape.ts'

const BLOCKS = [
  [US_PER_DAY, '1d'],
  [US_PER_HOUR, '1h'],
  [5 * US_PER_MINUTE, '5m'],
  [US_PER_MINUTE, '1m'],
  [10 * US_PER_SECOND, '10s'],
] as const
const LEAST_BLOCKS = 20

interface Block {
  readonly startUs: number
  readonly pieces: {readonly chunk: TapeChunk; readonly from: number; readonly to: number}[]
  rows: number
}

export interface BlockedTape {
  readonly tape: SharedTape
  readonly blockName: string
  readonly blocks: readonly Block[]
  /** Last price before each block, in ticks by instrument; 0 where there was none yet. */
  readonly priceBefore: readonly Float64Array[]
}

/**
 * Cuts a tape into the longest blocks of 1 day to 10 seconds of which there are at least twenty. Throws UserError for
 * books, orders and options: a book cannot be moved to another price, and a strike does not move with it.
 */
export const blockTape = (tape: SharedTape): BlockedTape => {
  for (const {kind, count} of tape.chunks)
    for (let row = 0; row < count; row++)
      if (kind[row]! > EventKind.bar)
        throw new UserError('PATHS_NEED_PRICES', 'price paths are made of quotes, trades and bars only', {
          hints: ['--kinds quote,trade or --kinds bar leaves books and options out'],
        })
  let cut = {blockName: '', blocks: [] as readonly Block[]}
  for (const [lengthUs, blockName] of BLOCKS) {
    cut = {blockName, blocks: cutInto(tape, lengthUs)}
    if (cut.blocks.length >= LEAST_BLOCKS) break
  }
  if (cut.blocks.length < LEAST_BLOCKS)
    throw new UserError('TOO_LITTLE_DATA', `${cut.blocks.length} blocks of ${cut.blockName} are too few to resample`, {
      hints: ['replay a longer stretch'],
    })
  const last = new Float64Array(tape.instruments.length)
  const priceBefore = cut.blocks.map(block => {
    const before = Float64Array.from(last)
    for (const {chunk, from, to} of block.pieces)
      for (let row = from; row < to; row++) {
        const price = priceOf(chunk, row)
        if (price > 0) last[chunk.instrument[row]!] = price
      }
    return before
  })
  return {tape, ...cut, priceBefore}
}

const cutInto = ({chunks}: SharedTape, lengthUs: number): Block[] => {
  const blocks: Block[] = []
  for (const chunk of chunks) {
    let from = 0
    while (from < chunk.count) {
      const startUs = Math.floor(chunk.tsUs[from]! / lengthUs) * lengthUs
      let to = from + 1
      while (to < chunk.count && chunk.tsUs[to]! < startUs + lengthUs) to++
      let block = blocks.at(-1)
      if (block?.startUs !== startUs) {
        block = {startUs, pieces: [], rows: 0}
        blocks.push(block)
      }
      block.pieces.push({chunk, from, to})
      block.rows += to - from
      from = to
    }
  }
  return blocks
}

/** Quotes with both sides, trades and bars; 0 where a row has no price. */
const priceOf = ({kind, v0, v1, v2, v3}: TapeChunk, row: number): number => {
  switch (kind[row]) {
    case EventKind.quote:
      return v2[row]! > 0 && v3[row]! > 0 ? (v0[row]! + v1[row]!) / 2 : 0
    case EventKind.trade:
      return v0[row]!
    default:
      return v3[row]!
  }
}

/**
 * One path that the market might have taken: blocks drawn by the stationary bootstrap (runs of geometric length, mean
 * the cube root of their number) take the place of the tape's own, all instruments together, so what moved together still
 * does. Prices go on from where the block before left them, times of day stay, sizes stay, quotes stay uncrossed.
 */
export const pricePath = ({tape, blocks, priceBefore}: BlockedTape, rng: Rng): TapeSource => {
  const instruments = InstrumentTable.of(tape.instruments)
  return {
    instruments,
    dataHash: () => Promise.reject(new Error('a price path has no hash: it is a function of its tape and seed')),
    chunks: async function* () {
      const increments = Float64Array.from(instruments.all(), ({incrementTicks}) => incrementTicks)
      const stay = 1 - 1 / Math.max(1, Math.cbrt(blocks.length))
      const level = new Float64Array(instruments.size)
      const chunk = emptyChunk(Math.max(...blocks.map(({rows}) => rows)))
      let drawn = rng.below(blocks.length)
      for (const {startUs} of blocks) {
        const block = blocks[drawn]!
        fill(chunk, block, {shiftUs: startUs - block.startUs, level, before: priceBefore[drawn]!, increments})
        yield chunk
        drawn = rng.uniform() < stay ? (drawn + 1) % blocks.length : rng.below(blocks.length)
      }
    },
  }
}

interface Move {
  readonly shiftUs: number
  /** Where the path stands, moved on. */
  readonly level: Float64Array
  readonly before: Float64Array
  readonly increments: Float64Array
}

const fill = (out: TapeChunk & {count: number}, block: Block, {shiftUs, level, before, increments}: Move): void => {
  // What turns the block's prices into the path's, by instrument; 0 until its first price in the block.
  const factor = new Float64Array(level.length)
  const last = new Float64Array(level.length)
  let at = 0
  for (const {chunk, from, to} of block.pieces) {
    for (let row = from; row < to; row++, at++) {
      const i = chunk.instrument[row]!
      const price = priceOf(chunk, row)
      if (factor[i] === 0) {
        const reference = before[i]! > 0 ? before[i]! : price
        factor[i] = level[i]! > 0 && reference > 0 ? level[i]! / reference : 1
      }
      if (price > 0) last[i] = price
      out.tsUs[at] = chunk.tsUs[row]! + shiftUs
      out.kind[at] = chunk.kind[row]!
      out.instrument[at] = i
      out.flags[at] = chunk.flags[row]!
      movePrices(out, at, chunk, row, factor[i]!, increments[i]!)
    }
  }
  out.count = at
  for (let i = 0; i < level.length; i++) if (last[i]! > 0) level[i] = last[i]! * factor[i]!
}

const movePrices = (
  out: TapeChunk,
  at: number,
  chunk: TapeChunk,
  row: number,
  factor: number,
  increment: number,
): void => {
  const moved = (ticks: number): number =>
    ticks > 0 ? Math.max(increment, Math.round((ticks * factor) / increment) * increment) : ticks
  const kind = chunk.kind[row]!
  const isBar = kind === EventKind.bar
  const isQuote = kind === EventKind.quote
  out.v0[at] = moved(chunk.v0[row]!)
  out.v1[at] = isBar || isQuote ? moved(chunk.v1[row]!) : chunk.v1[row]!
  if (isQuote && chunk.v1[row]! > chunk.v0[row]! && out.v1[at]! <= out.v0[at]!) out.v1[at] = out.v0[at]! + increment
  out.v2[at] = isBar ? moved(chunk.v2[row]!) : chunk.v2[row]!
  out.v3[at] = isBar ? moved(chunk.v3[row]!) : chunk.v3[row]!
  out.v4[at] = chunk.v4[row]!
  out.v5[at] = chunk.v5[row]!
}
