import {currentOrNextSession, dayOf, sessionOpenUs} from '../domain/calendar.ts'
import {InstrumentTable} from '../domain/instrument.ts'
import {createRng} from '../domain/rng.ts'
import {Aggressor, EventKind, emptyChunk, type TapeChunk} from './tape.ts'
import {hashTape} from './tape-hash.ts'
import type {TapeSource} from './tape-source.ts'

// Numeric kernel: state arrays are indexed by instrument, which is below their length, hence the `as number`.

export interface SyntheticOptions {
  /** Rows in all. */
  readonly events: number
  readonly symbols: readonly string[]
  readonly seed: number
  /** First event is after this; by default the open of 2024-01-02. */
  readonly startUs?: number
  /** Mean time between events of one symbol. */
  readonly meanGapUs?: number
  /** Annual volatility of each mid price, as a fraction. */
  readonly volatility?: number
}

/** A market with no memory: for load and for tests, not for research. */
export const SYNTHETIC_START_US = sessionOpenUs(dayOf(2024, 1, 2))
const CHUNK_ROWS = 65_536
const SESSION_SECONDS_A_YEAR = 252 * 6.5 * 3600
const TRADE_SHARE = 0.2
const FIRST_PRICE = 100

/**
 * Seeded best quotes and trades: each mid is a random walk on the price grid with a spread of one to three increments;
 * a fifth of the events are trades at the touch. Stocks trade in New York sessions only, pairs around the clock. The same
 * options give the same rows, always.
 */
export const syntheticTape = (options: SyntheticOptions): TapeSource & {readonly rows: number} => {
  const instruments = InstrumentTable.of([...options.symbols].sort())
  const chunks = () => generate(options, instruments)
  let hash: Promise<string> | undefined
  return {
    instruments,
    rows: options.events,
    chunks,
    dataHash: () => {
      hash ??= hashTape(instruments, chunks())
      return hash
    },
  }
}

async function* generate(options: SyntheticOptions, instruments: InstrumentTable): AsyncGenerator<TapeChunk> {
  const {events, seed, startUs = SYNTHETIC_START_US, meanGapUs = 20_000, volatility = 0.2} = options
  const rng = createRng(seed, 'synthetic')
  const all = instruments.all()
  const count = all.length
  const increments = Float64Array.from(all, instrument => pricing(instrument.incrementTicks, instrument.priceDecimals))
  const lotSizes = Float64Array.from(all, instrument =>
    instrument.kind === 'crypto' ? 10 ** (instrument.sizeDecimals - 2) : 100,
  )
  // In increments: the walk's step is scaled so that a year of sessions has the volatility asked for.
  const mids = Float64Array.from(
    all,
    (instrument, i) => (FIRST_PRICE * 10 ** instrument.priceDecimals) / (increments[i] as number),
  )
  const eventsAYear = (SESSION_SECONDS_A_YEAR * 1e6) / meanGapUs
  const step = volatility / Math.sqrt(eventsAYear)
  const spreads = new Float64Array(count).fill(1)
  const bids = new Float64Array(count)
  const asks = new Float64Array(count)
  const hasSessions = all.some(instrument => instrument.kind !== 'crypto')
  let session = currentOrNextSession(startUs)
  let nowUs = Math.max(startUs, hasSessions ? session.openUs : startUs)
  const chunk = emptyChunk(CHUNK_ROWS)
  const {tsUs, kind, instrument, flags, v0, v1, v2, v3} = chunk
  for (let n = 0; n < events; n++) {
    // No two events share a stamp, so their order needs no other rule.
    nowUs += Math.max(1, Math.ceil((rng.exponential() * meanGapUs) / count))
    if (hasSessions && nowUs >= session.closeUs) {
      session = currentOrNextSession(nowUs)
      nowUs = session.openUs + Math.floor((nowUs % 1000) + 1)
    }
    const i = rng.below(count)
    const row = chunk.count
    tsUs[row] = nowUs
    instrument[row] = i
    const tick = increments[i] as number
    const size = (1 + Math.floor(rng.exponential() * 3)) * (lotSizes[i] as number)
    if ((bids[i] as number) > 0 && rng.uniform() < TRADE_SHARE) {
      const isBuy = rng.uniform() < 0.5
      kind[row] = EventKind.trade
      flags[row] = isBuy ? Aggressor.buy : Aggressor.sell
      v0[row] = (isBuy ? asks[i] : bids[i]) as number
      v1[row] = size
      v2[row] = 0
      v3[row] = 0
    } else {
      const mid = Math.max(10, (mids[i] as number) * (1 + step * rng.normal()))
      mids[i] = mid
      if (rng.uniform() < 0.05) spreads[i] = 1 + rng.below(3)
      const bid = Math.round(mid - (spreads[i] as number) / 2) * tick
      const ask = bid + (spreads[i] as number) * tick
      bids[i] = bid
      asks[i] = ask
      kind[row] = EventKind.quote
      flags[row] = 0
      v0[row] = bid
      v1[row] = ask
      v2[row] = size
      v3[row] = (1 + Math.floor(rng.exponential() * 3)) * (lotSizes[i] as number)
    }
    chunk.count = row + 1
    if (chunk.count === CHUNK_ROWS) {
      yield chunk
      chunk.count = 0
    }
  }
  if (chunk.count > 0) yield chunk
}

/** Ticks between quoted prices: the venue's increment, or a cent where it is finer. */
const pricing = (incrementTicks: number, priceDecimals: number): number =>
  Math.max(incrementTicks, 10 ** Math.max(0, priceDecimals - 2))
