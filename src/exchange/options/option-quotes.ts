import type {Instrument} from '../../domain/instrument.ts'
import type {Rng} from '../../domain/rng.ts'
import {blackPrice} from '../../options/black.ts'
import {calendarYears} from '../../options/expiry-time.ts'
import {ssviSlice} from '../../options/ssvi.ts'
import {sviVariance} from '../../options/svi.ts'
import {lastTradingUs} from './listed-chain.ts'

// Columns are indexed by contract numbers below their length, so they are read under `!`.

/** Rate that forwards grow at; the simulated underlyings pay nothing. */
export const RATE = 0.04
/** Long-run volatility a year and how fast the variance comes back to it (Heston's mean; a half-life of about ten weeks). */
const REVERSION = 3.5
/** Volatility of the logarithm of volatility, a year, and its answer to a return: a fall of 1 % lifts it by about 4 %. */
const VOL_OF_VOL = 0.9
const LEVERAGE = -4
/** SSVI's wings: an equity-like skew. */
const SKEW = -0.65
const SKEW_NOISE = 0.08
const ETA = 1.1
const GAMMA = 0.42
/** Quoted half-spread: a floor in dollars, a part of the premium, and more where little is at stake. */
const HALF_SPREAD_DOLLARS = 0.01
const HALF_SPREAD_OF_PREMIUM = 0.008

export interface OptionQuoteRow {
  readonly bidTicks: number
  readonly askTicks: number
  readonly bidLots: number
  readonly askLots: number
  readonly volume: number
  readonly openInterest: number
}

/**
 * Two-sided quotes of one underlying's contracts: Black prices on an SSVI smile whose level follows the underlying
 * (volatility rises when it falls) and reverts, with Heston's term structure. European values, never below what exercise
 * pays. A function of the seed and of the prices it is shown.
 */
export class OptionQuotes {
  readonly #contracts: readonly Instrument[]
  readonly #rng: Rng
  readonly #longRun: number
  /** Logarithm of the short volatility. */
  #level: number
  #skew = SKEW
  #lastPrice = 0
  #lastUs = 0
  readonly #volume: Float64Array
  readonly #openInterest: Float64Array

  constructor(contracts: readonly Instrument[], volatility: number, rng: Rng) {
    this.#contracts = contracts
    this.#rng = rng
    this.#longRun = volatility
    this.#level = Math.log(volatility)
    this.#volume = new Float64Array(contracts.length)
    this.#openInterest = Float64Array.from(contracts, () => Math.round(Math.exp(4 + 1.6 * rng.normal())))
  }

  openInterest(k: number): number {
    return this.#openInterest[k]!
  }

  /** Annual at-the-money volatility of the shortest maturity, now. */
  get volatility(): number {
    return Math.exp(this.#level)
  }

  /** Lets time pass to `nowUs`, at which the underlying stands at `price`. */
  advance(price: number, nowUs: number): void {
    const years = this.#lastUs === 0 ? 0 : calendarYears(this.#lastUs, nowUs)
    const move = this.#lastPrice > 0 ? Math.log(price / this.#lastPrice) : 0
    this.#lastPrice = price
    this.#lastUs = nowUs
    const noise = VOL_OF_VOL * Math.sqrt(years) * this.#rng.normal()
    this.#level += REVERSION * (Math.log(this.#longRun) - this.#level) * years + LEVERAGE * move + noise
    const pull = Math.min(1, 20 * years)
    this.#skew += (SKEW - this.#skew) * pull + SKEW_NOISE * Math.sqrt(20 * years) * this.#rng.normal()
    this.#skew = Math.max(-0.9, Math.min(-0.2, this.#skew))
  }

  quote(k: number): OptionQuoteRow {
    const contract = this.#contracts[k]!
    const {strike, right, expiry} = contract.option!
    const years = calendarYears(this.#lastUs, lastTradingUs(expiry))
    if (!(years > 0))
      return {
        bidTicks: 0,
        askTicks: 0,
        bidLots: 0,
        askLots: 0,
        volume: this.#volume[k]!,
        openInterest: this.#openInterest[k]!,
      }
    const forward = this.#lastPrice * Math.exp(RATE * years)
    const total = Math.sqrt(
      sviVariance(ssviSlice({rho: this.#skew, eta: ETA, gamma: GAMMA}, this.#theta(years)), Math.log(strike / forward)),
    )
    const isCall = right === 'call'
    const worth = blackPrice(forward, strike, total, isCall) * Math.exp(-RATE * years)
    const intrinsic = Math.max(0, isCall ? this.#lastPrice - strike : strike - this.#lastPrice)
    const price = Math.max(worth, intrinsic)
    const half = HALF_SPREAD_DOLLARS + HALF_SPREAD_OF_PREMIUM * price
    const scale = 10 ** contract.priceDecimals
    const step = price + half < 3 ? 0.01 : 0.05
    const bid = Math.floor((price - half) / step + 1e-9) * step
    const ask = Math.max(Math.ceil((price + half) / step - 1e-9) * step, bid + step)
    const near = Math.exp(-0.5 * ((strike / forward - 1) / 0.04) ** 2)
    if (this.#rng.uniform() < 0.02 + 0.1 * near)
      this.#volume[k]! += 1 + Math.floor(-12 * near * Math.log(1 - this.#rng.uniform()))
    return {
      bidTicks: bid > 0 ? Math.round(bid * scale) : 0,
      askTicks: Math.round(ask * scale),
      bidLots: bid > 0 ? 5 + this.#rng.below(60) : 0,
      askLots: 5 + this.#rng.below(60),
      volume: this.#volume[k]!,
      openInterest: this.#openInterest[k]!,
    }
  }

  /** At-the-money total variance to a maturity: the mean of Heston's variance over it. */
  #theta(years: number): number {
    const now = Math.exp(2 * this.#level)
    const longRun = this.#longRun ** 2
    return longRun * years + ((now - longRun) * (1 - Math.exp(-REVERSION * years))) / REVERSION
  }
}
