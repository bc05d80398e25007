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
}

/** How much of a half-spread a large trade pushes the price, for a while. */
const IMPACT = 0.3

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
  /**
   * Log-distance that imbalance and trades have pushed the price from its efficient level. It dies away, so that the
   * variance of minutes is the price process's alone while seconds can be foreseen a little.
   */
  #pressure = 0
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

  /** Log-distance of the price from its efficient level. */
  get pressure(): number {
    return this.#pressure
  }

  /** Events a second under the conditions. */
  rate({quoteRateMultiplier, tradeRateMultiplier}: Conditions): number {
    const {quotesPerSecond, ordersPerSecond} = this.#calibration
    return Math.max(0.01, quotesPerSecond * quoteRateMultiplier + ordersPerSecond * tradeRateMultiplier)
  }

  /** Whether the event that is due is a trade. */
  #drawsTrade(conditions: Conditions): boolean {
    const share = (this.#calibration.ordersPerSecond * conditions.tradeRateMultiplier) / this.rate(conditions)
    return this.#rng.uniform() < share && this.askTicks > 0
  }

  /** Moves the imbalance, and the price pressure by what the imbalance announced meanwhile. */
  #stepImbalance(atUs: number): void {
    const seconds = (atUs - this.#imbalanceUs) / US_PER_SECOND
    this.#imbalanceUs = atUs
    const before = Math.tanh(this.#imbalance)
    const rate = Math.LN2 / PROCESS.imbalanceHalfLifeS
    const decay = Math.exp(-rate * seconds)
    this.#imbalance = this.#imbalance * decay + 0.7 * Math.sqrt(1 - decay * decay) * this.#rng.normal()
    this.#pressure *= Math.exp((-Math.LN2 / PROCESS.pressureHalfLifeS) * seconds)
    // What the imbalance announces dies away with it: the integral of its decay over the interval.
    this.#pressure += before * this.#calibration.imbalanceBps * 1e-4 * ((1 - decay) / rate)
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
  update(atUs: number, efficient: number, conditions: Conditions): Traded {
    this.#stepImbalance(atUs)
    const traded = this.#drawsTrade(conditions) ? this.#trade() : NOTHING
    const moved = this.#requote(efficient * Math.exp(this.#pressure), conditions)
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
    this.#pressure += side * IMPACT * half * weight
    return {ticks, lots, side}
  }

  /** Follows the efficient price; a quote moves only when the price has left its middle. Returns whether it moved. */
  #requote(efficient: number, conditions: Conditions): boolean {
    const step = this.#step
    const centre = (efficient * this.#ticksPerUnit) / step
    const drawn = this.#drawSpread(conditions)
    const current = (this.askTicks - this.bidTicks) / step
    const middle = (this.askTicks + this.bidTicks) / 2 / step
    const isFirst = this.askTicks === 0
    const strayed = Math.abs(centre - middle) > 0.5 * Math.max(1, current) * 0.9
    // Now and then the width itself is revised; far too wide or too narrow a quote is put right at once.
    const isRevised =
      (drawn !== current && this.#rng.uniform() < 0.08) || current > 2.5 * drawn || drawn > 2.5 * current
    if (!isFirst && !strayed && !isRevised) return false
    const spread = isFirst || isRevised ? drawn : current
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

const NOTHING: Traded = {ticks: 0, lots: 0, side: 1}
