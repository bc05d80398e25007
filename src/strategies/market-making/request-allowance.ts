import {US_PER_MINUTE} from '../../domain/units.ts'

/** Longest burst, as a share of a minute's allowance: a quarter of it may go at once. */
const BURST = 0.25
/** Least fullness that bands are widened by: at most four times the usual band. */
const LEAST_FULLNESS = 0.25

/**
 * Orders and cancels a market maker may send a minute of market time, as a bucket that fills steadily: a changed quote costs
 * one request to cancel and one to place, each side. Pulling a quote always passes and is paid back by what follows.
 */
export class RequestAllowance {
  spent = 0
  /** Changes that were wished for and had to wait. */
  deferred = 0
  readonly #perMinute: number
  readonly #capacity: number
  #level: number
  #atUs = -1

  /** Infinity limits nothing. */
  constructor(perMinute: number) {
    this.#perMinute = perMinute
    this.#capacity = Math.max(4, BURST * perMinute)
    this.#level = this.#capacity
  }

  /** Takes the cost when it is there. */
  spend(cost: number, nowUs: number): boolean {
    this.#fill(nowUs)
    if (cost > 0 && this.#level < cost) {
      this.deferred++
      return false
    }
    this.force(cost)
    return true
  }

  /** Takes the cost, into debt where need be. */
  force(cost: number): void {
    this.spent += cost
    if (Number.isFinite(this.#perMinute)) this.#level -= cost
  }

  /** How much wider than usual a resting quote may be off before it is worth a change: 1 with plenty left. */
  bandFactor(nowUs: number): number {
    if (!Number.isFinite(this.#perMinute)) return 1
    this.#fill(nowUs)
    return 1 / Math.max(LEAST_FULLNESS, Math.min(1, this.#level / this.#capacity))
  }

  #fill(nowUs: number): void {
    if (this.#atUs >= 0 && Number.isFinite(this.#perMinute))
      this.#level = Math.min(this.#capacity, this.#level + ((nowUs - this.#atUs) * this.#perMinute) / US_PER_MINUTE)
    this.#atUs = nowUs
  }
}
