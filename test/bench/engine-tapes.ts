import {Depth, EventKind, emptyChunk, type TapeChunk} from '../../src/data/tape.ts'
import {createRng} from '../../src/domain/rng.ts'

const START_US = Date.UTC(2025, 5, 3, 14) * 1000
const CHUNK = 65_536

/** Random-walk quotes of several coins, a spread of a few ticks, in chunks as a reader would deliver them. */
export const quoteTape = (rows: number, symbols: number, seed = 7): TapeChunk[] => {
  const rng = createRng(seed, 'quotes')
  const mids = Array.from({length: symbols}, (_, i) => 1_000_000 + 50_000 * i)
  const chunks: TapeChunk[] = []
  for (let made = 0; made < rows; ) {
    const chunk = emptyChunk(Math.min(CHUNK, rows - made))
    for (let r = 0; r < chunk.tsUs.length; r++, made++) {
      const i = rng.below(symbols)
      const mid = (mids[i] as number) + rng.below(21) - 10
      mids[i] = mid
      chunk.tsUs[r] = START_US + made * 250
      chunk.kind[r] = EventKind.quote
      chunk.instrument[r] = i
      chunk.v0[r] = mid - 10
      chunk.v1[r] = mid + 10
      chunk.v2[r] = 1e8 * (1 + rng.below(20))
      chunk.v3[r] = 1e8 * (1 + rng.below(20))
    }
    chunk.count = chunk.tsUs.length
    chunks.push(chunk)
  }
  return chunks
}

/** Level-2 changes around a wandering touch, twenty levels a side, four changes an update. */
export const depthTape = (rows: number, seed = 7): TapeChunk[] => {
  const rng = createRng(seed, 'depth')
  let mid = 1_000_000
  const chunks: TapeChunk[] = []
  for (let made = 0; made < rows; ) {
    const chunk = emptyChunk(Math.min(CHUNK, rows - made))
    for (let r = 0; r < chunk.tsUs.length; r++, made++) {
      if (made % 40 === 0) mid += 10 * (rng.below(3) - 1)
      const ask = rng.below(2) === 1
      const level = Math.floor(20 * rng.uniform() ** 2)
      chunk.tsUs[r] = START_US + Math.floor(made / 4) * 400
      chunk.kind[r] = EventKind.depth
      chunk.v0[r] = ask ? mid + 10 * (level + 1) : mid - 10 * (level + 1)
      chunk.v1[r] = rng.uniform() < 0.15 ? 0 : 1e6 * (1 + rng.below(500))
      chunk.flags[r] = (ask ? Depth.ask : 0) | (made % 4 === 3 ? Depth.last : 0)
    }
    chunk.count = chunk.tsUs.length
    chunks.push(chunk)
  }
  return chunks
}
