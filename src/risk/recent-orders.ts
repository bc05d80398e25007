// Ring indices are always reduced modulo the capacity, so `!` cannot miss here.
import type {OrderIntent} from '../domain/order.ts'
import type {RecentOrdersView} from './risk.ts'

/** The last orders sent, in a ring: bounded memory, no allocation after the first turn. */
export class RecentOrders implements RecentOrdersView {
  readonly #capacity: number
  readonly #atUs: Float64Array
  readonly #isDone: Uint8Array
  readonly #orders: (OrderIntent | undefined)[]
  readonly #slotOf = new Map<string, number>()
  #next = 0
  #size = 0

  constructor(capacity = 1024) {
    this.#capacity = capacity
    this.#atUs = new Float64Array(capacity)
    this.#isDone = new Uint8Array(capacity)
    this.#orders = new Array<OrderIntent | undefined>(capacity).fill(undefined)
  }

  record(order: OrderIntent, atUs: number): void {
    const slot = this.#next
    const old = this.#orders[slot]
    if (old !== undefined && this.#slotOf.get(old.clientOrderId) === slot) this.#slotOf.delete(old.clientOrderId)
    this.#orders[slot] = order
    this.#atUs[slot] = atUs
    this.#isDone[slot] = 0
    this.#slotOf.set(order.clientOrderId, slot)
    this.#next = (slot + 1) % this.#capacity
    if (this.#size < this.#capacity) this.#size++
  }

  /** The order is filled, cancelled, rejected or expired: sending the same again is no duplicate. */
  done(clientOrderId: string): void {
    const slot = this.#slotOf.get(clientOrderId)
    if (slot !== undefined) this.#isDone[slot] = 1
  }

  countSince(sinceUs: number): number {
    let count = 0
    while (count < this.#size && this.#atUs[this.#slotBack(count)]! >= sinceUs) count++
    return count
  }

  hasId(clientOrderId: string): boolean {
    return this.#slotOf.has(clientOrderId)
  }

  hasWorkingTwin(order: OrderIntent, sinceUs: number): boolean {
    for (let back = 0; back < this.#size; back++) {
      const slot = this.#slotBack(back)
      if (this.#atUs[slot]! < sinceUs) return false
      if (this.#isDone[slot] === 0 && isTwin(order, this.#orders[slot]!)) return true
    }
    return false
  }

  #slotBack(back: number): number {
    return (this.#next - 1 - back + this.#capacity) % this.#capacity
  }
}

const isTwin = (a: OrderIntent, b: OrderIntent): boolean =>
  a.instrument === b.instrument &&
  a.side === b.side &&
  a.type === b.type &&
  a.lots === b.lots &&
  a.strategy === b.strategy &&
  a.limitTicks === b.limitTicks &&
  a.stopTicks === b.stopTicks
