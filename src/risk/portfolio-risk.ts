// Columns and matrices are sized with the instruments that are followed, so `!` cannot miss here.
import {type MarketState, midTicks} from '../data/market-state.ts'
import type {Instrument, InstrumentTable} from '../domain/instrument.ts'
import {US_PER_DAY, US_PER_HOUR, US_PER_MINUTE} from '../domain/units.ts'
import type {PortfolioRiskView} from './risk.ts'

/** One-day volatilities believed before anything was seen, by kind; after RiskMetrics' usual orders of magnitude. */
const PRIOR_VOLATILITY = {equity: 0.02, etf: 0.012, crypto: 0.04, option: 0.5} as const
/** Observations the prior weighs as much as. */
const PRIOR_WEIGHT = 20
const DECAY = 0.97
const TRADING_DAY_US = 6.5 * US_PER_HOUR

export interface PortfolioRiskOptions {
  readonly instruments: InstrumentTable
  readonly market: MarketState
  readonly positionLots: Float64Array
  readonly microsPerTickLot: Float64Array
  /** Market time between two return observations. */
  readonly sampleUs?: number
}

/** Up to this many instruments all are followed from the start; of more, those that are asked about or held. */
const FOLLOW_ALL = 512

/**
 * Covariance of one-day returns by exponential weighting (RiskMetrics, decay 0.97 an observation) of returns sampled at a
 * fixed market-time pace and scaled to a trading day, shrunk to a prior while observations are few: same underlying 1,
 * same kind 0.5, else 0.2. Shrinking the covariance of one clock keeps the matrix positive semi-definite. An instrument
 * that is followed late starts from its prior, as if that had been seen until then.
 */
export class PortfolioRisk implements PortfolioRiskView {
  readonly #options: PortfolioRiskOptions
  readonly #sampleUs: number
  /** Place in the matrices by instrument, -1 while not followed; and the other way round. */
  readonly #slotOf: Int32Array
  readonly #followed: number[] = []
  /** Side of the square matrices; rows beyond those followed are unused. */
  #side = 0
  #covariance = new Float64Array(0)
  #prior = new Float64Array(0)
  #moment = new Float64Array(0)
  #lastPrice = new Float64Array(0)
  #return = new Float64Array(0)
  #scale = new Float64Array(0)
  /** Exposures the cached products were made of, Σe, and eᵀΣe. */
  #cached = new Float64Array(0)
  #products = new Float64Array(0)
  #variance = 0
  #weight = 0
  #lastSampleUs = 0

  constructor(options: PortfolioRiskOptions) {
    const {size} = options.instruments
    this.#options = options
    this.#sampleUs = options.sampleUs ?? US_PER_MINUTE
    this.#slotOf = new Int32Array(size).fill(-1)
    this.#grow(size <= FOLLOW_ALL ? size : 16)
    if (size <= FOLLOW_ALL) for (let i = 0; i < size; i++) this.#slot(i)
  }

  /** Call at every event, or as often as convenient: takes a sample when one is due. */
  onTime(nowUs: number): void {
    if (nowUs - this.#lastSampleUs >= this.#sampleUs) this.#sample(nowUs)
  }

  /** The price is another for the same worth, after a split or a dividend: no return is seen in it. */
  reprice(instrument: number, factor: number): void {
    const slot = this.#slotOf[instrument]!
    if (slot >= 0) this.#lastPrice[slot]! *= factor
  }

  /** Linear in the number of instruments: other exposures count as of when they last moved by more than 0.2 %. */
  deviationWith(instrument: number, exposureMicros: number): number {
    const own = this.#slot(instrument)
    this.#followHeld()
    for (let s = 0; s < this.#followed.length; s++) {
      const held = this.#options.positionLots[this.#followed[s]!]!
      const cached = this.#cached[s]!
      if (held === 0 && cached === 0) continue
      const exposure = this.#exposure(this.#followed[s]!)
      if (Math.abs(exposure - cached) > 0.002 * Math.abs(cached)) this.#shift(s, exposure)
    }
    const change = exposureMicros - this.#cached[own]!
    const ownVariance = this.#covariance[own * this.#side + own]!
    return Math.sqrt(Math.max(0, this.#variance + 2 * change * this.#products[own]! + change * change * ownVariance))
  }

  /** What came into the account without being asked about, such as stock from an exercise. */
  #followHeld(): void {
    const {positionLots} = this.#options
    if (this.#followed.length === this.#slotOf.length) return
    for (let i = 0; i < positionLots.length; i++) if (positionLots[i] !== 0) this.#slot(i)
  }

  /** Brings the cached products up to an instrument's new exposure. */
  #shift(slot: number, exposure: number): void {
    const side = this.#side
    const change = exposure - this.#cached[slot]!
    this.#variance += 2 * change * this.#products[slot]! + change * change * this.#covariance[slot * side + slot]!
    for (let s = 0; s < this.#followed.length; s++) this.#products[s]! += change * this.#covariance[slot * side + s]!
    this.#cached[slot] = exposure
  }

  #rebuild(): void {
    this.#cached.fill(0)
    this.#products.fill(0)
    this.#variance = 0
    for (let s = 0; s < this.#followed.length; s++) {
      const i = this.#followed[s]!
      if (this.#options.positionLots[i] !== 0) this.#shift(s, this.#exposure(i))
    }
  }

  correlation(a: number, b: number): number {
    const [x, y] = [this.#slot(a), this.#slot(b)]
    const side = this.#side
    const scale = Math.sqrt(this.#covariance[x * side + x]! * this.#covariance[y * side + y]!)
    return scale > 0 ? this.#covariance[x * side + y]! / scale : 0
  }

  dailyVolatility(instrument: number): number {
    const slot = this.#slot(instrument)
    return Math.sqrt(this.#covariance[slot * this.#side + slot]!)
  }

  #exposure(i: number): number {
    const held = this.#options.positionLots[i]!
    return held === 0 ? 0 : held * midTicks(this.#options.market, i) * this.#options.microsPerTickLot[i]!
  }

  /** An instrument's place in the matrices; it gets one when it is first asked about. */
  #slot(instrument: number): number {
    const known = this.#slotOf[instrument]!
    if (known >= 0) return known
    if (this.#followed.length === this.#side) this.#grow(2 * this.#side)
    const slot = this.#followed.length
    const side = this.#side
    const {instruments} = this.#options
    this.#slotOf[instrument] = slot
    this.#followed.push(instrument)
    for (let s = 0; s <= slot; s++) {
      const prior = priorCovariance(instruments.at(instrument), instruments.at(this.#followed[s]!))
      for (const k of [slot * side + s, s * side + slot]) {
        this.#prior[k] = prior
        this.#covariance[k] = prior
        this.#moment[k] = this.#weight * prior
      }
      this.#products[slot]! += s === slot ? 0 : prior * this.#cached[s]!
    }
    return slot
  }

  #grow(side: number): void {
    const was = this.#side
    const wider = (matrix: Float64Array) => {
      const grown = new Float64Array(side * side)
      for (let r = 0; r < was; r++) grown.set(matrix.subarray(r * was, (r + 1) * was), r * side)
      return grown
    }
    const longer = (column: Float64Array) => {
      const grown = new Float64Array(side)
      grown.set(column)
      return grown
    }
    this.#covariance = wider(this.#covariance)
    this.#prior = wider(this.#prior)
    this.#moment = wider(this.#moment)
    this.#lastPrice = longer(this.#lastPrice)
    this.#return = longer(this.#return)
    this.#scale = longer(this.#scale)
    this.#cached = longer(this.#cached)
    this.#products = longer(this.#products)
    this.#side = side
  }

  #sample(nowUs: number): void {
    const {market} = this.#options
    const n = this.#followed.length
    const side = this.#side
    const elapsedUs = nowUs - this.#lastSampleUs
    const isFirst = this.#lastSampleUs === 0
    this.#lastSampleUs = nowUs
    for (let s = 0; s < n; s++) {
      const price = midTicks(market, this.#followed[s]!)
      const last = this.#lastPrice[s]!
      this.#return[s] = price > 0 && last > 0 ? Math.log(price / last) : 0
      if (price > 0) this.#lastPrice[s] = price
    }
    // Between 30 minutes and 12 hours the market was mostly closed: neither an intraday nor a daily return.
    if (isFirst || (elapsedUs > US_PER_HOUR / 2 && elapsedUs < US_PER_DAY / 2)) return
    const perDay = elapsedUs >= US_PER_DAY / 2 ? 1 / Math.round(elapsedUs / US_PER_DAY) || 1 : 0
    this.#weight = DECAY * this.#weight + 1
    const shrink = this.#weight / (this.#weight + PRIOR_WEIGHT)
    for (let s = 0; s < n; s++) this.#scale[s] = this.#dayScale(this.#followed[s]!, elapsedUs, perDay)
    for (let r = 0; r < n; r++) {
      for (let s = 0; s < n; s++) {
        const k = r * side + s
        const product = this.#return[r]! * this.#return[s]! * Math.sqrt(this.#scale[r]! * this.#scale[s]!)
        this.#moment[k] = DECAY * this.#moment[k]! + product
        this.#covariance[k] = (shrink * this.#moment[k]!) / this.#weight + (1 - shrink) * this.#prior[k]!
      }
    }
    this.#rebuild()
  }

  /** Factor from the variance of one sample to the variance of a trading day. */
  #dayScale(i: number, elapsedUs: number, perDay: number): number {
    if (perDay > 0) return perDay
    return (this.#options.instruments.at(i).kind === 'crypto' ? US_PER_DAY : TRADING_DAY_US) / elapsedUs
  }
}

const priorCovariance = (a: Instrument, b: Instrument): number => {
  const underlyingA = a.option?.underlying ?? a.symbol
  const underlyingB = b.option?.underlying ?? b.symbol
  const correlation = underlyingA === underlyingB ? 1 : a.kind === b.kind ? 0.5 : 0.2
  return correlation * PRIOR_VOLATILITY[a.kind] * PRIOR_VOLATILITY[b.kind]
}
