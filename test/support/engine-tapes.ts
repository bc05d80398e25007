import {Depth, EventKind, emptyChunk, OrderAction, type TapeChunk} from '../../src/data/tape.ts'
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

/** Level-3 messages: orders join within ten ticks of a wandering mid, and are deleted or, at the touch, executed. */
export const orderTape = (rows: number, seed = 7): TapeChunk[] => {
  const rng = createRng(seed, 'orders')
  let mid = 1_000_000
  let nextId = 1
  const alive: {id: number; ticks: number; lots: number; ask: boolean}[] = []
  const chunks: TapeChunk[] = []
  for (let made = 0; made < rows; ) {
    const chunk = emptyChunk(Math.min(CHUNK, rows - made))
    for (let r = 0; r < chunk.tsUs.length; r++, made++) {
      if (made % 200 === 0) mid += 10 * (rng.below(3) - 1)
      const joins = alive.length < 400 || (alive.length < 2000 && rng.uniform() < 0.5)
      chunk.tsUs[r] = START_US + made * 100
      chunk.kind[r] = EventKind.order
      if (joins) {
        const ask = rng.below(2) === 1
        const ticks = ask ? mid + 10 * (1 + rng.below(10)) : mid - 10 * (1 + rng.below(10))
        const order = {id: nextId++, ticks, lots: 1e6 * (1 + rng.below(100)), ask}
        alive.push(order)
        write(chunk, r, OrderAction.add, order)
      } else {
        const at = rng.below(alive.length)
        const order = alive[at] as (typeof alive)[number]
        alive[at] = alive.at(-1) as (typeof alive)[number]
        alive.pop()
        write(chunk, r, Math.abs(order.ticks - mid) <= 10 ? OrderAction.execute : OrderAction.delete, order)
      }
    }
    chunk.count = chunk.tsUs.length
    chunks.push(chunk)
  }
  return chunks
}

const write = (
  chunk: TapeChunk,
  r: number,
  action: number,
  order: {readonly id: number; readonly ticks: number; readonly lots: number; readonly ask: boolean},
): void => {
  chunk.flags[r] = (action << 1) | (order.ask ? 1 : 0)
  chunk.v0[r] = order.ticks
  chunk.v1[r] = order.lots
  chunk.v2[r] = order.id
}

/** Minute bars of several coins, all stamped at the same closes. */
export const barTape = (rows: number, symbols: number, seed = 7): TapeChunk[] => {
  const rng = createRng(seed, 'bars')
  const closes = Array.from({length: symbols}, (_, i) => 1_000_000 + 50_000 * i)
  const chunks: TapeChunk[] = []
  for (let made = 0; made < rows; ) {
    const chunk = emptyChunk(Math.min(CHUNK, rows - made))
    for (let r = 0; r < chunk.tsUs.length; r++, made++) {
      const i = made % symbols
      const open = closes[i] as number
      const close = open + rng.below(2001) - 1000
      closes[i] = close
      chunk.tsUs[r] = START_US + (1 + Math.floor(made / symbols)) * 60_000_000
      chunk.kind[r] = EventKind.bar
      chunk.instrument[r] = i
      chunk.v0[r] = open
      chunk.v1[r] = Math.max(open, close) + rng.below(500)
      chunk.v2[r] = Math.min(open, close) - rng.below(500)
      chunk.v3[r] = close
      chunk.v4[r] = 1e11
      chunk.v5[r] = 60_000_000
    }
    chunk.count = chunk.tsUs.length
    chunks.push(chunk)
  }
  return chunks
}
