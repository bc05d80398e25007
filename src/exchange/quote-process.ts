import type {Instrument} from '../domain/instrument.ts'
import type {Rng} from '../domain/rng.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {type Calibration, calibrationOf, PROCESS} from './calibration.ts'

/** What a scenario may change for one instrument; all 1 in calm markets. */
export interface Conditions {
  spreadMultiplier: number
  depthMultiplier: number
  quoteRateMultiplier: number
  tradeRateMultiplier: number
}
export const CALM_CONDITIONS: Conditions = {
  spreadMultiplier: 1,
  depthMultiplier: 1,
  quoteRateMultiplier: 1,
  tradeRateMultiplier: 1,
}

export interface MinuteBar {
  open: number
  high: number
  low: number
  close: number
  lots: number
}

export interface Traded {
  readonly ticks: number
  readonly lots: number
  readonly side: 1 | -1
  /** Log-return by which the trade moved the efficient price. */
  readonly impact: number
}

/** How much of a half-spread a trade moves the efficient price for good. */
const PERMANENT_IMPACT = 0.15

/**
 * Best quote and trades of one instrument around an efficient price: whole increments, sizes that lean with the imbalance
 * of the book, orders whose signs persist. The imbalance announces a little of the next moves, as it does in the books it
 * was measured on.
 */
export class QuoteProcess {
  bidTicks = 0
  askTicks = 0
  bidLots = 0
  askLots = 0
  readonly #calibration: Calibration
  readonly #rng: Rng
  readonly #step: number
  readonly #ticksPerUnit: number
  readonly #lotsPerUnit: number
  readonly #wholeLots: number
  #imbalance: number
  #imbalanceUs: number
  #lastSign: 1 | -1 = 1
  #bar: MinuteBar | undefined

  constructor(instrument: Instrument, rng: Rng, startUs: number) {
    this.#calibration = calibrationOf(instrument.symbol)
    this.#rng = rng
    this.#ticksPerUnit = 10 ** instrument.priceDecimals
    this.#lotsPerUnit = 10 ** instrument.sizeDecimals
    this.#step = Math.max(instrument.incrementTicks, Math.round(this.#calibration.increment * this.#ticksPerUnit))
    // Shares are quoted and traded whole, whatever fraction an order may be for.
    this.#wholeLots = instrument.kind === 'crypto' ? 1 : this.#lotsPerUnit
    this.#imbalance = 0
    this.#imbalanceUs = startUs
  }

  /** Events a second under the conditions. */
  rate({quoteRateMultiplier, tradeRateMultiplier}: Conditions): number {
    const {quotesPerSecond, ordersPerSecond} = this.#calibration
    return Math.max(0.01, quotesPerSecond * quoteRateMultiplier + ordersPerSecond * tradeRateMultiplier)
  }

  /** Whether the event that is due is a trade. */
  drawsTrade(conditions: Conditions): boolean {
    const share = (this.#calibration.ordersPerSecond * conditions.tradeRateMultiplier) / this.rate(conditions)
    return this.#rng.uniform() < share && this.askTicks > 0
  }

  /** Moves the imbalance and returns the log-return of the efficient price that it announced meanwhile. */
  stepImbalance(atUs: number): number {
    const seconds = (atUs - this.#imbalanceUs) / US_PER_SECOND
    this.#imbalanceUs = atUs
    const before = Math.tanh(this.#imbalance)
    const rate = Math.LN2 / PROCESS.imbalanceHalfLifeS
    const decay = Math.exp(-rate * seconds)
    this.#imbalance = this.#imbalance * decay + 0.7 * Math.sqrt(1 - decay * decay) * this.#rng.normal()
    // What the imbalance announces dies away with it: the integral of its decay over the interval.
    return before * this.#calibration.imbalanceBps * 1e-4 * ((1 - decay) / rate)
  }

  /** Takes the quote away; false when there was none. */
  clear(): boolean {
    if (this.bidLots === 0 && this.askLots === 0) return false
    this.bidTicks = 0
    this.askTicks = 0
    this.bidLots = 0
    this.askLots = 0
    return true
  }

  /** One event: perhaps a trade against the standing quote, then the quote that follows from the efficient price. */
  update(efficient: number, conditions: Conditions, isTrade: boolean): Traded {
    const traded = isTrade ? this.#trade() : NOTHING
    const moved = this.#requote(efficient, conditions)
    const {touchSize, touchDeviation} = this.#calibration
    const lean = 0.8 * Math.tanh(this.#imbalance)
    // A level that was only hit keeps what is left of it; a new one, or an update, is drawn afresh.
    if (moved || traded.lots === 0 || this.#rng.uniform() < 0.3) {
      const median = touchSize * conditions.depthMultiplier
      if (moved || this.#rng.uniform() < 0.6) this.bidLots = this.#size(median * Math.exp(lean), touchDeviation)
      if (moved || this.#rng.uniform() < 0.6) this.askLots = this.#size(median * Math.exp(-lean), touchDeviation)
    }
    return traded
  }

  takeBar(): MinuteBar | undefined {
    const bar = this.#bar
    this.#bar = undefined
    return bar
  }

  #trade(): Traded {
    const {signPersistence, orderSize, orderDeviation} = this.#calibration
    const lean = 0.35 * Math.tanh(this.#imbalance)
    const buys = this.#rng.uniform() < 0.5 + 0.5 * signPersistence * this.#lastSign + 0.5 * lean * (1 - signPersistence)
    const side = buys ? 1 : -1
    this.#lastSign = side
    const shown = buys ? this.askLots : this.bidLots
    if (shown === 0) return NOTHING
    const ticks = buys ? this.askTicks : this.bidTicks
    const lots = Math.min(this.#size(orderSize, orderDeviation), shown)
    if (buys) this.askLots = Math.max(this.#wholeLots, shown - lots)
    else this.bidLots = Math.max(this.#wholeLots, shown - lots)
    const bar = this.#bar
    if (bar === undefined) this.#bar = {open: ticks, high: ticks, low: ticks, close: ticks, lots}
    else {
      bar.high = Math.max(bar.high, ticks)
      bar.low = Math.min(bar.low, ticks)
      bar.close = ticks
      bar.lots += lots
    }
    const half = (this.askTicks - this.bidTicks) / (this.askTicks + this.bidTicks)
    const weight = Math.min(1, lots / (orderSize * this.#lotsPerUnit * 4))
    return {ticks, lots, side, impact: side * PERMANENT_IMPACT * half * weight}
  }

  /** Follows the efficient price; a quote moves only when the price has left its middle. Returns whether it moved. */
  #requote(efficient: number, conditions: Conditions): boolean {
    const step = this.#step
    const centre = (efficient * this.#ticksPerUnit) / step
    const spread = this.#drawSpread(conditions)
    const current = (this.askTicks - this.bidTicks) / step
    const middle = (this.askTicks + this.bidTicks) / 2 / step
    const isFirst = this.askTicks === 0
    const strayed = Math.abs(centre - middle) > 0.5 * Math.max(1, current) * 0.9
    // Now and then the width itself is revised; far too wide or too narrow a quote is put right at once.
    const revised = current > 2.5 * spread || spread > 2.5 * current || this.#rng.uniform() < 0.08
    if (!isFirst && !strayed && !revised) return false
    const bid = Math.max(1, Math.round(centre - spread / 2))
    const bidTicks = bid * step
    const askTicks = (bid + spread) * step
    const moved = bidTicks !== this.bidTicks || askTicks !== this.askTicks
    this.bidTicks = bidTicks
    this.askTicks = askTicks
    return moved || isFirst
  }

  /** Geometric above one increment, with the calibrated mean. */
  #drawSpread({spreadMultiplier}: Conditions): number {
    const mean = Math.max(1, this.#calibration.spreadTicks * spreadMultiplier)
    if (mean === 1) return 1
    return 1 + Math.floor(this.#rng.exponential() / -Math.log(1 - 1 / mean))
  }

  #size(median: number, deviation: number): number {
    const units = median * Math.exp(deviation * this.#rng.normal())
    const lots = units * this.#lotsPerUnit
    return Math.max(this.#wholeLots, Math.round(lots / this.#wholeLots) * this.#wholeLots)
  }
}

const NOTHING: Traded = {ticks: 0, lots: 0, side: 1, impact: 0}
