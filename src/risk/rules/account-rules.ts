// Columns are indexed by an instrument of the table they were sized from, so `!` cannot miss here.
import type {OrderIntent} from '../../domain/order.ts'
import type {RuleName} from '../denials.ts'
import {isReducing, orderTicks, reducibleLots, valueMicros, within, worstGrossMicros, worstLots} from '../exposure.ts'
import type {RiskLimits} from '../limits.ts'
import {accept, type RiskRule, type RiskSnapshot, type Verdict} from '../risk.ts'

/** 99 % quantile of the standard normal. */
export const Z99 = 2.3263478740408408

/** Lets through only what reduces: the answer of every limit that, once reached, leaves nothing but the way out. */
const onlyReducing = (order: OrderIntent, s: RiskSnapshot, rule: RuleName, detail: () => string): Verdict =>
  within(order, s, reducibleLots(order, s), rule, detail)

/** Of the capital a run begins with: a first losing day at exactly the minimum must not end a back-test for good. */
export const minimumCapital =
  ({minimumCapitalMicros}: RiskLimits): RiskRule =>
  (order, s) =>
    s.startEquityMicros >= minimumCapitalMicros
      ? accept
      : onlyReducing(
          order,
          s,
          'minimum-capital',
          () => `startEquityMicros=${s.startEquityMicros} limitMicros=${minimumCapitalMicros}`,
        )

export const dailyLoss =
  ({maxDailyLossMicros}: RiskLimits): RiskRule =>
  (order, s) => {
    const loss = s.dayStartEquityMicros - s.equityMicros
    return loss < maxDailyLossMicros
      ? accept
      : onlyReducing(order, s, 'daily-loss', () => `lossMicros=${loss} limitMicros=${maxDailyLossMicros}`)
  }

export const drawdown =
  ({maxDrawdown}: RiskLimits): RiskRule =>
  (order, s) => {
    const fall = s.peakEquityMicros > 0 ? 1 - s.equityMicros / s.peakEquityMicros : 0
    return fall < maxDrawdown
      ? accept
      : onlyReducing(order, s, 'drawdown', () => `drawdown=${fall.toFixed(5)} limit=${maxDrawdown}`)
  }

/** Gross value of positions and working orders, each at its worse side, stays below equity less the reserve. */
export const cashReserve =
  ({cashReserve: reserve}: RiskLimits): RiskRule =>
  (order, s) => {
    if (isReducing(order, s)) return accept
    const limit = (1 - reserve) * s.equityMicros
    return limitExposure(order, s, limit - worstGrossMicros(s, order.instrument), 'cash-reserve')
  }

/** Gross value held in instruments whose correlation with the order's is at or above the cluster's threshold. */
export const correlationExposure =
  ({maxCorrelationExposure, clusterCorrelation}: RiskLimits): RiskRule =>
  (order, s) => {
    if (isReducing(order, s)) return accept
    let cluster = 0
    for (let i = 0; i < s.positionLots.length; i++) {
      if (i === order.instrument || s.positionLots[i] === 0) continue
      if (Math.abs(s.portfolio.correlation(order.instrument, i)) < clusterCorrelation) continue
      cluster += Math.abs(valueMicros(s, i, s.positionLots[i]!))
    }
    return limitExposure(order, s, maxCorrelationExposure * s.equityMicros - cluster, 'correlation-exposure')
  }

/** Room for the order's own instrument: `micros` of value, less what is held and working on its side. */
const limitExposure = (order: OrderIntent, s: RiskSnapshot, micros: number, rule: RuleName): Verdict => {
  const perLot = orderTicks(order, s) * s.microsPerTickLot[order.instrument]!
  if (!(perLot > 0)) return accept
  const before = Math.abs(worstLots(order, s)) - order.lots
  const room = Math.max(micros / perLot - before, reducibleLots(order, s))
  return within(order, s, room, rule, () => `roomMicros=${Math.round(micros)} order=${order.lots}`)
}

/**
 * Normal value at risk of a day at 99 % with the order filled. An order that lowers it passes however high it is; one
 * that raises it above the limit is refused, not cut: half a hedge may be worse than none.
 */
export const portfolioRisk =
  ({maxPortfolioRisk}: RiskLimits): RiskRule =>
  (order, s) => {
    if (isReducing(order, s)) return accept
    const i = order.instrument
    const after = Z99 * s.portfolio.deviationWith(i, valueMicros(s, i, worstLots(order, s)))
    if (after <= maxPortfolioRisk * s.equityMicros) return accept
    const before = Z99 * s.portfolio.deviationWith(i, valueMicros(s, i, s.positionLots[i]!))
    if (after <= before) return accept
    return {
      kind: 'reject',
      rule: 'portfolio-risk',
      detail: `var99Micros=${Math.round(after)} limitMicros=${Math.round(maxPortfolioRisk * s.equityMicros)}`,
    }
  }

/** Value at risk with every volatility multiplied and no diversification at all: gross exposure times stressed volatility. */
export const stressedVar =
  ({stressVarLimit, stressMultiple}: RiskLimits): RiskRule =>
  (order, s) => {
    if (isReducing(order, s)) return accept
    let sum = 0
    for (let i = 0; i < s.positionLots.length; i++) {
      const held = i === order.instrument ? worstLots(order, s) : s.positionLots[i]!
      if (held !== 0) sum += Math.abs(valueMicros(s, i, held)) * s.portfolio.dailyVolatility(i)
    }
    const stressed = Z99 * stressMultiple * sum
    const limit = stressVarLimit * s.equityMicros
    if (stressed <= limit) return accept
    return {
      kind: 'reject',
      rule: 'stressed-var',
      detail: `stressedVar99Micros=${Math.round(stressed)} limitMicros=${Math.round(limit)}`,
    }
  }
