import type {MarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import type {Auction} from '../domain/auction-hours.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {ExecutionReport, OrderIntent} from '../domain/order.ts'
import type {Rng} from '../domain/rng.ts'
import type {Ticks} from '../domain/units.ts'

/** What the matching core needs of an order; an `OrderIntent` is one. */
export interface VenueOrder extends Omit<OrderIntent, 'strategy' | 'decidedUs'> {
  /** Members of one bracket, OCO or OTO share it. */
  readonly groupId?: string
  /** `exit`: held until the group's entry has filled completely. One exit filling cancels or shrinks its siblings. */
  readonly groupRole?: 'entry' | 'exit'
}

export interface LatencyModel {
  /** Microseconds from the sender to the matching engine, for what is sent at `atUs`. */
  readonly orderUs: (rng: Rng, atUs: number) => number
  /** Microseconds from the matching engine back to the sender, for what happened at `atUs`. */
  readonly reportUs: (rng: Rng, atUs: number) => number
}

export interface FeeModel {
  /** Fee in micros of the quote currency, negative for a rebate, and coin lots withheld, if the venue takes its fee from what is received. */
  readonly feeOf: (fill: {
    readonly instrument: number
    readonly side: 'buy' | 'sell'
    readonly lots: number
    readonly priceTicks: number
    readonly notionalMicros: number
    readonly liquidity: 'maker' | 'taker'
    readonly tsUs: number
  }) => {readonly feeMicros: number; readonly feeLots?: number}
  /** Fee on shares sold by exercise or assignment; none by default. */
  readonly ofDelivery?: (sale: {readonly notionalMicros: number; readonly tsUs: number}) => number
}

/** What our own orders do to the market that they meet. It only ever makes a price worse or liquidity less. */
export interface ImpactModel {
  /** Ticks, at least 0, that a taker pays on average beyond the displayed price; a limit is a limit all the same. */
  readonly ticks: (take: {
    readonly instrument: number
    readonly isBuy: boolean
    readonly lots: number
    /** What the level showed; 0 when unknown. */
    readonly shownLots: number
    readonly priceTicks: number
    readonly atUs: number
  }) => number
  /** Lots at the front of the shown side that our earlier orders have used up and that have not come back. */
  readonly missingLots?: (instrument: number, isBuy: boolean, atUs: number) => number
  /** A taker was filled. */
  readonly onTaken?: (instrument: number, isBuy: boolean, lots: number, atUs: number) => void
  /** Every market row, after the market state took it. */
  readonly onRow?: (chunk: TapeChunk, row: number) => void
  readonly onSplit?: (instrument: number, numerator: number, denominator: number) => void
}

/** When an instrument's market is open; crypto never closes (`nextCloseUs` is Infinity). */
export interface Sessions {
  /** Start of the session that `nowUs` lies in, or of the next one. */
  readonly openUs: (instrument: number, nowUs: number) => number
  /** End of the session that `nowUs` lies in, or of the next one. */
  readonly closeUs: (instrument: number, nowUs: number) => number
  /** Whether the cut-off of the next auction has passed; a venue without one takes orders until it begins. */
  readonly bars?: (instrument: number, auction: Auction, nowUs: number) => boolean
}

/** How orders meet bars, where the tape has neither quotes nor depth. */
export interface BarMatching {
  /** Largest share of a bar's volume that we may be. */
  readonly participation: number
  /** Half of the spread that a bar hides, paid by every taker. */
  readonly halfSpreadBps: number
}

/** Where a resting order stands in its level's queue; implementations say how pessimistic they are. */
export type QueueModelName = 'conservative' | 'probabilistic' | 'fifo-l3' | 'none'

export interface VenueOptions {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly rng: Rng
  readonly latency: LatencyModel
  readonly fees: FeeModel
  readonly queue: QueueModelName
  /** Take no more than the size that was quoted (true), or fill the whole order at the touch as Alpaca's paper engine does (false). */
  readonly respectSize: boolean
  /** Probability that a marketable order is filled only in part at first; 0 by default. */
  readonly partialFillProbability: number
  readonly onReport: (report: ExecutionReport) => void
  /** None by default. */
  readonly impact?: ImpactModel
  /** Without it day orders never expire, `opg` trades at the next row and `cls` at once. */
  readonly sessions?: Sessions
  /** `{participation: 0.1, halfSpreadBps: 1}` by default. */
  readonly bars?: BarMatching
  /** Signed lots held before the first order, for reduce-only; 0 by default. */
  readonly initialLots?: (instrument: number) => number
}

/**
 * The matching core: orders in, market events in, execution reports out, in (time, phase, arrival) order. One core serves
 * the back-test (with latency and queue position) and the local exchange (without). It owns no clock: time is the
 * `nowUs` it is told.
 */
export interface Venue {
  /** The order leaves the sender now; it arrives `latency.orderUs` later. */
  readonly submit: (order: VenueOrder, nowUs: number) => void
  readonly cancel: (clientOrderId: string, nowUs: number) => void
  readonly replace: (
    clientOrderId: string,
    change: {
      readonly newClientOrderId: string
      readonly lots?: number
      readonly limitTicks?: Ticks
      readonly stopTicks?: Ticks
      readonly trailTicks?: Ticks
    },
    nowUs: number,
  ) => void
  /** A market row at its own time, after `advanceTo` that time and after the market state took it. */
  readonly onRow: (chunk: TapeChunk, row: number) => void
  /** A split or dividend, after the market state took it: resting orders follow (`order-adjust.ts`), where nobody else sees to it. */
  readonly onNotice: (chunk: TapeChunk, row: number) => void
  /** Everything due at or before `nowUs` happens: arrivals, stop elections, expiries, reports. */
  readonly advanceTo: (nowUs: number) => void
  /** Time of the next scheduled thing, Infinity when there is none. */
  readonly nextDueUs: () => number
  /** Signed lots held now, where they changed without an order: a split, an exercise. */
  readonly hold: (instrument: number, lots: number) => void
  /** Delivers every report that is on its way, now. */
  readonly deliver: () => void
  /** No row follows: orders for the close that wait for its print take the quote, or expire. */
  readonly endOfTape: (nowUs: number) => void
  readonly openOrders: () => readonly {
    readonly order: VenueOrder
    readonly leavesLots: number
    readonly filledLots: number
  }[]
}
