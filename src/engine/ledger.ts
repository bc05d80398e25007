import {type MarketState, markTicks} from '../data/market-state.ts'
import {type InstrumentTable, mulDivRounded, notionalMicros, scaledProduct} from '../domain/instrument.ts'
import type {Fill} from '../domain/order.ts'
import {isAccountCurrency} from '../risk/gate.ts'
import {type Booking, divideMicros, dividendMicros, splitShares} from './booking.ts'
import {createFillAudit, type FillAudit} from './fill-audit.ts'
import {PositionBook} from './position-book.ts'

// Columns are sized from the run's instrument table, so they are read under `!`.

/** Which instrument keeps the holdings of a coin, and how a pair settles. */
export interface Settlement {
  /** Instrument whose position column holds the base of instrument `i`. */
  readonly home: Int32Array
  /** Instrument whose position column holds the quote coin of `i`; -1 when `i` settles in account currency, -2 when no instrument prices that coin. */
  readonly quoteHome: Int32Array
}

/**
 * A coin is held once, whatever pair brought it: in its pair against the account currency where the run has one. Buying
 * ETH/BTC therefore moves the positions of ETH/USD and BTC/USD, valued at the mark of the moment, and no cash.
 */
export const settlementOf = (instruments: InstrumentTable): Settlement => {
  const all = instruments.all()
  const homeOf = (coin: string): number => {
    const priced = all.findIndex(i => i.kind === 'crypto' && i.base === coin && isAccountCurrency(i.quote))
    return priced >= 0 ? priced : all.findIndex(i => i.kind === 'crypto' && i.base === coin)
  }
  return {
    home: Int32Array.from(all, (instrument, i) => (instrument.kind === 'crypto' ? homeOf(instrument.base) : i)),
    quoteHome: Int32Array.from(all, instrument => {
      if (instrument.kind !== 'crypto' || isAccountCurrency(instrument.quote)) return -1
      const home = homeOf(instrument.quote)
      return home >= 0 && isAccountCurrency(all[home]!.quote) ? home : -2
    }),
  }
}

export interface LedgerOptions {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  /** Account micros of one tick times one lot, kept fresh by risk. */
  readonly microsPerTickLot: Float64Array
  readonly cashMicros: number
  readonly strategies: number
  /** Column shared with risk; made here when absent. */
  readonly positionLots?: Float64Array
  /** How many fill ids are remembered at least; all of them when absent, as live trading needs. */
  readonly rememberedFills?: number
}

/** What one fill did; undefined strategy numbers belong to nobody (external orders). */
export interface FillEffect {
  readonly valueMicros: number
  readonly feesMicros: number
  /** Signed lots that arrived, coin fees taken off. */
  readonly signedLots: number
  readonly realizedMicros: number
}

/**
 * The account in exact integers. At all times cash + receivables + cost of positions − realised + fees + borrow −
 * dividends equals the starting cash, with no error at all; `errorMicros` proves it against sums that are kept apart.
 */
export class Ledger {
  readonly account: PositionBook
  /** By `strategy * instruments + instrument`: the same trades as each strategy's own. */
  readonly own: PositionBook
  /** Signed lots each strategy traded in each instrument itself, whatever coin that moved; what targets are measured by. */
  readonly tradedLots: Float64Array
  readonly ownFeesMicros: Float64Array
  /** Dividends received less paid, and borrow paid, of each strategy. */
  readonly ownDividendsMicros: Float64Array
  readonly ownBorrowMicros: Float64Array
  readonly settlement: Settlement
  /** Coins that no instrument of the run prices, in 1e-8 coins by name. */
  readonly unpriced = new Map<string, number>()
  readonly initialCashMicros: number
  cashMicros: number
  realizedMicros = 0
  feesMicros = 0
  /** Dividends of longs less those that shorts owed, from the ex-date on. */
  dividendsMicros = 0
  /** Of them what is not paid yet; negative is owed. */
  receivableMicros = 0
  /** Paid for shares borrowed. */
  borrowMicros = 0
  /** Absolute value of everything traded. */
  turnoverMicros = 0
  fills = 0
  readonly #options: LedgerOptions
  readonly #audit: FillAudit
  #known = new Set<string>()
  #older = new Set<string>()

  constructor(options: LedgerOptions) {
    const n = options.instruments.size
    this.#options = options
    this.account = new PositionBook(n, options.positionLots)
    this.own = new PositionBook(n * options.strategies)
    this.tradedLots = new Float64Array(n * options.strategies)
    this.ownFeesMicros = new Float64Array(options.strategies)
    this.ownDividendsMicros = new Float64Array(options.strategies)
    this.ownBorrowMicros = new Float64Array(options.strategies)
    this.settlement = settlementOf(options.instruments)
    this.initialCashMicros = options.cashMicros
    this.cashMicros = options.cashMicros
    this.#audit = createFillAudit(options.instruments, this.settlement)
  }

  has(fillId: string): boolean {
    return this.#known.has(fillId) || this.#older.has(fillId)
  }

  /** Applies a fill once; undefined when its id was applied before. `strategy` -1 is nobody's. */
  apply(fill: Fill, strategy: number): FillEffect | undefined {
    if (this.has(fill.fillId)) return undefined
    this.#remember(fill.fillId)
    this.#audit.add(fill)
    this.fills++
    const {instruments} = this.#options
    const i = fill.instrument
    const instrument = instruments.at(i)
    const direction = fill.side === 'buy' ? 1 : -1
    const feeLots = fill.feeLots ?? 0
    const arrived = direction * fill.lots - feeLots
    const quoteHome = this.settlement.quoteHome[i]!

    let valueMicros: number
    let feeMicros: number
    let quoteUnits = 0
    if (quoteHome === -1) {
      valueMicros = notionalMicros(instrument, fill.priceTicks, fill.lots)
      feeMicros = fill.feeMicros
      this.cashMicros -= direction * valueMicros + feeMicros
    } else {
      // The fee is in millionths of the quote coin, so a hundred units of 1e-8 each.
      const feeUnits = fill.feeMicros * 100
      quoteUnits = -direction * quoteUnitsOf(instrument, fill.priceTicks, fill.lots)
      valueMicros = quoteHome === -2 ? 0 : this.#value(quoteHome, Math.abs(quoteUnits))
      feeMicros = quoteHome === -2 ? 0 : Math.sign(feeUnits) * this.#value(quoteHome, Math.abs(feeUnits))
      if (quoteHome === -2) {
        const {quote} = instrument
        this.unpriced.set(quote, (this.unpriced.get(quote) ?? 0) + quoteUnits - feeUnits)
      } else if (feeUnits !== 0) this.#payCoinFee(quoteHome, feeUnits, feeMicros, strategy)
    }
    // A fee taken in coin is worth its share of the fill.
    const coinFeeMicros = feeLots === 0 ? 0 : mulDivRounded(valueMicros, feeLots, fill.lots)
    const positionMicros = valueMicros - (direction > 0 ? coinFeeMicros : -coinFeeMicros)
    let realized = this.#move(this.settlement.home[i]!, arrived, positionMicros, strategy)
    if (quoteUnits !== 0 && quoteHome >= 0) realized += this.#move(quoteHome, quoteUnits, valueMicros, strategy)
    const fees = feeMicros + coinFeeMicros
    this.feesMicros += fees
    this.turnoverMicros += valueMicros
    if (strategy >= 0) {
      this.ownFeesMicros[strategy]! += fees
      this.tradedLots[strategy * instruments.size + i]! += arrived
    }
    return {valueMicros, feesMicros: fees, signedLots: arrived, realizedMicros: realized}
  }

  /** Two strategies of ours trade with each other: the account does not move, their own books do. */
  cross(instrument: number, lots: number, priceTicks: number, buyer: number, seller: number): void {
    const n = this.#options.instruments.size
    const value = notionalMicros(this.#options.instruments.at(instrument), priceTicks, lots)
    for (const [strategy, signedLots] of [
      [buyer, lots],
      [seller, -lots],
    ] as const) {
      this.own.trade(strategy * n + this.settlement.home[instrument]!, signedLots, value)
      this.tradedLots[strategy * n + instrument]! += signedLots
    }
  }

  /** Applies a change that no order made; returns the cash it is worth. */
  book({booking, instrument, values}: Booking): number {
    this.#audit.book(booking, instrument, values)
    const [first = 0, second = 0, third = 0] = values
    switch (booking) {
      case 'split':
        return this.#split(instrument, first, second, third)
      case 'dividend':
        return this.#dividend(instrument, first, second)
      case 'payment':
        this.cashMicros += first
        this.receivableMicros -= first
        return 0
      case 'borrow':
        this.#borrow(instrument, first)
        return -first
      default:
        booking satisfies never
        return 0
    }
  }

  /**
   * The account keeps the whole lots towards zero and is paid for the fraction at the split's price. Strategies share
   * those lots by largest fraction and settle their differences with each other at the same price.
   */
  #split(i: number, numerator: number, denominator: number, microsPerLot: number): number {
    const n = this.#options.instruments.size
    const held = this.account.lots[i]!
    const total = Math.trunc((held * numerator) / denominator) + 0
    const own = Array.from({length: this.#options.strategies}, (_, k) => this.own.lots[k * n + i]!)
    // What nobody here holds is a holder of its own.
    const shares = splitShares([...own, held - own.reduce((a, b) => a + b, 0)], numerator, denominator, total)
    for (let k = 0; k < own.length; k++) {
      const slot = k * n + i
      this.own.split(slot, numerator, denominator, shares[k]!, microsPerLot)
      this.tradedLots[slot]! += shares[k]! - own[k]!
    }
    const {cashMicros, realizedMicros} = this.account.split(i, numerator, denominator, total, microsPerLot)
    this.cashMicros += cashMicros
    this.realizedMicros += realizedMicros
    return cashMicros
  }

  #dividend(i: number, cashTicks: number, payUs: number): number {
    const {instruments, strategies} = this.#options
    const cash = dividendMicros(instruments, i, this.account.lots[i]!, cashTicks)
    for (let k = 0; k < strategies; k++)
      this.ownDividendsMicros[k]! += dividendMicros(instruments, i, this.own.lots[k * instruments.size + i]!, cashTicks)
    this.dividendsMicros += cash
    if (payUs > 0) this.receivableMicros += cash
    else this.cashMicros += cash
    return cash
  }

  /** Paid by the strategies that are short, by their lots. */
  #borrow(i: number, micros: number): void {
    const {instruments, strategies} = this.#options
    this.cashMicros -= micros
    this.borrowMicros += micros
    const short = Array.from({length: strategies}, (_, k) => Math.max(0, -this.own.lots[k * instruments.size + i]!))
    for (const [k, part] of divideMicros(micros, short).entries()) this.ownBorrowMicros[k]! += part
  }

  /** Market value of a signed position in micros at the mark (`markTicks`); its cost while it has no price. */
  markMicros(book: PositionBook, slot: number, instrument: number): number {
    const lots = book.lots[slot]!
    if (lots === 0) return 0
    const price = markTicks(this.#options.market, instrument)
    return price > 0 ? Math.round(lots * price * this.#options.microsPerTickLot[instrument]!) : book.costMicros[slot]!
  }

  equityMicros(): number {
    let equity = this.cashMicros + this.receivableMicros
    for (let i = 0; i < this.account.lots.length; i++) equity += this.markMicros(this.account, i, i)
    return equity
  }
  grossMicros(): number {
    let gross = 0
    for (let i = 0; i < this.account.lots.length; i++) gross += Math.abs(this.markMicros(this.account, i, i))
    return gross
  }
  /** What a strategy has earned so far, marked to market and after its fees. */
  profitMicros(strategy: number): number {
    const n = this.#options.instruments.size
    let profit = this.ownDividendsMicros[strategy]! - this.ownFeesMicros[strategy]! - this.ownBorrowMicros[strategy]!
    for (let i = 0; i < n; i++) {
      const slot = strategy * n + i
      profit += this.own.realizedMicros[slot]!
      if (this.own.lots[slot] !== 0) profit += this.markMicros(this.own, slot, i) - this.own.costMicros[slot]!
    }
    return profit
  }

  /**
   * 0 when the books agree: cash, positions and coins recomputed from the raw fills in big integers, and the identity
   * cash + cost − realised + fees = starting cash. Anything else is the size of the disagreement in micros.
   */
  errorMicros(): number {
    const {cashMicros, positionLots, unpriced} = this.#audit.totals()
    let error = Math.abs(this.cashMicros + this.receivableMicros - this.initialCashMicros - cashMicros)
    let cost = 0
    let realized = 0
    for (let i = 0; i < this.account.lots.length; i++) {
      cost += this.account.costMicros[i]!
      realized += this.account.realizedMicros[i]!
      error += Math.abs(this.account.lots[i]! - positionLots[i]!)
    }
    for (const [coin, units] of this.unpriced) error += Math.abs(units - (unpriced.get(coin) ?? 0))
    error += Math.abs(realized - this.realizedMicros)
    const cash = this.cashMicros + this.receivableMicros + this.feesMicros + this.borrowMicros - this.dividendsMicros
    return error + Math.abs(cash + cost - this.realizedMicros - this.initialCashMicros)
  }

  #move(i: number, signedLots: number, valueMicros: number, strategy: number): number {
    if (signedLots === 0) return 0
    const realized = this.account.trade(i, signedLots, valueMicros)
    this.realizedMicros += realized
    if (strategy >= 0) this.own.trade(strategy * this.#options.instruments.size + i, signedLots, valueMicros)
    return realized
  }

  /** The fee leaves the coin's position at its mark: out of the position as a sale, out of the account as a fee. */
  #payCoinFee(home: number, units: number, valueMicros: number, strategy: number): void {
    this.#move(home, -units, Math.abs(valueMicros), strategy)
  }

  #value(home: number, units: number): number {
    const {market, microsPerTickLot} = this.#options
    return Math.round(units * markTicks(market, home) * microsPerTickLot[home]!)
  }

  #remember(fillId: string): void {
    this.#known.add(fillId)
    if (this.#known.size < (this.#options.rememberedFills ?? Infinity)) return
    this.#older = this.#known
    this.#known = new Set()
  }
}

/** Size of a pair's fill in its quote coin, in 1e-8 coins. */
export const quoteUnitsOf = (
  instrument: {readonly priceDecimals: number; readonly sizeDecimals: number},
  priceTicks: number,
  lots: number,
): number => scaledProduct(priceTicks, lots, instrument.priceDecimals + instrument.sizeDecimals - 8)
