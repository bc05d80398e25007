import {absolute, type Decimal, formatDecimal, fromUnits, greatest, times} from '../decimal.ts'
import {heldForOrders, netFarPrice} from '../holdings.ts'
import type {CheckContext} from '../order-checks.ts'
import type {OrderRecord} from '../order-record.ts'
import {forbidden, type Refusal, unprocessable} from '../wire-error.ts'
import {type ContractTerms, termsOf} from './contract.ts'
import type {LegRequest, MultiLegRequest} from './multi-leg-request.ts'
import {inferIntent, opensTooLate} from './option-checks.ts'
import {legsCost, type OptionHolding} from './option-margin.ts'

/**
 * The account's checks of an order of several legs: contracts, intents, level, cover, what is held, money. `except` is the
 * order that this one replaces.
 */
export const checkMultiLegAccount = (
  request: MultiLegRequest,
  context: CheckContext,
  except?: OrderRecord,
): Refusal | undefined => {
  const {legs, type} = request
  if (context.configuration.suspend_trade) return forbidden('new orders are rejected by user request')
  for (const {asset} of legs)
    if (context.nowUs >= (termsOf(asset) as ContractTerms).lastUs)
      return unprocessable(`contract "${asset.instrument.symbol}" is expired`)
  if (type === 'market' && legs.some(({asset}) => !context.isOpen(asset)))
    return unprocessable('options market orders are only allowed during market hours')
  for (const leg of legs) {
    const refused = checkIntent(leg, context)
    if (refused !== undefined) return refused
  }
  if ((context.configuration.max_options_trading_level ?? 3) < 3)
    return forbidden('account not eligible for level3 options trading')
  if (!isCovered(legs)) return forbidden('account not eligible to trade uncovered option contracts')
  return checkHeld(request, context, except) ?? checkFunds(request, context, except)
}

const checkIntent = ({asset, side, positionIntent}: LegRequest, context: CheckContext): Refusal | undefined => {
  const {symbol} = asset.instrument
  const inferred = inferIntent(side, context.ledger.qtyOf(symbol))
  if (positionIntent !== inferred)
    return unprocessable(`position intent mismatch, inferred: ${inferred}, specified: ${positionIntent}`)
  return inferred.endsWith('open') && opensTooLate(termsOf(asset) as ContractTerms, context.nowUs)
    ? unprocessable(`contract "${symbol}" expires soon, unable to open new positions`)
    : undefined
}

/** Whether every contract that is written has one bought beside it: of the same right, and alive as long. */
const isCovered = (legs: readonly LegRequest[]): boolean =>
  legs.every(written => {
    if (written.positionIntent !== 'sell_to_open') return true
    const {right, expiry} = termsOf(written.asset) as ContractTerms
    let balance = 0
    for (const {asset, side, ratio, positionIntent} of legs) {
      const terms = termsOf(asset) as ContractTerms
      if (terms.right !== right || terms.expiry < expiry) continue
      if (side === 'buy') balance += ratio
      else if (positionIntent === 'sell_to_open') balance -= ratio
    }
    return balance >= 0
  })

/** A leg that closes asks for no more than what is held and not claimed. */
const checkHeld = (
  {legs, qty}: MultiLegRequest,
  {ledger, open}: CheckContext,
  except: OrderRecord | undefined,
): Refusal | undefined => {
  const others = open.filter(order => order !== except && (except === undefined || order.parent !== except))
  for (const {asset, ratio, positionIntent} of legs) {
    if (!positionIntent.endsWith('close')) continue
    const {symbol} = asset.instrument
    const requested = qty * BigInt(ratio)
    const existing = absolute(ledger.qtyOf(symbol))
    const held = heldForOrders(symbol, ledger, others)
    const available = greatest(existing - held.qty, 0n)
    if (requested > available)
      return forbidden(
        `insufficient qty available for order (requested: ${formatDecimal(requested)}, available: ${formatDecimal(available)})`,
        {
          available: formatDecimal(available),
          existing_qty: formatDecimal(existing),
          held_for_orders: formatDecimal(held.qty),
          related_orders: held.orders.map(order => order.id),
          symbol,
        },
      )
  }
  return undefined
}

const checkFunds = (
  {legs, qty, limitPrice}: MultiLegRequest,
  {ledger, open, valuation, margin}: CheckContext,
  except: OrderRecord | undefined,
): Refusal | undefined => {
  const size = fromUnits(legs[0]?.asset.instrument.multiplier ?? 1, 0)
  const price = times(times(qty, limitPrice ?? netFarPrice(legs, valuation)), size)
  const others = open.filter(order => order !== except)
  const cost = legsCost(holdingsOf(legs, qty), price, {ledger, open: others})
  if (cost.shares > 0n) {
    const underlying = legs[0]?.asset.instrument.option?.underlying ?? ''
    const available = greatest(ledger.qtyOf(underlying) - heldForOrders(underlying, ledger, others).qty, 0n)
    if (cost.shares > available)
      return forbidden(
        `insufficient underlying qty available for covered call (required: ${formatDecimal(cost.shares)}, available: ${formatDecimal(available)})`,
        {available_qty: formatDecimal(available), required_qty: formatDecimal(cost.shares), symbol: underlying},
      )
  }
  return cost.cash > margin.optionsBuyingPower
    ? forbidden('insufficient options buying power', {
        options_buying_power: formatDecimal(margin.optionsBuyingPower),
        cost_basis: formatDecimal(cost.cash),
      })
    : undefined
}

const holdingsOf = (legs: readonly LegRequest[], qty: Decimal): OptionHolding[] =>
  legs.map(({asset, side, ratio}) => {
    const units = times(qty, fromUnits(asset.instrument.multiplier, 0)) * BigInt(ratio)
    return {terms: termsOf(asset) as ContractTerms, units: side === 'buy' ? units : -units}
  })
