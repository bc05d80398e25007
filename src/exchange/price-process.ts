import type {Rng} from '../domain/rng.ts'
import {US_PER_SECOND} from '../domain/units.ts'
import {calibrationOf, PROCESS, SESSION_SHAPE} from './calibration.ts'
import {newYorkDay, type Session, sessionOf} from './sessions.ts'

// Columns are indexed by instrument numbers below their length, so they are read under `!`.

const SESSION_YEAR_S = 252 * 23_400
const COIN_YEAR_S = 365 * 86_400

/** A mean-reverting Gaussian, stepped exactly over any interval. */
class Reverting {
  readonly #deviation: number
  readonly #rate: number
  readonly #rng: Rng
  value: number
  constructor(rng: Rng, {deviation, halfLifeS}: {readonly deviation: number; readonly halfLifeS: number}) {
    this.#rng = rng
    this.#deviation = deviation
    this.#rate = Math.LN2 / halfLifeS
    this.value = deviation * rng.normal()
  }
  step(seconds: number): void {
    const decay = Math.exp(-this.#rate * seconds)
    this.value = this.value * decay + this.#deviation * Math.sqrt(1 - decay * decay) * this.#rng.normal()
  }
  kick(size: number): void {
    this.value += size
  }
}

type Role = 'market' | 'KO' | 'stock' | 'bitcoin' | 'coin' | 'cross'

interface Member {
  readonly role: Role
  readonly beta: number
  /** Volatility of its own, annual. */
  readonly own: number
  readonly total: number
}

/** Volatility is redrawn this often. */
const VOLATILITY_STEP_US = US_PER_SECOND

/**
 * Efficient log-prices of all instruments: a common factor for shares and one for coins, own noise, KO tied to PEP by two
 * mean-reverting spreads, ETH/BTC tied to its legs, stochastic volatility with an intraday shape. Everything moves only
 * when `advance` is called, in time order, so the path is a function of the seed and of those calls.
 */
export class PriceProcess {
  /** Multiplies every volatility; 1 in calm markets. */
  volatilityMultiplier = 1
  /** 0 the calibrated correlations, 1 all move as one. */
  correlation = 0

  readonly #members: readonly Member[]
  readonly #log: Float64Array
  readonly #start: Float64Array
  readonly #shock: Float64Array
  readonly #updatedUs: Float64Array
  readonly #seenMarket: Float64Array
  readonly #seenCoin: Float64Array
  readonly #rngs: readonly Rng[]
  readonly #factorRng: Rng
  readonly #stockVolatility: readonly [Reverting, Reverting]
  readonly #coinVolatility: readonly [Reverting, Reverting]
  readonly #spreadSlow: Reverting
  readonly #spreadFast: Reverting
  readonly #cross: Reverting
  readonly #dislocation: {rng: Rng; value: number}
  readonly #pep: number
  readonly #bitcoin: number
  readonly #ether: number
  /** Standard Brownian motions in units of the factors' annual volatility: shares and coins. */
  #market = 0
  #coin = 0
  #factorUs: number
  #volatilityUs: number
  #stockLevel = 1
  #coinLevel = 1
  #tiedUs: number
  #session: Session | undefined
  #sessionDay = Number.NaN

  constructor(symbols: readonly string[], rng: Rng, startUs: number) {
    this.#members = symbols.map(memberOf)
    this.#start = Float64Array.from(symbols, symbol => Math.log(calibrationOf(symbol).price))
    this.#log = Float64Array.from(this.#start)
    this.#shock = new Float64Array(symbols.length)
    this.#updatedUs = new Float64Array(symbols.length).fill(startUs)
    this.#seenMarket = new Float64Array(symbols.length)
    this.#seenCoin = new Float64Array(symbols.length)
    this.#rngs = symbols.map(symbol => rng.fork(`price ${symbol}`))
    this.#factorRng = rng.fork('factors')
    const pair = (label: string): [Reverting, Reverting] => [
      new Reverting(rng.fork(`${label} slow`), PROCESS.slowVolatility),
      new Reverting(rng.fork(`${label} fast`), PROCESS.fastVolatility),
    ]
    this.#stockVolatility = pair('stock volatility')
    this.#coinVolatility = pair('coin volatility')
    this.#spreadSlow = new Reverting(rng.fork('KO slow'), PROCESS.KO.slow)
    this.#spreadFast = new Reverting(rng.fork('KO fast'), PROCESS.KO.fast)
    this.#cross = new Reverting(rng.fork('cross'), PROCESS.cross)
    this.#dislocation = {rng: rng.fork('dislocation'), value: 0}
    this.#pep = symbols.indexOf('PEP')
    this.#bitcoin = symbols.indexOf('BTC/USD')
    this.#ether = symbols.indexOf('ETH/USD')
    this.#factorUs = startUs
    this.#volatilityUs = startUs
    this.#tiedUs = startUs
    this.#setLevels(startUs)
  }

  /** Efficient price of an instrument at `atUs`, which must not go back. */
  advance(i: number, atUs: number): number {
    this.#advanceFactors(atUs)
    const member = this.#members[i]!
    if (member.role === 'cross' && this.#bitcoin >= 0 && this.#ether >= 0) {
      this.#advanceTies(atUs)
      const legs = this.advance(this.#ether, atUs) / this.advance(this.#bitcoin, atUs)
      return legs * Math.exp(this.#cross.value + this.#dislocation.value + this.#shock[i]!)
    }
    if (member.role === 'KO' && this.#pep >= 0) {
      this.#advanceTies(atUs)
      const pep = Math.log(this.advance(this.#pep, atUs)) - this.#start[this.#pep]!
      const spread = this.#spreadFast.value + this.#spreadSlow.value
      return Math.exp(this.#start[i]! + PROCESS.KO.hedgeRatio * pep + spread + this.#shock[i]!)
    }
    this.#advanceOwn(i, member, atUs)
    return Math.exp(this.#log[i]! + this.#shock[i]!)
  }

  /** Moves the efficient price by a log-return, now and for good. */
  move(i: number, logReturn: number): void {
    if (logReturn !== 0) this.#shock[i]! += logReturn
  }
  /** The part of a tied price that moves with its leg is not added twice: moving PEP moves KO. */
  isTied(i: number): boolean {
    const {role} = this.#members[i]!
    return (role === 'KO' && this.#pep >= 0) || (role === 'cross' && this.#ether >= 0 && this.#bitcoin >= 0)
  }

  #advanceOwn(i: number, member: Member, atUs: number): void {
    const coin = member.role === 'bitcoin' || member.role === 'coin' || member.role === 'cross'
    const seconds = (atUs - this.#updatedUs[i]!) / US_PER_SECOND
    if (seconds <= 0) return
    this.#updatedUs[i] = atUs
    const market = this.#market - this.#seenMarket[i]!
    const coins = this.#coin - this.#seenCoin[i]!
    this.#seenMarket[i] = this.#market
    this.#seenCoin[i] = this.#coin
    const level = coin ? this.#coinLevel : this.#stockLevel
    const years = seconds / (coin ? COIN_YEAR_S : SESSION_YEAR_S)
    const own = member.own * level * Math.sqrt(years) * this.#rngs[i]!.normal()
    const usual = member.beta * (coin ? coins : market) + own
    const c = this.correlation
    this.#log[i]! += c === 0 ? usual : (1 - c) * usual + (c * member.total * market) / PROCESS.marketVolatility
  }

  #advanceFactors(atUs: number): void {
    while (this.#volatilityUs + VOLATILITY_STEP_US <= atUs) {
      // A long silence (a night, a weekend) is one step, not tens of thousands.
      const gapS = Math.max(1, Math.floor((atUs - this.#volatilityUs) / US_PER_SECOND / 2))
      this.#stepFactors(this.#volatilityUs + gapS * US_PER_SECOND)
      for (const part of [...this.#stockVolatility, ...this.#coinVolatility]) part.step(gapS)
      this.#volatilityUs += gapS * US_PER_SECOND
      this.#setLevels(this.#volatilityUs)
    }
    this.#stepFactors(atUs)
  }

  #stepFactors(atUs: number): void {
    const seconds = (atUs - this.#factorUs) / US_PER_SECOND
    if (seconds <= 0) return
    this.#factorUs = atUs
    this.#market +=
      PROCESS.marketVolatility * this.#stockLevel * Math.sqrt(seconds / SESSION_YEAR_S) * this.#factorRng.normal()
    this.#coin += PROCESS.coinVolatility * this.#coinLevel * Math.sqrt(seconds / COIN_YEAR_S) * this.#factorRng.normal()
  }

  #advanceTies(atUs: number): void {
    const seconds = (atUs - this.#tiedUs) / US_PER_SECOND
    if (seconds <= 0) return
    this.#tiedUs = atUs
    this.#spreadSlow.step(seconds)
    this.#spreadFast.step(seconds * this.volatilityMultiplier)
    this.#cross.step(seconds)
    const {deviation, everyS, halfLifeS} = PROCESS.cross.dislocation
    const {rng} = this.#dislocation
    this.#dislocation.value *= Math.exp((-Math.LN2 / halfLifeS) * seconds)
    if (rng.uniform() < 1 - Math.exp(-seconds / everyS)) this.#dislocation.value += deviation * rng.normal()
  }

  /** Volatility against its long-run mean: two log-normal parts, the shape of the session, the scenario. */
  #setLevels(atUs: number): void {
    const lognormal = ([slow, fast]: readonly [Reverting, Reverting]): number => {
      const variance = PROCESS.slowVolatility.deviation ** 2 + PROCESS.fastVolatility.deviation ** 2
      return Math.exp(slow.value + fast.value - variance)
    }
    this.#stockLevel = this.volatilityMultiplier * lognormal(this.#stockVolatility) * Math.sqrt(this.#shape(atUs))
    this.#coinLevel = this.volatilityMultiplier * lognormal(this.#coinVolatility)
  }

  #shape(atUs: number): number {
    const day = newYorkDay(atUs)
    if (day !== this.#sessionDay) {
      this.#sessionDay = day
      this.#session = sessionOf(day)
    }
    const session = this.#session
    // Between sessions shares move too, though nobody sees it: the share of variance over the hours it takes.
    if (session === undefined || atUs < session.openUs || atUs >= session.closeUs)
      return (PROCESS.overnightVariance * 23_400) / (86_400 - 23_400)
    const at = (atUs - session.openUs) / (session.closeUs - session.openUs)
    return SESSION_SHAPE[Math.min(SESSION_SHAPE.length - 1, Math.floor(at * SESSION_SHAPE.length))]!
  }
}

const memberOf = (symbol: string): Member => {
  const of = (role: Role, beta: number, own: number, factor: number): Member => ({
    role,
    beta,
    own,
    total: Math.hypot(beta * factor, own),
  })
  const {marketVolatility: market, coinVolatility: coin} = PROCESS
  switch (symbol) {
    case 'SPY':
      return of('market', 1, 0, market)
    case 'QQQ':
      return of('stock', PROCESS.QQQ.beta, PROCESS.QQQ.own, market)
    case 'AAPL':
      return of('stock', PROCESS.AAPL.beta, PROCESS.AAPL.own, market)
    case 'PEP':
      return of('stock', PROCESS.PEP.beta, PROCESS.PEP.own, market)
    case 'KO':
      return of('KO', PROCESS.PEP.beta, PROCESS.PEP.own, market)
    case 'BTC/USD':
      return of('bitcoin', 1, 0, coin)
    case 'ETH/USD':
      return of('coin', PROCESS.ETH.beta, PROCESS.ETH.own, coin)
    case 'ETH/BTC':
      return of('cross', 0.12, PROCESS.ETH.own, coin)
    default:
      return symbol.includes('/')
        ? of('coin', PROCESS.otherCoin.beta, PROCESS.otherCoin.own, coin)
        : of('stock', PROCESS.otherStock.beta, PROCESS.otherStock.own, market)
  }
}
