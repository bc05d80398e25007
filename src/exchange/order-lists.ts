import {byPriority, type WorkingOrder} from './working-order.ts'

// Columns are indexed by instrument numbers that the table has handed out, so they are read under `!`.

/** Orders that market rows can touch, by instrument, in priority. */
export class OrderLists {
  /** 1 where a row of the instrument needs more than a glance: orders are near or liquidity was taken. */
  readonly watched: Uint8Array
  /** Never changed in place: a row walks the list as it was when it came, and rows come more often than orders. */
  readonly #lists: (readonly WorkingOrder[])[]

  constructor(instruments: number) {
    this.watched = new Uint8Array(instruments)
    this.#lists = new Array<readonly WorkingOrder[]>(instruments).fill([])
  }

  isEmpty(i: number): boolean {
    return this.#lists[i]!.length === 0
  }
  add(working: WorkingOrder): void {
    const {instrument} = working
    const list = this.#lists[instrument]!
    const longer: WorkingOrder[] = []
    let isIn = false
    for (let k = 0; k < list.length; k++) {
      if (!isIn && byPriority(working, list[k]!) < 0) {
        longer.push(working)
        isIn = true
      }
      longer.push(list[k]!)
    }
    if (!isIn) longer.push(working)
    this.#lists[instrument] = longer
    this.watched[instrument] = 1
  }
  /** Prices of an instrument's orders have changed. */
  sort(i: number): void {
    this.#lists[i] = this.#lists[i]!.toSorted(byPriority)
  }
  remove(working: WorkingOrder): void {
    const list = this.#lists[working.instrument]!
    if (!list.includes(working)) return
    const shorter: WorkingOrder[] = []
    for (let k = 0; k < list.length; k++) if (list[k] !== working) shorter.push(list[k]!)
    this.#lists[working.instrument] = shorter
  }
  /** The list as it is now; matching changes the instrument's list while this one is walked. */
  snapshot(i: number): readonly WorkingOrder[] {
    return this.#lists[i]!
  }
}
