import type {MarketState} from '../data/market-state.ts'
import {
  inCalendar,
  isTradingDay,
  newYorkDayOf,
  parseDay,
  previousTradingDay,
  sessionCloseUs,
} from '../domain/calendar.ts'
import {type InstrumentTable, priceToTicks, sizeToLots} from '../domain/instrument.ts'
import {optionTermsOf} from '../domain/option-terms.ts'
import type {SettlementReason} from '../domain/order.ts'
import type {Ledger} from './ledger.ts'

// Columns are sized from the run's instruments and strategies, so they are read under `!`.

/** One side of a settlement: lots that come or go at a price without an order. */
export interface Delivery {
  readonly strategy: number
  readonly instrument: number
  readonly signedLots: number
  readonly priceTicks: number
  readonly reason: SettlementReason
  /** The contract it comes from. */
  readonly contract: number
}

/** Why a position in an option could not be settled: it stays in the books at its last value. */
export interface Unsettled {
  readonly symbol: string
  readonly expiry: string
  readonly tsUs: number
  readonly reason: 'no-underlying' | 'no-settlement-price' | 'morning-settlement' | 'no-option-quote'
}

export interface OptionSettlementOptions {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly ledger: Ledger
  readonly strategies: number
  readonly deliver: (delivery: Delivery, atUs: number) => void
  /** Nothing is wanted of the instrument any more. */
  readonly retire: (instrument: number, atUs: number) => void
}

/** Auto-exercise threshold of the Options Clearing Corporation ("exercise by exception"), dollars a share. */
const IN_THE_MONEY_DOLLARS = 0.01

interface Contract {
  readonly instrument: number
  /** Index of the underlying; -1 when the run has none. */
  readonly underlying: number
  readonly isCall: boolean
  readonly isMorning: boolean
  readonly isPhysical: boolean
  readonly isAmerican: boolean
  readonly expiry: string
  readonly expiresUs: number
  /** Lots of the underlying one contract stands for; a split changes it, the sum to pay for them stays. */
  deliverLots: number
  readonly strikeDollars: number
  strikeFactor: number
  isDone: boolean
}

/**
 * Expiry, exercise and assignment. At the close of the last trading day every long that is a cent or more in the money is
 * exercised and every short of it assigned, the rest expires worthless; the underlying's last price of that day decides,
 * bounded by a later quote. Options on shares deliver at the strike, options on indices pay the difference. Without a price
 * of that day, or a settlement value that a tape does not hold, the position is left and named in `unsettled`.
 */
export class OptionSettlement {
  dueUs = Infinity
  readonly unsettled: Unsettled[] = []
  readonly #o: OptionSettlementOptions
  readonly #n: number
  /** By expiry, the earliest first. */
  readonly #contracts: Contract[]
  #next = 0

  constructor(options: OptionSettlementOptions) {
    this.#o = options
    this.#n = options.instruments.size
    this.#contracts = contractsOf(options.instruments).sort(
      (a, b) => a.expiresUs - b.expiresUs || a.instrument - b.instrument,
    )
    this.#reschedule()
  }

  /** Time begins: what expired before is nobody's business here. */
  start(nowUs: number): void {
    while ((this.#contracts[this.#next]?.expiresUs ?? Infinity) < nowUs) this.#next++
    this.#reschedule()
  }

  /** The close of an expiry has come, and no later row has been taken. */
  onDue(nowUs: number): void {
    for (let head = this.#contracts[this.#next]; head !== undefined && head.expiresUs <= nowUs; ) {
      this.#next++
      if (!head.isDone) this.#expire(head, head.expiresUs)
      head = this.#contracts[this.#next]
    }
    this.#reschedule()
  }

  /** The underlying's shares are others: as many more of them are delivered for the same sum. */
  onSplit(underlying: number, numerator: number, denominator: number): void {
    for (const contract of this.#contracts) {
      if (contract.underlying !== underlying || contract.isDone) continue
      contract.deliverLots = Math.floor((contract.deliverLots * numerator) / denominator)
      contract.strikeFactor *= denominator / numerator
    }
  }

  /**
   * On the eve of an ex-date: American calls in the money whose time value is less than the dividend are exercised by
   * whoever holds them, so every such call that is short is assigned. A holder's own calls are left to its strategy.
   */
  beforeDividend(underlying: number, cashTicks: number, atUs: number): void {
    const {market, instruments} = this.#o
    for (const contract of this.#contracts) {
      const {instrument: i, isDone, isCall, isAmerican, isPhysical} = contract
      if (contract.underlying !== underlying || isDone || !isCall || !isAmerican || !isPhysical) continue
      if (contract.expiresUs < atUs || !this.#holders(i).some(([, lots]) => lots < 0)) continue
      const spot = lastTicks(market, underlying)
      const intrinsic = spot - this.#strikeTicks(contract)
      if (intrinsic <= 0) continue
      if (!(market.bidLots[i]! > 0 && market.askLots[i]! > 0)) {
        this.#leave(contract, 'no-option-quote', atUs)
        continue
      }
      const scale = 10 ** (instruments.at(underlying).priceDecimals - instruments.at(i).priceDecimals)
      const perShare = ((market.bidTicks[i]! + market.askTicks[i]!) / 2) * scale
      if (perShare - intrinsic >= cashTicks) continue
      for (const [strategy, lots] of this.#holders(i)) if (lots < 0) this.#exchange(contract, strategy, lots, atUs)
    }
  }

  #expire(contract: Contract, atUs: number): void {
    contract.isDone = true
    const {instrument: i, underlying} = contract
    const holders = this.#holders(i)
    this.#o.retire(i, atUs)
    if (holders.length === 0) return
    const spot = underlying < 0 ? undefined : settlementTicks(this.#o.market, underlying, atUs)
    if (contract.isMorning || spot === undefined) {
      const missing = underlying < 0 ? 'no-underlying' : 'no-settlement-price'
      this.#leave(contract, contract.isMorning ? 'morning-settlement' : missing, atUs)
      return
    }
    const {instruments} = this.#o
    const strike = this.#strikeTicks(contract)
    const gain = contract.isCall ? spot - strike : strike - spot
    const isInTheMoney = gain >= IN_THE_MONEY_DOLLARS * 10 ** instruments.at(underlying).priceDecimals
    for (const [strategy, lots] of holders) {
      if (!isInTheMoney) this.#close(contract, strategy, lots, 0, 'expiry', atUs)
      else if (contract.isPhysical) this.#exchange(contract, strategy, lots, atUs)
      else {
        const dollars = gain / 10 ** instruments.at(underlying).priceDecimals
        this.#close(contract, strategy, lots, priceToTicks(instruments.at(i), dollars), 'cash-settlement', atUs)
      }
    }
  }

  /** The contract is gone for nothing, the shares come or go at the strike. */
  #exchange(contract: Contract, strategy: number, lots: number, atUs: number): void {
    const reason: SettlementReason = lots > 0 ? 'exercise' : 'assignment'
    this.#close(contract, strategy, lots, 0, reason, atUs)
    const signedLots = (contract.isCall ? lots : -lots) * contract.deliverLots
    const priceTicks = Math.round(this.#strikeTicks(contract))
    const {underlying: instrument, instrument: from} = contract
    if (signedLots !== 0) this.#o.deliver({strategy, instrument, signedLots, priceTicks, reason, contract: from}, atUs)
  }

  #close(
    {instrument}: Contract,
    strategy: number,
    lots: number,
    priceTicks: number,
    reason: SettlementReason,
    atUs: number,
  ): void {
    this.#o.deliver({strategy, instrument, signedLots: -lots, priceTicks, reason, contract: instrument}, atUs)
  }

  #leave({instrument, expiry}: Contract, reason: Unsettled['reason'], tsUs: number): void {
    this.unsettled.push({symbol: this.#o.instruments.at(instrument).symbol, expiry, tsUs, reason})
  }

  #strikeTicks({underlying, strikeDollars, strikeFactor}: Contract): number {
    return priceToTicks(this.#o.instruments.at(underlying), strikeDollars) * strikeFactor
  }

  /** Every strategy with a position, and -1 for what nobody here holds. */
  #holders(i: number): [strategy: number, lots: number][] {
    const {ledger, strategies} = this.#o
    const holders: [number, number][] = []
    let rest = ledger.account.lots[i]!
    for (let k = 0; k < strategies; k++) {
      const lots = ledger.own.lots[k * this.#n + i]!
      rest -= lots
      if (lots !== 0) holders.push([k, lots])
    }
    if (rest !== 0) holders.push([-1, rest])
    return holders
  }

  #reschedule(): void {
    this.dueUs = this.#contracts[this.#next]?.expiresUs ?? Infinity
  }
}

const contractsOf = (instruments: InstrumentTable): Contract[] =>
  instruments.all().flatMap((instrument, i) => {
    const terms = optionTermsOf(instrument)
    const {option} = instrument
    if (terms === undefined || option === undefined) return []
    const expiresUs = closeOfExpiry(option.expiry)
    const underlying = instruments.indexOf(terms.underlying) ?? -1
    return {
      instrument: i,
      underlying,
      isCall: option.right === 'call',
      isMorning: terms.isMorning,
      isPhysical: terms.settlement === 'physical',
      isAmerican: option.style === 'american',
      expiry: option.expiry,
      expiresUs,
      deliverLots: underlying < 0 ? 0 : sizeToLots(instruments.at(underlying), instrument.multiplier),
      strikeDollars: option.strike,
      strikeFactor: 1,
      isDone: false,
    }
  })

/** Close of the last trading day up to the expiry date (Saturdays were expiry dates until 2015); never outside the calendar. */
const closeOfExpiry = (expiry: string): number => {
  const day = parseDay(expiry)
  if (!inCalendar(day) || !inCalendar(day - 10)) return Infinity
  return sessionCloseUs(isTradingDay(day) ? day : previousTradingDay(day))
}

/** The last trade, or, where a quote came after it, what of it is inside that quote; 0 without any price. */
const lastTicks = (market: MarketState, i: number): number => {
  const isQuoted = market.bidLots[i]! > 0 && market.askLots[i]! > 0
  const last = market.lastTicks[i]!
  if (!isQuoted || (last > 0 && market.updatedUs[i]! > market.quotedUs[i]!)) return last
  const [bid, ask] = [market.bidTicks[i]!, market.askTicks[i]!]
  return last > 0 ? Math.min(Math.max(last, bid), ask) : (bid + ask) / 2
}

/** The price that settles; undefined when the underlying had none on that day. */
const settlementTicks = (market: MarketState, i: number, closeUs: number): number | undefined => {
  const ticks = lastTicks(market, i)
  const isOfTheDay = newYorkDayOf(market.updatedUs[i]!) === newYorkDayOf(closeUs)
  return isOfTheDay && ticks > 0 ? ticks : undefined
}
