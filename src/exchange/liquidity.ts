import type {WorkingOrder} from './working-order.ts'

/**
 * What we have already taken from levels that the market shows. A historical book does not react to us, so without this
 * a second order would take the same lots again. Available = what is shown less what we took, and it only grows when the
 * level grows. A level that vanishes and comes back is the same liquidity while an order that took from it still works,
 * and for a tenth of a second after it was last seen: flickering quotes are not fresh ones.
 */
interface Taken {
  readonly ask: boolean
  readonly ticks: number
  shownLots: number
  takenLots: number
  /** The last of our orders that took from it. */
  taker: WorkingOrder
  /** When it was found gone; NaN while it is shown. */
  goneUs: number
}

const FLICKER_US = 100_000

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
  take(taker: WorkingOrder, ticks: number, shownLots: number, lots: number): void {
    const ask = taker.isBuy
    const taken = this.#find(ask, ticks)
    if (taken === undefined) this.#taken.push({ask, ticks, shownLots, takenLots: lots, taker, goneUs: Number.NaN})
    else {
      taken.takenLots += lots
      taken.taker = taker
    }
  }
  /** The market changed: `shownAt` says what each remembered level shows now. */
  refresh(atUs: number, shownAt: (ask: boolean, ticks: number) => number): void {
    let kept = 0
    for (const taken of this.#taken) {
      const shown = shownAt(taken.ask, taken.ticks)
      if (shown > 0) {
        update(taken, shown)
        taken.goneUs = Number.NaN
        if (taken.takenLots === 0) continue
      } else if (!isRemembered(taken, atUs)) continue
      this.#taken[kept++] = taken
    }
    this.#taken.length = kept
  }

  #find(ask: boolean, ticks: number): Taken | undefined {
    for (const taken of this.#taken) if (taken.ticks === ticks && taken.ask === ask) return taken
    return undefined
  }
}

const isRemembered = (taken: Taken, atUs: number): boolean => {
  if (Number.isNaN(taken.goneUs)) taken.goneUs = atUs
  return taken.taker.state !== 'done' || atUs - taken.goneUs <= FLICKER_US
}

/** A smaller level leaves no more than it shows; a larger one adds only its growth. */
const update = (taken: Taken, shownLots: number): void => {
  if (shownLots < taken.shownLots) {
    const left = Math.max(0, taken.shownLots - taken.takenLots)
    taken.takenLots = shownLots - Math.min(left, shownLots)
  }
  taken.shownLots = shownLots
}
