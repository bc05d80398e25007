import type {Auction} from '../domain/auction-hours.ts'
import type {OrderIntent, OrderStatus} from '../domain/order.ts'

/** Why the engine sent an order: to reach a target, as one side of a quote, to close a position it must not keep, or as asked for. */
export type OrderPurpose = 'target' | 'bid' | 'ask' | 'exit' | 'multi-leg'

/** An order that is not known to be done. Only the desk changes it. */
export interface LiveOrder {
  intent: OrderIntent
  readonly symbol: string
  /** Index of its strategy; -1 for an order of nobody here. */
  readonly strategy: number
  /** `strategy * instruments + instrument`. */
  readonly slot: number
  readonly purpose: OrderPurpose
  /** The auction that it was asked for; absent of one that only waits for the session. */
  readonly auction?: Auction | undefined
  readonly sentUs: number
  /** The market when it was decided: mid, and the price it hoped for (far touch, or its limit). 0 when unknown. */
  readonly decidedMid: number
  readonly hopedTicks: number
  /** The same for each leg of a multi-leg order. */
  readonly legPrices?: readonly {readonly mid: number; readonly hoped: number}[]
  venueOrderId: string | undefined
  status: OrderStatus
  leavesLots: number
  filledLots: number
  cancelSentUs: number
}

/** What a strategy wants resting on both sides of an instrument, and what rests. */
export interface QuoteSlot {
  readonly slot: number
  bidTicks: number
  bidLots: number
  askTicks: number
  askLots: number
  bid: LiveOrder | undefined
  ask: LiveOrder | undefined
}
