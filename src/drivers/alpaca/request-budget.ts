import type {RequestUse} from '../../broker/broker.ts'
import type {Clock, Scheduler} from '../../domain/time.ts'
import {US_PER_MINUTE, US_PER_MS, US_PER_SECOND} from '../../domain/units.ts'

/** Lower goes first. */
export const Priority = {cancel: 0, reduce: 1, submit: 2, query: 3} as const
export type Priority = (typeof Priority)[keyof typeof Priority]

interface Waiter {
  readonly priority: Priority
  readonly proceed: () => void
  readonly refuse: (error: Error) => void
  readonly untilUs: number
}

/** What the venue's headers say of the minute it is counting. */
export interface RateHeaders {
  readonly limit: number
  readonly remaining: number
  /** When the venue starts counting anew. */
  readonly resetUs: number
}

/** The connection is being given up: what still waited was not sent. */
export class BudgetClosed extends Error {
  override readonly name = 'BudgetClosed'
}
/** Nothing came free in the time the request could wait: it was not sent. */
export class BudgetExhausted extends Error {
  override readonly name = 'BudgetExhausted'
}

/** Of the venue's limit: the rest is for a kill, which shares the account. */
const OURS = 0.95
/** Of ours: what may go at once, the rest comes back over the minute, so that no minute holds more than the limit. */
const BURST = 0.3
/** Of the burst, by priority: what is left for those before them. Questions keep some that orders may not take. */
const FLOOR = [0, 0.1, 0.4, 0.25] as const
const SECONDS = 60

/**
 * Keeps the requests of an account within what the venue allows: a token bucket, narrowed by the venue's own count where
 * its answers carry one (another process may use the same account). A request that fits goes at once; the others wait in
 * order of priority. Cancels may take the last token, reductions nearly.
 */
export class RequestBudget {
  readonly #clock: Clock
  readonly #scheduler: Scheduler
  readonly #configured: number
  readonly #waiting: Waiter[] = []
  #limit: number
  #tokens: number
  #refilledUs: number
  /** Requests left in the venue's minute, which ends at `#windowEndUs`; unknown after that. */
  #windowLeft = Infinity
  #windowEndUs = 0
  #blockedUntilUs = 0
  #probedUs = 0
  #cancelTimer: (() => void) | undefined
  /** Requests by second, a ring of a minute. */
  readonly #used = new Uint32Array(SECONDS)
  #usedSecond = 0
  #denied = 0
  #throttled = 0

  constructor(options: {readonly clock: Clock; readonly scheduler: Scheduler; readonly perMinute: number}) {
    this.#clock = options.clock
    this.#scheduler = options.scheduler
    this.#configured = options.perMinute
    this.#limit = options.perMinute
    this.#tokens = this.#burst()
    this.#refilledUs = options.clock.nowUs()
  }

  get waiting(): number {
    return this.#waiting.length
  }

  use(): RequestUse {
    this.#refill()
    this.#turn()
    const floor = this.#burst() * FLOOR[Priority.submit]
    const left = Math.min(this.#tokens, this.#windowLeft - this.#reserve()) - floor
    return {
      perMinute: this.#limit,
      lastMinute: this.#used.reduce((sum, count) => sum + count, 0),
      available: this.#isBlocked() ? 0 : Math.max(0, Math.floor(left)),
      waiting: this.#waiting.length,
      denied: this.#denied,
      throttled: this.#throttled,
    }
  }

  /** True when a token was free: nothing to wait for. */
  tryTake(priority: Priority): boolean {
    return !this.#waiting.some(waiter => waiter.priority === priority) && this.#spend(priority)
  }

  /** Resolves when the request may go. Rejects with BudgetExhausted after `patienceUs`, with BudgetClosed at the end. */
  take(priority: Priority, patienceUs = Infinity): Promise<void> {
    if (this.tryTake(priority)) return Promise.resolve()
    return new Promise((proceed, refuse) => {
      const at = this.#waiting.findIndex(waiter => waiter.priority > priority)
      const waiter = {priority, proceed, refuse, untilUs: this.#clock.nowUs() + patienceUs}
      this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, waiter)
      this.#arm()
    })
  }

  /** An answer carried the venue's own count. The lower of its limit and the configured one holds. */
  learn({limit, remaining, resetUs}: RateHeaders): void {
    this.#refill()
    this.#limit = Math.min(this.#configured, limit)
    this.#tokens = Math.min(this.#tokens, this.#burst())
    if (resetUs < this.#windowEndUs) return
    this.#windowLeft = resetUs > this.#windowEndUs ? remaining : Math.min(this.#windowLeft, remaining)
    this.#windowEndUs = resetUs
  }

  /** The venue said it was too much: nothing for so long but a cancel a second, in case it was wrong. */
  block(forUs: number): void {
    this.#throttled++
    const now = this.#clock.nowUs()
    this.#probedUs = now
    this.#blockedUntilUs = Math.max(this.#blockedUntilUs, now + forUs)
    this.#tokens = Math.min(this.#tokens, this.#burst() * FLOOR[Priority.reduce])
  }

  close(): void {
    this.#cancelTimer?.()
    for (const waiter of this.#waiting.splice(0))
      waiter.refuse(new BudgetClosed('the broker was closed before the request was sent'))
  }

  #burst(): number {
    return Math.max(1, this.#limit * OURS * BURST)
  }
  #reserve(): number {
    return Math.floor(this.#limit * (1 - OURS) + 1e-9)
  }
  #isBlocked(): boolean {
    return this.#clock.nowUs() < this.#blockedUntilUs
  }

  /** Takes a token if there is one for this priority, whoever else waits. */
  #spend(priority: Priority): boolean {
    this.#refill()
    const now = this.#clock.nowUs()
    if (this.#isBlocked()) {
      if (priority !== Priority.cancel || now - this.#probedUs < US_PER_SECOND) return false
      this.#probedUs = now
    }
    const floor = this.#burst() * FLOOR[priority]
    const left = Math.min(this.#tokens, this.#windowLeft - this.#reserve())
    if (left - 1 < floor) return false
    this.#tokens--
    this.#windowLeft--
    this.#turn()
    this.#used[this.#usedSecond % SECONDS] = (this.#used[this.#usedSecond % SECONDS] as number) + 1
    return true
  }

  /** Empties the seconds that have passed since a request was last counted. */
  #turn(): void {
    const second = Math.floor(this.#clock.nowUs() / US_PER_SECOND)
    if (second - this.#usedSecond >= SECONDS) this.#used.fill(0)
    else for (let at = this.#usedSecond + 1; at <= second; at++) this.#used[at % SECONDS] = 0
    this.#usedSecond = Math.max(this.#usedSecond, second)
  }

  #refill(): void {
    const now = this.#clock.nowUs()
    if (now >= this.#windowEndUs) this.#windowLeft = Infinity
    // Where the venue's count is known nothing needs to be held back for the seam between two of its minutes.
    const share = this.#windowLeft === Infinity ? OURS * (1 - BURST) : OURS
    const perUs = (this.#limit * share) / US_PER_MINUTE
    this.#tokens = Math.min(this.#burst(), this.#tokens + (now - this.#refilledUs) * perUs)
    this.#refilledUs = now
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined) return
    const oneTokenUs = US_PER_MINUTE / (this.#limit * OURS)
    this.#cancelTimer = this.#scheduler.after(Math.min(100 * US_PER_MS, Math.max(US_PER_MS, oneTokenUs)), () => {
      this.#cancelTimer = undefined
      this.#release()
    })
  }

  #release(): void {
    const now = this.#clock.nowUs()
    const left: Waiter[] = []
    let refused: Priority | undefined
    for (const waiter of this.#waiting.splice(0)) {
      // The first of a priority has waited longest: nobody of the same overtakes it.
      if (waiter.priority !== refused && this.#spend(waiter.priority)) waiter.proceed()
      else if (now >= waiter.untilUs) {
        this.#denied++
        waiter.refuse(new BudgetExhausted(`no request was free of the ${this.#limit} a minute that the venue allows`))
      } else {
        refused = waiter.priority
        left.push(waiter)
      }
    }
    this.#waiting.unshift(...left)
    if (this.#waiting.length > 0) this.#arm()
  }
}
