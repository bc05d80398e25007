import {type Decimal, fromUnits, greatest, least, times} from '../decimal.ts'
import type {Ledger} from '../ledger.ts'
import {isFinal, leavesOf, type OrderRecord} from '../order-record.ts'
import {type ContractTerms, termsOf} from './contract.ts'

/** Contracts as margin sees them: `units` are shares under option, negative where they were written. */
export interface OptionHolding {
  readonly terms: ContractTerms
  readonly units: Decimal
}

/** What written contracts lock: cash for what they can lose, shares for calls that no bought call covers. */
export interface OptionRequirement {
  readonly cash: Decimal
  readonly shares: Decimal
}

/**
 * The universal spread rule for contracts on one underlying: at each expiry the most that all contracts then alive can
 * lose at any price, premiums aside; the largest over the expiries. Calls written beyond the bought ones would lose
 * without end: they take shares, lowest strikes first.
 */
export const requirementOf = (holdings: readonly OptionHolding[]): OptionRequirement => {
  const left = holdings.map(({terms, units}) => ({terms, units}))
  const expiries = [...new Set(holdings.map(({terms}) => terms.expiry))].sort().reverse()
  let shares = 0n
  let cash = 0n
  // The latest first: what is written for later cannot be covered by what ends before.
  for (const expiry of expiries) {
    const calls = left.filter(({terms}) => terms.right === 'call' && terms.expiry >= expiry)
    let bare = -calls.reduce((sum, {units}) => sum + units, 0n)
    const written = calls.filter(({units}) => units < 0n).sort((a, b) => (a.terms.strike < b.terms.strike ? -1 : 1))
    for (const call of written) {
      if (bare <= 0n) break
      const covered = least(bare, -call.units)
      call.units += covered
      shares += covered
      bare -= covered
    }
  }
  for (const expiry of expiries) {
    const alive = left.filter(({terms, units}) => units !== 0n && terms.expiry >= expiry)
    // Piecewise linear and not falling beyond the last strike: the worst is at zero or at a strike.
    for (const spot of [0n, ...alive.map(({terms}) => terms.strike)]) cash = greatest(cash, -payoff(alive, spot))
  }
  return {cash, shares}
}

const payoff = (holdings: readonly OptionHolding[], spot: Decimal): Decimal =>
  holdings.reduce((sum, {terms: {right, strike}, units}) => {
    const value = right === 'call' ? spot - strike : strike - spot
    return value > 0n ? sum + times(units, value) : sum
  }, 0n)

/**
 * Contracts on an underlying that are held, less those that open single-leg orders may sell. What such orders may buy
 * covers nothing yet; orders of several legs cover themselves.
 */
export const committedOptions = (
  underlying: string,
  ledger: Ledger,
  open: Iterable<OrderRecord>,
  except?: OrderRecord,
): OptionHolding[] => {
  const holdings: OptionHolding[] = []
  for (const {asset, qty} of ledger.positions()) {
    const terms = termsOf(asset)
    if (terms?.underlying !== underlying) continue
    holdings.push({terms, units: times(qty, fromUnits(asset.instrument.multiplier, 0))})
  }
  for (const order of open) {
    if (order === except || order.orderClass === 'mleg' || order.side !== 'sell' || isFinal(order.status)) continue
    const terms = termsOf(order.asset)
    if (terms?.underlying !== underlying) continue
    holdings.push({terms, units: -times(leavesOf(order), fromUnits(order.asset.instrument.multiplier, 0))})
  }
  return holdings
}

/** Underlyings of the contracts that are held or that open orders are for. */
export const optionUnderlyings = (ledger: Ledger, open: Iterable<OrderRecord>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const {asset} of ledger.positions()) if (asset.instrument.option) found.add(asset.instrument.option.underlying)
  for (const {asset} of open) if (asset.instrument.option) found.add(asset.instrument.option.underlying)
  return found
}

/** Shares of `underlying` that written calls, and open orders to write some, lock. */
export const lockedShares = (underlying: string, ledger: Ledger, open: Iterable<OrderRecord>): Decimal =>
  requirementOf(committedOptions(underlying, ledger, open)).shares

/** What an order of several legs asks of the account beside what is committed: cash with its net price, and shares. */
export const legsCost = (
  legs: readonly OptionHolding[],
  price: Decimal,
  context: {readonly ledger: Ledger; readonly open: readonly OrderRecord[]; readonly except?: OrderRecord},
): OptionRequirement => {
  const underlying = legs[0]?.terms.underlying ?? ''
  const base = committedOptions(underlying, context.ledger, context.open, context.except)
  const before = requirementOf(base)
  const after = requirementOf([...base, ...legs])
  return {cash: after.cash - before.cash + price, shares: after.shares - before.shares}
}

/** Cash that written contracts lock, and that open orders for contracts may lock or pay beyond it. */
export const lockedCash = (
  ledger: Ledger,
  open: readonly OrderRecord[],
  priceOf: (order: OrderRecord) => Decimal,
): {readonly positions: Decimal; readonly orders: Decimal} => {
  let positions = 0n
  let orders = 0n
  for (const underlying of optionUnderlyings(ledger, open)) {
    const held = requirementOf(committedOptions(underlying, ledger, [])).cash
    positions += held
    orders += requirementOf(committedOptions(underlying, ledger, open)).cash - held
  }
  for (const order of open) {
    if (order.role !== 'combination' || isFinal(order.status)) continue
    const {cash} = legsCost(legHoldings(order), priceOf(order), {ledger, open})
    orders += greatest(cash, 0n)
  }
  return {positions, orders: greatest(orders, 0n)}
}

/** What the open units of an order of several legs would add to the account. */
export const legHoldings = (order: OrderRecord): OptionHolding[] =>
  order.legs.flatMap(leg => {
    const terms = termsOf(leg.asset)
    if (terms === undefined) return []
    const units = times(leavesOf(leg), fromUnits(leg.asset.instrument.multiplier, 0))
    return [{terms, units: leg.side === 'buy' ? units : -units}]
  })
