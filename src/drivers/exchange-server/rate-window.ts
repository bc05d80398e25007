import type {Clock} from '../../domain/time.ts'
import {US_PER_MINUTE, US_PER_SECOND} from '../../domain/units.ts'

/** What the service allows an account (its trading side, and its data side on the free plan). */
export const ALLOWED_PER_MINUTE = 200

/** Requests a wall minute: the limit is the market's, and an accelerated market's minutes are shorter. */
export const requestsPerMinute = (speed: number, perMinute = ALLOWED_PER_MINUTE): number =>
  Math.ceil(perMinute * Math.max(1, speed))

/** Counts requests in fixed windows of one minute, as the headers of the service describe it. */
export class RateWindow {
  readonly #clock: Clock
  readonly #limit: number
  #resetUs = 0
  #used = 0

  constructor(clock: Clock, limit: number) {
    this.#clock = clock
    this.#limit = limit
  }

  /** Counts one request; false when the window has no room for it. */
  take(): boolean {
    const now = this.#clock.nowUs()
    if (now >= this.#resetUs) {
      this.#resetUs = now + US_PER_MINUTE
      this.#used = 0
    }
    this.#used++
    return this.#used <= this.#limit
  }

  headers(): Record<string, string> {
    return {
      'X-RateLimit-Limit': String(this.#limit),
      'X-RateLimit-Remaining': String(Math.max(0, this.#limit - this.#used)),
      'X-RateLimit-Reset': String(Math.ceil(this.#resetUs / US_PER_SECOND)),
    }
  }
}
