// Columns are indexed by instruments of the table they were sized from, so `!` cannot miss here.
import type {ApprovedOrder} from '../broker/broker.ts'
import {midTicks} from '../data/market-state.ts'
import {type InstrumentTable, priceToTicks} from '../domain/instrument.ts'
import type {OrderIntent, OrderLeg} from '../domain/order.ts'
import {lots as toLots, US_PER_SECOND} from '../domain/units.ts'
import type {RuleName} from './denials.ts'
import {reducibleLots, worstGrossMicros} from './exposure.ts'
import type {RiskLimits} from './limits.ts'
import {type Resize, type RiskOutcome, type RiskSnapshot, Session} from './risk.ts'

/**
 * Most that one unit can lose at expiry, in ticks a share; Infinity where a rise has no end to it. Every leg counts its
 * intrinsic value, which an option alive is worth at least; a long leg that expires before a short one counts nothing.
 */
export const maximumLossTicks = (
  legs: readonly OrderLeg[],
  instruments: InstrumentTable,
  paidTicks: number,
): number => {
  const terms = legs.map(leg => {
    const instrument = instruments.at(leg.instrument)
    if (instrument.option === undefined) throw new RangeError(`${instrument.symbol} is no option`)
    const {right, strike, expiry} = instrument.option
    return {
      isCall: right === 'call',
      strike: priceToTicks(instrument, strike),
      expiry,
      lots: leg.ratio * (leg.side === 'buy' ? 1 : -1),
    }
  })
  const lastShort = terms.reduce((last, {lots, expiry}) => (lots < 0 && expiry > last ? expiry : last), '')
  const counted = terms.filter(({lots, expiry}) => lots < 0 || expiry >= lastShort)
  if (counted.reduce((slope, {isCall, lots}) => slope + (isCall ? lots : 0), 0) < 0) return Infinity
  const payoff = (spot: number) =>
    counted.reduce((sum, {isCall, strike, lots}) => sum + lots * Math.max(0, isCall ? spot - strike : strike - spot), 0)
  // Piecewise linear and not falling beyond the last strike: the worst is at zero or at a strike.
  const worst = Math.min(payoff(0), ...counted.map(({strike}) => payoff(strike)))
  return Math.max(0, paidTicks - worst)
}

/**
 * The verdict on an order of several legs. What an order of one instrument is judged by its value, this is judged by the
 * most it can lose; legs that all bring their own positions nearer to zero are not limited.
 */
export const checkMultiLeg = (intent: OrderIntent, s: RiskSnapshot, limits: RiskLimits): RiskOutcome => {
  const legs = intent.legs ?? []
  const refuse = (rule: RuleName, detail: string): RiskOutcome => ({
    kind: 'refused',
    order: intent,
    by: {kind: 'reject', rule, detail},
  })
  if (s.state === 'halted') return refuse('halted', 'state=halted')
  for (const leg of legs) {
    const {symbol, option} = s.instruments.at(leg.instrument)
    if (limits.restricted.includes(symbol) || limits.restricted.includes(option?.underlying ?? ''))
      return refuse('restricted', `symbol=${symbol}`)
    const session = s.session[leg.instrument]
    if (session === Session.halted) return refuse('instrument-halted', `symbol=${symbol}`)
    if (session !== Session.open) return refuse('market-closed', `symbol=${symbol}`)
  }
  if (!Number.isSafeInteger(intent.lots) || intent.lots < 1) return refuse('order-size', `lots=${intent.lots}`)
  if (s.recent.hasId(intent.clientOrderId)) return refuse('duplicate-id', `clientOrderId=${intent.clientOrderId}`)
  const lately = s.recent.countSince(s.nowUs - US_PER_SECOND + 1)
  if (lately >= limits.maxOrdersPerSecond)
    return refuse('order-rate', `lastSecond=${lately} limit=${limits.maxOrdersPerSecond}`)
  // Every leg on its own: together they may still be more than what is held.
  const isClosing = legs.every(leg => leg.ratio * intent.lots <= reducibleLots({...intent, ...leg, lots: toLots(0)}, s))
  if (isClosing) return approved(intent, [])
  if (s.state === 'reducing') return refuse('reducing', `units=${intent.lots}`)
  let paid = 0
  for (const leg of legs) {
    const i = leg.instrument
    const isBuy = leg.side === 'buy'
    const shown = isBuy ? s.market.askLots[i]! : s.market.bidLots[i]!
    const far = isBuy ? s.market.askTicks[i]! : s.market.bidTicks[i]!
    const ticks = shown > 0 ? far : midTicks(s.market, i)
    if (!(shown > 0) && !(ticks > 0)) return refuse('no-market', `symbol=${s.instruments.at(i).symbol}`)
    const ageUs = s.nowUs - s.market.updatedUs[i]!
    const isStale = ageUs > limits.staleQuoteUs && !(ageUs <= QUIET * limits.staleQuoteUs && isChainAlive(i, s, limits))
    if (isStale) return refuse('stale-quote', `ageUs=${ageUs} limitUs=${limits.staleQuoteUs}`)
    paid += (isBuy ? 1 : -1) * leg.ratio * ticks
  }
  const lossTicks = maximumLossTicks(legs, s.instruments, intent.limitTicks ?? paid)
  if (lossTicks === Infinity) return refuse('undefined-risk', 'a rise of the underlying has no limit to its loss')
  return limited(intent, s, limits, lossTicks * s.microsPerTickLot[intent.instrument]!, refuse)
}

/** A contract's quote may be older by this factor, as long as its chain is heard. */
const QUIET = 12

/** Feeds say nothing of a contract whose quote has not moved: what has to be fresh is some contract of its chain. */
const isChainAlive = (instrument: number, s: RiskSnapshot, limits: RiskLimits): boolean => {
  const underlying = s.instruments.at(instrument).option?.underlying
  const {updatedUs} = s.market
  return s.instruments
    .all()
    .some(
      ({option}, other) =>
        option !== undefined && option.underlying === underlying && s.nowUs - updatedUs[other]! <= limits.staleQuoteUs,
    )
}

/** As many units as every limit on loss allows. */
const limited = (
  intent: OrderIntent,
  s: RiskSnapshot,
  limits: RiskLimits,
  unitMicros: number,
  refuse: (rule: RuleName, detail: string) => RiskOutcome,
): RiskOutcome => {
  const room: readonly (readonly [RuleName, number])[] = [
    ['max-order', limits.maxOrderMicros],
    ['max-position', limits.maxPositionMicros],
    ['max-position-fraction', limits.maxPositionFraction * s.equityMicros],
    ['cash-reserve', (1 - limits.cashReserve) * s.equityMicros - worstGrossMicros(s, -1)],
  ]
  const notes: Resize[] = []
  let units: number = intent.lots
  for (const [rule, micros] of room) {
    if (unitMicros * units <= micros) continue
    const detail = `maximumLossMicros=${Math.round(unitMicros * units)} roomMicros=${Math.round(micros)}`
    units = Math.max(0, Math.floor((micros / unitMicros) * (1 + 1e-12)))
    if (units < 1) return refuse(rule, detail)
    notes.push({kind: 'resize', lots: toLots(units), rule, detail})
  }
  return approved(units === intent.lots ? intent : {...intent, lots: toLots(units)}, notes)
}

/** The brand of an order of several legs: made here only, after every rule above. */
const approved = (order: OrderIntent, notes: readonly Resize[]): RiskOutcome => ({
  kind: 'approved',
  order: order as ApprovedOrder,
  notes,
})
