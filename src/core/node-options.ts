import type {Broker, RequestUse} from '../broker/broker.ts'
import type {Journal} from '../broker/journal.ts'
import type {KillLatch} from '../broker/kill-latch.ts'
import type {Clock, Scheduler} from '../domain/time.ts'
import type {Allocator} from '../engine/ports.ts'
import type {Reconciliation} from '../engine/reconcile.ts'
import type {Feed} from '../feed/feed.ts'
import type {RiskLimits} from '../risk/limits.ts'
import type {ExitRules} from '../risk/position-exit.ts'
import type {RiskRule} from '../risk/risk.ts'
import type {Strategy} from '../strategies/strategy.ts'
import type {StoppedBy, TradeEvent} from './trade-events.ts'

export interface NodeOptions {
  /** Start of every client order id. A journal that is not empty must belong to it: the node then goes on where it stopped. */
  readonly runId: string
  readonly seed: number
  readonly configHash: string
  readonly feed: Feed
  readonly broker: Broker
  readonly strategies: readonly Strategy[]
  readonly allocator: Allocator
  readonly limits: RiskLimits
  /** Instead of the standard rules of `limits`. */
  readonly rules?: readonly RiskRule[]
  readonly exits?: ExitRules
  readonly journal: Journal
  readonly latch: KillLatch
  /** The market's clock and timers; both may run faster than the wall's. */
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Cash at the start of the run; asked of the broker when absent. The same must be given again after a restart. */
  readonly cashMicros?: number
  /** Everything the node does, as it does it. */
  readonly onEvent?: (event: TradeEvent) => void
  /** Market data of one kind at least does not arrive: what works in the market is taken back until it does. */
  readonly isBlind?: () => boolean
  /** Stops the node: its reason is the summary's `stoppedBy` where it is one of those words, else `signal`. */
  readonly signal: AbortSignal
  /** Close all positions before leaving; false by default. Never after a latch: then only a kill flattens. */
  readonly flattenOnStop?: boolean
  /** False leaves every instrument open round the clock. */
  readonly sessions?: boolean
  /** Shown in the first event. */
  readonly speed?: number
  readonly idle?: readonly {readonly strategy: string; readonly reason: string}[]
  /** Wall timers for waiting on the broker; the system's by default. */
  readonly wallScheduler?: Scheduler
  /** Market time between two comparisons with the broker; 30 s by default. */
  readonly reconcileEveryUs?: number
  /**
   * Wall milliseconds that requests without an answer are waited for at the end, longer than one request may take: 15 s by
   * default. Then the broker is asked what became of them, for at most as long again (and 45 s more after a latch,
   * while the kill is at work).
   */
  readonly answerMs?: number
}

export interface NodeSummary {
  readonly runId: string
  readonly broker: string
  readonly feed: string
  readonly events: number
  readonly signals: number
  readonly orders: number
  readonly fills: number
  readonly rejected: number
  readonly equityMicros: number
  readonly ledgerErrorMicros: number
  readonly journalHash: string
  readonly stoppedBy: StoppedBy
  /** Of this run, at the end, as the broker sees them. */
  readonly openOrders: number
  readonly reconciliation: Reconciliation
  readonly latched: boolean
  /** Requests against the venue's limit at the end; absent where there is none. */
  readonly requests?: RequestUse
  readonly strategies: readonly {
    readonly name: string
    readonly profitMicros: number
    readonly feesMicros: number
    readonly report: Readonly<Record<string, number | string>>
  }[]
}
