import {EventKind, type TapeChunk} from '../../data/tape.ts'
import type {Clock, Scheduler} from '../../domain/time.ts'
import {US_PER_MS, US_PER_SECOND} from '../../domain/units.ts'
import type {PaperExchange} from '../../exchange/exchange.ts'
import type {MarketSource} from '../../exchange/market-source.ts'

/** Longest stretch of work before others on the event loop get their turn. */
const SLICE_US = 2 * US_PER_MS
const ROWS = 64
/** Above this the market waits for its slowest reader, though not for ever: a reader that is stuck is cut off. */
const HIGH_WATER_BYTES = 1024 * 1024
const LONGEST_WAIT_US = 2 * US_PER_SECOND
const LONGEST_SLEEP_US = 20 * US_PER_MS

export interface PumpOptions {
  readonly exchange: PaperExchange
  readonly source: MarketSource
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly startUs: number
  /** Market microseconds a wall microsecond. */
  readonly speed: number
  /** Depth is published, not traded on: as at Alpaca's paper exchange, orders meet the quotes. */
  readonly onDepth: (chunk: TapeChunk, row: number) => void
  readonly flush: () => void
  readonly buffered: () => number
  readonly onEnd: () => void
}

/**
 * Drives the market by the wall clock: market time is start + elapsed × speed. When rows cannot be kept up with, market
 * time falls behind and the speed is lower than asked; nothing is skipped.
 */
export class MarketPump {
  readonly #options: PumpOptions
  #originUs: number
  #cancel: (() => void) | undefined
  #waitingSinceUs: number | undefined
  #ended = false
  rows = 0
  /** Longest slice so far, microseconds of wall time. */
  longestSliceUs = 0

  constructor(options: PumpOptions) {
    this.#options = options
    this.#originUs = options.clock.nowUs()
  }

  start(): void {
    this.#originUs = this.#options.clock.nowUs()
    this.#schedule(0)
  }
  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#ended = true
  }

  /** Market time that the wall clock asks for. */
  targetUs(): number {
    const {clock, startUs, speed} = this.#options
    return startUs + Math.floor((clock.nowUs() - this.#originUs) * speed)
  }

  /** Brings the market to the present, within one slice of work. Returns whether it got there. */
  catchUp(): boolean {
    const {exchange, source, clock, flush, onDepth} = this.#options
    const began = clock.nowUs()
    const target = Math.min(this.targetUs(), source.horizonUs())
    let arrived = false
    for (;;) {
      const chunk = source.advanceTo(target, ROWS)
      if (chunk.count === 0) {
        arrived = true
        break
      }
      for (let row = 0; row < chunk.count; row++)
        if (chunk.kind[row] === EventKind.depth) onDepth(chunk, row)
        else exchange.onRow(chunk, row)
      this.rows += chunk.count
      if (clock.nowUs() - began > SLICE_US) break
    }
    if (arrived) exchange.advanceTo(target)
    flush()
    this.longestSliceUs = Math.max(this.longestSliceUs, clock.nowUs() - began)
    return arrived
  }

  #tick(): void {
    const {source, exchange, clock, startUs, speed, onEnd} = this.#options
    if (this.#mustWait()) {
      this.#schedule(US_PER_MS)
      return
    }
    const arrived = this.catchUp()
    if (this.#ended) return
    if (source.ended() && exchange.nowUs >= source.horizonUs()) {
      onEnd()
      return
    }
    const behindUs = this.targetUs() - exchange.nowUs
    // Time that was lost is not made up for: a market that runs late runs on from where it is.
    if (behindUs > US_PER_SECOND * Math.max(1, speed / 10))
      this.#originUs = clock.nowUs() - (exchange.nowUs - startUs) / speed
    const dueUs = (source.nextUs() - exchange.nowUs) / speed
    this.#schedule(arrived ? Math.min(LONGEST_SLEEP_US, Math.max(US_PER_MS, dueUs)) : 0)
  }

  #mustWait(): boolean {
    const {buffered, clock} = this.#options
    if (buffered() < HIGH_WATER_BYTES) {
      this.#waitingSinceUs = undefined
      return false
    }
    this.#waitingSinceUs ??= clock.nowUs()
    return clock.nowUs() - this.#waitingSinceUs < LONGEST_WAIT_US
  }

  #schedule(delayUs: number): void {
    if (this.#ended) return
    this.#cancel = this.#options.scheduler.after(delayUs, () => this.#tick())
  }
}
