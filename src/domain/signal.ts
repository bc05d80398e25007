import type {TsUs} from './units.ts'

/** What a strategy or a model says about an instrument. */
export interface Signal {
  readonly strategy: string
  readonly instrument: number
  readonly tsUs: TsUs
  /** -1 short, 0 flat, 1 long. */
  readonly direction: -1 | 0 | 1
  /** 0 to 1. */
  readonly strength: number
  readonly holdingPeriodUs: number
  /** Fraction of the strategy's capital, 0 to 1. */
  readonly size: number
  /** Calibrated probability that the direction is right, 0 to 1. */
  readonly confidence: number
}
