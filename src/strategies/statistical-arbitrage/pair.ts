import {adf} from '../statistics/adf.ts'
import {Cusum, cusumThreshold} from '../statistics/cusum.ts'
import {KalmanHedge} from '../statistics/kalman-hedge.ts'
import type {PairCandidate} from './screen.ts'

export interface PairRules {
  readonly entryZ: number
  readonly exitZ: number
  readonly stopZ: number
  /** Largest holding time in half-lives. */
  readonly maxHalfLives: number
  /** p-value of the recent spread's unit-root test from which the relation is taken for broken. */
  readonly breakPValue: number
  /** Rows between two break tests. */
  readonly breakEvery: number
  readonly breakWindow: number
  /** Mean rows between two false alarms of the sum that watches for a break. */
  readonly breakRunLength: number
  /** Rows over which the filtered hedge ratio forgets. */
  readonly hedgeMemoryRows: number
  /** Least profit over its costs, in basis points of the y leg, worth entering for. */
  readonly minEdgeBps: number
}

/** What a position would cost from entry to exit, in basis points of the y leg: asked with its direction and distance. */
export type PairCosts = (direction: 1 | -1, z: number) => number
const FREE: PairCosts = () => 0

export type PairExit = 'reverted' | 'stopped' | 'timed-out' | 'broken' | 'unhedged'

/**
 * One traded pair. The hedge ratio is filtered row by row while flat and frozen while a position is on, so the spread that
 * was sold is the spread that is bought back. `direction` 1 is long y, short β x.
 */
export class Pair {
  readonly y: number
  readonly x: number
  direction: -1 | 0 | 1 = 0
  beta: number
  alpha: number
  z = 0
  isBroken = false
  /** Entries that their costs forbade. */
  belowCosts = 0
  readonly halfLife: number
  readonly #rules: PairRules
  readonly #deviation: number
  readonly #filter: KalmanHedge
  readonly #phi: number
  readonly #innovation: number
  readonly #cusum: Cusum
  #lastSpread = Number.NaN
  readonly #centre: number
  readonly #scale: number
  #heldRows = 0
  #rowsSinceTest = 0
  /** After a stop no entry until the spread has been back at its mean. */
  #mustReset = false
  readonly #spreads: number[] = []

  constructor(candidate: PairCandidate, rules: PairRules) {
    this.y = candidate.y
    this.x = candidate.x
    this.beta = candidate.beta
    this.alpha = candidate.alpha
    this.#rules = rules
    this.halfLife = candidate.halfLife
    // Between rows a spread of this half-life keeps φ of its distance; the rest of its variance is news.
    this.#phi = 0.5 ** (1 / Math.max(candidate.halfLife, 1e-9))
    const innovation = Math.sqrt(1 - this.#phi ** 2)
    this.#innovation = candidate.deviation * innovation
    // A mean that has moved by `stopZ` deviations shifts the innovations by this many of theirs; half of it is the allowance.
    const shift = (rules.stopZ * (1 - this.#phi)) / innovation
    this.#cusum = new Cusum(shift / 2, cusumThreshold(shift / 2, rules.breakRunLength))
    this.#deviation = candidate.deviation
    this.#centre = candidate.centre
    this.#scale = candidate.scale
    // In units where log x has mean 0 and deviation 1 both coefficients may drift alike; a steady gain of 1/memory.
    const variance = candidate.deviation ** 2
    this.#filter = new KalmanHedge({
      beta: candidate.beta * candidate.scale,
      alpha: candidate.alpha + candidate.beta * candidate.centre,
      initialVariance: variance / candidate.rows,
      delta: variance / rules.hedgeMemoryRows ** 2,
      observationVariance: variance,
    })
  }

  /** Takes one row of log prices; answers why an open position must be closed, or undefined. Entry changes `direction`. */
  onRow(logY: number, logX: number, costs: PairCosts = FREE): PairExit | undefined {
    if (this.direction === 0) {
      this.#filter.update((logX - this.#centre) / this.#scale, logY)
      this.beta = this.#filter.beta / this.#scale
      this.alpha = this.#filter.alpha - this.beta * this.#centre
    }
    const spread = logY - this.beta * logX - this.alpha
    this.z = spread / this.#deviation
    this.#watch(spread)
    this.#remember(spread)
    if (this.direction !== 0) {
      this.#heldRows++
      const exit = this.#exitReason()
      if (exit !== undefined) {
        this.direction = 0
        this.#mustReset = exit === 'stopped' || exit === 'timed-out'
      }
      return exit
    }
    if (Math.abs(this.z) <= this.#rules.exitZ) this.#mustReset = false
    if (!this.isBroken && !this.#mustReset && this.#isEntry(costs)) {
      this.direction = this.z > 0 ? -1 : 1
      this.#heldRows = 0
    }
    return undefined
  }

  /** Rows the position has been on. */
  get heldRows(): number {
    return this.#heldRows
  }

  /** Gives the position up because its legs do not match what was wanted. */
  abandon(): void {
    this.direction = 0
    this.#mustReset = true
  }

  /** Far enough from the mean, and the way back to the exit worth more than it costs. */
  #isEntry(costs: PairCosts): boolean {
    const {entryZ, exitZ, stopZ, minEdgeBps} = this.#rules
    const size = Math.abs(this.z)
    if (size < entryZ || size >= stopZ) return false
    const gainBps = (size - exitZ) * this.#deviation * 1e4
    if (gainBps >= minEdgeBps + costs(this.z > 0 ? -1 : 1, this.z)) return true
    this.belowCosts++
    return false
  }

  /** Innovations of the spread while it reverts as it did: a sum that wanders off says that it does not. */
  #watch(spread: number): void {
    const last = this.#lastSpread
    this.#lastSpread = spread
    if (Number.isNaN(last) || !(this.#innovation > 0)) return
    if (this.#cusum.next((spread - this.#phi * last) / this.#innovation)) this.isBroken = true
  }

  #exitReason(): PairExit | undefined {
    const towards = -this.direction * this.z
    if (this.isBroken) return 'broken'
    if (towards <= this.#rules.exitZ) return 'reverted'
    if (towards >= this.#rules.stopZ) return 'stopped'
    return this.#heldRows >= this.#rules.maxHalfLives * Math.max(1, this.halfLife) ? 'timed-out' : undefined
  }

  #remember(spread: number): void {
    this.#spreads.push(spread)
    if (this.#spreads.length > this.#rules.breakWindow) this.#spreads.shift()
    this.#rowsSinceTest++
    if (this.#spreads.length < this.#rules.breakWindow || this.#rowsSinceTest < this.#rules.breakEvery) return
    this.#rowsSinceTest = 0
    const test = adf(Float64Array.from(this.#spreads), {maxLag: 1, lagChoice: 'fixed'})
    if (test.pValue > this.#rules.breakPValue) this.isBroken = true
  }
}
