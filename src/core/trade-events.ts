import type {RequestUse} from '../broker/broker.ts'
import type {Side} from '../domain/units.ts'

/**
 * What a trading node tells the world as it runs: the records of `gpi trade --events`, and all that the live view, a
 * page or a metric ever sees of a node. Symbols and decimals instead of indices and ticks; money in integer micros.
 */
export type TradeEvent =
  | RunStarted
  | RunEnded
  | SignalEvent
  | OrderEvent
  | FillEvent
  | VerdictEvent
  | PositionEvent
  | RiskEvent
  | WeightsEvent
  | LatencyEvent
  | RequestsEvent
  | LogEvent

export interface RunStarted {
  readonly kind: 'run'
  readonly phase: 'started'
  readonly runId: string
  readonly tsUs: number
  readonly broker: string
  readonly feed: string
  readonly strategies: readonly string[]
  /** Strategies of the configuration that do not run, and why. */
  readonly idle: readonly {readonly strategy: string; readonly reason: string}[]
  readonly symbols: readonly string[]
  readonly seed: number
  readonly speed: number
  readonly equityMicros: number
}
export interface RunEnded {
  readonly kind: 'run'
  readonly phase: 'ended'
  readonly runId: string
  readonly tsUs: number
  readonly stoppedBy: StoppedBy
  readonly journalHash: string
  readonly equityMicros: number
}
/** Why a node stopped. */
export type StoppedBy = 'duration' | 'signal' | 'kill' | 'feed-end' | 'risk' | 'reconcile'

export interface SignalEvent {
  readonly kind: 'signal'
  readonly strategy: string
  readonly symbol: string
  readonly tsUs: number
  readonly direction: -1 | 0 | 1
  readonly strength: number
  readonly holdingPeriodUs: number
  readonly size: number
  readonly confidence: number
}
export interface OrderEvent {
  readonly kind: 'order'
  readonly clientOrderId: string
  readonly strategy: string
  readonly symbol: string
  readonly tsUs: number
  readonly side: Side
  readonly type: string
  readonly timeInForce: string
  readonly size: number
  readonly limit?: number
  readonly status: 'submitted' | 'accepted' | 'cancelled' | 'rejected' | 'expired' | 'filled' | 'partiallyFilled'
  readonly reason?: string
}
export interface FillEvent {
  readonly kind: 'fill'
  readonly fillId: string
  readonly clientOrderId: string
  readonly strategy: string
  readonly symbol: string
  readonly tsUs: number
  readonly side: Side
  readonly size: number
  readonly price: number
  readonly feeMicros: number
  readonly liquidity: 'maker' | 'taker'
}
export interface VerdictEvent {
  readonly kind: 'verdict'
  readonly clientOrderId: string
  readonly symbol: string
  readonly tsUs: number
  readonly verdict: 'accept' | 'resize' | 'reject'
  readonly rule?: string
  readonly detail?: string
}
export interface PositionEvent {
  readonly kind: 'position'
  readonly symbol: string
  readonly tsUs: number
  /** Signed units; 0 when the position has been closed. */
  readonly size: number
  readonly averageEntry: number
  readonly price: number
  readonly unrealizedMicros: number
}
export interface RiskEvent {
  readonly kind: 'risk'
  readonly tsUs: number
  readonly state: 'active' | 'reducing' | 'halted' | 'latched'
  readonly equityMicros: number
  readonly cashMicros: number
  /** Change of equity since the run started. */
  readonly pnlMicros: number
  readonly realizedMicros: number
  readonly feesMicros: number
  readonly grossMicros: number
  /** Fall from the run's highest equity, 0 to 1. */
  readonly drawdown: number
  readonly openOrders: number
  readonly limits: {readonly maxDrawdown: number; readonly maxDailyLossMicros: number}
}
/** Capital was shared anew between the strategies. */
export interface WeightsEvent {
  readonly kind: 'weights'
  readonly tsUs: number
  /** Share of equity by strategy; what is missing to 1 is cash. */
  readonly weights: Readonly<Record<string, number>>
  /** What each had earned when these weights began. */
  readonly profitMicros: Readonly<Record<string, number>>
}
/** How long the event loop was kept from its timers, in ms, since trading began. */
export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** The longest while the node was starting, which the others leave out. */
  readonly start: number
  /**
   * The most CPU time the loop's thread used between two wake-ups of the monitor: the node's own share of `max`. What
   * `max` has beyond it was spent waiting for a core that other threads or programs held.
   */
  readonly work: number
}
export interface LatencyEvent {
  readonly kind: 'latency'
  readonly tsUs: number
  /** Market event in hand to order handed over. */
  readonly decisionUs: {readonly p50: number; readonly p99: number}
  /** Market event in hand to the broker's acceptance. */
  readonly totalUs: {readonly p50: number; readonly p99: number}
  readonly loopDelayMs: LoopDelay
  readonly events: number
  readonly eventsPerSecond: number
}
/** How much of the venue's request limit the node uses; counts of a minute of wall time. */
export interface RequestsEvent extends RequestUse {
  readonly kind: 'requests'
  readonly tsUs: number
}
export interface LogEvent {
  readonly kind: 'log'
  readonly tsUs: number
  readonly level: 'info' | 'warn' | 'error'
  readonly text: string
}
