import {EventKind, type TapeChunk} from './tape.ts'

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
  }
}

/** Applies row `row` of a chunk. Depth and order rows are applied by the book that owns them, which then sets the quote. */
export const applyRow = (state: MarketState, chunk: TapeChunk, row: number): void => {
  const i = chunk.instrument[row] as number
  const at = chunk.tsUs[row] as number
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
    default:
      return
  }
}

/** Mid of the quote when both sides are there, else the last price, else 0: in ticks, possibly a half. */
export const midTicks = (state: MarketState, i: number): number =>
  (state.bidLots[i] as number) > 0 && (state.askLots[i] as number) > 0
    ? ((state.bidTicks[i] as number) + (state.askTicks[i] as number)) / 2
    : (state.lastTicks[i] as number)
