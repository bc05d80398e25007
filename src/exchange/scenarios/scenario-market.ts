// Columns are sized from the listings, so `!` cannot miss here.
import {Aggressor, EventKind, emptyChunk, type TapeChunk} from '../../data/tape.ts'
import {type Instrument, InstrumentTable, instrumentOf, priceToTicks, sizeToLots} from '../../domain/instrument.ts'
import {createRng, type Rng} from '../../domain/rng.ts'
import {US_PER_SECOND} from '../../domain/units.ts'
import {type Listing, standardListings} from './listings.ts'
import {CALM, type Condition, concerns, conditionAt, jumpsIn, type Phase, type Scenario} from './scenario.ts'

export interface ScenarioMarketOptions {
  readonly scenario: Scenario
  /** Draws the path with every phase taken away: the calm twin. */
  readonly calm?: boolean
  readonly seed: number
  /** When the scenario starts; the warm-up lies before it. */
  readonly startUs: number
  readonly listings?: readonly Listing[]
  /** Seconds of calm at a sparse pace before the scenario, for strategies that need history; 0 by default. */
  readonly warmupS?: number
}

const STEP_S = 0.1
const WARMUP_STEP_S = 5
const CHUNK_ROWS = 2_048
/** Quotes of one instrument in one step at most, and with the trade that may follow. */
const MOST_QUOTES = 16
const MOST_ROWS = MOST_QUOTES + 1
/** Rows of one step follow each other at this distance, so that time never goes back. */
const ROW_US = 137
const EQUITY_YEAR_S = 252 * 6.5 * 3_600
const CRYPTO_YEAR_S = 365 * 24 * 3_600
/** Members of a group come back to each other with this time constant, which is what a pairs strategy lives on. */
const GROUP_REVERSION_S = 400
/** How much of a move the imbalance of the touch announces, and how long an imbalance lasts. */
const IMBALANCE_S = 2
const IMBALANCE_EDGE = 0.05
/** How far a cross wanders from its legs in quiet markets, and how fast it comes back. */
const CROSS_NOISE = 0.0002
const CROSS_REVERSION_S = 20

interface Track {
  readonly listing: Listing
  readonly instrument: Instrument
  readonly index: number
  readonly phases: readonly Phase[]
  readonly condition: Condition
  readonly secondVolatility: number
  readonly rng: Rng
  /** Logarithms of the price without, and with, what reverts. */
  log: number
  /** Reverting distance from the group, or of a cross from its legs. */
  gap: number
  imbalance: number
  halted: boolean
  flickered: boolean
}

/**
 * One seeded path of a scenario: quotes and trades of all listings in time order, in chunks that are reused. Draws are
 * made per instrument and per step whatever is emitted, so the calm twin of a seed sees the same chance.
 */
export class ScenarioMarket {
  readonly instruments: InstrumentTable
  readonly #options: ScenarioMarketOptions
  readonly #tracks: readonly Track[]
  readonly #bySymbol: ReadonlyMap<string, Track>
  readonly #common: Record<'equity' | 'crypto', Rng>
  readonly #groups: ReadonlyMap<string, Rng>
  /** The path at each step of the chunk in hand: a chunk is made whole before anyone reads its first row. */
  readonly #fair: {readonly atUs: number; readonly logs: Float64Array}[] = []
  #fairAt = 0

  constructor(options: ScenarioMarketOptions) {
    this.#options = options
    const {scenario, calm = false, seed, listings = standardListings()} = options
    this.instruments = InstrumentTable.of(listings.map(({symbol}) => symbol))
    this.#tracks = listings.map((listing, index): Track => {
      const instrument = instrumentOf(listing.symbol)
      const yearS = instrument.kind === 'crypto' ? CRYPTO_YEAR_S : EQUITY_YEAR_S
      return {
        listing,
        instrument,
        index,
        phases: calm ? [] : scenario.phases.filter(phase => concerns(phase, instrument)),
        condition: {...CALM},
        secondVolatility: listing.annualVolatility / Math.sqrt(yearS),
        rng: createRng(seed, `scenario ${listing.symbol}`),
        log: Math.log(listing.price),
        gap: 0,
        imbalance: 0,
        halted: false,
        flickered: false,
      }
    })
    this.#bySymbol = new Map(this.#tracks.map(track => [track.listing.symbol, track]))
    this.#common = {equity: createRng(seed, 'scenario equity'), crypto: createRng(seed, 'scenario crypto')}
    this.#groups = new Map(
      [...new Set(listings.flatMap(({group}) => group ?? []))].map(name => [name, createRng(seed, `scenario ${name}`)]),
    )
  }

  *chunks(): Generator<TapeChunk> {
    const chunk = emptyChunk(CHUNK_ROWS)
    const {scenario, startUs, warmupS = 0} = this.#options
    const warmupSteps = Math.floor(warmupS / WARMUP_STEP_S)
    const steps = Math.round(scenario.durationS / STEP_S)
    for (let step = -warmupSteps; step < steps; step++) {
      const stepS = step < 0 ? WARMUP_STEP_S : STEP_S
      this.#move(step * stepS, stepS)
      let atUs = startUs + Math.round(step * stepS * US_PER_SECOND)
      this.#fair.push({atUs, logs: Float64Array.from(this.#tracks, ({log}) => log)})
      for (const track of this.#tracks) {
        if (chunk.count > CHUNK_ROWS - MOST_ROWS) {
          yield chunk
          chunk.count = 0
          this.#fair.splice(0, this.#fair.length - 1)
          this.#fairAt = 0
        }
        atUs = emit(track, chunk, atUs, stepS)
      }
    }
    if (chunk.count > 0) yield chunk
  }

  /**
   * What instrument `i` was worth in its quote currency at the time of a row of the chunk in hand, whatever its quotes say:
   * the path itself. Times must not go back within a chunk.
   */
  fairPrice(i: number, atUs: number): number {
    while (this.#fairAt + 1 < this.#fair.length && this.#fair[this.#fairAt + 1]!.atUs <= atUs) this.#fairAt++
    return Math.exp(this.#fair[this.#fairAt]!.logs[i]!)
  }

  #move(atS: number, stepS: number): void {
    const common = {equity: this.#common.equity.normal(), crypto: this.#common.crypto.normal()}
    const group = new Map([...this.#groups].map(([name, rng]) => [name, rng.normal()]))
    for (const track of this.#tracks) {
      conditionAt(track.phases, atS, track.condition)
      const own = track.rng.normal()
      const noise = track.rng.normal()
      track.imbalance = reverting(track.imbalance, noise, 1, stepS / IMBALANCE_S)
      if (track.listing.cross !== undefined) {
        track.gap = reverting(track.gap, own, CROSS_NOISE, stepS / CROSS_REVERSION_S)
        continue
      }
      const kind = track.instrument.kind === 'crypto' ? 'crypto' : 'equity'
      this.#step(track, atS, stepS, common[kind], group.get(track.listing.group ?? '') ?? 0, own)
    }
    for (const track of this.#tracks) {
      if (track.listing.cross === undefined) continue
      const [numerator, denominator] = track.listing.cross
      track.log =
        this.#bySymbol.get(numerator)!.log -
        this.#bySymbol.get(denominator)!.log +
        track.gap +
        Math.log1p(track.condition.detached)
    }
  }

  #step(track: Track, atS: number, stepS: number, common: number, group: number, own: number): void {
    const {condition, listing} = track
    const share = condition.correlation ?? listing.commonShare
    const signed = share < 0 ? (track.index % 2 === 0 ? 1 : -1) * common : common
    const rest = 1 - Math.min(1, Math.abs(share))
    const inGroup = listing.group === undefined ? 0 : rest * 0.7
    const shock = Math.sqrt(Math.abs(share)) * signed + Math.sqrt(inGroup) * group + Math.sqrt(rest - inGroup) * own
    const scale = track.secondVolatility * Math.sqrt(stepS) * condition.volatility
    const edge = IMBALANCE_EDGE * track.imbalance
    // The part of the own shock that reverts is taken back over the time constant, unless the scenario breaks the tie.
    const ownMove = listing.group === undefined ? 0 : Math.sqrt(rest - inGroup) * own * scale
    const back = listing.group === undefined || share < 0 ? 0 : (-track.gap * stepS) / GROUP_REVERSION_S
    track.gap += ownMove + back
    track.log += scale * (shock + edge) + back + condition.drift * stepS + jumpsIn(track.phases, atS - stepS, atS)
  }
}

/** Exact step of a mean-reverting value whose stationary deviation is `deviation`; `elapsed` in time constants. */
const reverting = (value: number, noise: number, deviation: number, elapsed: number): number => {
  const kept = Math.exp(-elapsed)
  return value * kept + noise * deviation * Math.sqrt(1 - kept * kept)
}

/**
 * Writes what the step shows of one instrument, from `atUs` on: a halt once, else quotes at their rate and perhaps a
 * trade. Returns the time of the next row.
 */
const emit = (track: Track, chunk: TapeChunk & {count: number}, atUs: number, stepS: number): number => {
  const {condition, listing, instrument, rng} = track
  // Four draws a step whatever happens, so that twins stay in step.
  const quoteDraw = rng.uniform()
  const tradeDraw = rng.uniform()
  const sizeDraw = rng.exponential()
  const stubDraw = rng.uniform()
  if (condition.silent) return atUs
  const first = chunk.count
  if (condition.halted) {
    if (!track.halted) writeQuote(track, chunk, atUs, 0, 0, 0, 0)
    track.halted = true
    return atUs + (chunk.count - first) * ROW_US
  }
  const reopened = track.halted
  track.halted = false
  const mid = Math.exp(track.log)
  const half = Math.max(mid * listing.halfSpreadBps * 1e-4 * condition.spread, tickOf(instrument) / 2)
  const touch = (listing.touchDollars * condition.depth) / dollarsOf(track, mid)
  const lean = Math.exp(0.5 * track.imbalance)
  const expected = Math.min(stepS === STEP_S ? MOST_QUOTES : 1, listing.quotesPerSecond * condition.quoteRate * stepS)
  const quotes = reopened ? 1 : Math.floor(expected) + (quoteDraw < expected % 1 ? 1 : 0)
  for (let k = 0; k < quotes; k++) {
    const rowUs = atUs + k * ROW_US
    if (stubDraw < condition.stubQuotes) {
      writeQuote(track, chunk, rowUs, STUB_BID, STUB_ASK, touch, touch)
      continue
    }
    track.flickered = condition.flicker > 0 && !track.flickered
    const off = track.flickered ? (k % 4 < 2 ? 1 : -1) * condition.flicker * half : 0
    writeQuote(track, chunk, rowUs, mid - half + off, mid + half + off, touch * lean, touch / lean)
  }
  if (tradeDraw < listing.tradesPerSecond * condition.tradeRate * stepS)
    writeTrade(track, chunk, atUs + quotes * ROW_US, mid, sizeDraw, stubDraw)
  return atUs + (chunk.count - first) * ROW_US
}

/** What market makers quoted on 6 May 2010 to be present without trading. */
const STUB_BID = 0.01
const STUB_ASK = 99_999

const tickOf = (instrument: Instrument): number => instrument.incrementTicks / 10 ** instrument.priceDecimals

/** Dollars of one unit; a cross is worth its base coin, whose dollar price its listing's depth was chosen for. */
const dollarsOf = (track: Track, mid: number): number => track.listing.baseDollars ?? mid

const writeQuote = (
  track: Track,
  chunk: TapeChunk & {count: number},
  atUs: number,
  bid: number,
  ask: number,
  bidSize: number,
  askSize: number,
): void => {
  const {instrument} = track
  const row = chunk.count++
  const step = instrument.incrementTicks
  const bidTicks = Math.max(step, Math.floor(priceToTicks(instrument, bid) / step) * step)
  const askTicks = Math.max(bidTicks + step, Math.ceil(priceToTicks(instrument, ask) / step) * step)
  chunk.tsUs[row] = atUs
  chunk.kind[row] = EventKind.quote
  chunk.instrument[row] = track.index
  chunk.flags[row] = 0
  const empty = bidSize === 0 && askSize === 0
  chunk.v0[row] = empty ? 0 : bidTicks
  chunk.v1[row] = empty ? 0 : askTicks
  chunk.v2[row] = empty ? 0 : Math.max(instrument.minLots, sizeToLots(instrument, bidSize))
  chunk.v3[row] = empty ? 0 : Math.max(instrument.minLots, sizeToLots(instrument, askSize))
}

const writeTrade = (
  track: Track,
  chunk: TapeChunk & {count: number},
  atUs: number,
  mid: number,
  sizeDraw: number,
  sideDraw: number,
): void => {
  const {instrument, listing, condition} = track
  const row = chunk.count++
  const buys = (sideDraw * 7_919) % 1 < 0.5 + 0.2 * Math.tanh(track.imbalance)
  const half = Math.max(mid * listing.halfSpreadBps * 1e-4 * condition.spread, tickOf(instrument) / 2)
  const step = instrument.incrementTicks
  const price = Math.max(step, Math.round(priceToTicks(instrument, buys ? mid + half : mid - half) / step) * step)
  const size = (0.15 * sizeDraw * listing.touchDollars * condition.depth) / dollarsOf(track, mid)
  chunk.tsUs[row] = atUs
  chunk.kind[row] = EventKind.trade
  chunk.instrument[row] = track.index
  chunk.flags[row] = buys ? Aggressor.buy : Aggressor.sell
  chunk.v0[row] = price
  chunk.v1[row] = Math.max(instrument.minLots, sizeToLots(instrument, size))
}
