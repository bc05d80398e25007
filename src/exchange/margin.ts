import {absolute, type Decimal, fromUnits, greatest, least, ONE, times} from './decimal.ts'

/** A holding as margin sees it. */
export interface MarginPosition {
  /** Signed. */
  readonly qty: Decimal
  readonly price: Decimal
  /** Coins and contracts are paid in full; shares may be borrowed against. */
  readonly marginable: boolean
}

export interface MarginInput {
  readonly cash: Decimal
  readonly positions: readonly MarginPosition[]
  readonly multiplier: 1 | 2 | 4
  /** Money that open buy orders and opening shorts of marginable assets could use. */
  readonly reserved: Decimal
  /** What written contracts may lose at most, premiums aside. */
  readonly collateral?: Decimal
  /** Money that open coin buys and orders for contracts could use. */
  readonly reservedCash: Decimal
}

export interface MarginValues {
  readonly equity: Decimal
  readonly longMarketValue: Decimal
  readonly shortMarketValue: Decimal
  readonly initialMargin: Decimal
  readonly maintenanceMargin: Decimal
  readonly buyingPower: Decimal
  readonly regtBuyingPower: Decimal
  readonly nonMarginableBuyingPower: Decimal
  readonly optionsBuyingPower: Decimal
}

const dollars = (cents: number): Decimal => fromUnits(cents, 2)

/** Maintenance requirement of a share position, per Alpaca's table of September 2026: dollars for the whole holding. */
export const maintenanceOf = ({qty, price, marginable}: MarginPosition): Decimal => {
  const size = absolute(qty)
  const value = times(size, price)
  // What a written contract may lose is asked for apart.
  if (!marginable) return qty >= 0n ? value : 0n
  if (qty >= 0n) {
    const percent = price < dollars(250) ? 100 : price <= dollars(600) ? 50 : 30
    return times(value, dollars(percent))
  }
  const perShare = price < dollars(500) ? dollars(250) : dollars(500)
  const fraction = price < dollars(500) ? ONE : dollars(30)
  return greatest(times(size, perShare), times(value, fraction))
}

/** The identities of a margin account; every one of them holds exactly for Alpaca's recorded accounts. */
export const marginOf = (input: MarginInput): MarginValues => {
  const {cash, positions, multiplier, reserved, reservedCash, collateral = 0n} = input
  let long = 0n
  let short = 0n
  // The collateral of a written contract covers its price, so that what was received for it is free.
  let paidInFull = collateral
  let nonMarginable = 0n
  let maintenance = collateral
  for (const position of positions) {
    const value = times(position.qty, position.price)
    if (value >= 0n) long += value
    else short += value
    if (!position.marginable) {
      paidInFull += value
      nonMarginable += absolute(value)
    }
    maintenance += maintenanceOf(position)
  }
  const equity = cash + long + short
  const gross = long - short
  const borrowable = gross - nonMarginable
  const initial = borrowable / 2n + paidInFull
  const floor = (value: Decimal): Decimal => greatest(value, 0n)
  const regt = floor(2n * (equity - paidInFull) - borrowable)
  const buyingPower =
    multiplier === 4
      ? floor(4n * (equity - paidInFull) - borrowable - reserved - reservedCash)
      : multiplier === 2
        ? floor(2n * (equity - initial) - reserved - reservedCash)
        : floor(cash - collateral - reserved - reservedCash)
  return {
    equity,
    longMarketValue: long,
    shortMarketValue: short,
    initialMargin: floor(initial),
    maintenanceMargin: maintenance,
    buyingPower,
    regtBuyingPower: regt,
    // Proceeds of a short sale are no money to buy coins with.
    nonMarginableBuyingPower: floor(least(cash - collateral, equity - initial) - reservedCash),
    optionsBuyingPower: floor(equity - initial - reserved - reservedCash),
  }
}
