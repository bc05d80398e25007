// Levels are indexed inside their bounds, hence the `!`.
import type {FeatureSchema} from './features.ts'

/** Levels of a book, best first, as float prices and sizes; a missing level has size 0 and repeats the last price. */
export interface BookInput {
  readonly tsUs: number
  readonly bidPrices: ArrayLike<number>
  readonly bidSizes: ArrayLike<number>
  readonly askPrices: ArrayLike<number>
  readonly askSizes: ArrayLike<number>
  /** Traded since the last book, signed by aggressor: positive bought. 0 where trades are not known. */
  readonly signedVolume: number
}

export const BOOK_LEVELS = 5

export const bookSchema: FeatureSchema = {
  set: 'book',
  version: 1,
  names: [
    'microprice',
    'relativeSpread',
    'midReturn',
    'elapsed',
    'signedVolume',
    'orderFlowImbalance',
    'orderFlowImbalanceSlow',
    'midMomentum',
    'logDeviation',
    ...perLevel('imbalance'),
    ...perLevel('flow'),
    ...perLevel('bidGap'),
    ...perLevel('askGap'),
  ],
}

function perLevel(name: string): string[] {
  return Array.from({length: BOOK_LEVELS}, (_, i) => `${name}${i + 1}`)
}

const FAST = 2 / (10 + 1)
const SLOW = 2 / (60 + 1)
/** A silence longer than this (microseconds) starts a new session: an exchange break or a gap in a recording. */
const SESSION_GAP_US = 60_000_000

/**
 * Features of one instrument's book: level imbalances, order-flow imbalance by level (Cont, Kukanov and Stoikov 2014),
 * microprice, spread, momentum. Sizes enter relative to their running mean and price differences relative to the running
 * mean spread, so one model fits markets of any scale. State restarts after a minute of silence.
 */
export class BookFeatures {
  readonly schema = bookSchema
  readonly #bidPrices = new Float64Array(BOOK_LEVELS)
  readonly #bidSizes = new Float64Array(BOOK_LEVELS)
  readonly #askPrices = new Float64Array(BOOK_LEVELS)
  readonly #askSizes = new Float64Array(BOOK_LEVELS)
  #tsUs = Number.NEGATIVE_INFINITY
  #mid = 0
  #meanSize = 0
  #meanSpread = 0
  #flowFast = 0
  #flowSlow = 0
  #meanMid = 0
  #variance = 0

  /** Deviation of the mid price per book, in mean spreads, exponentially weighted. */
  get deviation(): number {
    return Math.max(0.01, Math.sqrt(this.#variance))
  }

  /** Writes the row of this book to `out`. True when it starts a session. Throws RangeError on a crossed or empty book. */
  push(book: BookInput, out: Float32Array, offset = 0): boolean {
    const [bid, ask] = [book.bidPrices[0]!, book.askPrices[0]!]
    if (!(bid > 0 && ask > bid)) throw new RangeError(`a book needs 0 < bid < ask, was ${bid} and ${ask}`)
    const mid = (bid + ask) / 2
    const isNew = !(book.tsUs - this.#tsUs <= SESSION_GAP_US)
    if (isNew) this.#restart(book, mid)
    const elapsedUs = Math.max(0, book.tsUs - this.#tsUs)
    this.#meanSpread += SLOW * (ask - bid - this.#meanSpread)
    const unit = this.#meanSpread
    const change = (mid - this.#mid) / unit

    const flows = out.subarray(offset + 9 + BOOK_LEVELS, offset + 9 + 2 * BOOK_LEVELS)
    const flow = this.#flows(book, flows)
    this.#flowFast += FAST * (flow - this.#flowFast)
    this.#flowSlow += SLOW * (flow - this.#flowSlow)
    this.#meanMid += FAST * (mid - this.#meanMid)
    this.#variance += SLOW * (change * change - this.#variance)
    this.#meanSize += SLOW * (sideSize(book) / (2 * BOOK_LEVELS) - this.#meanSize)
    const scale = Math.max(1e-12, this.#meanSize)

    const [bidSize, askSize] = [book.bidSizes[0]!, book.askSizes[0]!]
    const micro = (ask * bidSize + bid * askSize) / Math.max(1e-12, bidSize + askSize)
    let at = offset
    out[at++] = (micro - mid) / unit
    out[at++] = Math.log((ask - bid) / unit)
    out[at++] = change
    out[at++] = Math.log1p(elapsedUs / 1000)
    out[at++] = signedLog(book.signedVolume / scale)
    out[at++] = signedLog(this.#flowFast / scale)
    out[at++] = signedLog(this.#flowSlow / scale)
    out[at++] = (mid - this.#meanMid) / unit
    out[at++] = Math.log(this.deviation)
    for (let i = 0; i < BOOK_LEVELS; i++) out[at++] = imbalance(book.bidSizes[i] ?? 0, book.askSizes[i] ?? 0)
    for (let i = 0; i < BOOK_LEVELS; i++) out[at++] = signedLog(flows[i]! / scale)
    for (let i = 0; i < BOOK_LEVELS; i++) out[at++] = Math.log1p((mid - (book.bidPrices[i] ?? bid)) / unit)
    for (let i = 0; i < BOOK_LEVELS; i++) out[at++] = Math.log1p(((book.askPrices[i] ?? ask) - mid) / unit)
    this.#remember(book, mid)
    return isNew
  }

  /** Change of resting size at each level, a moved price counting as all of the new and none of the old size. */
  #flows(book: BookInput, out: Float32Array): number {
    let total = 0
    for (let i = 0; i < BOOK_LEVELS; i++) {
      const [bid, bidSize] = [book.bidPrices[i] ?? 0, book.bidSizes[i] ?? 0]
      const [ask, askSize] = [book.askPrices[i] ?? 0, book.askSizes[i] ?? 0]
      const bought = (bid >= this.#bidPrices[i]! ? bidSize : 0) - (bid <= this.#bidPrices[i]! ? this.#bidSizes[i]! : 0)
      const sold = (ask <= this.#askPrices[i]! ? askSize : 0) - (ask >= this.#askPrices[i]! ? this.#askSizes[i]! : 0)
      out[i] = bought - sold
      total += bought - sold
    }
    return total
  }

  #restart(book: BookInput, mid: number): void {
    this.#tsUs = book.tsUs
    this.#mid = mid
    this.#meanMid = mid
    this.#meanSize = sideSize(book) / (2 * BOOK_LEVELS)
    this.#flowFast = 0
    this.#flowSlow = 0
    this.#variance = 0.01
    this.#meanSpread = book.askPrices[0]! - book.bidPrices[0]!
    this.#remember(book, mid)
  }

  #remember(book: BookInput, mid: number): void {
    this.#tsUs = book.tsUs
    this.#mid = mid
    for (let i = 0; i < BOOK_LEVELS; i++) {
      this.#bidPrices[i] = book.bidPrices[i] ?? 0
      this.#bidSizes[i] = book.bidSizes[i] ?? 0
      this.#askPrices[i] = book.askPrices[i] ?? 0
      this.#askSizes[i] = book.askSizes[i] ?? 0
    }
  }
}

const sideSize = ({bidSizes, askSizes}: BookInput): number => {
  let total = 0
  for (let i = 0; i < BOOK_LEVELS; i++) total += (bidSizes[i] ?? 0) + (askSizes[i] ?? 0)
  return total
}

const imbalance = (bid: number, ask: number): number => (bid + ask > 0 ? (bid - ask) / (bid + ask) : 0)
const signedLog = (x: number): number => Math.sign(x) * Math.log1p(Math.abs(x))
