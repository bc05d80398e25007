// Levels are indexed inside their bounds, hence the `!`.
import type {BookInput} from './book-features.ts'

export const MICRO_NAMES = [
  'microSpread',
  'microSpreadRatio',
  'microTouchImbalance',
  'microMeanImbalance',
  'microMicroprice',
  'microFlow',
  'microFlowSlow',
  'microDepthImbalance',
  'microActivity',
  'microSignedVolume',
] as const

/** A book older than this many microseconds at the close of a bar says nothing of it. */
const STALE_US = 60_000_000
const SLOW = 2 / (30 + 1)

/**
 * What the quotes or the book of one instrument did inside each bar: spread, imbalance, microprice, order flow (Cont,
 * Kukanov and Stoikov 2014) and activity. Fed every change, read once at the close of a bar; sizes are relative to their
 * running mean. A best quote is a book of one level.
 */
export class MicroFeatures {
  #tsUs = Number.NEGATIVE_INFINITY
  #bid = 0
  #bidSize = 0
  #ask = 0
  #askSize = 0
  #depthImbalance = 0
  #meanSize = 0
  #meanSpread = 0
  #flowSlow = 0
  #meanUpdates = 0
  // Since the last bar.
  #updates = 0
  #spreads = 0
  #imbalances = 0
  #flow = 0
  #signedVolume = 0

  /** Takes in a book; one that is crossed or has an empty side is no market and is passed over. */
  onBook({tsUs, bidPrices, bidSizes, askPrices, askSizes, signedVolume}: BookInput): void {
    const [bid, ask] = [bidPrices[0]!, askPrices[0]!]
    const [bidSize, askSize] = [bidSizes[0]!, askSizes[0]!]
    this.#signedVolume += signedVolume
    if (!(bid > 0 && ask > bid)) return
    const size = (bidSize + askSize) / 2
    const spread = (ask - bid) / (ask + bid)
    if (this.#tsUs === Number.NEGATIVE_INFINITY) {
      this.#meanSize = size
      this.#meanSpread = spread
    } else {
      const bought = (bid >= this.#bid ? bidSize : 0) - (bid <= this.#bid ? this.#bidSize : 0)
      const sold = (ask <= this.#ask ? askSize : 0) - (ask >= this.#ask ? this.#askSize : 0)
      this.#flow += bought - sold
    }
    this.#meanSize += 0.001 * (size - this.#meanSize)
    this.#updates++
    this.#spreads += spread
    this.#imbalances += imbalance(bidSize, askSize)
    let [bids, asks] = [0, 0]
    for (let i = 0; i < bidSizes.length; i++) bids += bidSizes[i]!
    for (let i = 0; i < askSizes.length; i++) asks += askSizes[i]!
    this.#depthImbalance = imbalance(bids, asks)
    this.#tsUs = tsUs
    this.#bid = bid
    this.#bidSize = bidSize
    this.#ask = ask
    this.#askSize = askSize
  }

  /** Writes the row of the bar that closes at `tsUs` and starts the next; false where no fresh book is known. */
  onBar(tsUs: number, out: Float32Array, offset = 0): boolean {
    const isFresh = this.#updates > 0 && tsUs - this.#tsUs <= STALE_US
    if (isFresh) this.#write(out, offset)
    this.#updates = 0
    this.#spreads = 0
    this.#imbalances = 0
    this.#flow = 0
    this.#signedVolume = 0
    return isFresh
  }

  #write(out: Float32Array, offset: number): void {
    const [bid, ask] = [this.#bid, this.#ask]
    const spread = (ask - bid) / (ask + bid)
    const mean = this.#spreads / this.#updates
    const scale = Math.max(1e-12, this.#meanSize)
    this.#meanSpread += SLOW * (mean - this.#meanSpread)
    this.#flowSlow += SLOW * (this.#flow - this.#flowSlow)
    this.#meanUpdates += (this.#meanUpdates === 0 ? 1 : SLOW) * (this.#updates - this.#meanUpdates)
    const micro = (ask * this.#bidSize + bid * this.#askSize) / Math.max(1e-12, this.#bidSize + this.#askSize)
    let at = offset
    out[at++] = Math.log(1e4 * spread)
    out[at++] = Math.log(mean / this.#meanSpread)
    out[at++] = imbalance(this.#bidSize, this.#askSize)
    out[at++] = this.#imbalances / this.#updates
    out[at++] = (micro - (bid + ask) / 2) / (ask - bid)
    out[at++] = signedLog(this.#flow / scale)
    out[at++] = signedLog(this.#flowSlow / scale)
    out[at++] = this.#depthImbalance
    out[at++] = Math.log((1 + this.#updates) / (1 + this.#meanUpdates))
    out[at++] = signedLog(this.#signedVolume / scale)
  }
}

const imbalance = (bid: number, ask: number): number => (bid + ask > 0 ? (bid - ask) / (bid + ask) : 0)
const signedLog = (x: number): number => Math.sign(x) * Math.log1p(Math.abs(x))
