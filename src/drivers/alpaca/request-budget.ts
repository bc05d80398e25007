import type {Clock, Scheduler} from '../../domain/time.ts'
import {US_PER_MINUTE} from '../../domain/units.ts'

/** Lower goes first. */
export const Priority = {cancel: 0, submit: 1, query: 2} as const
export type Priority = (typeof Priority)[keyof typeof Priority]

interface Waiter {
  readonly priority: Priority
  readonly proceed: () => void
  readonly refuse: (error: Error) => void
}

/** The connection is being given up: what still waited was not sent. */
export class BudgetClosed extends Error {
  override readonly name = 'BudgetClosed'
}

/** Tokens that only a cancel may take. */
const RESERVE = 0.1

/**
 * Keeps the number of requests a minute within what the venue allows. A request that fits goes at once; the others wait
 * in order of priority, and the last tenth of the budget is for cancels alone.
 */
export class RequestBudget {
  readonly #clock: Clock
  readonly #scheduler: Scheduler
  readonly #capacity: number
  readonly #perUs: number
  readonly #waiting: Waiter[] = []
  #tokens: number
  #refilledUs: number
  #blockedUntilUs = 0
  #cancelTimer: (() => void) | undefined

  constructor(options: {readonly clock: Clock; readonly scheduler: Scheduler; readonly perMinute: number}) {
    this.#clock = options.clock
    this.#scheduler = options.scheduler
    this.#capacity = options.perMinute
    this.#perUs = options.perMinute / US_PER_MINUTE
    this.#tokens = options.perMinute
    this.#refilledUs = options.clock.nowUs()
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** True when a token was free: nothing to wait for. */
  tryTake(priority: Priority): boolean {
    return !this.#waiting.some(waiter => waiter.priority <= priority) && this.#spend(priority)
  }

  /** Takes a token if there is one for this priority, whoever else waits. */
  #spend(priority: Priority): boolean {
    this.#refill()
    if (this.#clock.nowUs() < this.#blockedUntilUs && priority !== Priority.cancel) return false
    const floor = priority === Priority.cancel ? 0 : this.#capacity * RESERVE
    if (this.#tokens - 1 < floor) return false
    this.#tokens--
    return true
  }

  take(priority: Priority): Promise<void> {
    if (this.tryTake(priority)) return Promise.resolve()
    return new Promise((proceed, refuse) => {
      const at = this.#waiting.findIndex(waiter => waiter.priority > priority)
      this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, {priority, proceed, refuse})
      this.#arm()
    })
  }

  /** The venue said it was too much: nothing but cancels for so long. */
  block(forUs: number): void {
    this.#blockedUntilUs = this.#clock.nowUs() + forUs
    this.#tokens = Math.min(this.#tokens, this.#capacity * RESERVE)
  }

  close(): void {
    this.#cancelTimer?.()
    for (const waiter of this.#waiting.splice(0))
      waiter.refuse(new BudgetClosed('the broker was closed before the request was sent'))
  }

  #refill(): void {
    const now = this.#clock.nowUs()
    this.#tokens = Math.min(this.#capacity, this.#tokens + (now - this.#refilledUs) * this.#perUs)
    this.#refilledUs = now
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined) return
    this.#cancelTimer = this.#scheduler.after(Math.max(1_000, 1 / this.#perUs), () => {
      this.#cancelTimer = undefined
      this.#release()
    })
  }

  #release(): void {
    // The first of the queue has waited longest of the most urgent: nobody else's turn comes before.
    for (let next = this.#waiting[0]; next !== undefined && this.#spend(next.priority); next = this.#waiting[0]) {
      this.#waiting.shift()
      next.proceed()
    }
    if (this.#waiting.length > 0) this.#arm()
  }
}
