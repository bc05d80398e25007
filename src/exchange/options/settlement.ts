import {type Activity, activityId} from '../activities.ts'
import type {Asset} from '../assets.ts'
import {absolute, type Decimal, formatDecimal, fromUnits, ONE, times} from '../decimal.ts'
import type {PaperExchange} from '../exchange.ts'
import type {Position} from '../ledger.ts'
import {isoDay, newYorkDay, sessionOf} from '../sessions.ts'
import {uuid} from '../uuid.ts'
import {forbidden, notFound, type Refusal, unprocessable} from '../wire-error.ts'
import {isoUtc} from '../wire-time.ts'
import {type ContractTerms, isOption, termsOf} from './contract.ts'

const CENT = ONE / 100n

/** How a contract leaves an account: its holder uses it, its writer must deliver, or it is worth nothing. */
type Ending = 'OPEXC' | 'OPASN' | 'OPEXP'

const DESCRIPTION: Readonly<Record<Ending, string>> = {
  OPEXC: 'Option Exercise',
  OPASN: 'Option Assignment',
  OPEXP: 'Option Expiry',
}

/**
 * Ends `contracts` of a position. Exercised or assigned, shares move at the strike and cash with them; the premium stays
 * the profit or loss of the option. Both lines of the account's history are written at once.
 */
const end = (exchange: PaperExchange, position: Position, contracts: Decimal, ending: Ending): void => {
  const {asset} = position
  const terms = termsOf(asset) as ContractTerms
  const isLong = position.qty > 0n
  const {ledger} = exchange
  ledger.move({key: position.key, asset, side: isLong ? 'sell' : 'buy', qty: contracts, price: 0n})
  exchange.record(activity(exchange, ending, asset.instrument.symbol, isLong ? -contracts : contracts, 0n, 0n))
  if (ending === 'OPEXP') return
  const underlying = exchange.assetOf(terms.underlying) as Asset
  const shares = times(contracts, fromUnits(asset.instrument.multiplier, 0))
  // The holder of a call and the writer of a put receive shares.
  const side = isLong === (terms.right === 'call') ? 'buy' : 'sell'
  ledger.move({key: terms.underlying, asset: underlying, side, qty: shares, price: terms.strike})
  const cash = times(shares, terms.strike)
  ledger.cash += side === 'buy' ? -cash : cash
  exchange.record(
    activity(
      exchange,
      'OPTRD',
      terms.underlying,
      side === 'buy' ? shares : -shares,
      terms.strike,
      side === 'buy' ? -cash : cash,
    ),
  )
}

const activity = (
  exchange: PaperExchange,
  type: Ending | 'OPTRD',
  symbol: string,
  qty: Decimal,
  price: Decimal,
  cash: Decimal,
): Activity => {
  const atUs = exchange.nowUs
  const id = activityId(atUs, uuid(exchange.rng))
  return {
    id,
    type,
    atUs,
    json: {
      activity_type: type,
      id,
      date: isoDay(newYorkDay(atUs)),
      net_amount: formatDecimal(cash),
      description: type === 'OPTRD' ? 'Option Trade' : DESCRIPTION[type],
      symbol,
      qty: formatDecimal(qty),
      price: formatDecimal(price),
      status: 'executed',
      created_at: isoUtc(atUs),
    },
  }
}

const inTheMoney = (terms: ContractTerms, spot: Decimal): Decimal =>
  terms.right === 'call' ? spot - terms.strike : terms.strike - spot

/** The close of a session: what expires now is exercised or assigned where it is a cent in the money, else it lapses. */
export const expireContracts = (exchange: PaperExchange): void => {
  for (const position of exchange.ledger.positions()) {
    const terms = termsOf(position.asset)
    if (terms === undefined || terms.lastUs > exchange.nowUs) continue
    const underlying = exchange.assetOf(terms.underlying)
    const spot = underlying === undefined ? undefined : exchange.valuation.lastPrice(underlying)
    const isWorth = spot !== undefined && inTheMoney(terms, spot) >= CENT && !exchange.doNotExercise.has(position.key)
    end(exchange, position, absolute(position.qty), isWorth ? (position.qty > 0n ? 'OPEXC' : 'OPASN') : 'OPEXP')
    exchange.doNotExercise.delete(position.key)
  }
}

const longPosition = (exchange: PaperExchange, symbolOrId: string): Position | Refusal => {
  const asset = exchange.assetOf(symbolOrId)
  const position =
    asset === undefined || !isOption(asset) ? undefined : exchange.ledger.position(asset.instrument.symbol)
  if (position === undefined) return notFound(`long position not found: ${symbolOrId}`)
  if (position.qty < 0n) return {status: 403, body: {code: 40310001, message: 'cannot exercise short position'}}
  return position
}

/** `POST /v2/positions/{contract}/exercise`: all of it, now. Undefined is success. */
export const exercise = (exchange: PaperExchange, symbolOrId: string): Refusal | undefined => {
  const position = longPosition(exchange, symbolOrId)
  if ('body' in position) return position
  const session = sessionOf(newYorkDay(exchange.nowUs))
  if (session !== undefined && exchange.nowUs >= session.closeUs)
    return forbidden('exercise requests are not accepted after market close until midnight')
  const available = exchange.available(position)
  if (available <= 0n) return forbidden('no qty available to exercise')
  const terms = termsOf(position.asset) as ContractTerms
  const underlying = exchange.assetOf(terms.underlying)
  const spot = underlying === undefined ? undefined : exchange.valuation.lastPrice(underlying)
  if (spot !== undefined && inTheMoney(terms, spot) < 0n) return forbidden('option contract is out of the money')
  const shares = times(available, fromUnits(position.asset.instrument.multiplier, 0))
  const cost = times(shares, terms.strike)
  if (terms.right === 'call') {
    const {regtBuyingPower} = exchange.margin()
    if (cost > regtBuyingPower)
      return forbidden('insufficient regt buying power to exercise', {
        regt_buying_power: formatDecimal(regtBuyingPower),
        required: formatDecimal(cost),
      })
  } else if (exchange.ledger.qtyOf(terms.underlying) < shares)
    return forbidden('insufficient underlying qty available to exercise', {
      available_qty: formatDecimal(exchange.ledger.qtyOf(terms.underlying)),
      required_qty: formatDecimal(shares),
    })
  end(exchange, position, available, 'OPEXC')
  return undefined
}

/** `POST /v2/positions/{contract}/do-not-exercise`: on its last day only. */
export const doNotExercise = (exchange: PaperExchange, symbolOrId: string): Refusal | undefined => {
  const position = longPosition(exchange, symbolOrId)
  if ('body' in position) return position
  const terms = termsOf(position.asset) as ContractTerms
  if (isoDay(newYorkDay(exchange.nowUs)) !== terms.expiry)
    return unprocessable('do not exercise requests are only accepted on expiration day')
  exchange.doNotExercise.add(position.key)
  return undefined
}
