import type {MarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {OptionQuote} from '../options/option-quote.ts'

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
  /** Ids of the patterns the numbers come from, nearest first. */
  readonly neighbours: readonly string[]
}

/** The clock an instrument's patterns are taken by: its own bars where it has nothing finer, else the market's time. */
export interface PatternClock {
  /** Length of its bars; 0 when it has quotes or trades. */
  readonly barUs: number
  /** Whether a bar that closes at `untilUs` belongs to the session of `nowUs`, or neither is inside one. */
  readonly staysInSession: (nowUs: number, untilUs: number) => boolean
}

/** The pattern memory as one strategy of one run sees it; made over the run's market. */
export interface PatternMemory {
  /** Call with every event, after the market state took it. */
  readonly onEvent: (chunk: TapeChunk, row: number) => void
  /** Undefined until the instrument has had an event. */
  readonly clock: (instrument: number) => PatternClock | undefined
  /** The instrument's recent past as the memory stores it; undefined until enough has been seen. */
  readonly vector: (instrument: number) => ArrayLike<number> | undefined
  readonly regime: (instrument: number) => string
  /** Only what was known at `asOfUs`; `neighbours` at most are heard. */
  readonly search: (
    vector: ArrayLike<number>,
    asOfUs: number,
    filters: {readonly symbol?: string; readonly strategy: string},
    neighbours?: number,
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
  /** A decision at `atUs` rested on these patterns: it keeps them from being forgotten. */
  readonly use: (ids: readonly string[], atUs: number) => void
}

/**
 * What a model was asked and may still owe: undefined until it has answered, and for ever when it cannot. In a back-test
 * the answer is there at once, in trading when the model's own thread has it: the same question has the same answer.
 */
export type Answer<T> = () => T | undefined

/** Heads of the chain embedding, each in its own unit: sentiment −1…1, arbitrage score 0…1. */
export interface SentimentHeads {
  readonly sentiment: number
  readonly arbitrageScore: number
}

export interface HeadsService {
  /** Name of the model, for reports. */
  readonly model: string
  /** Event time until which the model's training and selection saw chains: before it, an answer knows the future. */
  readonly seenUntilUs: number
  /** Heads of one chain, quotes of one underlying as known now; null when it has no expiry that the embedder can use. */
  readonly ask: (quotes: readonly OptionQuote[]) => Answer<SentimentHeads | null>
}

/** What a signal model says of one instrument at one row, in units of money. */
export interface ModelOpinion {
  readonly direction: -1 | 0 | 1
  /** Calibrated probability of the direction; of flat when flat. */
  readonly confidence: number
  /** Probability that neither barrier is reached, or that the move does not pay. */
  readonly flatProbability: number
  /** |P(up) − P(down)|. */
  readonly strength: number
  readonly holdingPeriodUs: number
  /** Half the Kelly fraction of an even bet at the model's odds. */
  readonly size: number
  /** Expected signed move by the regression head, basis points. */
  readonly moveBps: number
  /** Expected signed move by the direction head: (P(up) − P(down)) times the distance it was trained on, basis points. */
  readonly edgeBps: number
}

/** A signal model over the market of one run, with the features it was trained on. */
export interface SignalModel {
  readonly name: string
  readonly rows: 'bar' | 'book'
  /** Event time until which training and selection saw this instrument's market: before it, an opinion is not evidence. */
  readonly seenUntilUs: (instrument: number) => number
  /** Takes a row, after the market state took it. */
  readonly onEvent: (chunk: TapeChunk, row: number) => void
  /** Asks about the instrument's last row; undefined until its window is full. */
  readonly ask: (instrument: number) => Answer<ModelOpinion> | undefined
}

export interface SignalModelRequest {
  /** `transformer`, `book`, or the path or name of a trained one. */
  readonly name: string
  readonly market: MarketState
  readonly instruments: InstrumentTable
  /** The instrument has a new row (a bar has closed, a book is complete): the moment to ask. */
  readonly onRow: (instrument: number, atUs: number) => void
}

/** Things a strategy may need that only the composition root can make. Absent ones leave their strategy silent or poorer. */
export interface StrategyServices {
  readonly patterns?: (run: {readonly market: MarketState; readonly instruments: InstrumentTable}) => PatternMemory
  readonly heads?: HeadsService
  /** Undefined for a model that this run has not opened, because nothing in its feed could be put to it. */
  readonly model?: (request: SignalModelRequest) => SignalModel | undefined
  /** Orders and cancels a market minute that the venue takes from this run; absent where nobody counts, as in a back-test. */
  readonly requestsPerMinute?: number
}
