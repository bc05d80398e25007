// Columns are sized by the run's instruments, so `!` cannot miss here.
import type {MarketState} from '../data/market-state.ts'
import {EventKind, Notice, type TapeChunk} from '../data/tape.ts'
import {type InstrumentTable, ticksToPrice} from '../domain/instrument.ts'
import {US_PER_HOUR} from '../domain/units.ts'
import {BarPattern} from '../features/bar-pattern.ts'
import {type SessionClock, usEquitySession, utcSession} from '../features/session-clock.ts'
import type {PatternClock} from '../strategies/services.ts'
import {MarketWindow} from './market-window.ts'

/** Bars this long are compared over days: a session has too few of them to begin anew with each. */
const LONG_BAR_US = US_PER_HOUR

/** A clock whose days never end: features run on over the night. */
const unbroken = (session: SessionClock): SessionClock => ({...session, day: () => 0})

/**
 * What patterns are made of, by instrument: a window of seconds where it has quotes or trades, else its bars, of the
 * shortest period seen. An instrument whose first quote comes after bars goes over to seconds from there on.
 */
export class PatternWindow {
  readonly #seconds: MarketWindow
  readonly #instruments: InstrumentTable
  readonly #bars: (BarPattern | undefined)[]
  readonly #clocks: (PatternClock | undefined)[]
  readonly #sessions: readonly SessionClock[]
  #ticking = 0

  constructor(market: MarketState, instruments: InstrumentTable) {
    this.#seconds = new MarketWindow(market, instruments.size)
    this.#instruments = instruments
    this.#bars = new Array<BarPattern | undefined>(instruments.size).fill(undefined)
    this.#clocks = new Array<PatternClock | undefined>(instruments.size).fill(undefined)
    const [us, utc] = [usEquitySession(), utcSession()]
    this.#sessions = instruments.all().map(({kind}) => (kind === 'crypto' ? utc : us))
  }

  /** Call with every event, after the market state took it. */
  onEvent(chunk: TapeChunk, row: number): void {
    const i = chunk.instrument[row]!
    const kind = chunk.kind[row]
    if (kind === EventKind.bar) {
      const clock = this.#clocks[i]
      if (clock === undefined || clock.barUs > 0) this.#onBar(chunk, row, i)
    } else if (kind === EventKind.notice) {
      // Prices before a split are of other shares.
      if (chunk.flags[row] === Notice.split) this.#bars[i] = undefined
    } else if (this.#clocks[i]?.barUs !== 0) {
      this.#clocks[i] = {barUs: 0, staysInSession: () => true}
      this.#bars[i] = undefined
      this.#ticking++
    }
    if (this.#ticking > 0) this.#seconds.onTime(chunk.tsUs[row]!)
  }

  #onBar(chunk: TapeChunk, row: number, i: number): void {
    const periodUs = chunk.v5[row]!
    const known = this.#clocks[i]?.barUs
    if (!(periodUs > 0) || (known !== undefined && periodUs > known)) return
    let bars = this.#bars[i]
    if (bars === undefined || periodUs !== known) {
      const session = this.#sessions[i]!
      bars = new BarPattern(periodUs >= LONG_BAR_US ? unbroken(session) : session)
      this.#bars[i] = bars
      this.#clocks[i] = {
        barUs: periodUs,
        staysInSession: (nowUs, untilUs) =>
          periodUs >= LONG_BAR_US ||
          !isInside(session.progress(nowUs)) ||
          (session.day(nowUs) === session.day(untilUs) && isInside(session.progress(untilUs))),
      }
    }
    const instrument = this.#instruments.at(i)
    const price = (ticks: number): number => ticksToPrice(instrument, ticks)
    bars.push({
      tsUs: chunk.tsUs[row]!,
      open: price(chunk.v0[row]!),
      high: price(chunk.v1[row]!),
      low: price(chunk.v2[row]!),
      close: price(chunk.v3[row]!),
      volume: chunk.v4[row]!,
    })
  }

  clock(i: number): PatternClock | undefined {
    return this.#clocks[i]
  }

  /** (256,), undefined until the window is full. */
  vector(i: number): Float32Array | undefined {
    return this.#clocks[i]?.barUs === 0 ? this.#seconds.vector(i) : this.#bars[i]?.vector()
  }

  /** `calm`, `normal` or `stressed`, by yearly volatilities of 10 % and 60 %. */
  regime(i: number): 'calm' | 'normal' | 'stressed' {
    const bars = this.#bars[i]
    const barUs = this.#clocks[i]?.barUs ?? 0
    if (bars === undefined || barUs === 0) return this.#seconds.regime(i)
    // As many as sessions hold; of a day or more, as many as there are.
    const barsAYear = 252 * Math.max(Math.min(1, (24 * US_PER_HOUR) / barUs), (6.5 * US_PER_HOUR) / barUs)
    const annual = bars.deviation * Math.sqrt(barsAYear)
    return annual < 0.1 ? 'calm' : annual < 0.6 ? 'normal' : 'stressed'
  }
}

const isInside = (progress: number): boolean => progress >= 0 && progress <= 1
