// Columns are indexed by an instrument of the table they were sized from, so `!` cannot miss here.
import {midTicks} from '../data/market-state.ts'
import type {OrderIntent} from '../domain/order.ts'
import {lots, sign} from '../domain/units.ts'
import type {RuleName} from './denials.ts'
import {accept, type RiskSnapshot, type Verdict} from './risk.ts'

/** Value in account micros of `lots` at the market's mid (last price without a quote); 0 without a price. */
export const valueMicros = (s: RiskSnapshot, instrument: number, signedLots: number): number =>
  midTicks(s.market, instrument) * s.microsPerTickLot[instrument]! * signedLots

/** Price the order may trade at, for valuing it: its limit, its stop, else the far side of the quote or the last price. */
export const orderTicks = (order: OrderIntent, s: RiskSnapshot): number => {
  if (order.limitTicks !== undefined) return order.limitTicks
  if (order.stopTicks !== undefined) return order.stopTicks
  const i = order.instrument
  const far = order.side === 'buy' ? s.market.askTicks[i]! : s.market.bidTicks[i]!
  const farLots = order.side === 'buy' ? s.market.askLots[i]! : s.market.bidLots[i]!
  return farLots > 0 ? far : midTicks(s.market, i)
}

/**
 * Lots of this side that can only bring the position nearer to zero, whichever working orders fill and in what order:
 * the position less what working orders of the same side may already take from it.
 */
export const reducibleLots = (order: OrderIntent, s: RiskSnapshot): number => {
  const held = s.positionLots[order.instrument]!
  const room =
    order.side === 'sell' ? held - s.workingSellLots[order.instrument]! : -held - s.workingBuyLots[order.instrument]!
  return Math.max(0, room)
}

export const isReducing = (order: OrderIntent, s: RiskSnapshot): boolean => order.lots <= reducibleLots(order, s)

/** Signed lots were every working order of the order's side, and the order, to fill and none of the other side. */
export const worstLots = (order: OrderIntent, s: RiskSnapshot): number =>
  s.positionLots[order.instrument]! +
  (order.side === 'buy' ? s.workingBuyLots[order.instrument]! : -s.workingSellLots[order.instrument]!) +
  sign(order.side) * order.lots

/** Accepts up to `room` lots: the whole order, a part of it, or a rejection when there is no room for the smallest one. */
export const within = (
  order: OrderIntent,
  s: RiskSnapshot,
  room: number,
  rule: RuleName,
  detail: () => string,
): Verdict => {
  if (order.lots <= room) return accept
  // The factor undoes the last-bit loss of a limit divided by a price.
  const whole = Math.floor(room * (1 + 1e-12))
  if (whole < Math.max(1, s.instruments.at(order.instrument).minLots)) return {kind: 'reject', rule, detail: detail()}
  return {kind: 'resize', lots: lots(whole), rule, detail: detail()}
}

/** Lots of the order that are free of growth limits plus `growthLots` beyond them. */
export const roomFor = (order: OrderIntent, s: RiskSnapshot, growthLots: number): number =>
  reducibleLots(order, s) + Math.max(0, growthLots)

/** Gross exposure in micros were every working order to fill on its worse side, `skip` left out. */
export const worstGrossMicros = (s: RiskSnapshot, skip: number): number => {
  let gross = 0
  for (let i = 0; i < s.positionLots.length; i++) {
    const held = s.positionLots[i]!
    if (i === skip || (held === 0 && s.workingBuyLots[i] === 0 && s.workingSellLots[i] === 0)) continue
    const worst = Math.max(Math.abs(held + s.workingBuyLots[i]!), Math.abs(held - s.workingSellLots[i]!))
    gross += Math.abs(valueMicros(s, i, worst))
  }
  return gross
}
