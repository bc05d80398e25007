import {adf} from '../statistics/adf.ts'
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
  /** Rows over which the filtered hedge ratio forgets. */
  readonly hedgeMemoryRows: number
  /** Least distance to the mean, in basis points of the traded leg, worth entering for. */
  readonly minEdgeBps: number
}

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
  readonly #rules: PairRules
  readonly #halfLife: number
  readonly #deviation: number
  readonly #filter: KalmanHedge
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
    this.#halfLife = candidate.halfLife
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
  onRow(logY: number, logX: number): PairExit | undefined {
    if (this.direction === 0) {
      this.#filter.update((logX - this.#centre) / this.#scale, logY)
      this.beta = this.#filter.beta / this.#scale
      this.alpha = this.#filter.alpha - this.beta * this.#centre
    }
    const spread = logY - this.beta * logX - this.alpha
    this.z = spread / this.#deviation
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
    if (!this.isBroken && !this.#mustReset && this.#isEntry(spread)) {
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

  #isEntry(spread: number): boolean {
    const size = Math.abs(this.z)
    return size >= this.#rules.entryZ && size < this.#rules.stopZ && Math.abs(spread) * 1e4 >= this.#rules.minEdgeBps
  }

  #exitReason(): PairExit | undefined {
    const towards = -this.direction * this.z
    if (this.isBroken) return 'broken'
    if (towards <= this.#rules.exitZ) return 'reverted'
    if (towards >= this.#rules.stopZ) return 'stopped'
    return this.#heldRows >= this.#rules.maxHalfLives * Math.max(1, this.#halfLife) ? 'timed-out' : undefined
  }

  #remember(spread: number): void {
    this.#spreads.push(spread)
    if (this.#spreads.length > this.#rules.breakWindow) this.#spreads.shift()
    this.#rowsSinceTest++
    if (this.#spreads.length < this.#rules.breakWindow || this.#rowsSinceTest < this.#rules.breakEvery) return
    this.#rowsSinceTest = 0
    const test = adf(Float64Array.from(this.#spreads), {maxLag: 1, lagChoice: 'fixed'})
    this.isBroken = test.pValue > this.#rules.breakPValue
  }
}
