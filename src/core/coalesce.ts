// Columns are indexed by rows of the chunk and instruments of its table, so `!` cannot miss here.
import {EventKind, type TapeChunk} from '../data/tape.ts'
import type {LogEvent} from './trade-events.ts'

export interface Behind {
  readonly behind: boolean
  /** Wall microseconds that rows have waited: now, or at most since it fell behind. */
  readonly waitedUs: number
  readonly leftOut: number
}

export interface CoalescerOptions {
  readonly instruments: number
  /** Wall microseconds that rows may wait for the loop before it counts as behind; 200,000 by default. */
  readonly behindUs?: number
  /** The node has fallen behind, or has caught up again. */
  readonly onBehind: (news: Behind) => void
}

const BEHIND_US = 200_000
/** Chunks in time before a node has caught up: one alone says little. */
const IN_TIME = 20

/**
 * Lets a node that cannot keep up catch up: of the quotes that have waited too long, only the last of each instrument is
 * passed on, because the others are of no use to anybody any more. Trades, bars, depth and notices always pass, and what
 * the node sends is never touched.
 */
export class Coalescer {
  /** Quotes left out so far. */
  leftOut = 0
  readonly #options: CoalescerOptions
  readonly #seen: Uint8Array
  #isBehind = false
  #isFirst = true
  #inTime = 0
  #atStart = 0
  #longestUs = 0

  constructor(options: CoalescerOptions) {
    this.#options = options
    this.#seen = new Uint8Array(options.instruments)
  }

  /** Shortens the chunk in place when its first row has waited too long. */
  take(chunk: TapeChunk & {count: number}, waitedUs: number): void {
    const {behindUs = BEHIND_US, onBehind} = this.#options
    // The first rows came while the node was still starting.
    const isInTime = waitedUs <= behindUs || this.#isFirst
    this.#isFirst = false
    if (isInTime) {
      if (this.#isBehind && ++this.#inTime >= IN_TIME) {
        this.#isBehind = false
        onBehind({behind: false, waitedUs: this.#longestUs, leftOut: this.leftOut - this.#atStart})
      }
      return
    }
    this.#inTime = 0
    if (!this.#isBehind) {
      this.#isBehind = true
      this.#atStart = this.leftOut
      this.#longestUs = 0
      onBehind({behind: true, waitedUs, leftOut: 0})
    }
    this.#longestUs = Math.max(this.#longestUs, waitedUs)
    this.#shorten(chunk)
  }

  /** From the end, so that the first quote met is the last; what stays moves to the back, then to the front. */
  #shorten(chunk: TapeChunk & {count: number}): void {
    this.#seen.fill(0)
    let to = chunk.count
    for (let row = chunk.count - 1; row >= 0; row--) {
      const kind = chunk.kind[row]
      if (kind === EventKind.quote || kind === EventKind.option) {
        const i = chunk.instrument[row]!
        if (this.#seen[i] === 1) continue
        this.#seen[i] = 1
      }
      to--
      if (to !== row) for (const column of COLUMNS) chunk[column][to] = chunk[column][row]!
    }
    if (to === 0) return
    for (const column of COLUMNS) chunk[column].copyWithin(0, to, chunk.count)
    this.leftOut += to
    chunk.count -= to
  }
}

const COLUMNS = ['tsUs', 'kind', 'instrument', 'flags', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const

export const behindEvent = ({behind, waitedUs, leftOut}: Behind, tsUs: number): LogEvent => ({
  kind: 'log',
  tsUs,
  level: behind ? 'warn' : 'info',
  text: behind
    ? `market data waits ${Math.round(waitedUs / 1e3)} ms for this node: quotes that newer ones replace are left out until it has caught up`
    : `caught up: market data waited up to ${Math.round(waitedUs / 1e3)} ms, ${leftOut} quotes were left out`,
})
