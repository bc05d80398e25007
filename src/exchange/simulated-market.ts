import {Aggressor, addRow, EventKind, emptyChunk, type TapeChunk} from '../data/tape.ts'
import {InstrumentTable} from '../domain/instrument.ts'
import type {Rng} from '../domain/rng.ts'
import {US_PER_MINUTE, US_PER_SECOND} from '../domain/units.ts'
import type {MarketSource} from './market-source.ts'
import {PriceProcess} from './price-process.ts'
import {CALM_CONDITIONS, type Conditions, QuoteProcess} from './quote-process.ts'
import {newYorkDay, nextTradingDay, type Session, sessionOf} from './sessions.ts'

// Columns are indexed by instrument numbers below their length, so they are read under `!`.

export const DEFAULT_SYMBOLS: readonly string[] = ['SPY', 'QQQ', 'AAPL', 'KO', 'PEP', 'BTC/USD', 'ETH/USD', 'ETH/BTC']

export interface SimulatedMarketOptions {
  /** Any scale; `DEFAULT_SYMBOLS` in the domain's own when absent. */
  readonly instruments?: InstrumentTable
  readonly rng: Rng
  readonly startUs: number
  /** Multiplies the rates of quotes and orders; 1 is calibrated. */
  readonly intensity?: number
}

/**
 * A seeded market in time order: quotes, trades and one-minute bars. Its hooks are how a scenario bends it; each acts
 * from the next event on. The rows are a function of the seed, the start and the times of the hooks, not of how
 * `advanceTo` is called.
 */
export interface SimulatedMarket extends MarketSource {
  /** Time of the last event generated. */
  readonly nowUs: () => number
  /** Price without spread and rounding, now. */
  readonly efficientPrice: (instrument: number) => number
  /** Moves a price by a fraction (-0.05 falls 5 %), at once or in equal parts over `overUs`. Tied instruments follow their legs. */
  readonly shock: (move: number, options?: {readonly instruments?: readonly number[]; readonly overUs?: number}) => void
  /** Changes what is in force for some instruments, or for all. */
  readonly setConditions: (change: Partial<Conditions>, instruments?: readonly number[]) => void
  readonly conditions: (instrument: number) => Conditions
  /** Multiplies the volatility of everything. */
  readonly setVolatility: (multiplier: number) => void
  /** 0 the calibrated correlations, 1 everything moves as one. */
  readonly setCorrelation: (weight: number) => void
  /** Nothing trades until `untilUs`: an empty quote, then silence, then a new quote. */
  readonly halt: (instrument: number, untilUs: number) => void
  /** The feed of an instrument (all without one) says nothing until `untilUs`, though prices go on moving. */
  readonly silence: (untilUs: number, instrument?: number) => void
}

export const createSimulatedMarket = (options: SimulatedMarketOptions): SimulatedMarket => {
  const core = new MarketCore(options)
  return {
    instruments: core.instruments,
    advanceTo: (nowUs, maxRows) => core.advanceTo(nowUs, maxRows),
    nextUs: () => core.nextUs(),
    horizonUs: () => Infinity,
    ended: () => false,
    nowUs: () => core.nowUs,
    efficientPrice: instrument => core.prices.advance(instrument, core.nowUs),
    shock: (move, {instruments, overUs = 0} = {}) => core.shock(move, instruments, overUs),
    setConditions: (change, instruments) => core.setConditions(change, instruments),
    conditions: instrument => core.conditions[instrument] ?? CALM_CONDITIONS,
    setVolatility: multiplier => {
      core.prices.volatilityMultiplier = multiplier
    },
    setCorrelation: weight => {
      core.prices.correlation = weight
    },
    halt: (instrument, untilUs) => core.halt(instrument, untilUs),
    silence: (untilUs, instrument) => core.silence(untilUs, instrument),
  }
}

interface Ramp {
  readonly instruments: readonly number[]
  readonly perUs: number
  readonly untilUs: number
}

/** One event writes at most a trade, a quote and the bars of a minute. */
const EVENT_ROWS = 4

class MarketCore {
  readonly instruments: InstrumentTable
  readonly prices: PriceProcess
  readonly conditions: Conditions[]
  nowUs: number
  readonly #quotes: readonly QuoteProcess[]
  readonly #arrivals: readonly Rng[]
  readonly #isCoin: readonly boolean[]
  readonly #dueUs: Float64Array
  readonly #haltedUntilUs: Float64Array
  readonly #silentUntilUs: Float64Array
  readonly #cross: number
  readonly #legs: readonly (QuoteProcess | undefined)[]
  readonly #intensity: number
  #ramps: Ramp[] = []
  #chunk: TapeChunk & {count: number} = emptyChunk(512)
  #nextMinuteUs: number
  #session: Session

  constructor({instruments, rng, startUs, intensity = 1}: SimulatedMarketOptions) {
    this.instruments = instruments ?? InstrumentTable.of(DEFAULT_SYMBOLS)
    const all = this.instruments.all()
    const symbols = all.map(({symbol}) => symbol)
    this.nowUs = startUs
    this.#intensity = intensity
    this.prices = new PriceProcess(symbols, rng.fork('prices'), startUs)
    this.conditions = all.map(() => ({...CALM_CONDITIONS}))
    this.#quotes = all.map(instrument => new QuoteProcess(instrument, rng.fork(`quotes ${instrument.symbol}`), startUs))
    this.#cross = symbols.indexOf('ETH/BTC')
    this.#legs = ['ETH/USD', 'BTC/USD'].map(symbol => this.#quotes[symbols.indexOf(symbol)])
    this.#arrivals = symbols.map(symbol => rng.fork(`arrivals ${symbol}`))
    this.#isCoin = all.map(({kind}) => kind === 'crypto')
    this.#haltedUntilUs = new Float64Array(all.length)
    this.#silentUntilUs = new Float64Array(all.length)
    this.#session = sessionFrom(startUs)
    // The market opens with a quote of every instrument; afterwards each keeps its own time.
    this.#dueUs = Float64Array.from(all, (_, i) => this.#firstActive(i, startUs))
    this.#nextMinuteUs = (Math.floor(startUs / US_PER_MINUTE) + 1) * US_PER_MINUTE
  }

  nextUs(): number {
    return Math.min(this.#nextMinuteUs, this.#dueUs[this.#earliest()]!)
  }

  advanceTo(nowUs: number, maxRows: number): TapeChunk {
    const needed = maxRows + EVENT_ROWS + this.instruments.size
    if (this.#chunk.tsUs.length < needed) this.#chunk = emptyChunk(needed)
    const chunk = this.#chunk
    chunk.count = 0
    while (chunk.count < maxRows) {
      const i = this.#earliest()
      const dueUs = this.#dueUs[i]!
      if (this.#nextMinuteUs <= dueUs) {
        if (this.#nextMinuteUs > nowUs) break
        this.#closeMinute(chunk)
        continue
      }
      if (dueUs > nowUs) break
      this.#event(chunk, i, dueUs)
    }
    return chunk
  }

  shock(move: number, instruments: readonly number[] | undefined, overUs: number): void {
    const targets = (instruments ?? this.#quotes.map((_, i) => i)).filter(
      i => instruments !== undefined || !this.prices.isTied(i),
    )
    const log = Math.log1p(move)
    if (overUs <= 0) for (const i of targets) this.prices.move(i, log)
    else this.#ramps.push({instruments: targets, perUs: log / overUs, untilUs: this.nowUs + overUs})
  }

  setConditions(change: Partial<Conditions>, instruments?: readonly number[]): void {
    for (const i of instruments ?? this.conditions.keys()) Object.assign(this.conditions[i] as Conditions, change)
  }

  halt(instrument: number, untilUs: number): void {
    this.#haltedUntilUs[instrument] = untilUs
    // The next event shows the halt, and it comes now.
    this.#dueUs[instrument] = Math.min(this.#dueUs[instrument]!, this.nowUs)
  }
  silence(untilUs: number, instrument?: number): void {
    if (instrument === undefined) this.#silentUntilUs.fill(untilUs)
    else this.#silentUntilUs[instrument] = untilUs
  }

  #earliest(): number {
    let best = 0
    for (let i = 1; i < this.#dueUs.length; i++) if (this.#dueUs[i]! < this.#dueUs[best]!) best = i
    return best
  }

  #event(chunk: TapeChunk & {count: number}, i: number, atUs: number): void {
    this.#applyRamps(atUs)
    this.nowUs = atUs
    const quotes = this.#quotes[i]!
    const conditions = this.conditions[i]!
    if (this.#haltedUntilUs[i]! > atUs) {
      if (quotes.clear()) this.#writeQuote(chunk, i, atUs)
      this.#dueUs[i] = this.#haltedUntilUs[i]!
      return
    }
    const traded = quotes.update(atUs, this.#efficient(i, atUs), conditions)
    if (traded.lots > 0 && !this.#isSilent(i, atUs))
      this.#writeTrade(chunk, i, atUs, traded.ticks, traded.lots, traded.side)
    if (!this.#isSilent(i, atUs)) this.#writeQuote(chunk, i, atUs)
    this.#schedule(i, atUs)
  }

  /** A cross follows its legs as they are quoted, pressure and all: that much arbitrage is always done. */
  #efficient(i: number, atUs: number): number {
    const price = this.prices.advance(i, atUs)
    if (i !== this.#cross) return price
    const [numerator, denominator] = this.#legs
    return price * Math.exp((numerator?.pressure ?? 0) - (denominator?.pressure ?? 0))
  }

  #isSilent(i: number, atUs: number): boolean {
    return this.#silentUntilUs[i]! > atUs
  }

  #schedule(i: number, atUs: number): void {
    const rate = this.#quotes[i]!.rate(this.conditions[i]!) * this.#intensity
    const waitUs = Math.max(1, Math.round((this.#arrivals[i]!.exponential() / rate) * US_PER_SECOND))
    const dueUs = atUs + waitUs
    this.#dueUs[i] = this.#isCoin[i] || dueUs < this.#sessionAt(atUs).closeUs ? dueUs : this.#firstActive(i, dueUs)
  }

  /** The session an event of shares lies in. */
  #sessionAt(atUs: number): Session {
    if (atUs < this.#session.openUs || atUs >= this.#session.closeUs) this.#session = sessionFrom(atUs)
    return this.#session
  }

  /** Coins trade always, shares in the session that runs at `atUs` or in the next one. */
  #firstActive(i: number, atUs: number): number {
    return this.#isCoin[i] ? atUs : Math.max(atUs, sessionFrom(atUs).openUs)
  }

  #applyRamps(atUs: number): void {
    if (this.#ramps.length === 0) return
    for (const {instruments, perUs, untilUs} of this.#ramps) {
      const spanUs = Math.min(atUs, untilUs) - this.nowUs
      if (spanUs > 0) for (const i of instruments) this.prices.move(i, perUs * spanUs)
    }
    this.#ramps = this.#ramps.filter(({untilUs}) => untilUs > atUs)
  }

  #closeMinute(chunk: TapeChunk & {count: number}): void {
    const atUs = this.#nextMinuteUs
    this.#applyRamps(atUs)
    this.nowUs = atUs
    for (let i = 0; i < this.#quotes.length; i++) {
      const bar = this.#quotes[i]!.takeBar()
      if (bar === undefined || this.#isSilent(i, atUs)) continue
      const {open, high, low, close, lots} = bar
      addRow(chunk, atUs, EventKind.bar, i, 0, open, high, low, close, lots, US_PER_MINUTE)
    }
    // Nothing happens between sessions where only shares are listed: the next minute is the one after the next event.
    const earliestUs = this.#dueUs[this.#earliest()]!
    this.#nextMinuteUs = Math.max(atUs, Math.floor(earliestUs / US_PER_MINUTE) * US_PER_MINUTE) + US_PER_MINUTE
  }

  #writeQuote(chunk: TapeChunk & {count: number}, i: number, atUs: number): void {
    const {bidTicks, askTicks, bidLots, askLots} = this.#quotes[i]!
    addRow(chunk, atUs, EventKind.quote, i, 0, bidTicks, askTicks, bidLots, askLots)
  }

  #writeTrade(
    chunk: TapeChunk & {count: number},
    i: number,
    atUs: number,
    ticks: number,
    lots: number,
    side: 1 | -1,
  ): void {
    addRow(chunk, atUs, EventKind.trade, i, side === 1 ? Aggressor.buy : Aggressor.sell, ticks, lots)
  }
}

const sessionFrom = (atUs: number): Session => {
  const day = newYorkDay(atUs)
  const today = sessionOf(day)
  return today !== undefined && atUs < today.closeUs ? today : (sessionOf(nextTradingDay(day)) as Session)
}
