/**
 * What we have already taken from levels that the market still shows. A historical book does not react to us, so
 * without this a second order would take the same lots again. Available = what is shown less what we took; it only grows
 * when the level grows, and a level that vanishes and comes back is new.
 */
interface Taken {
  readonly ask: boolean
  readonly ticks: number
  shownLots: number
  takenLots: number
}

export class ConsumedLiquidity {
  #taken: Taken[] = []

  isEmpty(): boolean {
    return this.#taken.length === 0
  }
  /** Lots still to be had of a level that shows `shownLots`. */
  available(ask: boolean, ticks: number, shownLots: number): number {
    const taken = this.#find(ask, ticks)
    if (taken === undefined) return shownLots
    update(taken, shownLots)
    return Math.max(0, shownLots - taken.takenLots)
  }
  take(ask: boolean, ticks: number, shownLots: number, lots: number): void {
    const taken = this.#find(ask, ticks)
    if (taken === undefined) this.#taken.push({ask, ticks, shownLots, takenLots: lots})
    else taken.takenLots += lots
  }
  /** The market changed: `shownAt` says what each remembered level shows now. */
  refresh(shownAt: (ask: boolean, ticks: number) => number): void {
    let kept = 0
    for (const taken of this.#taken) {
      const shown = shownAt(taken.ask, taken.ticks)
      if (!(shown > 0)) continue
      update(taken, shown)
      if (taken.takenLots > 0) this.#taken[kept++] = taken
    }
    this.#taken.length = kept
  }

  #find(ask: boolean, ticks: number): Taken | undefined {
    for (const taken of this.#taken) if (taken.ticks === ticks && taken.ask === ask) return taken
    return undefined
  }
}

/** A smaller level leaves no more than it shows; a larger one adds only its growth. */
const update = (taken: Taken, shownLots: number): void => {
  if (shownLots < taken.shownLots) {
    const left = Math.max(0, taken.shownLots - taken.takenLots)
    taken.takenLots = shownLots - Math.min(left, shownLots)
  }
  taken.shownLots = shownLots
}
