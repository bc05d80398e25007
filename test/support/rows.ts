import {Aggressor, Depth, EventKind, emptyChunk, Notice, OrderAction, type TapeChunk} from '../../src/data/tape.ts'

/** Rows of a hand-made tape, in ticks and lots. */
export type Row =
  | {
      readonly at: number
      readonly i?: number
      readonly quote: readonly [bid: number, ask: number, bidLots?: number, askLots?: number]
    }
  | {
      readonly at: number
      readonly i?: number
      readonly trade: readonly [ticks: number, lots: number]
      readonly by?: 'buy' | 'sell'
    }
  | {
      readonly at: number
      readonly i?: number
      readonly bar: readonly [open: number, high: number, low: number, close: number, volume?: number]
      readonly periodUs?: number
    }
  | {
      readonly at: number
      readonly i?: number
      readonly depth: readonly [side: 'bid' | 'ask', ticks: number, lots: number]
      readonly clear?: boolean
      readonly last?: boolean
    }
  | {
      readonly at: number
      readonly i?: number
      readonly order: readonly [
        action: keyof typeof OrderAction,
        side: 'bid' | 'ask',
        id: number,
        ticks: number,
        lots: number,
      ]
    }
  | {
      readonly at: number
      readonly i?: number
      readonly notice: readonly [what: keyof typeof Notice, v0?: number, v1?: number, v2?: number, v3?: number]
    }

export const chunkOf = (rows: readonly Row[]): TapeChunk & {count: number} => {
  const chunk = emptyChunk(Math.max(1, rows.length))
  for (const [r, row] of rows.entries()) {
    chunk.tsUs[r] = row.at
    chunk.instrument[r] = row.i ?? 0
    const values = valuesOf(row)
    chunk.kind[r] = values.kind
    chunk.flags[r] = values.flags
    for (const [k, column] of [chunk.v0, chunk.v1, chunk.v2, chunk.v3, chunk.v4, chunk.v5].entries())
      column[r] = values.v[k] ?? 0
  }
  chunk.count = rows.length
  return chunk
}

const valuesOf = (row: Row): {kind: number; flags: number; v: readonly number[]} => {
  if ('quote' in row) {
    const [bid, ask, bidLots = 100, askLots = 100] = row.quote
    return {kind: EventKind.quote, flags: 0, v: [bid, ask, bidLots, askLots]}
  }
  if ('trade' in row) {
    const flags = row.by === undefined ? Aggressor.none : Aggressor[row.by]
    return {kind: EventKind.trade, flags, v: row.trade}
  }
  if ('bar' in row) {
    const [open, high, low, close, volume = 1_000_000] = row.bar
    return {kind: EventKind.bar, flags: 0, v: [open, high, low, close, volume, row.periodUs ?? 60_000_000]}
  }
  if ('depth' in row) {
    const [side, ticks, lots] = row.depth
    const flags =
      (side === 'ask' ? Depth.ask : 0) | (row.clear ? Depth.clear : 0) | (row.last === false ? 0 : Depth.last)
    return {kind: EventKind.depth, flags, v: [ticks, lots]}
  }
  if ('notice' in row) {
    const [what, ...values] = row.notice
    return {kind: EventKind.notice, flags: Notice[what], v: values.map(value => value ?? 0)}
  }
  const [action, side, id, ticks, lots] = row.order
  return {kind: EventKind.order, flags: (OrderAction[action] << 1) | (side === 'ask' ? 1 : 0), v: [ticks, lots, id]}
}
