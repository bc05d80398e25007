import {OrderBook} from './order-book.ts'
import {Aggressor, Depth, EventKind, Notice, OrderAction, type TapeChunk} from './tape.ts'

/**
 * What is known about each instrument now, as columns by instrument index: the last quote, trade and bar, in ticks and
 * lots. The engine applies every event before anyone is told of it; strategies and risk only read.
 */
export interface MarketState {
  readonly bidTicks: Float64Array
  readonly askTicks: Float64Array
  readonly bidLots: Float64Array
  readonly askLots: Float64Array
  readonly lastTicks: Float64Array
  readonly lastLots: Float64Array
  /** Time of the last event of the instrument; 0 before the first. */
  readonly updatedUs: Float64Array
  /** Time of the last quote (or book) of the instrument; 0 before the first. */
  readonly quotedUs: Float64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly volume: Float64Array
  /** 1 while trading of the instrument is halted. */
  readonly halted: Uint8Array
  /** No execution below or above these; 0 where there is no limit. */
  readonly lowerTicks: Float64Array
  readonly upperTicks: Float64Array
  /** Depth by instrument index; undefined until the instrument's first depth or order row. */
  readonly books: (OrderBook | undefined)[]
}

export const createMarketState = (instruments: number): MarketState => {
  const column = () => new Float64Array(instruments)
  return {
    bidTicks: column(),
    askTicks: column(),
    bidLots: column(),
    askLots: column(),
    lastTicks: column(),
    lastLots: column(),
    updatedUs: column(),
    quotedUs: column(),
    open: column(),
    high: column(),
    low: column(),
    close: column(),
    volume: column(),
    halted: new Uint8Array(instruments),
    lowerTicks: column(),
    upperTicks: column(),
    books: new Array<OrderBook | undefined>(instruments).fill(undefined),
  }
}

/** Applies row `row` of a chunk. A depth or order row goes to the instrument's book, whose touch then is the quote. */
export const applyRow = (state: MarketState, chunk: TapeChunk, row: number): void => {
  const i = chunk.instrument[row] as number
  const at = chunk.tsUs[row] as number
  const before = state.updatedUs[i] as number
  state.updatedUs[i] = at
  switch (chunk.kind[row]) {
    case EventKind.quote:
    case EventKind.option:
      state.bidTicks[i] = chunk.v0[row] as number
      state.askTicks[i] = chunk.v1[row] as number
      state.bidLots[i] = chunk.v2[row] as number
      state.askLots[i] = chunk.v3[row] as number
      state.quotedUs[i] = at
      return
    case EventKind.trade:
      state.lastTicks[i] = chunk.v0[row] as number
      state.lastLots[i] = chunk.v1[row] as number
      return
    case EventKind.bar:
      state.open[i] = chunk.v0[row] as number
      state.high[i] = chunk.v1[row] as number
      state.low[i] = chunk.v2[row] as number
      state.close[i] = chunk.v3[row] as number
      state.volume[i] = chunk.v4[row] as number
      state.lastTicks[i] = chunk.v3[row] as number
      return
    case EventKind.depth: {
      const book = bookOf(state, i)
      book.applyDepth(chunk, row)
      if (((chunk.flags[row] as number) & Depth.last) !== 0) setQuote(state, i, book, at)
      return
    }
    case EventKind.order: {
      const book = bookOf(state, i)
      book.applyOrder(chunk, row)
      const action = (chunk.flags[row] as number) >> 1
      if (action === OrderAction.execute || action === OrderAction.hiddenExecute) {
        state.lastTicks[i] = chunk.v0[row] as number
        state.lastLots[i] = chunk.v1[row] as number
      }
      setQuote(state, i, book, at)
      return
    }
    case EventKind.notice:
      applyNotice(state, chunk, row, i)
      // It says nothing of what the market is worth now.
      state.updatedUs[i] = before
      return
    default:
      return
  }
}

/**
 * A split or dividend makes the last value known into the last price, in new shares or less the dividend, and the old
 * quotes are gone: nobody may trade at them any more. It is exact, so possibly between two ticks.
 */
const applyNotice = (state: MarketState, chunk: TapeChunk, row: number, i: number): void => {
  switch (chunk.flags[row]) {
    case Notice.split: {
      const factor = (chunk.v1[row] as number) / (chunk.v0[row] as number)
      reprice(state, i, markTicks(state, i) * factor)
      for (const column of [state.open, state.high, state.low, state.close]) column[i] = (column[i] as number) * factor
      state.volume[i] = (state.volume[i] as number) / factor
      state.lastLots[i] = (state.lastLots[i] as number) / factor
      return
    }
    case Notice.dividend: {
      const mark = markTicks(state, i)
      if (mark > 0) reprice(state, i, Math.max(1, mark - (chunk.v2[row] as number)))
      return
    }
    case Notice.status:
      state.halted[i] = chunk.v0[row] as number
      return
    case Notice.band:
      state.lowerTicks[i] = chunk.v2[row] as number
      state.upperTicks[i] = chunk.v3[row] as number
      return
    default:
      return
  }
}

const reprice = (state: MarketState, i: number, ticks: number): void => {
  state.lastTicks[i] = ticks
  state.bidLots[i] = 0
  state.askLots[i] = 0
  state.lowerTicks[i] = 0
  state.upperTicks[i] = 0
  state.books[i]?.clear()
}

const bookOf = (state: MarketState, i: number): OrderBook => (state.books[i] ??= new OrderBook())

const setQuote = (state: MarketState, i: number, book: OrderBook, at: number): void => {
  if (book.bidLevels() > 0 && book.askLevels() > 0 && book.bidTicks(0) >= book.askTicks(0)) {
    // Crossed by order rows: there is no market to quote until they sort themselves out.
    state.bidLots[i] = 0
    state.askLots[i] = 0
    state.quotedUs[i] = at
    return
  }
  state.bidTicks[i] = book.bidTicks(0)
  state.bidLots[i] = book.bidLots(0)
  state.askTicks[i] = book.askTicks(0)
  state.askLots[i] = book.askLots(0)
  state.quotedUs[i] = at
}

/** Who aggressed in an execution of a resting order: the other side. */
export const aggressorOfExecution = (flags: number): number => ((flags & 1) !== 0 ? Aggressor.buy : Aggressor.sell)

/** Mid of the quote when both sides are there, else the last price, else 0: in ticks, possibly a half. */
export const midTicks = (state: MarketState, i: number): number =>
  (state.bidLots[i] as number) > 0 && (state.askLots[i] as number) > 0
    ? ((state.bidTicks[i] as number) + (state.askTicks[i] as number)) / 2
    : (state.lastTicks[i] as number)

/** A quote wider than this fraction of its mid says little about value: stub quotes, an empty book. */
const TRUSTED_SPREAD = 0.1

/**
 * What a position is worth, in ticks: the mid, or, where the quote is too wide to mean anything, the last price brought
 * inside it. Marking at the mid of stub quotes would halt trading on a loss that nobody has.
 */
export const markTicks = (state: MarketState, i: number): number => {
  const mid = midTicks(state, i)
  const last = state.lastTicks[i] as number
  const bid = state.bidTicks[i] as number
  const ask = state.askTicks[i] as number
  const isTwoSided = (state.bidLots[i] as number) > 0 && (state.askLots[i] as number) > 0
  if (!isTwoSided || last <= 0 || ask - bid <= TRUSTED_SPREAD * mid) return mid
  return Math.min(Math.max(last, bid), ask)
}
