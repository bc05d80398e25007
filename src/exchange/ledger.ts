import type {Side} from '../domain/units.ts'
import type {Asset} from './assets.ts'
import {absolute, type Decimal, least, quotient, roundTo, times} from './decimal.ts'

/** What the account holds of one thing. Shares by symbol; coins by coin, whatever pair they were bought in. */
export interface Position {
  readonly key: string
  /** The asset whose price values the holding: the share, or the coin against the dollar. */
  readonly asset: Asset
  /** Signed. */
  qty: Decimal
  /** Signed cost in dollars; average entry times quantity. */
  cost: Decimal
  /** Quantity carried over from the previous trading day, signed. */
  overnightQty: Decimal
}

export interface Execution {
  readonly key: string
  readonly asset: Asset
  readonly side: Side
  readonly qty: Decimal
  /** Dollars a unit. */
  readonly price: Decimal
}

/** Cash and holdings, exact: nothing is rounded but the cost of what is left after a partial close (at 10^-18 dollars). */
export class Ledger {
  cash: Decimal
  readonly #positions = new Map<string, Position>()

  constructor(cash: Decimal) {
    this.cash = cash
  }

  positions(): Position[] {
    return [...this.#positions.values()].filter(position => position.qty !== 0n)
  }
  position(key: string): Position | undefined {
    const position = this.#positions.get(key)
    return position === undefined || position.qty === 0n ? undefined : position
  }
  qtyOf(key: string): Decimal {
    return this.#positions.get(key)?.qty ?? 0n
  }

  /** Moves a holding. Money is the caller's: a coin may be paid for with another coin. Returns the realised profit in dollars. */
  move({key, asset, side, qty, price}: Execution): Decimal {
    let position = this.#positions.get(key)
    if (position === undefined) {
      position = {key, asset, qty: 0n, cost: 0n, overnightQty: 0n}
      this.#positions.set(key, position)
    }
    const signed = side === 'buy' ? qty : -qty
    const closing = position.qty !== 0n && position.qty > 0n !== signed > 0n ? least(qty, absolute(position.qty)) : 0n
    let realised = 0n
    if (closing > 0n) {
      const released = roundTo((position.cost * closing) / absolute(position.qty), 18)
      const proceeds = times(closing, price)
      realised = position.qty > 0n ? proceeds - released : -released - proceeds
      position.cost -= released
    }
    const opening = qty - closing
    position.cost += side === 'buy' ? times(opening, price) : -times(opening, price)
    position.qty += signed
    if (position.qty === 0n) position.cost = 0n
    if (position.overnightQty !== 0n && closing > 0n) {
      const left = absolute(position.overnightQty) - least(closing, absolute(position.overnightQty))
      position.overnightQty = position.overnightQty > 0n ? left : -left
    }
    return realised
  }

  /** Takes a fee out of a holding at its average price; entry prices stay what was paid. */
  withhold(key: string, qty: Decimal): void {
    const position = this.#positions.get(key)
    if (position === undefined || position.qty === 0n) return
    position.cost -= (position.cost * qty) / position.qty
    position.qty -= qty
    if (position.qty === 0n) position.cost = 0n
  }

  /** A new trading day begins: what is held now was held overnight. */
  startDay(): void {
    for (const position of this.#positions.values()) position.overnightQty = position.qty
  }
}

export const averageEntry = (position: Position): Decimal => quotient(position.cost, position.qty)
