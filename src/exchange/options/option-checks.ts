import {absolute, type Decimal, fits, formatDecimal, fromUnits, greatest, times} from '../decimal.ts'
import {heldForOrders} from '../holdings.ts'
import type {CheckContext} from '../order-checks.ts'
import type {OrderRequest, PositionIntent} from '../order-request.ts'
import {washTrade} from '../wash-trade.ts'
import {forbidden, type Refusal, unprocessable} from '../wire-error.ts'
import {type ContractTerms, termsOf} from './contract.ts'
import {legsCost} from './option-margin.ts'

const MINUTE_US = 60_000_000
/** From this long before the close of its last day a contract opens no positions. */
const CLOSING_ONLY_US = 30 * MINUTE_US
export const MOST_CONTRACTS = fromUnits(1_000, 0)

/** What the venue allows an option order to be, before anyone's account is looked at. */
export const checkOptionRequest = (request: OrderRequest): Refusal | undefined => {
  const {qty, type, timeInForce, orderClass, extendedHours, notional} = request
  if (notional !== undefined) return unprocessable('notional orders are not supported for options trading')
  if (qty === undefined || !fits(qty, 0)) return unprocessable('qty must be integer for options trading')
  if (extendedHours) return unprocessable('extended hours is not supported for options trading')
  if (orderClass !== '') return unprocessable('complex orders not supported for options trading')
  if (timeInForce !== 'day' && timeInForce !== 'gtc')
    return unprocessable('order_time_in_force provided not supported for options trading')
  if (type === 'trailing_stop') return unprocessable('invalid option(s) order_type')
  return qty > MOST_CONTRACTS ? unprocessable('options order qty must be <= 1000') : undefined
}

/** Whether the contract only takes orders that close. */
export const opensTooLate = ({lastUs}: ContractTerms, nowUs: number): boolean => nowUs >= lastUs - CLOSING_ONLY_US

/** The intent that a side and a position mean: what is held is closed first. */
export const inferIntent = (side: 'buy' | 'sell', held: Decimal): PositionIntent =>
  side === 'buy' ? (held < 0n ? 'buy_to_close' : 'buy_to_open') : held > 0n ? 'sell_to_close' : 'sell_to_open'

/** The account's checks of an option order: contract, intent, level, position, collateral, premium. */
export const checkOptionAccount = (request: OrderRequest, context: CheckContext): Refusal | undefined => {
  const {asset, side} = request
  const {symbol} = asset.instrument
  const terms = termsOf(asset) as ContractTerms
  const qty = request.qty ?? 0n
  if (context.configuration.suspend_trade) return forbidden('new orders are rejected by user request')
  if (context.nowUs >= terms.lastUs) return unprocessable(`contract "${symbol}" is expired`)
  if (request.type === 'market' && !context.isOpen(asset))
    return unprocessable('options market orders are only allowed during market hours')
  const held = context.ledger.qtyOf(symbol)
  const inferred = inferIntent(side, held)
  if (request.positionIntent !== undefined && request.positionIntent !== inferred)
    return unprocessable(`position intent mismatch, inferred: ${inferred}, specified: ${request.positionIntent}`)
  const washed = washTrade(
    {symbol, side, type: request.type, limitPrice: request.limitPrice, exempt: false},
    context.open,
  )
  if (inferred.endsWith('close')) {
    const claimed = heldForOrders(symbol, context.ledger, context.open)
    const available = greatest(absolute(held) - claimed.qty, 0n)
    if (qty > available)
      return forbidden(
        `insufficient qty available for order (requested: ${formatDecimal(qty)}, available: ${formatDecimal(available)})`,
        {
          available: formatDecimal(available),
          existing_qty: formatDecimal(absolute(held)),
          held_for_orders: formatDecimal(claimed.qty),
          related_orders: claimed.orders.map(order => order.id),
          symbol,
        },
      )
    return washed ?? (side === 'sell' ? checkCover(request, terms, context) : undefined)
  }
  if (opensTooLate(terms, context.nowUs))
    return unprocessable(`contract "${symbol}" expires soon, unable to open new positions`)
  const level = context.configuration.max_options_trading_level ?? 3
  if (inferred === 'buy_to_open' && level < 2) return forbidden('account not eligible for level2 options trading')
  if (level < 1) return forbidden('account not eligible for level1 options trading')
  return (
    washed ?? (inferred === 'buy_to_open' ? checkPremium(request, context) : checkCollateral(request, terms, context))
  )
}

const contractSize = ({asset}: OrderRequest): Decimal => fromUnits(asset.instrument.multiplier, 0)

const checkPremium = (request: OrderRequest, {valuation, margin}: CheckContext): Refusal | undefined => {
  const far = valuation.farPrice(request.asset, 'buy') ?? 0n
  const price = request.limitPrice ?? request.stopPrice ?? far
  const cost = times(times(request.qty ?? 0n, price), contractSize(request))
  return cost > margin.optionsBuyingPower
    ? forbidden('insufficient options buying power', {
        options_buying_power: formatDecimal(margin.optionsBuyingPower),
        cost_basis: formatDecimal(cost),
      })
    : undefined
}

/** What selling the contracts locks beyond what is locked: shares for calls, cash for puts. */
const lockedBySale = (request: OrderRequest, terms: ContractTerms, {ledger, open}: CheckContext) =>
  legsCost([{terms, units: -times(request.qty ?? 0n, contractSize(request))}], 0n, {ledger, open})

const sharesLeft = (underlying: string, {ledger, open}: CheckContext): Decimal =>
  greatest(ledger.qtyOf(underlying) - heldForOrders(underlying, ledger, open).qty, 0n)

/** A contract that covers a written one is not sold before it. */
const checkCover = (request: OrderRequest, terms: ContractTerms, context: CheckContext): Refusal | undefined => {
  const {shares, cash} = lockedBySale(request, terms, context)
  const isCovered = shares <= sharesLeft(terms.underlying, context) && cash <= context.margin.optionsBuyingPower
  return (shares > 0n || cash > 0n) && !isCovered
    ? forbidden('account not eligible to trade uncovered option contracts')
    : undefined
}

/** A call is covered by shares or by another call, a put by cash or by another put; nothing is written naked. */
const checkCollateral = (request: OrderRequest, terms: ContractTerms, context: CheckContext): Refusal | undefined => {
  const {margin} = context
  const {shares, cash: required} = lockedBySale(request, terms, context)
  const available = sharesLeft(terms.underlying, context)
  if (shares > available)
    return forbidden(
      `insufficient underlying qty available for covered call (required: ${formatDecimal(shares)}, available: ${formatDecimal(available)})`,
      {available_qty: formatDecimal(available), required_qty: formatDecimal(shares), symbol: terms.underlying},
    )
  return required > margin.optionsBuyingPower
    ? forbidden(
        `insufficient options buying power for cash-secured put (required: ${formatDecimal(required)}, available: ${formatDecimal(margin.optionsBuyingPower)})`,
        {
          buying_power: formatDecimal(margin.optionsBuyingPower),
          required_options_buying_power: formatDecimal(required),
        },
      )
    : undefined
}
