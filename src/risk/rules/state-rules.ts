// Columns are indexed by an instrument of the table they were sized from, so `!` cannot miss here.
import {type Auction, barredUntilUs, hasAuctions} from '../../domain/auction-hours.ts'
import type {OrderIntent} from '../../domain/order.ts'
import {US_PER_MINUTE} from '../../domain/units.ts'
import {reducibleLots, within} from '../exposure.ts'
import type {RiskLimits} from '../limits.ts'
import {accept, type RiskRule, type RiskSnapshot, Session, type Verdict} from '../risk.ts'

/** Nothing leaves while trading is halted; cancels never pass through risk. */
export const halted: RiskRule = (_order, s) =>
  s.state === 'halted' ? {kind: 'reject', rule: 'halted', detail: 'state=halted'} : accept

/**
 * In REDUCING every accepted order keeps |position after| ≤ |position before|, working orders counted: whatever subset of
 * the orders accepted in this state fills, in whatever order, the position never passes zero and never grows.
 */
export const reducing: RiskRule = (order, s) => {
  if (s.state !== 'reducing' && order.reduceOnly !== true) return accept
  return within(order, s, reducibleLots(order, s), 'reducing', () => {
    const i = order.instrument
    return `held=${s.positionLots[i]} workingBuy=${s.workingBuyLots[i]} workingSell=${s.workingSellLots[i]} order=${order.side} ${order.lots}`
  })
}

export const restricted = ({restricted: symbols}: RiskLimits): RiskRule => {
  const listed = new Set(symbols)
  if (listed.size === 0) return () => accept
  return (order, s) => {
    const {symbol, option} = s.instruments.at(order.instrument)
    if (!listed.has(symbol) && !(option !== undefined && listed.has(option.underlying))) return accept
    return {kind: 'reject', rule: 'restricted', detail: `symbol=${symbol}`}
  }
}

/** Orders for an auction are taken before it, while the venue is closed, too; halts may be over by then, and are not waited for. */
const auction = (order: OrderIntent, s: RiskSnapshot): Verdict => {
  const instrument = s.instruments.at(order.instrument)
  if (s.session[order.instrument] === Session.halted)
    return {kind: 'reject', rule: 'instrument-halted', detail: `symbol=${instrument.symbol}`}
  // What closes an option overnight is sent for its opening, which has no cut-off.
  if (!hasAuctions(instrument))
    return order.timeInForce === 'opg' && instrument.kind === 'option'
      ? accept
      : {kind: 'reject', rule: 'auction-closed', detail: `${instrument.kind} ${instrument.symbol} has no auction`}
  const untilUs = barredUntilUs(order.timeInForce as Auction, s.nowUs)
  if (untilUs === 0) return accept
  const minutes = Math.ceil((untilUs - s.nowUs) / US_PER_MINUTE)
  return {kind: 'reject', rule: 'auction-closed', detail: `timeInForce=${order.timeInForce} minutesLeft=${minutes}`}
}

/** Closed venues take nothing; extended hours take only limit orders marked for them. */
export const session: RiskRule = (order, s) => {
  if (order.timeInForce === 'opg' || order.timeInForce === 'cls') return auction(order, s)
  switch (s.session[order.instrument]) {
    case Session.open:
      return accept
    case Session.halted:
      return {
        kind: 'reject',
        rule: 'instrument-halted',
        detail: `symbol=${s.instruments.at(order.instrument).symbol}`,
      }
    case Session.extended:
      return order.extendedHours === true && order.type === 'limit'
        ? accept
        : {kind: 'reject', rule: 'market-closed', detail: `session=extended type=${order.type}`}
    default:
      return order.timeInForce === 'gtc'
        ? accept
        : {kind: 'reject', rule: 'market-closed', detail: `session=closed timeInForce=${order.timeInForce}`}
  }
}
