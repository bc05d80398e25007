import type {ExecutionReport, OrderIntent, OrderStatus} from '../domain/order.ts'
import type {Lots, Micros, Side, Ticks, TsUs} from '../domain/units.ts'

declare const approved: unique symbol
/** An intent that has been through risk. Only `risk` makes one, and only this type can reach a broker. */
export type ApprovedOrder = OrderIntent & {readonly [approved]: true}

/** An order as the broker knows it: what reconciliation compares with the journal. */
export interface BrokerOrder {
  readonly clientOrderId: string
  readonly venueOrderId: string
  readonly symbol: string
  readonly side: Side
  readonly lots: Lots
  readonly filledLots: Lots
  readonly limitTicks?: Ticks
  readonly status: OrderStatus
  readonly submittedUs: TsUs
}
export interface BrokerPosition {
  readonly symbol: string
  /** Signed. */
  readonly lots: number
}
export interface BrokerAccount {
  readonly cashMicros: Micros
  readonly equityMicros: Micros
  readonly buyingPowerMicros: Micros
}

/** How much of the venue's request limit is used. An order above it is refused before it leaves, with rule `request-budget`. */
export interface RequestUse {
  /** What the venue allows in a minute. */
  readonly perMinute: number
  /** Requests of the last 60 s. */
  readonly lastMinute: number
  /** Opening orders that could go at once; cancels, reductions and questions have more. */
  readonly available: number
  /** Requests that wait for their turn. */
  readonly waiting: number
  /** Opening orders given up because nothing came free in time. */
  readonly denied: number
  /** Times the venue itself said that it was too much (429). */
  readonly throttled: number
}

/**
 * The way to a market. Commands return as soon as they are handed over; everything the venue says comes back through
 * `onReport`, each report at least once and possibly again after a reconnect (fills carry ids, so applying is idempotent).
 * A submit whose outcome is unclear is never sent again: the caller asks `orderByClientId`.
 */
export interface Broker extends AsyncDisposable {
  readonly name: string
  /**
   * The venue refuses an order that would open a position against an open order of the other side, and one that would
   * pass from long to short (Alpaca's rule for shares). The engine then quotes only the side that may rest.
   */
  readonly separatesSides?: boolean
  /** Absent where the venue sets no limit. */
  readonly requestUse?: () => RequestUse
  readonly onReport: (listener: (report: ExecutionReport) => void) => void
  /** Throws `UnclearOutcome` when the venue may or may not have the order. A refusal is a `rejected` report, not an exception. */
  readonly submit: (order: ApprovedOrder) => Promise<void>
  /**
   * `submit` of an order that may not leave yet: its request is made ready at once, and no byte of it leaves before `go`
   * resolves to true. When that is false, or rejects, nothing is sent and nothing reported. Absent where orders are not
   * made ready ahead.
   */
  readonly submitWhen?: (order: ApprovedOrder, go: Promise<boolean>) => Promise<void>
  readonly cancel: (clientOrderId: string) => Promise<void>
  readonly cancelAll: () => Promise<number>
  readonly orderByClientId: (clientOrderId: string) => Promise<BrokerOrder | undefined>
  readonly openOrders: () => Promise<readonly BrokerOrder[]>
  readonly positions: () => Promise<readonly BrokerPosition[]>
  readonly account: () => Promise<BrokerAccount>
  /** Executions at or after `sinceUs`, oldest first: what may have been missed while nobody listened. */
  readonly fillsSince: (sinceUs: TsUs) => Promise<readonly Extract<ExecutionReport, {kind: 'fill'}>[]>
}

/** The request left, no answer came: the order may exist. Resolve it by its client order id. */
export class UnclearOutcome extends Error {
  override readonly name = 'UnclearOutcome'
}
