import type {FeatureSchema} from './features.ts'
import type {SessionClock} from './session-clock.ts'

/** A bar as the models see it: float prices, stamped at its close. */
export interface BarInput {
  readonly tsUs: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
}

export const barSchema: FeatureSchema = {
  set: 'bar',
  version: 1,
  names: [
    'return',
    'returnInDeviations',
    'bodyReturn',
    'range',
    'closeLocation',
    'relativeVolume',
    'returnSinceOpen',
    'distanceToVwap',
    'logDeviation',
    'momentumFast',
    'momentumSlow',
    'dayRangeLocation',
    'upShare',
    'signedVolumeShare',
    'progress',
    'progressSquared',
  ],
}

const FAST = 2 / (3 + 1)
const MEDIUM = 2 / (8 + 1)
const SLOW = 2 / (21 + 1)
/** A deviation of 1 bp a bar keeps the first bars of a day from dividing by nothing. */
const MIN_DEVIATION = 1e-4

/**
 * Features of one instrument's bars. All state belongs to the current session: it restarts when the day of the session
 * clock changes, so a row is a function of today's bars alone.
 */
export class BarFeatures {
  readonly schema = barSchema
  readonly #session: SessionClock
  #day = Number.NaN
  #previousClose = 0
  #open = 0
  #high = 0
  #low = 0
  #notional = 0
  #volume = 0
  #variance = 0
  #meanVolume = 0
  #fast = 0
  #medium = 0
  #slow = 0
  #up = 0
  #down = 0
  #signedVolume = 0

  constructor(session: SessionClock) {
    this.#session = session
  }

  /** Deviation of log returns a bar, exponentially weighted over the day so far: the yardstick of labels and sizes. */
  get deviation(): number {
    return Math.max(MIN_DEVIATION, Math.sqrt(this.#variance))
  }

  /** Writes the row of this bar to `out`. True when the bar opened a new session: earlier rows must not share a window. */
  push(bar: BarInput, out: Float32Array, offset = 0): boolean {
    const {tsUs, open, high, low, close, volume} = bar
    if (!(open > 0 && high > 0 && low > 0 && close > 0 && volume >= 0)) {
      throw new RangeError(`a bar needs positive prices and a volume, was ${JSON.stringify(bar)}`)
    }
    const day = this.#session.day(tsUs)
    const isNew = day !== this.#day
    if (isNew) this.#restart(day, bar)
    const change = Math.log(close / this.#previousClose)
    this.#accumulate(bar, change, isNew)

    const deviation = this.deviation
    const span = high - low
    const dayRange = this.#high - this.#low
    const vwap = this.#volume > 0 ? this.#notional / this.#volume : close
    const moves = this.#up + this.#down
    const progress = this.#session.progress(tsUs)
    let at = offset
    out[at++] = change * 1e3
    out[at++] = change / deviation
    out[at++] = Math.log(close / open) * 1e3
    out[at++] = Math.log(high / low) * 1e3
    out[at++] = span > 0 ? (close - low) / span - 0.5 : 0
    out[at++] = Math.log((1 + volume) / (1 + this.#meanVolume))
    out[at++] = Math.log(close / this.#open) * 1e2
    out[at++] = Math.log(close / vwap) / deviation
    out[at++] = Math.log(deviation * 1e3)
    out[at++] = Math.log(this.#fast / this.#medium) / deviation
    out[at++] = Math.log(this.#medium / this.#slow) / deviation
    out[at++] = dayRange > 0 ? (close - this.#low) / dayRange - 0.5 : 0
    out[at++] = moves > 0 ? this.#up / moves - 0.5 : 0
    out[at++] = this.#meanVolume > 0 ? this.#signedVolume / this.#meanVolume : 0
    out[at++] = progress - 0.5
    out[at++] = (progress - 0.5) ** 2
    this.#previousClose = close
    return isNew
  }

  #restart(day: number, {open, high, low, close, volume}: BarInput): void {
    this.#day = day
    this.#previousClose = open
    this.#open = open
    this.#high = high
    this.#low = low
    this.#notional = 0
    this.#volume = 0
    this.#variance = Math.log(high / low) ** 2 / (4 * Math.LN2)
    this.#meanVolume = volume
    this.#fast = close
    this.#medium = close
    this.#slow = close
    this.#up = 0
    this.#down = 0
    this.#signedVolume = 0
  }

  #accumulate({high, low, close, volume}: BarInput, change: number, isNew: boolean): void {
    this.#high = Math.max(this.#high, high)
    this.#low = Math.min(this.#low, low)
    this.#notional += ((high + low + close) / 3) * volume
    this.#volume += volume
    // The first bar's variance is Parkinson's range estimate; later ones blend the squared return in.
    if (!isNew) this.#variance += MEDIUM * (change * change - this.#variance)
    this.#meanVolume += MEDIUM * (volume - this.#meanVolume)
    this.#fast += FAST * (close - this.#fast)
    this.#medium += MEDIUM * (close - this.#medium)
    this.#slow += SLOW * (close - this.#slow)
    this.#up += MEDIUM * (Math.max(change, 0) - this.#up)
    this.#down += MEDIUM * (Math.max(-change, 0) - this.#down)
    this.#signedVolume += MEDIUM * (Math.sign(change) * volume - this.#signedVolume)
  }
}
