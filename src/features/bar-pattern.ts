// Rings are indexed modulo their length and rows inside their bounds, hence the `!`.
import {BarFeatures, type BarInput, barSchema} from './bar-features.ts'
import {SQUASH} from './pattern-features.ts'
import type {SessionClock} from './session-clock.ts'

/** The length of a pattern. */
export const BAR_PATTERN_LENGTH = 256
/** Latest bars shown one by one, each as the sixteen bar features. */
const ROWS = 8
const WIDTH = barSchema.names.length
/** Weight of a row against the one after it: what has just happened says most. */
const FADE = 0.8
/** Spans in bars over which the past is summed up. */
const SCALES = [1, 2, 4, 8, 16, 32, 64] as const
const LONGEST = 64
const PER_SCALE = 6
const SLOW = 2 / (LONGEST + 1)

/**
 * The recent past of one instrument's bars as a pattern's vector: the last eight bars in the models' own features, fading with
 * age, and return, range, volume, volatility, upward share and place in the range over 1 to 64 bars, each in units of
 * the instrument's own recent past, with the time of day. A function of closed bars alone and of no price scale.
 */
export class BarPattern {
  readonly #session: SessionClock
  readonly #features: BarFeatures
  readonly #rows = new Float32Array(ROWS * WIDTH)
  readonly #close = new Float64Array(LONGEST + 1)
  readonly #high = new Float64Array(LONGEST + 1)
  readonly #low = new Float64Array(LONGEST + 1)
  readonly #volume = new Float64Array(LONGEST + 1)
  readonly #change = new Float64Array(LONGEST + 1)
  #count = 0
  #tsUs = 0
  #variance = 0

  constructor(session: SessionClock) {
    this.#session = session
    this.#features = new BarFeatures(session)
  }

  /** Bars seen. */
  get count(): number {
    return this.#count
  }

  /** Deviation of a bar's log return over about the last 64, the night's jump left out. */
  get deviation(): number {
    return Math.sqrt(this.#variance)
  }

  /** Takes a closed bar in. Throws RangeError when a price is not above zero. */
  push(bar: BarInput): void {
    this.#rows.copyWithin(0, WIDTH)
    const at = (ROWS - 1) * WIDTH
    const isNew = this.#features.push(bar, this.#rows, at)
    for (let f = 0; f < WIDTH; f++) this.#rows[at + f] = Math.tanh(this.#rows[at + f]! * SQUASH[f]!)
    const slot = this.#count % (LONGEST + 1)
    const before = this.#close[(this.#count + LONGEST) % (LONGEST + 1)]!
    const change = Math.log(bar.close / (isNew || this.#count === 0 ? bar.open : before))
    this.#close[slot] = bar.close
    this.#high[slot] = bar.high
    this.#low[slot] = bar.low
    this.#volume[slot] = Math.log1p(bar.volume)
    this.#change[slot] = change
    this.#tsUs = bar.tsUs
    this.#count++
    // A plain mean until the exponential window is full.
    this.#variance += Math.max(SLOW, 1 / this.#count) * (change * change - this.#variance)
  }

  /** (256,), undefined until 64 bars have followed the first. */
  vector(): Float32Array | undefined {
    if (this.#count <= LONGEST) return undefined
    const out = new Float32Array(BAR_PATTERN_LENGTH)
    for (let row = 0, weight = FADE ** (ROWS - 1); row < ROWS; row++, weight /= FADE)
      for (let f = 0; f < WIDTH; f++) out[row * WIDTH + f] = weight * this.#rows[row * WIDTH + f]!
    this.#writeScales(out, ROWS * WIDTH)
    const progress = this.#session.progress(this.#tsUs)
    const at = ROWS * WIDTH + SCALES.length * PER_SCALE
    out[at] = Math.cos(Math.PI * Math.min(1.5, Math.max(-0.5, progress)))
    out[at + 1] = Math.sin(Math.PI * Math.min(1.5, Math.max(-0.5, progress)))
    return out
  }

  /** Walks back once; every scale reads what has been summed up when its span is complete. */
  #writeScales(out: Float32Array, offset: number): void {
    const ring = LONGEST + 1
    const newest = (this.#count - 1) % ring
    const deviation = Math.max(1e-9, this.deviation)
    const close = this.#close[newest]!
    const longVolume = this.#meanVolume()
    let [high, low, volume, squares, up, moves] = [0, Number.POSITIVE_INFINITY, 0, 0, 0, 0]
    let next = 0
    for (let back = 0; back < LONGEST; back++) {
      const k = (newest + ring - back) % ring
      const change = this.#change[k]!
      high = Math.max(high, this.#high[k]!)
      low = Math.min(low, this.#low[k]!)
      volume += this.#volume[k]!
      squares += change * change
      up += Math.max(0, change)
      moves += Math.abs(change)
      const span = back + 1
      if (span !== SCALES[next]) continue
      const before = this.#close[(newest + ring - span) % ring]!
      const root = deviation * Math.sqrt(span)
      const at = offset + next * PER_SCALE
      out[at] = Math.tanh(Math.log(close / before) / (2 * root))
      // A Brownian range is about 1.6 deviations.
      out[at + 1] = Math.tanh(Math.log(Math.log(high / low) / (1.6 * root) + 0.05))
      out[at + 2] = Math.tanh(volume / span - longVolume)
      out[at + 3] = Math.tanh(Math.log(Math.sqrt(squares / span) / deviation + 0.05))
      out[at + 4] = moves > 0 ? (2 * up) / moves - 1 : 0
      out[at + 5] = high > low ? (2 * (close - low)) / (high - low) - 1 : 0
      next++
    }
  }

  #meanVolume(): number {
    let sum = 0
    for (let k = 0; k <= LONGEST; k++) sum += this.#volume[k]!
    return sum / (LONGEST + 1)
  }
}
