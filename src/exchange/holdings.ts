import type {Instrument, InstrumentTable} from '../domain/instrument.ts'
import type {Side} from '../domain/units.ts'
import {type Asset, unitSize} from './assets.ts'
import {type Decimal, fromUnits, greatest, times} from './decimal.ts'
import type {Ledger} from './ledger.ts'
import {lockedShares} from './options/option-margin.ts'
import {isFinal, leavesOf, type OrderRecord} from './order-record.ts'

/**
 * Currencies that are paid in the account's cash, one for one. A replayed tape of a foreign venue is thus traded in its
 * own money: the account does not know exchange rates.
 */
const CASH: ReadonlySet<string> = new Set(['USD', 'USDT', 'USDC', 'EUR', 'CNY'])
export const isCash = (currency: string): boolean => CASH.has(currency)

/** Where a holding is kept: shares by symbol, coins by coin, so that BTC bought as BTC/USD can pay for ETH/BTC. */
export const holdingKey = (instrument: Instrument): string => instrument.base

/** Prices in dollars, from the market as it stands. */
export interface Valuation {
  /** Last trade, else the middle of the quote; undefined before either. */
  readonly lastPrice: (asset: Asset) => Decimal | undefined
  /** What a market order would pay or get now: the far side of the quote, else the last trade. */
  readonly farPrice: (asset: Asset, side: Side) => Decimal | undefined
  /** Dollars for one unit of a currency: 1 for USD, the coin's dollar price otherwise. */
  readonly dollarsPer: (currency: string) => Decimal | undefined
}

/** The asset whose price in dollars values a holding of `instrument`: itself, or the coin's dollar pair. */
export const valuationSymbol = (instruments: InstrumentTable, instrument: Instrument): string => {
  if (isCash(instrument.quote)) return instrument.symbol
  return dollarPair(instruments, instrument.base) ?? instrument.symbol
}

/** The pair that says what a coin is worth in dollars: against the dollar, else against a coin that is pegged to it. */
export const dollarPair = (instruments: InstrumentTable, coin: string): string | undefined =>
  ['USD', 'USDT', 'USDC'].map(dollar => `${coin}/${dollar}`).find(pair => instruments.indexOf(pair) !== undefined)

/** One unit of currency price per unit an open order may still pay, in its quote currency. */
export const reservePrice = (order: OrderRecord, valuation: Valuation): Decimal => {
  const far = valuation.farPrice(order.asset, order.side) ?? 0n
  if (order.side === 'buy') return order.limitPrice ?? order.stopPrice ?? far
  const ask = valuation.farPrice(order.asset, 'buy') ?? far
  return greatest(order.limitPrice ?? 0n, times(ask, fromUnits(103, 2)))
}

/** What an open order could still buy: its notional, or its remaining quantity at the worst price it accepts. */
export const openNotional = (order: OrderRecord, valuation: Valuation): Decimal =>
  order.notional !== undefined && order.qty === undefined
    ? order.notional
    : times(times(leavesOf(order), reservePrice(order, valuation)), unitSize(order.asset))

/** Dollars that the open units of an order of several legs cost, or bring when negative, at its limit or at the market. */
export const netValue = (order: OrderRecord, valuation: Valuation): Decimal => {
  const price = order.limitPrice ?? netFarPrice(order.legs, valuation)
  return times(times(leavesOf(order), price), unitSize(order.asset))
}
/** What a unit of the legs costs at the far touches, a share. */
export const netFarPrice = (
  legs: readonly {readonly asset: Asset; readonly side: Side; readonly ratio?: number}[],
  valuation: Valuation,
): Decimal =>
  legs.reduce((sum, {asset, side, ratio = 1}) => {
    const price = (valuation.farPrice(asset, side) ?? 0n) * BigInt(ratio)
    return side === 'buy' ? sum + price : sum - price
  }, 0n)

/** Members of one complex order share one holding: the largest of them is what they hold back. */
const groupKey = (order: OrderRecord): string => (order.parent ?? order).id

/** Whether the order can still trade and is not a child waiting for its entry. */
const mayTrade = (order: OrderRecord): boolean =>
  !isFinal(order.status) &&
  !(order.status === 'held' && order.parent?.role === 'entry' && !isFinal(order.parent.status))

/** Quantity of a holding that open orders on the other side already lay claim to. */
export const heldForOrders = (
  key: string,
  ledger: Ledger,
  open: readonly OrderRecord[],
  except?: OrderRecord,
): {readonly qty: Decimal; readonly orders: readonly OrderRecord[]} => {
  const position = ledger.qtyOf(key)
  const groups = new Map<string, Decimal>()
  const orders: OrderRecord[] = []
  for (const order of open) {
    if (order === except || !mayTrade(order) || order.role === 'combination') continue
    const {instrument} = order.asset
    let claim = 0n
    if (holdingKey(instrument) === key && (order.side === 'sell') === position > 0n) claim = leavesOf(order)
    else if (instrument.quote === key && order.side === 'buy') claim = times(leavesOf(order), order.limitPrice ?? 0n)
    if (claim <= 0n) continue
    orders.push(order)
    const group = groupKey(order)
    groups.set(group, greatest(groups.get(group) ?? 0n, claim))
  }
  let qty = position > 0n ? lockedShares(key, ledger, open) : 0n
  for (const claim of groups.values()) qty += claim
  return {qty, orders}
}

/** Dollars that open orders could still use: shares (buys and opening shorts) and coins apart. */
export const reservedBy = (
  open: Iterable<OrderRecord>,
  ledger: Ledger,
  valuation: Valuation,
): {readonly shares: Decimal; readonly coins: Decimal} => {
  let shares = 0n
  let coins = 0n
  const counted = new Set<string>()
  for (const order of open) {
    // What several legs may cost together is counted with what options lock.
    if (!mayTrade(order) || order.orderClass === 'mleg') continue
    const {instrument} = order.asset
    const position = ledger.qtyOf(holdingKey(instrument))
    // What is written is covered by shares or cash, which are counted where they are locked.
    if (instrument.kind === 'option' && order.side === 'sell') continue
    const closing = order.side === 'sell' ? position > 0n : position < 0n
    if (closing || (instrument.kind === 'crypto' && order.side === 'sell')) continue
    if (counted.has(groupKey(order))) continue
    counted.add(groupKey(order))
    const notional = openNotional(order, valuation)
    if (instrument.kind !== 'crypto') shares += notional
    else if (isCash(instrument.quote)) coins += notional
  }
  return {shares, coins}
}
