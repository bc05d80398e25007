const HORIZONS_US = [50_000, 100_000, 250_000] as const

/** How long chances live: what share of them is still there after 50, 100 and 250 ms, when an order could arrive. */
export class Survival {
  seen = 0
  #openedUs = -1
  readonly #survived = [0, 0, 0]
  #lifeUs = 0

  /** Tells at each change of the books whether there is a chance now. */
  update(isOpen: boolean, nowUs: number): void {
    if (isOpen === this.#openedUs >= 0) return
    if (isOpen) {
      this.seen++
      this.#openedUs = nowUs
      return
    }
    const life = nowUs - this.#openedUs
    this.#openedUs = -1
    this.#lifeUs += life
    HORIZONS_US.forEach((horizon, k) => {
      if (life >= horizon) this.#survived[k] = (this.#survived[k] as number) + 1
    })
  }

  /** Shares of the chances that have ended (one still open is not counted). */
  report(): {
    readonly after50ms: number
    readonly after100ms: number
    readonly after250ms: number
    readonly meanMs: number
  } {
    const ended = this.seen - (this.#openedUs >= 0 ? 1 : 0)
    const share = (k: number): number => (ended > 0 ? (this.#survived[k] as number) / ended : 0)
    return {
      after50ms: share(0),
      after100ms: share(1),
      after250ms: share(2),
      meanMs: ended > 0 ? this.#lifeUs / ended / 1000 : 0,
    }
  }
}
