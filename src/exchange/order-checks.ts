import type {Side} from '../domain/units.ts'
import type {Asset} from './assets.ts'
import {absolute, type Decimal, fits, formatDecimal, fromUnits, greatest, ONE, times} from './decimal.ts'
import {heldForOrders, holdingKey, isCash, type Valuation} from './holdings.ts'
import type {Ledger} from './ledger.ts'
import type {MarginValues} from './margin.ts'
import {checkOptionAccount} from './options/option-checks.ts'
import {isFinal, type OrderRecord} from './order-record.ts'
import type {OrderRequest} from './order-request.ts'
import {washTrade} from './wash-trade.ts'
import {forbidden, type Refusal, unprocessable} from './wire-error.ts'

/** What the account's owner has switched on and off. */
export interface AccountConfiguration {
  readonly fractional_trading: boolean
  readonly max_margin_multiplier: '1' | '2' | '4'
  readonly max_options_trading_level: number | null
  readonly no_shorting: boolean
  readonly ptp_no_exception_entry: boolean
  readonly suspend_trade: boolean
  readonly trade_confirm_email: 'all' | 'none'
  readonly disable_overnight_trading: boolean
}

export interface CheckContext {
  readonly ledger: Ledger
  readonly open: readonly OrderRecord[]
  readonly valuation: Valuation
  readonly margin: MarginValues
  readonly configuration: AccountConfiguration
  readonly shortingEnabled: boolean
  readonly nowUs: number
  /** Whether the asset of the order can trade now. */
  readonly isOpen: (asset: Asset) => boolean
}

/** The account's own checks in the order of the catalogue: flags, position and side, wash trade, money. */
export const checkAccount = (request: OrderRequest, context: CheckContext): Refusal | undefined =>
  request.asset.instrument.kind === 'option'
    ? checkOptionAccount(request, context)
    : (checkFlags(request, context) ??
      (request.asset.instrument.kind === 'crypto' ? checkCoins(request, context) : checkShares(request, context)))

const checkFlags = ({asset, qty}: OrderRequest, {configuration}: CheckContext): Refusal | undefined => {
  if (configuration.suspend_trade) return forbidden('new orders are rejected by user request')
  if (asset.instrument.kind === 'crypto') return undefined
  const fractional = qty === undefined || !fits(qty, 0)
  if (fractional && !configuration.fractional_trading)
    return forbidden('fractional trading is disabled for this account')
  if (fractional && !asset.fractionable) return forbidden(`asset "${asset.instrument.symbol}" is not fractionable`)
  return undefined
}

/** Quantity the order is for, estimating a notional one at the price it would get. */
const requestedQty = ({qty, notional, asset, side}: OrderRequest, valuation: Valuation): Decimal => {
  if (qty !== undefined) return qty
  const price = valuation.farPrice(asset, side)
  return price === undefined || price === 0n ? 0n : ((notional ?? 0n) * ONE) / price
}

const insufficientQty = (
  symbol: string,
  requested: Decimal,
  existing: Decimal,
  held: {readonly qty: Decimal; readonly orders: readonly OrderRecord[]},
): Refusal => {
  const available = formatDecimal(greatest(existing - held.qty, 0n))
  return forbidden(
    `insufficient qty available for order (requested: ${formatDecimal(requested)}, available: ${available})`,
    {
      available,
      existing_qty: formatDecimal(existing),
      held_for_orders: formatDecimal(held.qty),
      related_orders: held.orders.map(order => order.id),
      symbol,
    },
  )
}

const checkShares = (request: OrderRequest, context: CheckContext): Refusal | undefined => {
  const {asset, side} = request
  const {ledger, open, valuation, configuration} = context
  const symbol = asset.instrument.symbol
  const position = ledger.qtyOf(symbol)
  const qty = requestedQty(request, valuation)
  const closing = side === 'sell' ? position > 0n : position < 0n
  const exit = request.orderClass === 'oco'
  if (closing) {
    if (request.orderClass === 'bracket') return unprocessable('bracket orders must be entry orders')
    const held = heldForOrders(symbol, ledger, open)
    if (qty > absolute(position) - held.qty) return insufficientQty(symbol, qty, absolute(position), held)
    return wash(request, open)
  }
  if (exit) return unprocessable('oco orders must be exit orders')
  if (side === 'sell') {
    if (configuration.no_shorting || !context.shortingEnabled) return forbidden('account is not allowed to short')
    if (!asset.shortable) return forbidden(`asset "${symbol}" cannot be sold short`)
    if (!fits(qty, 0) || request.notional !== undefined) return unprocessable('fractional orders cannot be sold short')
    if (opposing(open, asset, 'buy')) return forbidden('cannot open a short sell while a long buy order is open')
  } else if (opposing(open, asset, 'sell') && position <= 0n) {
    return forbidden('cannot open a long buy while a short sell order is open')
  }
  return wash(request, open) ?? checkMoney(request, qty, context)
}

/** An open, plain order on the given side of the same asset. */
const opposing = (open: readonly OrderRecord[], asset: Asset, side: Side): boolean =>
  open.some(order => order.asset === asset && order.side === side && order.role === 'entry' && !isFinal(order.status))

const wash = (request: OrderRequest, open: readonly OrderRecord[]): Refusal | undefined =>
  washTrade(
    {
      symbol: request.asset.instrument.symbol,
      side: request.side,
      type: request.type,
      limitPrice: request.limitPrice,
      exempt: request.orderClass !== '',
    },
    open,
  )

const checkMoney = (request: OrderRequest, qty: Decimal, {valuation, margin}: CheckContext): Refusal | undefined => {
  const {asset, side, notional} = request
  const far = valuation.farPrice(asset, side) ?? 0n
  const ask = valuation.farPrice(asset, 'buy') ?? far
  const price =
    side === 'buy'
      ? (request.limitPrice ?? request.stopPrice ?? far)
      : greatest(request.limitPrice ?? 0n, times(ask, fromUnits(103, 2)))
  const cost = notional ?? times(qty, price)
  if (!fits(qty, 0) && cost < ONE)
    return forbidden('cost basis must be >= minimal amount of order 1', {cost_basis: formatDecimal(cost)})
  if (cost > margin.buyingPower)
    return forbidden('insufficient buying power', {
      buying_power: formatDecimal(margin.buyingPower),
      cost_basis: formatDecimal(cost),
    })
  return undefined
}

/** Dollars below which a coin order is refused, and above which. */
const MIN_COIN_ORDER = 10n * ONE
const MAX_COIN_ORDER = 200_000n * ONE

const checkCoins = (request: OrderRequest, context: CheckContext): Refusal | undefined => {
  const {asset, side} = request
  const {ledger, open, valuation, margin} = context
  const {instrument} = asset
  const qty = requestedQty(request, valuation)
  const price = request.limitPrice ?? valuation.farPrice(asset, side) ?? 0n
  const value = request.notional ?? times(qty, price)
  const dollars = times(value, valuation.dollarsPer(instrument.quote) ?? 0n)
  const cost = {cost_basis: formatDecimal(dollars)}
  if (side === 'buy' && dollars < MIN_COIN_ORDER)
    return forbidden('cost basis must be >= minimal amount of order 10', cost)
  if (dollars > MAX_COIN_ORDER) return forbidden('cost basis must be <= maximal amount of order 200000', cost)
  const pays = side === 'sell' ? holdingKey(instrument) : instrument.quote
  if (isCash(pays)) {
    const washed = wash(request, open)
    if (washed !== undefined) return washed
    return dollars > margin.nonMarginableBuyingPower
      ? forbidden('insufficient buying power', {
          buying_power: formatDecimal(margin.nonMarginableBuyingPower),
          ...cost,
        })
      : undefined
  }
  const requested = side === 'sell' ? qty : value
  const balance = ledger.qtyOf(pays)
  const available = greatest(balance - heldForOrders(pays, ledger, open).qty, 0n)
  if (requested > available)
    return forbidden(
      `insufficient balance for ${pays} (requested: ${formatDecimal(requested)}, available: ${formatDecimal(available)})`,
      {available: formatDecimal(available), balance: formatDecimal(balance), symbol: pays},
    )
  return wash(request, open)
}
