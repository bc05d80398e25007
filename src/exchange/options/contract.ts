import type {Asset} from '../assets.ts'
import {type Decimal, formatDecimal, fromUnits} from '../decimal.ts'
import type {PaperExchange} from '../exchange.ts'
import {isoDay, newYorkDay} from '../sessions.ts'
import {lastTradingUs} from './listed-chain.ts'

type Json = Record<string, unknown>

export interface ContractTerms {
  readonly underlying: string
  readonly right: 'call' | 'put'
  readonly strike: Decimal
  /** YYYY-MM-DD */
  readonly expiry: string
  /** When it stops trading. */
  readonly lastUs: number
}

/** The terms of an asset that is an option; undefined for any other. */
export const termsOf = ({instrument: {option}}: Asset): ContractTerms | undefined =>
  option === undefined
    ? undefined
    : {
        underlying: option.underlying,
        right: option.right,
        strike: fromUnits(Math.round(option.strike * 1_000), 3),
        expiry: option.expiry,
        lastUs: lastTradingUs(option.expiry),
      }

export const isOption = (asset: Asset): boolean => asset.instrument.kind === 'option'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `AAPL Jun 20 2025 100 Call`. */
export const contractName = ({underlying, right, strike, expiry}: ContractTerms): string =>
  `${underlying} ${MONTHS[Number(expiry.slice(5, 7)) - 1]} ${expiry.slice(8, 10)} ${expiry.slice(0, 4)} ${formatDecimal(strike)} ${right === 'call' ? 'Call' : 'Put'}`

/** The contract object of the wire: every field a string but `tradable`. */
export const contractJson = (exchange: PaperExchange, asset: Asset, deliverables = false): Json => {
  const terms = termsOf(asset) as ContractTerms
  const underlying = exchange.assetOf(terms.underlying)
  const i = exchange.indexOf(asset)
  const close = exchange.lastDayPrice(asset)
  const isListed = exchange.nowUs < terms.lastUs
  const day = isoDay(newYorkDay(exchange.nowUs) - 1)
  const interest = exchange.openInterest(i)
  return {
    id: asset.id,
    symbol: asset.instrument.symbol,
    name: contractName(terms),
    status: isListed ? 'active' : 'inactive',
    tradable: isListed,
    expiration_date: terms.expiry,
    root_symbol: terms.underlying,
    underlying_symbol: terms.underlying,
    underlying_asset_id: underlying?.id ?? null,
    type: terms.right,
    style: asset.instrument.option?.style ?? 'american',
    strike_price: formatDecimal(terms.strike),
    multiplier: String(asset.instrument.multiplier),
    size: String(asset.instrument.multiplier),
    open_interest: interest === undefined ? null : String(interest),
    open_interest_date: interest === undefined ? null : day,
    close_price: close === 0n ? null : formatDecimal(close),
    close_price_date: close === 0n ? null : day,
    ppind: true,
    ...(deliverables
      ? {
          deliverables: [
            {
              type: 'equity',
              symbol: terms.underlying,
              asset_id: underlying?.id ?? null,
              amount: String(asset.instrument.multiplier),
              allocation_percentage: '100',
              settlement_type: 'T+1',
              settlement_method: 'CCC',
              delayed_settlement: false,
            },
          ],
        }
      : {}),
  }
}
