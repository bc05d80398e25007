import type {Lots, Micros, Side, Ticks, TsUs} from './units.ts'

export type OrderType = 'market' | 'limit' | 'stop' | 'stop_limit' | 'trailing_stop'
export type TimeInForce = 'day' | 'gtc' | 'ioc' | 'fok' | 'opg' | 'cls'

/** One contract of a multi-leg order and how many of it a unit has. */
export interface OrderLeg {
  readonly instrument: number
  readonly side: Side
  readonly ratio: number
}

/** The order that would take the book from what is held to what is wanted. Nobody has checked it yet. */
export interface OrderIntent {
  /** Deterministic: a pure function of run, strategy and sequence, so a restart finds its own orders. At most 128 characters. */
  readonly clientOrderId: string
  readonly strategy: string
  /** Index in the run's InstrumentTable. */
  readonly instrument: number
  readonly side: Side
  readonly type: OrderType
  readonly timeInForce: TimeInForce
  readonly lots: Lots
  readonly limitTicks?: Ticks
  readonly stopTicks?: Ticks
  /** Distance of a trailing stop, in ticks or in basis points of the high-water mark; exactly one. */
  readonly trailTicks?: Ticks
  readonly trailBps?: number
  readonly postOnly?: boolean
  /** Never lets the absolute position grow; the venue or the simulator shrinks or refuses it. */
  readonly reduceOnly?: boolean
  readonly extendedHours?: boolean
  /** A resting buy limit or sell stop keeps its price when the share goes ex-dividend. */
  readonly doNotReduce?: boolean
  /**
   * 2 to 4 options on one underlying, filled together. Then `lots` counts units, `instrument` and `side` are the first
   * leg's, and `limitTicks` is the most that a unit may cost a share, net: negative is the least to be received.
   */
  readonly legs?: readonly OrderLeg[]
  /** Time of the market event that made the strategy decide. */
  readonly decidedUs: TsUs
}

export type OrderStatus =
  | 'submitted'
  | 'accepted'
  | 'held'
  | 'partiallyFilled'
  | 'filled'
  | 'cancelled'
  | 'rejected'
  | 'expired'
  | 'replaced'
const TERMINAL: ReadonlySet<OrderStatus> = new Set(['filled', 'cancelled', 'rejected', 'expired', 'replaced'])
export const isTerminal = (status: OrderStatus): boolean => TERMINAL.has(status)

/** Why lots changed hands without an order: an option's end. */
export type SettlementReason = 'exercise' | 'assignment' | 'expiry' | 'cash-settlement'

/** One execution of one order. `fillId` is the venue's own id: applying the same id twice is applying it once. */
export interface Fill {
  readonly fillId: string
  readonly clientOrderId: string
  readonly instrument: number
  readonly side: Side
  readonly lots: Lots
  readonly priceTicks: Ticks
  /** In micros of the account currency; negative is a rebate. */
  readonly feeMicros: Micros
  /** Crypto venues take the fee of a buy from the coin received: lots that never arrive. */
  readonly feeLots?: Lots
  /** How many ticks worse the price was because our own orders move the market; a mean, so possibly a fraction. */
  readonly impactTicks?: number
  readonly liquidity: 'maker' | 'taker'
  readonly tsUs: TsUs
  /** Of what an option's end brought; executions have none. */
  readonly reason?: SettlementReason
}

/** What a venue says about an order. The engine's only source of truth about orders once they are sent. */
export type ExecutionReport =
  | {readonly kind: 'accepted'; readonly clientOrderId: string; readonly venueOrderId: string; readonly tsUs: TsUs}
  | {
      readonly kind: 'fill'
      readonly fill: Fill
      readonly venueOrderId: string
      readonly leavesLots: number
      readonly tsUs: TsUs
    }
  | {readonly kind: 'cancelled'; readonly clientOrderId: string; readonly tsUs: TsUs; readonly reason?: string}
  | {readonly kind: 'expired'; readonly clientOrderId: string; readonly tsUs: TsUs}
  | {
      readonly kind: 'rejected'
      readonly clientOrderId: string
      readonly tsUs: TsUs
      readonly code: string
      readonly reason: string
    }
  /** The venue changed a resting order for a split or a dividend; its id stays. Prices that are absent stay as they were. */
  | {
      readonly kind: 'adjusted'
      readonly clientOrderId: string
      readonly tsUs: TsUs
      readonly leavesLots: number
      readonly filledLots: number
      readonly limitTicks?: Ticks
      readonly stopTicks?: Ticks
      readonly reason: string
    }
  | {readonly kind: 'cancelRejected'; readonly clientOrderId: string; readonly tsUs: TsUs; readonly reason: string}
  | {
      readonly kind: 'replaced'
      readonly clientOrderId: string
      readonly newClientOrderId: string
      readonly venueOrderId: string
      readonly tsUs: TsUs
    }
