// Columns are indexed by instruments of the run's table, so `!` cannot miss here.
import {type MarketState, midTicks} from '../../data/market-state.ts'
import {newYorkDayOf, parseDay} from '../../domain/calendar.ts'
import type {InstrumentTable} from '../../domain/instrument.ts'
import {buildChain, type Chain} from '../../options/chain.ts'
import type {OptionQuote} from '../../options/option-quote.ts'

/** A silence of a chain from which its next rows are a new snapshot. */
const PASS_GAP_US = 1_000_000

/** Volume and open interest of each contract as its last row gave them, and the contracts of each underlying. */
export class ChainBook {
  readonly #instruments: InstrumentTable
  readonly #contracts = new Map<string, number[]>()
  readonly #volume: Float64Array
  readonly #openInterest: Float64Array

  /** Day of expiry of each contract. */
  readonly #expiryDay: Int32Array
  readonly #passes = new Map<string, {members: number[]; expected: number; lastUs: number}>()

  constructor(instruments: InstrumentTable) {
    this.#instruments = instruments
    this.#volume = new Float64Array(instruments.size)
    this.#openInterest = new Float64Array(instruments.size)
    this.#expiryDay = new Int32Array(instruments.size)
    instruments.all().forEach((instrument, i) => {
      if (instrument.option === undefined) return
      this.#expiryDay[i] = parseDay(instrument.option.expiry)
      const of = this.#contracts.get(instrument.option.underlying) ?? []
      of.push(i)
      this.#contracts.set(instrument.option.underlying, of)
    })
  }

  get underlyings(): readonly string[] {
    return [...this.#contracts.keys()]
  }
  contracts(underlying: string): readonly number[] {
    return this.#contracts.get(underlying) ?? []
  }
  onRow(instrument: number, volume: number, openInterest: number, nowUs: number): void {
    this.#volume[instrument] = volume
    this.#openInterest[instrument] = openInterest
    const underlying = this.#instruments.at(instrument).option?.underlying ?? ''
    const pass = this.#passes.get(underlying)
    if (pass === undefined) {
      this.#passes.set(underlying, {members: [instrument], expected: 0, lastUs: nowUs})
      return
    }
    if (nowUs - pass.lastUs > PASS_GAP_US) {
      const today = newYorkDayOf(nowUs)
      pass.expected = pass.members.reduce((count, i) => count + (this.#expiryDay[i]! >= today ? 1 : 0), 0)
      pass.members = []
    }
    pass.members.push(instrument)
    pass.lastUs = nowUs
  }

  /**
   * False in the middle of a snapshot, which comes as a pass of rows after a silence: as many rows are waited for as the
   * pass before had of contracts that have not expired. Quotes that come one by one are always whole.
   */
  isWhole(underlying: string, nowUs: number): boolean {
    const pass = this.#passes.get(underlying)
    return pass !== undefined && (nowUs - pass.lastUs > PASS_GAP_US || pass.members.length >= pass.expected)
  }

  /** The chain as the market state knows it, quotes no older than `maxAgeUs`; undefined with fewer than eight of them. */
  chain(underlying: string, market: MarketState, nowUs: number, maxAgeUs: number): Chain | undefined {
    const spotIndex = this.#instruments.indexOf(underlying)
    const spot =
      spotIndex === undefined ? 0 : midTicks(market, spotIndex) / 10 ** this.#instruments.at(spotIndex).priceDecimals
    const quotes: OptionQuote[] = []
    for (const i of this.contracts(underlying)) {
      const {option, symbol, priceDecimals} = this.#instruments.at(i)
      if (option === undefined || market.quotedUs[i]! < nowUs - maxAgeUs || market.quotedUs[i] === 0) continue
      const scale = 10 ** priceDecimals
      quotes.push({
        symbol: underlying,
        contract: symbol,
        right: option.right,
        strike: option.strike,
        expiry: option.expiry,
        tsUs: market.quotedUs[i]!,
        bid: market.bidTicks[i]! / scale,
        ask: market.askTicks[i]! / scale,
        bidSize: market.bidLots[i]!,
        askSize: market.askLots[i]!,
        volume: this.#volume[i]!,
        openInterest: this.#openInterest[i]!,
        ...(spot > 0 ? {underlying: spot} : {}),
      })
    }
    return quotes.length < 8 ? undefined : buildChain(quotes)
  }
}
