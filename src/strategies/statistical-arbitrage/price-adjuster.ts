// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {Notice, type TapeChunk} from '../../data/tape.ts'

/**
 * What splits and dividends took out of prices, as an offset of log prices: with it a price series is one of total returns,
 * and an ex-date is no break of a relation. Also the borrow fee each instrument was last said to cost.
 */
export class PriceAdjuster {
  /** To be added to the log price. */
  readonly offset: Float64Array
  /** Basis points a year; NaN before a notice of it. */
  readonly borrowBps: Float64Array
  splits = 0
  dividends = 0

  constructor(instruments: number) {
    this.offset = new Float64Array(instruments)
    this.borrowBps = new Float64Array(instruments).fill(Number.NaN)
  }

  /** A notice row; `lastPrice` is the last price before it, in dollars, 0 where none is known. */
  onNotice(chunk: TapeChunk, row: number, lastPrice: number): void {
    const i = chunk.instrument[row]!
    const value = chunk.v0[row]!
    switch (chunk.flags[row]) {
      case Notice.split:
        if (!(value > 0 && chunk.v1[row]! > 0)) return
        this.splits++
        this.offset[i]! += Math.log(value / chunk.v1[row]!)
        return
      case Notice.dividend: {
        const dollars = value / 1e6
        if (!(lastPrice > dollars)) return
        this.dividends++
        this.offset[i]! -= Math.log1p(-dollars / lastPrice)
        return
      }
      case Notice.borrow:
        this.borrowBps[i] = value / 1000
        return
      default:
        return
    }
  }
}
