// Columns are sized from the run's instrument table, so `!` cannot miss here.
import {type MarketState, midTicks} from '../data/market-state.ts'
import type {Instrument, InstrumentTable} from '../domain/instrument.ts'
import type {OrderIntent} from '../domain/order.ts'
import type {RiskLimits} from './limits.ts'
import {checkMultiLeg} from './multi-leg.ts'
import {PortfolioRisk} from './portfolio-risk.ts'
import {RecentOrders} from './recent-orders.ts'
import {checkRisk, type RiskOutcome, type RiskRule, type RiskSnapshot, Session, type TradingState} from './risk.ts'
import {
  cashReserve,
  correlationExposure,
  dailyLoss,
  drawdown,
  minimumCapital,
  portfolioRisk,
  stressedVar,
} from './rules/account-rules.ts'
import {
  duplicateOrder,
  freshQuote,
  maxOrder,
  notionalAsSize,
  orderRate,
  priceCollar,
  wellFormed,
} from './rules/order-rules.ts'
import {maxPosition, maxPositionFraction, shortSale} from './rules/position-rules.ts'
import {halted, reducing, restricted, session} from './rules/state-rules.ts'

/** Every limit of the configuration, cheap and hard ones first, resizing ones next, portfolio ones last. */
export const standardRules = (limits: RiskLimits): readonly RiskRule[] => [
  halted,
  restricted(limits),
  wellFormed,
  session,
  duplicateOrder(limits),
  orderRate(limits),
  freshQuote(limits),
  priceCollar(limits),
  notionalAsSize(limits),
  reducing,
  minimumCapital(limits),
  dailyLoss(limits),
  drawdown(limits),
  shortSale(limits),
  maxOrder(limits),
  maxPosition(limits),
  maxPositionFraction(limits),
  cashReserve(limits),
  correlationExposure(limits),
  stressedVar(limits),
  portfolioRisk(limits),
]

/** The snapshot's scalars, which the loop writes before a check. */
export type MutableRiskSnapshot = {
  -readonly [K in keyof RiskSnapshot]: RiskSnapshot[K]
}

/** A limit whose breach ends opening new risk, for the loop to latch. */
export interface Breach {
  readonly rule: 'daily-loss' | 'drawdown'
  readonly detail: string
}

export interface RiskGate {
  /** Filled by the loop: time, state, equity; the position, working and session columns are shared, not copied. */
  readonly snapshot: MutableRiskSnapshot
  /** Judges an order and, when it is approved, remembers it for the throttle and duplicate rules. */
  readonly check: (intent: OrderIntent) => RiskOutcome
  /** The order reached a final state. */
  readonly orderDone: (clientOrderId: string) => void
  /** Call at each event or second: takes volatility samples and refreshes the rates of foreign quote currencies. */
  readonly onTime: (nowUs: number) => void
  /** A split or dividend multiplied the price without a return. */
  readonly reprice: (instrument: number, factor: number) => void
  /** The daily-loss or drawdown limit reached by the snapshot's equity, if one is. */
  readonly breach: () => Breach | undefined
}

export interface RiskGateOptions {
  readonly limits: RiskLimits
  readonly instruments: InstrumentTable
  readonly market: MarketState
  /** Columns the loop already keeps; made here when absent. */
  readonly positionLots?: Float64Array
  readonly workingBuyLots?: Float64Array
  readonly workingSellLots?: Float64Array
  readonly equityMicros: number
  readonly rules?: readonly RiskRule[]
  readonly sampleUs?: number
}

export const createRiskGate = (options: RiskGateOptions): RiskGate => {
  const {limits, instruments, market} = options
  const column = () => new Float64Array(instruments.size)
  const positionLots = options.positionLots ?? column()
  const microsPerTickLot = column()
  refreshRates(instruments, market, microsPerTickLot)
  const recent = new RecentOrders()
  const portfolio = new PortfolioRisk({
    instruments,
    market,
    positionLots,
    microsPerTickLot,
    ...(options.sampleUs === undefined ? {} : {sampleUs: options.sampleUs}),
  })
  const snapshot: MutableRiskSnapshot = {
    nowUs: 0,
    state: 'active' as TradingState,
    instruments,
    market,
    microsPerTickLot,
    positionLots,
    workingBuyLots: options.workingBuyLots ?? column(),
    workingSellLots: options.workingSellLots ?? column(),
    session: new Uint8Array(instruments.size).fill(Session.open),
    shortableLots: column().map((_, i) => (instruments.at(i).kind === 'crypto' ? 0 : Number.POSITIVE_INFINITY)),
    equityMicros: options.equityMicros,
    startEquityMicros: options.equityMicros,
    dayStartEquityMicros: options.equityMicros,
    peakEquityMicros: options.equityMicros,
    recent,
    portfolio,
  }
  const rules = options.rules ?? standardRules(limits)
  const hasForeignQuotes = instruments.all().some(i => !isAccountCurrency(i.quote))
  return {
    snapshot,
    check: intent => {
      const outcome =
        intent.legs === undefined || rules.length === 0
          ? checkRisk(intent, snapshot, rules)
          : checkMultiLeg(intent, snapshot, limits)
      if (outcome.kind === 'approved') recent.record(outcome.order, snapshot.nowUs)
      return outcome
    },
    orderDone: clientOrderId => recent.done(clientOrderId),
    onTime: nowUs => {
      if (hasForeignQuotes) refreshRates(instruments, market, microsPerTickLot)
      portfolio.onTime(nowUs)
    },
    reprice: (instrument, factor) => portfolio.reprice(instrument, factor),
    breach: () => breachOf(snapshot, limits),
  }
}

const breachOf = (s: RiskSnapshot, limits: RiskLimits): Breach | undefined => {
  const loss = s.dayStartEquityMicros - s.equityMicros
  if (loss >= limits.maxDailyLossMicros)
    return {rule: 'daily-loss', detail: `lossMicros=${loss} limitMicros=${limits.maxDailyLossMicros}`}
  const fall = s.peakEquityMicros > 0 ? 1 - s.equityMicros / s.peakEquityMicros : 0
  if (fall >= limits.maxDrawdown)
    return {rule: 'drawdown', detail: `drawdown=${fall.toFixed(5)} limit=${limits.maxDrawdown}`}
  return undefined
}

/** Dollar-like quote currencies count one to one; the account is in dollars. */
export const isAccountCurrency = (currency: string): boolean => /^(USD|USDT|USDC)$/.test(currency)

/** Fills the account micros of one tick times one lot; 0 while the quote currency has no price in the run. */
export const refreshRates = (instruments: InstrumentTable, market: MarketState, out: Float64Array): void => {
  for (let i = 0; i < instruments.size; i++) {
    const instrument = instruments.at(i)
    const unit = instrument.multiplier * 10 ** (6 - instrument.priceDecimals - instrument.sizeDecimals)
    out[i] = unit * rateOf(instrument, instruments, market)
  }
}

const rateOf = ({quote}: Instrument, instruments: InstrumentTable, market: MarketState): number => {
  if (isAccountCurrency(quote)) return 1
  for (const dollar of ['USD', 'USDT', 'USDC']) {
    const bridge = instruments.indexOf(`${quote}/${dollar}`)
    if (bridge !== undefined) return midTicks(market, bridge) / 10 ** instruments.at(bridge).priceDecimals
  }
  return 0
}
