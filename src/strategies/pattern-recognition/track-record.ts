/** 95 % point of the normal distribution: a one-sided test at 5 %. */
const Z95 = 1.6449

/**
 * What forecasts turned out to be worth after costs, recent ones weighing more, and whether that is bad beyond chance: the
 * upper 95 % bound of their mean lies below zero. Forecasts made while it is bad are judged too, so trust can come back.
 */
export class TrackRecord {
  judged = 0
  right = 0
  mean = 0
  #variance = 0
  #weightSquares = 0
  readonly #least: number
  readonly #memory: number

  /** Judged from `least` outcomes on; about `memory` of them are remembered. */
  constructor(least: number, memory = 5 * least) {
    this.#least = least
    this.#memory = memory
  }

  /** Takes the move in the forecast's direction after costs, basis points. */
  onOutcome(netBps: number, wasRight: boolean): void {
    this.judged++
    if (wasRight) this.right++
    const rate = Math.max(1 / this.judged, 1 / this.#memory)
    const delta = netBps - this.mean
    this.mean += rate * delta
    this.#variance = (1 - rate) * (this.#variance + rate * delta * delta)
    this.#weightSquares = (1 - rate) ** 2 * this.#weightSquares + rate * rate
  }

  /** Of how many equally weighted outcomes the mean is worth. */
  get effectiveN(): number {
    return this.#weightSquares > 0 ? 1 / this.#weightSquares : 0
  }

  get isBad(): boolean {
    if (this.#least === 0 || this.judged < this.#least) return false
    const n = this.effectiveN
    const deviation = Math.sqrt((this.#variance * n) / Math.max(1, n - 1))
    return this.mean + (Z95 * deviation) / Math.sqrt(n) < 0
  }
}
