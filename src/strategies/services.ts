import type {MarketState} from '../data/market-state.ts'
import type {InstrumentTable} from '../domain/instrument.ts'

/** What the pattern memory's neighbours say together: forward returns in basis points. */
export interface PatternEvidence {
  readonly n: number
  readonly effectiveN: number
  readonly mean: number
  /** 90 % interval of the mean. */
  readonly low: number
  readonly high: number
  /** Nothing near enough is known: the numbers must not be traded on. */
  readonly abstain: boolean
}

/** The pattern memory as one strategy of one run sees it; made over the run's market. */
export interface PatternMemory {
  /** Call with the time of every event. */
  readonly onTime: (nowUs: number) => void
  /** The instrument's recent past as the memory stores it; undefined until enough has been seen. */
  readonly vector: (instrument: number) => ArrayLike<number> | undefined
  readonly regime: (instrument: number) => string
  /** Only what was known at `asOfUs`. */
  readonly search: (
    vector: ArrayLike<number>,
    asOfUs: number,
    filters: {readonly symbol?: string; readonly strategy: string},
  ) => PatternEvidence
  readonly remember: (pattern: {
    readonly id: string
    readonly symbol: string
    readonly strategy: string
    readonly regime: string
    readonly tsUs: number
    readonly vector: ArrayLike<number>
  }) => void
  /** What happened next, known from `atUs` on. */
  readonly learn: (id: string, pnlBps: number, atUs: number) => void
}

/** Heads of the chain embedding, each in its own unit: sentiment −1…1, arbitrage score 0…1. */
export interface SentimentHeads {
  readonly sentiment: number
  readonly arbitrageScore: number
}

/** Things a strategy may need that only the composition root can make. Absent ones leave their strategy silent or poorer. */
export interface StrategyServices {
  readonly patterns?: (run: {readonly market: MarketState; readonly instruments: InstrumentTable}) => PatternMemory
  /** Heads for an underlying as known at a time; undefined when there is no fresh embedding. */
  readonly heads?: (underlying: string, nowUs: number) => SentimentHeads | undefined
}
