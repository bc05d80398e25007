// Ring columns are sized here and indexed modulo their length, hence the `!`.
import {type MarketState, midTicks} from '../data/market-state.ts'

const STEPS = 64
const FEATURES = 4
/** 64 steps of 4 numbers: the length of a pattern. */
export const WINDOW_LENGTH = STEPS * FEATURES

/**
 * The recent past of each instrument as a pattern's vector: the last 64 samples at a fixed market-time pace, oldest
 * first, each (log return in its own window's deviations, spread in bps on a log scale, imbalance of the touch, sign and
 * age of the last trade), all limited to [-1, 1]. A function of the past alone and of no scale, so likeness means shape.
 */
export class MarketWindow {
  readonly #market: MarketState
  readonly #paceUs: number
  readonly #rows: Float64Array
  readonly #counts: Int32Array
  readonly #lastMid: Float64Array
  readonly #instruments: number
  #nextUs = 0

  constructor(market: MarketState, instruments: number, paceUs = 1_000_000) {
    this.#market = market
    this.#paceUs = paceUs
    this.#instruments = instruments
    this.#rows = new Float64Array(instruments * WINDOW_LENGTH)
    this.#counts = new Int32Array(instruments)
    this.#lastMid = new Float64Array(instruments)
  }

  /** Call with the time of every event; samples when a step is due. */
  onTime(nowUs: number): void {
    if (nowUs < this.#nextUs) return
    this.#nextUs = (Math.floor(nowUs / this.#paceUs) + 1) * this.#paceUs
    for (let i = 0; i < this.#instruments; i++) this.#sample(i, nowUs)
  }

  #sample(i: number, nowUs: number): void {
    const {bidTicks, askTicks, bidLots, askLots, lastTicks, updatedUs} = this.#market
    const mid = midTicks(this.#market, i)
    if (mid <= 0) return
    const before = this.#lastMid[i]!
    this.#lastMid[i] = mid
    const at = i * WINDOW_LENGTH + (this.#counts[i]! % STEPS) * FEATURES
    this.#counts[i]!++
    const shown = bidLots[i]! + askLots[i]!
    this.#rows[at] = before > 0 ? Math.log(mid / before) : 0
    this.#rows[at + 1] = shown > 0 ? Math.log1p((1e4 * (askTicks[i]! - bidTicks[i]!)) / mid) / 5 : 1
    this.#rows[at + 2] = shown > 0 ? (bidLots[i]! - askLots[i]!) / shown : 0
    const fresh = Math.exp(-(nowUs - updatedUs[i]!) / (10 * this.#paceUs))
    this.#rows[at + 3] = lastTicks[i]! > 0 ? Math.sign(lastTicks[i]! - mid) * fresh : 0
  }

  /** (256,) of an instrument now; undefined until its window is full. */
  vector(i: number): Float32Array | undefined {
    const count = this.#counts[i]!
    if (count < STEPS) return undefined
    const out = new Float32Array(WINDOW_LENGTH)
    const base = i * WINDOW_LENGTH
    let squares = 0
    for (let k = 0; k < STEPS; k++) squares += this.#rows[base + k * FEATURES]! ** 2
    const deviation = Math.sqrt(squares / STEPS) || 1
    for (let k = 0; k < STEPS; k++) {
      const from = base + ((count + k) % STEPS) * FEATURES
      out[k * FEATURES] = Math.tanh(this.#rows[from]! / (2 * deviation))
      for (let f = 1; f < FEATURES; f++) out[k * FEATURES + f] = limit(this.#rows[from + f]!)
    }
    return out
  }

  /** `calm`, `normal` or `stressed`: the window's deviation against a yearly volatility of 10 % and 60 % in its own pace. */
  regime(i: number): 'calm' | 'normal' | 'stressed' {
    let squares = 0
    for (let k = 0; k < STEPS; k++) squares += this.#rows[i * WINDOW_LENGTH + k * FEATURES]! ** 2
    const stepsAYear = (252 * 6.5 * 3_600 * 1e6) / this.#paceUs
    const annual = Math.sqrt((squares / STEPS) * stepsAYear)
    return annual < 0.1 ? 'calm' : annual < 0.6 ? 'normal' : 'stressed'
  }
}

const limit = (value: number): number => Math.max(-1, Math.min(1, value))
