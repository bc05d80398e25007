import type {MarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import type {Auction} from '../domain/auction-hours.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {Fill, OrderLeg, TimeInForce} from '../domain/order.ts'
import type {Rng} from '../domain/rng.ts'
import type {Signal} from '../domain/signal.ts'
import type {TsUs} from '../domain/units.ts'

/**
 * What a strategy may see and say. It never gets the broker, the wall clock or the data source, so the same object
 * back-tests, stresses and trades. What it says are wishes: the engine nets them over strategies, passes them through
 * risk and turns them into orders.
 */
export interface StrategyContext {
  /** Time of the event being handled. Changes between calls; read it, do not keep it. */
  readonly nowUs: TsUs
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly rng: Rng
  /** This strategy's capital in micros of the account currency. */
  readonly capitalMicros: number
  /** This strategy's own signed lots, not the netted account position. */
  readonly positionLots: (instrument: number) => number
  /** Says the view to the allocator, which sizes it by the strategy's weight and the signal's size. */
  readonly signal: (signal: Omit<Signal, 'strategy' | 'tsUs'>) => void
  /**
   * Wants exactly these signed lots; reached with a marketable order, or passively at `limitTicks`. With `timeInForce` only in
   * the opening (`opg`) or the closing (`cls`) auction of a share or fund, at the auction's price, `limitTicks` being the worst
   * to be taken: the order is sent at once, or for the next auction where the cut-off of this one has passed (09:28, 15:50),
   * which risk notes as `AUCTION_CLOSED`; what one auction does not fill waits for the next, until something else is wanted.
   */
  readonly target: (
    instrument: number,
    lots: number,
    options?: {readonly limitTicks?: number; readonly timeInForce?: Auction},
  ) => void
  /** Wants these two resting orders, post-only; 0 lots wants none on that side. Unchanged quotes keep their queue place. */
  readonly quote: (instrument: number, bidTicks: number, bidLots: number, askTicks: number, askLots: number) => void
  /**
   * Sends one order of 2 to 4 options on one underlying, filled together in whole units: `limitTicks` is the most a unit
   * may cost a share, net, negative for the least to be received; without it, at the market. Returns its id, or undefined
   * when risk refused it: its most possible loss counts against the limits. The legs have no exits but the strategy's, and
   * nothing else should be wanted of their instruments.
   */
  readonly multiLeg: (
    legs: readonly OrderLeg[],
    units: number,
    options?: {readonly limitTicks?: number; readonly timeInForce?: TimeInForce},
  ) => string | undefined
  readonly cancelMultiLeg: (clientOrderId: string) => void
  /** Calls `onTimer(tag)` at the first event time at or after `atUs`. */
  readonly wakeAt: (atUs: number, tag: number) => void
}

/**
 * A trading strategy. Its object holds all its state and is made fresh for a run. `onEvent` is the hot path: it is
 * called after the market state took the row, reads columns and should allocate nothing.
 */
export interface Strategy {
  readonly name: string
  /** Called once before the first event, when instruments are known. Throws UserError when the data lacks what it needs. */
  readonly start?: (context: StrategyContext) => void
  readonly onEvent: (context: StrategyContext, chunk: TapeChunk, row: number) => void
  readonly onFill?: (context: StrategyContext, fill: Fill) => void
  readonly onTimer?: (context: StrategyContext, tag: number) => void
  /** Numbers worth reporting at the end: what was found, paused, rejected. */
  readonly report?: () => Readonly<Record<string, number | string>>
}
