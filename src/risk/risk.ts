import type {ApprovedOrder} from '../broker/broker.ts'
import type {MarketState} from '../data/market-state.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import type {OrderIntent} from '../domain/order.ts'
import type {Lots} from '../domain/units.ts'
import type {RuleName} from './denials.ts'

export type Verdict =
  | {readonly kind: 'accept'}
  | {readonly kind: 'resize'; readonly lots: Lots; readonly rule: RuleName; readonly detail: string}
  | {readonly kind: 'reject'; readonly rule: RuleName; readonly detail: string}

/** `reducing` admits only orders that bring a position nearer to zero; `halted` admits none. */
export type TradingState = 'active' | 'reducing' | 'halted'

/** What the venue does with the instrument now. */
export const Session = {closed: 0, open: 1, extended: 2, halted: 3} as const

/** What was sent lately, as the throttle and duplicate rules need it. */
export interface RecentOrdersView {
  readonly countSince: (sinceUs: number) => number
  readonly hasId: (clientOrderId: string) => boolean
  /** An identical order (instrument, side, type, lots, prices) sent at or after `sinceUs` that is not known to be done. */
  readonly hasWorkingTwin: (order: OrderIntent, sinceUs: number) => boolean
}

/** Second moments of the portfolio's one-day profit, in account micros. */
export interface PortfolioRiskView {
  /** Standard deviation of one day's profit after the instrument's exposure became `exposureMicros`. */
  readonly deviationWith: (instrument: number, exposureMicros: number) => number
  readonly correlation: (a: number, b: number) => number
  /** One-day volatility of the instrument's value, a fraction. */
  readonly dailyVolatility: (instrument: number) => number
}

/**
 * The world as risk sees it when it judges one order: the same order and snapshot always give the same verdict. Columns
 * are indexed by instrument. One object is kept for a run and its numbers are updated in place, so a check allocates
 * nothing.
 */
export interface RiskSnapshot {
  readonly nowUs: number
  readonly state: TradingState
  readonly instruments: InstrumentTable
  readonly market: MarketState
  /** Account micros of one lot at a price of one tick: multiplier, decimals and the quote currency's rate in one number. */
  readonly microsPerTickLot: Float64Array
  /** Signed lots of the account. */
  readonly positionLots: Float64Array
  /** Lots still open on working buy (sell) orders. */
  readonly workingBuyLots: Float64Array
  readonly workingSellLots: Float64Array
  /** `Session` of each instrument. */
  readonly session: Uint8Array
  /** Lots that can be borrowed to sell short; Infinity when easy to borrow, 0 for spot coins. */
  readonly shortableLots: Float64Array
  readonly equityMicros: number
  /** Capital the run began with. */
  readonly startEquityMicros: number
  /** Equity at the start of the trading day, and its highest value of the run. */
  readonly dayStartEquityMicros: number
  readonly peakEquityMicros: number
  readonly recent: RecentOrdersView
  readonly portfolio: PortfolioRiskView
}

/** A pure function of the order and the snapshot. Rules that only limit growth let a reducing order through. */
export type RiskRule = (order: OrderIntent, snapshot: RiskSnapshot) => Verdict

export type Rejection = Extract<Verdict, {kind: 'reject'}>
export type Resize = Extract<Verdict, {kind: 'resize'}>
export type RiskOutcome =
  | {readonly kind: 'approved'; readonly order: ApprovedOrder; readonly notes: readonly Resize[]}
  | {readonly kind: 'refused'; readonly order: OrderIntent; readonly by: Rejection}

export const accept: Verdict = {kind: 'accept'}
const NO_NOTES: readonly Resize[] = []

/** First rejection wins. A resize narrows the order that later rules see; a rule that would enlarge it is a bug. */
export const checkRisk = (intent: OrderIntent, snapshot: RiskSnapshot, rules: readonly RiskRule[]): RiskOutcome => {
  let current = intent
  let notes: Resize[] | undefined
  for (const rule of rules) {
    const verdict = rule(current, snapshot)
    switch (verdict.kind) {
      case 'accept':
        break
      case 'resize':
        if (verdict.lots <= 0 || verdict.lots >= current.lots)
          throw new RangeError(`rule ${verdict.rule} must narrow an order of ${current.lots} lots, was ${verdict.lots}`)
        current = {...current, lots: verdict.lots}
        notes ??= []
        notes.push(verdict)
        break
      case 'reject':
        return {kind: 'refused', order: intent, by: verdict}
      default:
        verdict satisfies never
    }
  }
  // The one place that makes the brand: every rule has passed the order.
  return {kind: 'approved', order: current as ApprovedOrder, notes: notes ?? NO_NOTES}
}
