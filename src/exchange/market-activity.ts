import type {MarketState} from '../data/market-state.ts'
import {midTicks} from '../data/market-state.ts'
import {EventKind, OrderAction, type TapeChunk} from '../data/tape.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
import {US_PER_MINUTE} from '../domain/units.ts'

// A numeric kernel: columns are sized from the instrument table, so they are read under `!`.

/** Minutes of a trading day: New York's session, and the whole day of a coin. */
const SESSION_MINUTES = 390
const COIN_MINUTES = 1_440
/** Days after which a minute counts half. */
const HALF_LIFE_DAYS = 5
/** A pause longer than this is a closed market, not a quiet one. */
const BREAK_MINUTES = 60
/** Daily volatility believed before the tape has said anything, and the minutes of tape that it is worth. */
const PRIOR_VOLATILITY = 0.02
const PRIOR_MINUTES = 30

/** Where an instrument's volume is read: a tape may hold prints and the bars made of them. */
const Volume = {unknown: 0, bars: 1, prints: 2} as const

/**
 * Volume and volatility of a day, by instrument, from what the tape has shown so far and nothing else: minutes weigh half
 * as much after five days, a night counts as one return and no time. Volatility is that of mids, or of bar closes; volume is
 * that of bars or of prints, whichever comes first.
 */
export class MarketActivity {
  readonly #market: MarketState
  readonly #dayMinutes: Float64Array
  readonly #source: Uint8Array
  readonly #endUs: Float64Array
  readonly #lots: Float64Array
  readonly #price: Float64Array
  readonly #sumLots: Float64Array
  readonly #sumSquares: Float64Array
  readonly #minutes: Float64Array

  constructor(instruments: InstrumentTable, market: MarketState) {
    const column = () => new Float64Array(instruments.size)
    this.#market = market
    this.#dayMinutes = Float64Array.from(instruments.all(), ({kind}) =>
      kind === 'crypto' ? COIN_MINUTES : SESSION_MINUTES,
    )
    this.#source = new Uint8Array(instruments.size)
    this.#endUs = column()
    this.#lots = column()
    this.#price = column()
    this.#sumLots = column()
    this.#sumSquares = column()
    this.#minutes = column()
  }

  /** Lots a day; 0 while the tape has shown no volume. */
  dailyLots(i: number): number {
    const minutes = this.#minutes[i]! + (this.#lots[i]! > 0 ? 1 : 0)
    return minutes > 0 ? ((this.#sumLots[i]! + this.#lots[i]!) / minutes) * this.#dayMinutes[i]! : 0
  }
  /** Standard deviation of a day's log return. */
  dailyVolatility(i: number): number {
    const prior = (PRIOR_VOLATILITY ** 2 * PRIOR_MINUTES) / this.#dayMinutes[i]!
    const perMinute = (prior + this.#sumSquares[i]!) / (PRIOR_MINUTES + this.#minutes[i]!)
    return Math.sqrt(perMinute * this.#dayMinutes[i]!)
  }

  /** A row, after the market state took it. */
  onRow(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const kind = chunk.kind[row]!
    if (kind === EventKind.bar) {
      this.#onBar(i, chunk.v3[row]!, chunk.v4[row]!, chunk.v5[row]!)
      return
    }
    if (this.#source[i] === Volume.bars) return
    const atUs = chunk.tsUs[row]!
    if (atUs >= this.#endUs[i]!) this.#close(i, atUs)
    if (!isPrint(kind, chunk.flags[row]!)) return
    this.#source[i] = Volume.prints
    this.#lots[i]! += chunk.v1[row]!
  }

  /** New shares for old ones. */
  onSplit(i: number, numerator: number, denominator: number): void {
    const factor = numerator / denominator
    this.#lots[i]! *= factor
    this.#sumLots[i]! *= factor
    this.#price[i]! /= factor
  }

  #onBar(i: number, close: number, lots: number, periodUs: number): void {
    if (this.#source[i] === Volume.prints || !(close > 0)) return
    if (this.#source[i] === Volume.unknown && lots > 0) {
      this.#source[i] = Volume.bars
      this.#minutes[i] = 0
      this.#sumSquares[i] = 0
    }
    if (this.#source[i] !== Volume.bars) return
    const minutes = Math.min(this.#dayMinutes[i]!, Math.max(1, periodUs / US_PER_MINUTE))
    this.#add(i, lots, close, minutes)
  }

  /** Ends the minute under way; quiet minutes since then count, a closed market does not. */
  #close(i: number, atUs: number): void {
    const endUs = this.#endUs[i]!
    this.#endUs[i] = (Math.floor(atUs / US_PER_MINUTE) + 1) * US_PER_MINUTE
    const price = midTicks(this.#market, i)
    if (endUs === 0 || !(price > 0)) return
    const quiet = Math.floor((atUs - endUs) / US_PER_MINUTE)
    this.#add(i, this.#lots[i]!, price, 1 + (quiet > BREAK_MINUTES ? 0 : quiet))
    this.#lots[i] = 0
  }

  #add(i: number, lots: number, price: number, minutes: number): void {
    const kept = 2 ** (-minutes / (HALF_LIFE_DAYS * this.#dayMinutes[i]!))
    const before = this.#price[i]!
    const move = before > 0 ? Math.log(price / before) : 0
    this.#price[i] = price
    this.#sumLots[i] = this.#sumLots[i]! * kept + lots
    this.#sumSquares[i] = this.#sumSquares[i]! * kept + move * move
    this.#minutes[i] = this.#minutes[i]! * kept + minutes
  }
}

const isPrint = (kind: number, flags: number): boolean => {
  if (kind === EventKind.trade) return true
  if (kind !== EventKind.order) return false
  const action = flags >> 1
  return action === OrderAction.execute || action === OrderAction.hiddenExecute
}
