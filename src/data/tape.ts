/**
 * A tape is market history as struct-of-arrays columns: no object per event. One chunk holds rows in time order; the
 * six value columns mean what the row's kind says. Prices are integer ticks and sizes integer lots of the row's
 * instrument (held in doubles, so 1e-8 coin lots fit).
 *
 * | kind     | v0        | v1        | v2       | v3       | v4        | v5       | flags                        |
 * |----------|-----------|-----------|----------|----------|-----------|----------|------------------------------|
 * | quote    | bidTicks  | askTicks  | bidLots  | askLots  |           |          |                              |
 * | trade    | ticks     | lots      |          |          |           |          | 1 buyer, 2 seller aggressed  |
 * | bar      | open      | high      | low      | close    | volume    | periodUs |                              |
 * | depth    | ticks     | totalLots |          |          |           |          | Depth bits                   |
 * | order    | ticks     | lots      | orderId  |          |           |          | action << 1 or ask           |
 * | option   | bidTicks  | askTicks  | bidLots  | askLots  | volume    | openInt. |                              |
 * | notice   | see below |           |          |          |           |          | Notice                       |
 *
 * A side that is absent from a quote has 0 lots. What a notice says of its instrument:
 *
 * | flags    | v0                                  | v1                                  | v2         | v3      |
 * |----------|-------------------------------------|-------------------------------------|------------|---------|
 * | split    | new shares for …                    | … so many old ones, in lowest terms |            |         |
 * | dividend |                                     | payUs, 0 when paid on the ex-date   | cash ticks |         |
 * | borrow   | thousandths of a basis point a year | shares to be had, -1 for any number |            |         |
 * | status   | 1 halted, 0 trading                 |                                     |            |         |
 * | band     |                                     |                                     | loTicks    | hiTicks |
 *
 * A band's missing limit is 0. Splits and dividends come before the first price of their ex-date.
 */
export const EventKind = {quote: 0, trade: 1, bar: 2, depth: 3, order: 4, option: 5, notice: 6} as const
export type EventKind = (typeof EventKind)[keyof typeof EventKind]

export const Aggressor = {none: 0, buy: 1, sell: 2} as const
/** `flags` of a notice row. */
export const Notice = {split: 0, dividend: 1, borrow: 2, status: 3, band: 4} as const
/** Bits of a depth row. `clear` empties the book before this row (start of a snapshot); `last` ends an atomic update. */
export const Depth = {ask: 1, clear: 2, last: 4} as const
/** `flags >> 1` of an order row; bit 0 is set for the ask side. */
export const OrderAction = {add: 0, reduce: 1, delete: 2, execute: 3, hiddenExecute: 4, halt: 5} as const

export interface TapeChunk {
  readonly count: number
  /** When we could know it, epoch microseconds, non-decreasing. */
  readonly tsUs: Float64Array
  readonly kind: Uint8Array
  /** Index in the tape's InstrumentTable. */
  readonly instrument: Uint16Array
  readonly flags: Uint8Array
  readonly v0: Float64Array
  readonly v1: Float64Array
  readonly v2: Float64Array
  readonly v3: Float64Array
  readonly v4: Float64Array
  readonly v5: Float64Array
}

/**
 * Fills the next row and returns its number; values left out are 0. Every writer of rows comes through here, some millions
 * of times a second, so the columns are arguments. The caller sees to it that there is room.
 */
export const addRow = (
  chunk: TapeChunk & {count: number},
  tsUs: number,
  kind: number,
  instrument: number,
  flags: number,
  v0 = 0,
  v1 = 0,
  v2 = 0,
  v3 = 0,
  v4 = 0,
  v5 = 0,
): number => {
  const row = chunk.count++
  chunk.tsUs[row] = tsUs
  chunk.kind[row] = kind
  chunk.instrument[row] = instrument
  chunk.flags[row] = flags
  chunk.v0[row] = v0
  chunk.v1[row] = v1
  chunk.v2[row] = v2
  chunk.v3[row] = v3
  chunk.v4[row] = v4
  chunk.v5[row] = v5
  return row
}

export const emptyChunk = (capacity: number): TapeChunk & {count: number} => ({
  count: 0,
  tsUs: new Float64Array(capacity),
  kind: new Uint8Array(capacity),
  instrument: new Uint16Array(capacity),
  flags: new Uint8Array(capacity),
  v0: new Float64Array(capacity),
  v1: new Float64Array(capacity),
  v2: new Float64Array(capacity),
  v3: new Float64Array(capacity),
  v4: new Float64Array(capacity),
  v5: new Float64Array(capacity),
})
