import {assetClass, positionSymbol, unitSize} from './assets.ts'
import {absolute, type Decimal, formatDecimal, quotient, times} from './decimal.ts'
import {averageEntry, type Position} from './ledger.ts'
import type {MarginValues} from './margin.ts'
import {isoDay} from './sessions.ts'
import {isoUtc} from './wire-time.ts'

export interface AccountFacts {
  readonly id: string
  readonly accountNumber: string
  readonly createdUs: number
  readonly cash: Decimal
  readonly lastEquity: Decimal
  readonly lastMaintenanceMargin: Decimal
  /** Trading day of the snapshot behind `last_*`. */
  readonly balanceDay: number
  readonly multiplier: 1 | 2 | 4
  readonly shortingEnabled: boolean
  readonly suspended: boolean
  readonly optionsLevel: number
}

export const accountJson = (facts: AccountFacts, margin: MarginValues): Record<string, unknown> => {
  const money = (value: Decimal): string => formatDecimal(value)
  const position = margin.longMarketValue + absolute(margin.shortMarketValue)
  return {
    id: facts.id,
    admin_configurations: {},
    user_configurations: null,
    account_number: facts.accountNumber,
    status: 'ACTIVE',
    crypto_status: 'ACTIVE',
    options_approved_level: 3,
    options_trading_level: Math.min(3, facts.optionsLevel),
    currency: 'USD',
    buying_power: money(margin.buyingPower),
    effective_buying_power: money(margin.buyingPower),
    regt_buying_power: money(margin.regtBuyingPower),
    non_marginable_buying_power: money(margin.nonMarginableBuyingPower),
    options_buying_power: money(margin.optionsBuyingPower),
    cash: money(facts.cash),
    accrued_fees: '0',
    pending_transfer_in: '0',
    pending_transfer_out: '0',
    pending_reg_taf_fees: '0',
    intraday_adjustments: '0',
    portfolio_value: money(margin.equity),
    equity: money(margin.equity),
    last_equity: money(facts.lastEquity),
    long_market_value: money(margin.longMarketValue),
    short_market_value: money(margin.shortMarketValue),
    position_market_value: money(position),
    initial_margin: money(margin.initialMargin),
    maintenance_margin: money(margin.maintenanceMargin),
    last_maintenance_margin: money(facts.lastMaintenanceMargin),
    sma: '0',
    multiplier: String(facts.multiplier),
    balance_asof: isoDay(facts.balanceDay),
    created_at: isoUtc(facts.createdUs),
    trading_blocked: false,
    transfers_blocked: false,
    account_blocked: false,
    trade_suspended_by_user: facts.suspended,
    shorting_enabled: facts.shortingEnabled,
    crypto_tier: 1,
  }
}

/** A position as the wire shows it. `lastDay` is the previous session's closing price. */
export const positionJson = (
  position: Position,
  prices: {readonly current: Decimal; readonly lastDay: Decimal},
  available: Decimal,
): Record<string, unknown> => {
  const {asset, qty, cost, overnightQty} = position
  const {current, lastDay} = prices
  // Money is of the whole contract, prices are a share's.
  const unit = unitSize(asset)
  const value = times(times(qty, current), unit)
  const profit = value - cost
  // What was held overnight is measured from yesterday's close, the rest from its entry price.
  const entry = quotient(cost, times(qty, unit))
  const dayBasis =
    times(times(overnightQty, lastDay), unit) +
    (overnightQty === 0n ? cost : times(qty - overnightQty, averageEntry(position)))
  const dayProfit = value - dayBasis
  return {
    asset_id: asset.id,
    symbol: positionSymbol(asset.instrument.symbol),
    exchange: asset.exchange,
    asset_class: assetClass(asset),
    asset_marginable: asset.marginable,
    qty: formatDecimal(qty),
    qty_available: formatDecimal(available),
    avg_entry_price: formatDecimal(entry),
    side: qty > 0n ? 'long' : 'short',
    market_value: formatDecimal(value),
    cost_basis: formatDecimal(cost, 16),
    unrealized_pl: formatDecimal(profit, 16),
    unrealized_plpc: ratio(profit, absolute(cost)),
    unrealized_intraday_pl: formatDecimal(dayProfit, 16),
    unrealized_intraday_plpc: ratio(dayProfit, absolute(dayBasis)),
    current_price: formatDecimal(current),
    lastday_price: formatDecimal(lastDay),
    change_today: lastDay === 0n ? '0' : formatDecimal(quotient(current - lastDay, lastDay)),
  }
}

const ratio = (a: Decimal, b: Decimal): string => (b === 0n ? '0' : formatDecimal(quotient(a, b)))
