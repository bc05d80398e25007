import {US_PER_SECOND} from '../../domain/units.ts'
import {TradeIntensity} from './intensity.ts'
import {MicroPrice, orderFlowImbalance} from './micro-price.ts'
import {SignalWeights} from './signal-weights.ts'

/** Exponentially weighted mean by market time. */
class TimedMean {
  value = 0
  #weight = 0
  readonly #halfLifeUs: number
  constructor(halfLifeUs: number) {
    this.#halfLifeUs = halfLifeUs
  }
  add(value: number, elapsedUs: number): void {
    const keep = 0.5 ** (elapsedUs / this.#halfLifeUs)
    this.#weight = keep * this.#weight + 1
    this.value += (value - this.value) / this.#weight
  }
}

/**
 * Everything a market maker learns about one instrument's touch: effective increment, spread, volatility at two speeds,
 * micro-price, order-flow imbalance, aggressor balance and arrival of market orders. Prices inside are in increments.
 */
export class Touch {
  bid = 0
  ask = 0
  bidLots = 0
  askLots = 0
  /** Ticks of one price step: the greatest common divisor of the prices seen, a multiple of the instrument's increment. */
  increment: number
  quotes = 0
  trades = 0
  averageSpread = 0
  /** Aggressive buying less selling over both, recent trades weighing more; −1 to 1. */
  aggressorBalance = 0
  firstUs = 0
  /** Move of the mid in ticks that a signal model expects; 0 without one. */
  modelTicks = 0
  readonly #micro = new MicroPrice()
  readonly weights = new SignalWeights()
  readonly #intensity: TradeIntensity
  readonly #slowVariance = new TimedMean(300 * US_PER_SECOND)
  readonly #fastVariance = new TimedMean(5 * US_PER_SECOND)
  readonly #minimumIncrement: number
  #averageDepth = 0
  #flow = 0
  #nextSampleUs = 0
  #sampleUs = 0
  #sampleMid = 0
  #sampleMicro = 0
  #sampleFlow = 0
  #sampleModel = 0
  #midMoves = 0
  #arrivals = {arrival: 0.01, decay: 1}
  #arrivalsUntilUs = 0

  constructor(minimumIncrement: number, calibrationUs: number) {
    this.#minimumIncrement = minimumIncrement
    this.increment = 0
    this.#intensity = new TradeIntensity(calibrationUs)
  }

  get mid(): number {
    return (this.bid + this.ask) / 2
  }
  get isTwoSided(): boolean {
    return this.bidLots > 0 && this.askLots > 0 && this.ask > this.bid
  }
  /** Increments per √second, slow estimate. */
  get volatility(): number {
    return Math.sqrt(this.#slowVariance.value) / this.increment
  }
  /** Fast volatility over slow. */
  get volatilityRatio(): number {
    return this.#slowVariance.value > 0 ? Math.sqrt(this.#fastVariance.value / this.#slowVariance.value) : 1
  }

  /** Takes the quote; false when nothing changed. Ticks in, ticks kept. */
  onQuote(bid: number, bidLots: number, ask: number, askLots: number, nowUs: number): boolean {
    if (bid === this.bid && ask === this.ask && bidLots === this.bidLots && askLots === this.askLots) return false
    const wasTwoSided = this.isTwoSided
    const lastBid = this.bid
    const lastBidLots = this.bidLots
    const lastAsk = this.ask
    const lastAskLots = this.askLots
    const lastMid = this.mid
    this.bid = bid
    this.ask = ask
    this.bidLots = bidLots
    this.askLots = askLots
    if (!this.isTwoSided) return true
    if (this.quotes === 0) this.firstUs = nowUs
    this.quotes++
    if (this.quotes <= 2_000 || this.quotes % 64 === 0) this.#learnIncrement()
    const spread = ask - bid
    const rate = Math.max(0.002, 1 / this.quotes)
    this.averageSpread += rate * (spread - this.averageSpread)
    this.#averageDepth += rate * ((bidLots + askLots) / 2 - this.#averageDepth)
    if (wasTwoSided) {
      this.#flow += orderFlowImbalance(bid, bidLots, ask, askLots, lastBid, lastBidLots, lastAsk, lastAskLots)
      if (this.mid !== lastMid) this.#midMoves++
    }
    this.#micro.update(this.imbalance, spread, this.averageSpread, this.mid)
    if (nowUs >= this.#nextSampleUs) this.#sample(nowUs)
    return true
  }

  onTrade(ticks: number, lots: number, aggressor: number, nowUs: number): void {
    this.trades++
    if (aggressor !== 0) {
      const side = aggressor === 1 ? 1 : -1
      // Larger trades weigh more, bounded so that one block does not decide alone.
      const weight = Math.min(0.2, (0.04 * lots) / Math.max(1, this.#averageDepth * 0.1))
      this.aggressorBalance += weight * (side - this.aggressorBalance)
    }
    if (this.isTwoSided)
      this.#intensity.onTrade(Math.abs(ticks - this.mid) / this.increment, this.averageSpread / this.increment, nowUs)
  }

  get imbalance(): number {
    return this.bidLots / (this.bidLots + this.askLots)
  }

  /** Fair price in ticks: the mid and what micro-price, flow and model have been worth, at most one spread away. */
  fairTicks(): number {
    const spread = this.ask - this.bid
    const micro = this.#micro.adjustment(this.imbalance, spread, this.averageSpread)
    const scale = this.averageSpread
    const shift = scale * this.weights.predict(micro / scale, this.#normalisedFlow(), this.modelTicks / scale)
    return this.mid + Math.max(-spread, Math.min(spread, shift))
  }

  /** Arrival and decay per increment; from trades, or, while there are few, from the spread and the pace of the mid. */
  arrivals(nowUs: number): {readonly arrival: number; readonly decay: number} {
    if (nowUs < this.#arrivalsUntilUs) return this.#arrivals
    this.#arrivalsUntilUs = nowUs + US_PER_SECOND
    this.#arrivals = this.#intensity.fit(nowUs) ?? this.#guessArrivals(nowUs)
    return this.#arrivals
  }

  #guessArrivals(nowUs: number): {readonly arrival: number; readonly decay: number} {
    const seconds = Math.max(1, (nowUs - this.firstUs) / US_PER_SECOND)
    return {
      arrival: Math.max(0.01, this.#midMoves / seconds),
      decay: (2 * this.increment) / Math.max(this.averageSpread, this.increment),
    }
  }

  #normalisedFlow(): number {
    return this.#averageDepth > 0 ? Math.max(-5, Math.min(5, this.#flow / this.#averageDepth)) : 0
  }

  #learnIncrement(): void {
    this.increment = gcd(gcd(this.increment, this.bid), this.ask)
    if (this.increment % this.#minimumIncrement !== 0) this.increment = this.#minimumIncrement
  }

  #sample(nowUs: number): void {
    const elapsedUs = nowUs - this.#sampleUs
    // A gap of minutes is a closed market or a dead feed, not a one-second change.
    if (this.#sampleUs > 0 && elapsedUs < 120 * US_PER_SECOND) {
      const change = this.mid - this.#sampleMid
      const seconds = elapsedUs / US_PER_SECOND
      const variance = (change * change) / seconds
      this.#slowVariance.add(variance, elapsedUs)
      this.#fastVariance.add(variance, elapsedUs)
      // In average spreads, so that the weights mean the same at any price.
      const scale = this.averageSpread
      this.weights.learn(
        this.#sampleMicro / scale,
        this.#sampleFlow,
        this.#sampleModel / scale,
        change / scale,
        (this.#slowVariance.value * seconds) / (scale * scale),
      )
    }
    this.#sampleUs = nowUs
    this.#nextSampleUs = nowUs + US_PER_SECOND
    this.#sampleMid = this.mid
    this.#sampleMicro = this.#micro.adjustment(this.imbalance, this.ask - this.bid, this.averageSpread)
    this.#sampleFlow = this.#normalisedFlow()
    this.#sampleModel = this.modelTicks
    this.#flow *= 0.5
  }
}

const gcd = (a: number, b: number): number => {
  let [x, y] = [Math.abs(a), Math.abs(b)]
  while (y > 0) [x, y] = [y, x % y]
  return x
}
