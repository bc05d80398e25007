import {absolute, type Decimal, fromUnits, times} from '../decimal.ts'
import type {Ledger} from '../ledger.ts'
import {isFinal, leavesOf, type OrderRecord} from '../order-record.ts'
import {termsOf} from './contract.ts'

/** Cash that written puts, and open orders to write some, lock: what their exercise would cost. */
export const putCollateral = (ledger: Ledger, open: Iterable<OrderRecord>): Decimal => {
  let cash = 0n
  for (const {asset, qty} of ledger.positions()) {
    const terms = termsOf(asset)
    if (terms?.right === 'put' && qty < 0n)
      cash += times(times(absolute(qty), terms.strike), fromUnits(asset.instrument.multiplier, 0))
  }
  for (const order of open) {
    const terms = termsOf(order.asset)
    if (
      terms?.right === 'put' &&
      order.side === 'sell' &&
      !isFinal(order.status) &&
      ledger.qtyOf(order.asset.instrument.symbol) <= 0n
    )
      cash += times(times(leavesOf(order), terms.strike), fromUnits(order.asset.instrument.multiplier, 0))
  }
  return cash
}

/** Shares that written calls, and open orders to write some, lock. */
export const lockedByCalls = (symbol: string, ledger: Ledger, open: Iterable<OrderRecord>): Decimal => {
  let shares = 0n
  for (const {asset, qty} of ledger.positions()) {
    const terms = termsOf(asset)
    if (terms?.right === 'call' && terms.underlying === symbol && qty < 0n)
      shares += times(absolute(qty), fromUnits(asset.instrument.multiplier, 0))
  }
  for (const order of open) {
    const terms = termsOf(order.asset)
    if (terms?.right !== 'call' || terms.underlying !== symbol || order.side !== 'sell' || isFinal(order.status))
      continue
    if (ledger.qtyOf(order.asset.instrument.symbol) <= 0n)
      shares += times(leavesOf(order), fromUnits(order.asset.instrument.multiplier, 0))
  }
  return shares
}
