import type {MarketState} from '../data/market-state.ts'
import type {TapeChunk} from '../data/tape.ts'
import {currentOrNextSession, inCalendar, newYorkDayOf} from '../domain/calendar.ts'
import {type InstrumentTable, priceToTicks, ticksToPrice} from '../domain/instrument.ts'
import type {SettlementReason} from '../domain/order.ts'
import type {Ledger} from './ledger.ts'
import {OpeningSettlement, type OpeningSource} from './opening-settlement.ts'
import {type Contract, contractsOf, strikeTicks} from './option-contracts.ts'

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

/** A settlement on an opening that stands for the exchange's special opening quotation: an approximation. */
export interface MorningSettlement {
  readonly symbol: string
  readonly expiry: string
  readonly tsUs: number
  readonly value: number
  readonly source: OpeningSource
}

/**
 * `expiry`: a holder's own options are exercised at their end and not before. `optimal`: American ones also as soon as they
 * are worth no more alive, to the market's own quotes: calls on the eve of a dividend above their time value, puts at any
 * close without time value; whoever is short of such a put is assigned.
 */
export type ExercisePolicy = 'expiry' | 'optimal'

export interface OptionSettlementOptions {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly ledger: Ledger
  readonly strategies: number
  readonly deliver: (delivery: Delivery, atUs: number) => void
  /** Nothing is wanted of the instrument any more. */
  readonly retire: (instrument: number, atUs: number) => void
  /** `expiry` by default. */
  readonly exercise?: ExercisePolicy
}

/** Auto-exercise threshold of the Options Clearing Corporation ("exercise by exception"), dollars a share. */
const IN_THE_MONEY_DOLLARS = 0.01

/**
 * Expiry, exercise and assignment. At the close of the last trading day every long that is a cent or more in the money is
 * exercised and every short of it assigned, the rest expires worthless; the underlying's last price of that day decides,
 * bounded by a later quote. Options on shares deliver at the strike, options on indices pay the difference, those that end
 * in the morning to the underlying's opening. Without a price of that day the position is left and named in `unsettled`.
 */
export class OptionSettlement {
  dueUs = Infinity
  readonly unsettled: Unsettled[] = []
  readonly mornings: MorningSettlement[] = []
  readonly #o: OptionSettlementOptions
  readonly #n: number
  /** By expiry, the earliest first. */
  readonly #contracts: Contract[]
  readonly #openings: OpeningSettlement
  #next = 0
  /** When puts are looked at again; Infinity where nobody exercises early. */
  #nextCloseUs = Infinity

  constructor(options: OptionSettlementOptions) {
    this.#o = options
    this.#n = options.instruments.size
    this.#contracts = contractsOf(options.instruments)
    this.#openings = new OpeningSettlement(
      (contract, ticks, source, atUs) => this.#settleMorning(contract, ticks, source, atUs),
      (contract, atUs) => this.#leave(contract, 'morning-settlement', atUs),
    )
    this.#reschedule()
  }

  /** Time begins: what expired before is nobody's business here. */
  start(nowUs: number): void {
    while ((this.#contracts[this.#next]?.expiresUs ?? Infinity) < nowUs) this.#next++
    if (this.#o.exercise === 'optimal' && this.#contracts.some(isAmericanPut)) this.#nextCloseUs = nextClose(nowUs)
    this.#reschedule()
  }

  /** The close of an expiry has come, and no later row has been taken. */
  onDue(nowUs: number): void {
    for (let head = this.#contracts[this.#next]; head !== undefined && head.expiresUs <= nowUs; ) {
      this.#next++
      if (!head.isDone) this.#expire(head, head.expiresUs)
      head = this.#contracts[this.#next]
    }
    if (this.#openings.dueUs <= nowUs) this.#openings.onDue(nowUs)
    if (this.#nextCloseUs <= nowUs) {
      this.#exercisePuts(this.#nextCloseUs)
      this.#nextCloseUs = nextClose(nowUs)
    }
    this.#reschedule()
  }

  /** Whether rows of an underlying may say where it opened. */
  get awaitsOpening(): boolean {
    return this.#openings.isWaiting
  }
  onRow(chunk: TapeChunk, row: number): void {
    this.#openings.onRow(chunk, row)
    this.#reschedule()
  }
  /** The tape is over: no opening comes any more. */
  finish(nowUs: number): void {
    this.#openings.onDue(nowUs, true)
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
   * whoever holds them, so every such call that is short is assigned; a holder's own by the policy.
   */
  beforeDividend(underlying: number, cashTicks: number, atUs: number, assigns = true): void {
    const exercises = this.#o.exercise === 'optimal'
    const counts = (lots: number): boolean => (lots < 0 ? assigns : exercises)
    for (const contract of this.#contracts) {
      if (contract.underlying !== underlying || !contract.isCall || !isEarly(contract, atUs)) continue
      const holders = this.#holders(contract.instrument).filter(([, lots]) => counts(lots))
      const intrinsic = this.#intrinsicTicks(contract)
      if (holders.length === 0 || intrinsic <= 0) continue
      const value = this.#quotedTicks(contract)
      if (value === undefined) this.#leave(contract, 'no-option-quote', atUs)
      else if (value - intrinsic < cashTicks)
        for (const [strategy, lots] of holders) this.#exchange(contract, strategy, lots, atUs)
    }
  }

  /** At a close: American puts that the market pays no time value for. Quotes of another day say nothing. */
  #exercisePuts(closeUs: number): void {
    const {market} = this.#o
    for (const contract of this.#contracts) {
      const {instrument: i, underlying} = contract
      if (!isAmericanPut(contract) || !isEarly(contract, closeUs) || contract.expiresUs === closeUs) continue
      const holders = this.#holders(i)
      if (holders.length === 0 || settlementTicks(market, underlying, closeUs) === undefined) continue
      if (newYorkDayOf(market.quotedUs[i]!) !== newYorkDayOf(closeUs)) continue
      const [value, intrinsic] = [this.#quotedTicks(contract), this.#intrinsicTicks(contract)]
      if (value === undefined || intrinsic <= 0 || value > intrinsic) continue
      for (const [strategy, lots] of holders) this.#exchange(contract, strategy, lots, closeUs)
    }
  }

  /** By the last price known, in the underlying's ticks; negative out of the money. */
  #intrinsicTicks(contract: Contract): number {
    const spot = lastTicks(this.#o.market, contract.underlying)
    const strike = strikeTicks(this.#o.instruments, contract)
    return spot <= 0 ? 0 : contract.isCall ? spot - strike : strike - spot
  }
  /** Mid of the option's quote in the underlying's ticks; undefined without both sides. */
  #quotedTicks({instrument: i, underlying}: Contract): number | undefined {
    const {market, instruments} = this.#o
    if (!(market.bidLots[i]! > 0 && market.askLots[i]! > 0)) return undefined
    const scale = 10 ** (instruments.at(underlying).priceDecimals - instruments.at(i).priceDecimals)
    return ((market.bidTicks[i]! + market.askTicks[i]!) / 2) * scale
  }

  #expire(contract: Contract, atUs: number): void {
    contract.isDone = true
    const {instrument, underlying, isMorning} = contract
    const holders = this.#holders(instrument)
    this.#o.retire(instrument, atUs)
    if (holders.length === 0) return
    if (underlying < 0) this.#leave(contract, 'no-underlying', atUs)
    else if (isMorning) this.#openings.await(contract)
    else {
      const spot = settlementTicks(this.#o.market, underlying, atUs)
      if (spot === undefined) this.#leave(contract, 'no-settlement-price', atUs)
      else this.#settle(contract, spot, atUs)
    }
  }

  #settleMorning(contract: Contract, ticks: number, source: OpeningSource, atUs: number): void {
    const {instruments} = this.#o
    const {symbol} = instruments.at(contract.instrument)
    const value = ticksToPrice(instruments.at(contract.underlying), ticks)
    this.mornings.push({symbol, expiry: contract.expiry, tsUs: atUs, value, source})
    this.#settle(contract, ticks, atUs)
  }

  /** Exercises, assigns or lets expire whatever is held, by the price that settles. */
  #settle(contract: Contract, spot: number, atUs: number): void {
    const {instrument: i, underlying} = contract
    const {instruments} = this.#o
    const strike = strikeTicks(instruments, contract)
    const gain = contract.isCall ? spot - strike : strike - spot
    const dollars = gain / 10 ** instruments.at(underlying).priceDecimals
    const isInTheMoney = gain >= IN_THE_MONEY_DOLLARS * 10 ** instruments.at(underlying).priceDecimals
    for (const [strategy, lots] of this.#holders(i)) {
      if (!isInTheMoney) this.#close(contract, strategy, lots, 0, 'expiry', atUs)
      else if (contract.isPhysical) this.#exchange(contract, strategy, lots, atUs)
      else this.#close(contract, strategy, lots, priceToTicks(instruments.at(i), dollars), 'cash-settlement', atUs)
    }
  }

  /** The contract is gone for nothing, the shares come or go at the strike. */
  #exchange(contract: Contract, strategy: number, lots: number, atUs: number): void {
    const reason: SettlementReason = lots > 0 ? 'exercise' : 'assignment'
    this.#close(contract, strategy, lots, 0, reason, atUs)
    const signedLots = (contract.isCall ? lots : -lots) * contract.deliverLots
    const priceTicks = Math.round(strikeTicks(this.#o.instruments, contract))
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
    this.dueUs = Math.min(this.#contracts[this.#next]?.expiresUs ?? Infinity, this.#openings.dueUs, this.#nextCloseUs)
  }
}

const isAmericanPut = ({isCall, isAmerican, isPhysical}: Contract): boolean => !isCall && isAmerican && isPhysical
/** Whether it could be exercised before its end. */
const isEarly = ({isDone, isAmerican, isPhysical, expiresUs, underlying}: Contract, atUs: number): boolean =>
  !isDone && isAmerican && isPhysical && underlying >= 0 && expiresUs >= atUs

const nextClose = (afterUs: number): number =>
  inCalendar(newYorkDayOf(afterUs) + 14) ? currentOrNextSession(afterUs).closeUs : Infinity

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
