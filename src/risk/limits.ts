import type {RiskConfig} from '../config/schema.ts'

/** The configuration's risk section in the units of the order path. */
export interface RiskLimits {
  readonly maxPortfolioRisk: number
  readonly maxPositionMicros: number
  readonly maxPositionFraction: number
  readonly maxDailyLossMicros: number
  readonly maxDrawdown: number
  readonly maxCorrelationExposure: number
  readonly stressVarLimit: number
  readonly cashReserve: number
  readonly minimumCapitalMicros: number
  readonly priceCollar: number
  readonly maxOrderMicros: number
  readonly maxOrdersPerSecond: number
  readonly staleQuoteUs: number
  readonly restricted: readonly string[]
  readonly allowShort: boolean
  /** An identical order within this time of a working one is refused. */
  readonly duplicateWindowUs: number
  /** Correlation from which two instruments belong to one cluster. */
  readonly clusterCorrelation: number
  /** Factor on every volatility in the stressed value at risk. */
  readonly stressMultiple: number
}

const MICROS = 1_000_000

export const riskLimits = (config: RiskConfig, extra: Partial<RiskLimits> = {}): RiskLimits => ({
  maxPortfolioRisk: config.maxPortfolioRisk,
  maxPositionMicros: Math.round(config.maxPositionDollars * MICROS),
  maxPositionFraction: config.maxPositionFraction,
  maxDailyLossMicros: Math.round(config.maxDailyLossDollars * MICROS),
  maxDrawdown: config.maxDrawdown,
  maxCorrelationExposure: config.maxCorrelationExposure,
  stressVarLimit: config.stressVarLimit,
  cashReserve: config.cashReserve,
  minimumCapitalMicros: Math.round(config.minimumCapitalDollars * MICROS),
  priceCollar: config.priceCollar,
  maxOrderMicros: Math.round(config.maxOrderDollars * MICROS),
  maxOrdersPerSecond: config.maxOrdersPerSecond,
  staleQuoteUs: config.staleQuoteMs * 1000,
  restricted: config.restricted,
  allowShort: config.allowShort,
  duplicateWindowUs: 100_000,
  clusterCorrelation: 0.7,
  stressMultiple: 3,
  ...extra,
})
