import type {Journal} from '../broker/journal.ts'
import {type MarketState, markTicks} from '../data/market-state.ts'
import {Notice, type TapeChunk} from '../data/tape.ts'
import {newYorkDayOf, newYorkToUtcUs} from '../domain/calendar.ts'
import {type InstrumentTable, mulDivRounded, notionalMicros, sizeToLots} from '../domain/instrument.ts'
import {tsUs as toTsUs, US_PER_DAY} from '../domain/units.ts'
import type {RiskGate} from '../risk/gate.ts'
import type {Booking} from './booking.ts'
import type {Ledger} from './ledger.ts'
import {
  type Delivery,
  type ExercisePolicy,
  type MorningSettlement,
  OptionSettlement,
  type Unsettled,
} from './option-settlement.ts'
import type {RunRecord} from './run-record.ts'

// Columns are sized from the run's instruments and strategies, so they are read under `!`.

/** What the account's keeper charges and does, where no broker does it. */
export interface BackOfficeTerms {
  /** Basis points a year for shares sold short, until the data says otherwise; 0 by default, as for easy-to-borrow shares at Alpaca. */
  readonly borrowBpsAnnual?: number
  /** Micros of fees on shares sold by exercise or assignment; none by default. */
  readonly deliveryFee?: (sale: {readonly notionalMicros: number; readonly tsUs: number}) => number
  /** Short American calls in the money are assigned on the eve of a dividend above their time value; true by default. */
  readonly earlyAssignment?: boolean
  /** When a holder exercises; `expiry` by default. */
  readonly exercise?: ExercisePolicy
}

export interface BackOfficeOptions {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly ledger: Ledger
  readonly record: RunRecord
  readonly journal: Journal
  readonly risk: RiskGate
  readonly strategies: number
  readonly terms: BackOfficeTerms
  /** The position of an instrument changed, and its shares are others: a split. */
  readonly onSplit: (instrument: number, numerator: number, denominator: number) => void
  /** Books lots that change hands without an order. */
  readonly deliver: (delivery: Delivery, feeMicros: number, atUs: number) => void
  /** An option has expired. */
  readonly retire: (instrument: number, atUs: number) => void
}

export interface SplitBooked {
  readonly instrument: number
  readonly tsUs: number
  readonly numerator: number
  readonly denominator: number
  /** Value of one new lot, at which fractions were paid out. */
  readonly microsPerLot: number
}

/** Thousandths of a basis point in the whole. */
const MILLI_BPS = 10_000_000
/** Stock loans accrue actual days over 360. */
const DAYS_OF_YEAR = 360

/**
 * Splits, dividends, payments, borrow and the end of options: what happens to an account although nobody trades. It is told of a notice
 * before the market takes it, so that the last values known are those of the day before, and of time when `dueUs` has
 * passed. Positions count at the moment of the notice: the ex-date decides, not settlement.
 */
export class BackOffice {
  /** Time of the next thing that only the calendar brings. */
  dueUs = Infinity
  readonly splits: SplitBooked[] = []
  /** Options that could not be settled, and why. */
  readonly unsettled: readonly Unsettled[]
  /** Options that were settled on an opening. */
  readonly mornings: readonly MorningSettlement[]
  /** Instruments whose position changed since it was last asked. */
  #touched: number[] = []
  readonly #options: OptionSettlement
  readonly #o: BackOfficeOptions
  readonly #n: number
  /** Thousandths of a basis point a year, by instrument. */
  readonly #rate: Float64Array
  readonly #payments: {readonly atUs: number; readonly instrument: number; readonly micros: number}[] = []
  #nextAccrualUs = Infinity

  constructor(options: BackOfficeOptions) {
    const {instruments, terms} = options
    this.#o = options
    this.#n = instruments.size
    this.#rate = new Float64Array(instruments.size)
    const rate = Math.round((terms.borrowBpsAnnual ?? 0) * 1000)
    if (!(rate >= 0)) throw new RangeError(`a borrow rate must be at least 0, was ${terms.borrowBpsAnnual}`)
    this.#options = new OptionSettlement({
      ...options,
      ...(terms.exercise === undefined ? {} : {exercise: terms.exercise}),
      deliver: (delivery, atUs) => this.#deliver(delivery, atUs),
    })
    this.unsettled = this.#options.unsettled
    this.mornings = this.#options.mornings
    for (let i = 0; i < this.#n; i++) if (isBorrowed(instruments.at(i).kind)) this.#rate[i] = rate
  }

  /** Time begins, or goes on after a restart. */
  start(nowUs: number): void {
    if (this.#rate.some(rate => rate > 0)) this.#accrueFrom(nowUs)
    this.#options.start(nowUs)
    this.#reschedule()
  }

  /** A notice of the tape, before the market state has it. */
  onNotice(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const atUs = chunk.tsUs[row]!
    switch (chunk.flags[row]) {
      case Notice.split:
        this.#split(i, chunk.v0[row]!, chunk.v1[row]!, atUs)
        break
      case Notice.dividend:
        this.#dividend(i, chunk.v2[row]!, chunk.v1[row]!, atUs)
        break
      case Notice.borrow:
        this.#setBorrow(i, chunk.v0[row]!, chunk.v1[row]!, atUs)
        break
      default:
        break
    }
    this.#reschedule()
  }

  /** The calendar has reached `dueUs`. */
  onDue(nowUs: number): void {
    for (let head = this.#payments[0]; head !== undefined && head.atUs <= nowUs; head = this.#payments[0]) {
      this.#payments.shift()
      this.#book({tsUs: toTsUs(nowUs), instrument: head.instrument, booking: 'payment', values: [head.micros]})
    }
    if (this.#options.dueUs <= nowUs) this.#options.onDue(nowUs)
    if (this.#nextAccrualUs <= nowUs) {
      this.#accrue(nowUs)
      this.#accrueFrom(nowUs)
    }
    this.#reschedule()
  }

  /** Whether rows matter to it now. */
  get awaitsOpening(): boolean {
    return this.#options.awaitsOpening
  }
  /** A market row, while `awaitsOpening`. */
  onRow(chunk: TapeChunk, row: number): void {
    this.#options.onRow(chunk, row)
    this.#reschedule()
  }
  /** The tape is over. */
  finish(nowUs: number): void {
    this.#options.finish(nowUs)
  }

  /** Instruments whose positions were changed here since the last call. */
  takeTouched(): readonly number[] {
    const touched = this.#touched
    this.#touched = []
    return touched
  }

  /** A booking of the journal, on restart. */
  restore(booking: Booking): void {
    const cash = this.#o.ledger.book(booking)
    const {instrument, values} = booking
    const payUs = values[1] ?? 0
    if (booking.booking === 'dividend' && payUs > 0) this.#await(payUs, instrument, cash)
    if (booking.booking === 'payment') this.#payments.shift()
    this.#reschedule()
  }

  #split(instrument: number, numerator: number, denominator: number, atUs: number): void {
    const {ledger, market, risk, record, strategies} = this.#o
    const mark = markTicks(market, instrument) * risk.snapshot.microsPerTickLot[instrument]!
    const microsPerLot = Math.round((mark * denominator) / numerator)
    const slots = Array.from({length: strategies}, (_, k) => k * this.#n + instrument)
    const before = slots.map(slot => ledger.own.lots[slot]!)
    this.splits.push({instrument, tsUs: atUs, numerator, denominator, microsPerLot})
    if (ledger.account.lots[instrument] !== 0 || before.some(lots => lots !== 0)) {
      const values = [numerator, denominator, microsPerLot]
      this.#book({tsUs: toTsUs(atUs), instrument, booking: 'split', values})
      for (const [k, slot] of slots.entries())
        record.onSplit(ledger.own, slot, before[k]!, numerator / denominator, atUs)
    }
    this.#options.onSplit(instrument, numerator, denominator)
    risk.reprice(instrument, denominator / numerator)
    this.#o.onSplit(instrument, numerator, denominator)
  }

  #dividend(instrument: number, cashTicks: number, payUs: number, atUs: number): void {
    const {ledger, market, risk, record, strategies, terms} = this.#o
    const mark = markTicks(market, instrument)
    if (mark > cashTicks) risk.reprice(instrument, 1 - cashTicks / mark)
    this.#options.beforeDividend(instrument, cashTicks, atUs, terms.earlyAssignment !== false)
    const slots = Array.from({length: strategies}, (_, k) => k * this.#n + instrument)
    if (ledger.account.lots[instrument] === 0 && slots.every(slot => ledger.own.lots[slot] === 0)) return
    const before = Float64Array.from(ledger.ownDividendsMicros)
    const isLater = payUs > atUs
    const values = [cashTicks, isLater ? payUs : 0]
    const cash = this.#book({tsUs: toTsUs(atUs), instrument, booking: 'dividend', values})
    for (const [k, slot] of slots.entries()) record.onIncome(slot, ledger.ownDividendsMicros[k]! - before[k]!)
    if (isLater) this.#await(payUs, instrument, cash)
  }

  #setBorrow(instrument: number, milliBps: number, available: number, atUs: number): void {
    const {instruments, risk} = this.#o
    risk.snapshot.shortableLots[instrument] =
      available < 0 ? Infinity : sizeToLots(instruments.at(instrument), available)
    this.#rate[instrument] = milliBps
    if (milliBps > 0 && this.#nextAccrualUs === Infinity) this.#accrueFrom(atUs)
  }

  /** One day of what is short now, at its mark. */
  #accrue(nowUs: number): void {
    const {ledger, market, risk, record, strategies} = this.#o
    for (let i = 0; i < this.#n; i++) {
      const lots = ledger.account.lots[i]!
      if (!(lots < 0) || this.#rate[i] === 0) continue
      const value = Math.round(-lots * markTicks(market, i) * risk.snapshot.microsPerTickLot[i]!)
      const micros = mulDivRounded(value, this.#rate[i]!, DAYS_OF_YEAR * MILLI_BPS)
      if (micros === 0) continue
      const before = Float64Array.from(ledger.ownBorrowMicros)
      this.#book({tsUs: toTsUs(nowUs), instrument: i, booking: 'borrow', values: [micros]})
      for (let k = 0; k < strategies; k++) record.onIncome(k * this.#n + i, before[k]! - ledger.ownBorrowMicros[k]!)
    }
  }

  #deliver(delivery: Delivery, atUs: number): void {
    const {instrument, contract, signedLots, priceTicks} = delivery
    const isSale = instrument !== contract && signedLots < 0
    const notional = notionalMicros(this.#o.instruments.at(instrument), priceTicks, Math.abs(signedLots))
    const fee = isSale ? (this.#o.terms.deliveryFee?.({notionalMicros: notional, tsUs: atUs}) ?? 0) : 0
    this.#touched.push(instrument)
    this.#o.deliver(delivery, fee, atUs)
  }

  #book(booking: Booking): number {
    this.#touched.push(booking.instrument)
    const {symbol} = this.#o.instruments.at(booking.instrument)
    this.#o.journal.append({kind: 'booking', symbol, ...booking})
    return this.#o.ledger.book(booking)
  }

  #await(atUs: number, instrument: number, micros: number): void {
    const at = this.#payments.findIndex(payment => payment.atUs > atUs)
    this.#payments.splice(at < 0 ? this.#payments.length : at, 0, {atUs, instrument, micros})
  }
  #accrueFrom(nowUs: number): void {
    this.#nextAccrualUs = newYorkToUtcUs((newYorkDayOf(nowUs) + 1) * US_PER_DAY)
  }
  #reschedule(): void {
    this.dueUs = Math.min(this.#payments[0]?.atUs ?? Infinity, this.#nextAccrualUs, this.#options.dueUs)
  }
}

/** Shares are borrowed; options are written, and coins are not sold short here. */
const isBorrowed = (kind: string): boolean => kind === 'equity' || kind === 'etf'
