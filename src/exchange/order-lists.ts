import {byPriority, type WorkingOrder} from './working-order.ts'

// Columns are indexed by instrument numbers that the table has handed out, so they are read under `!`.

/** Orders that market rows can touch, by instrument, in priority. */
export class OrderLists {
  /** 1 where a row of the instrument needs more than a glance: orders are near or liquidity was taken. */
  readonly watched: Uint8Array
  readonly #lists: WorkingOrder[][]
  readonly #scratch: WorkingOrder[] = []

  constructor(instruments: number) {
    this.watched = new Uint8Array(instruments)
    this.#lists = Array.from({length: instruments}, () => [])
  }

  isEmpty(i: number): boolean {
    return this.#lists[i]!.length === 0
  }
  add(working: WorkingOrder): void {
    const list = this.#lists[working.instrument]!
    list.push(working)
    if (list.length > 1) list.sort(byPriority)
    this.watched[working.instrument] = 1
  }
  /** Prices of an instrument's orders have changed. */
  sort(i: number): void {
    this.#lists[i]!.sort(byPriority)
  }
  remove(working: WorkingOrder): void {
    const list = this.#lists[working.instrument]!
    const at = list.indexOf(working)
    if (at >= 0) list.splice(at, 1)
  }
  /** The list as it is now, because matching removes from it while it is walked; valid until the next call. */
  snapshot(i: number): readonly WorkingOrder[] {
    const list = this.#lists[i]!
    const scratch = this.#scratch
    scratch.length = 0
    for (let k = 0; k < list.length; k++) scratch.push(list[k]!)
    return scratch
  }
}
