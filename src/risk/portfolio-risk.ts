// Columns and the n×n matrices are sized from one instrument table, so `!` cannot miss here.
import {type MarketState, midTicks} from '../data/market-state.ts'
import type {InstrumentTable} from '../domain/instrument.ts'
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

/**
 * Covariance of one-day returns by exponential weighting (RiskMetrics, decay 0.97 an observation) of returns sampled at a
 * fixed market-time pace and scaled to a trading day, shrunk to a prior while observations are few: same underlying 1,
 * same kind 0.5, else 0.2. Shrinking the covariance of one clock keeps the matrix positive semi-definite.
 */
export class PortfolioRisk implements PortfolioRiskView {
  readonly #options: PortfolioRiskOptions
  readonly #n: number
  readonly #sampleUs: number
  readonly #covariance: Float64Array
  readonly #prior: Float64Array
  readonly #moment: Float64Array
  readonly #lastPrice: Float64Array
  readonly #return: Float64Array
  /** Exposures the cached products were made of, Σe, and eᵀΣe. */
  readonly #cached: Float64Array
  readonly #products: Float64Array
  #variance = 0
  #weight = 0
  #lastSampleUs = 0

  constructor(options: PortfolioRiskOptions) {
    this.#options = options
    this.#n = options.instruments.size
    this.#sampleUs = options.sampleUs ?? US_PER_MINUTE
    this.#prior = priorCovariance(options.instruments)
    this.#covariance = Float64Array.from(this.#prior)
    this.#moment = new Float64Array(this.#n * this.#n)
    this.#lastPrice = new Float64Array(this.#n)
    this.#return = new Float64Array(this.#n)
    this.#cached = new Float64Array(this.#n)
    this.#products = new Float64Array(this.#n)
  }

  /** Call at every event, or as often as convenient: takes a sample when one is due. */
  onTime(nowUs: number): void {
    if (nowUs - this.#lastSampleUs >= this.#sampleUs) this.#sample(nowUs)
  }

  /** Linear in the number of instruments: other exposures count as of when they last moved by more than 0.2 %. */
  deviationWith(instrument: number, exposureMicros: number): number {
    for (let i = 0; i < this.#n; i++) {
      const held = this.#options.positionLots[i]!
      const cached = this.#cached[i]!
      if (held === 0 && cached === 0) continue
      const exposure = this.#exposure(i)
      if (Math.abs(exposure - cached) > 0.002 * Math.abs(cached)) this.#shift(i, exposure)
    }
    const change = exposureMicros - this.#cached[instrument]!
    const own = this.#covariance[instrument * this.#n + instrument]!
    return Math.sqrt(Math.max(0, this.#variance + 2 * change * this.#products[instrument]! + change * change * own))
  }

  /** Brings the cached products up to an instrument's new exposure. */
  #shift(i: number, exposure: number): void {
    const n = this.#n
    const change = exposure - this.#cached[i]!
    this.#variance += 2 * change * this.#products[i]! + change * change * this.#covariance[i * n + i]!
    for (let j = 0; j < n; j++) this.#products[j]! += change * this.#covariance[i * n + j]!
    this.#cached[i] = exposure
  }

  #rebuild(): void {
    this.#cached.fill(0)
    this.#products.fill(0)
    this.#variance = 0
    for (let i = 0; i < this.#n; i++) if (this.#options.positionLots[i] !== 0) this.#shift(i, this.#exposure(i))
  }

  correlation(a: number, b: number): number {
    const n = this.#n
    const scale = Math.sqrt(this.#covariance[a * n + a]! * this.#covariance[b * n + b]!)
    return scale > 0 ? this.#covariance[a * n + b]! / scale : 0
  }

  dailyVolatility(instrument: number): number {
    return Math.sqrt(this.#covariance[instrument * this.#n + instrument]!)
  }

  #exposure(i: number): number {
    const held = this.#options.positionLots[i]!
    return held === 0 ? 0 : held * midTicks(this.#options.market, i) * this.#options.microsPerTickLot[i]!
  }

  #sample(nowUs: number): void {
    const {market} = this.#options
    const n = this.#n
    const elapsedUs = nowUs - this.#lastSampleUs
    const isFirst = this.#lastSampleUs === 0
    this.#lastSampleUs = nowUs
    for (let i = 0; i < n; i++) {
      const price = midTicks(market, i)
      const last = this.#lastPrice[i]!
      this.#return[i] = price > 0 && last > 0 ? Math.log(price / last) : 0
      if (price > 0) this.#lastPrice[i] = price
    }
    // Between 30 minutes and 12 hours the market was mostly closed: neither an intraday nor a daily return.
    if (isFirst || (elapsedUs > US_PER_HOUR / 2 && elapsedUs < US_PER_DAY / 2)) return
    const perDay = elapsedUs >= US_PER_DAY / 2 ? 1 / Math.round(elapsedUs / US_PER_DAY) || 1 : 0
    this.#weight = DECAY * this.#weight + 1
    const shrink = this.#weight / (this.#weight + PRIOR_WEIGHT)
    for (let i = 0; i < n; i++) {
      const scaleI = this.#dayScale(i, elapsedUs, perDay)
      for (let j = 0; j < n; j++) {
        const k = i * n + j
        const product = this.#return[i]! * this.#return[j]! * Math.sqrt(scaleI * this.#dayScale(j, elapsedUs, perDay))
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

const priorCovariance = (instruments: InstrumentTable): Float64Array => {
  const all = instruments.all()
  const n = all.length
  const prior = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const [a, b] = [all[i]!, all[j]!]
      const underlyingA = a.option?.underlying ?? a.symbol
      const underlyingB = b.option?.underlying ?? b.symbol
      const correlation = underlyingA === underlyingB ? 1 : a.kind === b.kind ? 0.5 : 0.2
      prior[i * n + j] = correlation * PRIOR_VOLATILITY[a.kind] * PRIOR_VOLATILITY[b.kind]
    }
  return prior
}
