import {aggressorOfExecution, applyRow, createMarketState, type MarketState} from '../data/market-state.ts'
import {addRow, Depth, EventKind, emptyChunk, Notice, OrderAction, type TapeChunk} from '../data/tape.ts'
import {type Instrument, InstrumentTable} from '../domain/instrument.ts'
import {US_PER_MINUTE} from '../domain/units.ts'
import {listedInstrument} from './assets.ts'
import type {MarketSource} from './market-source.ts'

// Columns are indexed by rows and instruments inside their length, so they are read under `!`.

export interface ReplaySource {
  readonly instruments: InstrumentTable
  readonly chunks: () => AsyncIterable<TapeChunk>
}

export interface ReplayMarket extends MarketSource {
  /** Time of the first row. */
  readonly startUs: number
  /** Rejects with what reading failed with; resolves when every row has been read. */
  readonly finished: Promise<void>
  /** Stops reading. */
  readonly close: () => void
}

/** Rows read ahead: enough for the fastest replay between two turns of the event loop, bounded for a tape of any length. */
const AHEAD_ROWS = 32_768
/** A bar without quotes is replayed as a trade at its close and a quote this far around it. */
const BAR_HALF_SPREAD_BPS = 0.5
const BAR_TOUCH_SHARE = 0.05

/**
 * A tape as a market of the exchange, in the exchange's scale. Quotes, trades and minute bars pass; depth and order rows
 * become the best quote they lead to, and executions become trades. Depth of coins also passes as it is, for those who
 * follow the book. An instrument that has only bars, of a minute or longer, trades at each close with a narrow quote around
 * it, which is an assumption and says so here.
 */
export const createReplayMarket = async (source: ReplaySource): Promise<ReplayMarket> => {
  const reader = new ReplayReader(source)
  await reader.start()
  return {
    instruments: reader.instruments,
    startUs: reader.startUs,
    finished: reader.finished,
    close: () => reader.close(),
    advanceTo: (nowUs, maxRows) => reader.advanceTo(nowUs, maxRows),
    nextUs: () => reader.nextUs(),
    horizonUs: () => reader.horizonUs(),
    ended: () => reader.isDone,
  }
}

class ReplayReader {
  readonly instruments: InstrumentTable
  startUs = 0
  isDone = false
  readonly finished: Promise<void>
  readonly #source: ReplaySource
  /** Index in the exchange's table, and the factor of its lots, by index in the tape's. */
  readonly #target: Int32Array
  readonly #factor: Float64Array
  readonly #hasQuotes: Uint8Array
  /** The tape's own books, in its own lots. */
  readonly #market: MarketState
  readonly #shown: Float64Array
  #ring = emptyChunk(AHEAD_ROWS)
  #head = 0
  #out = emptyChunk(256)
  #lastReadUs = Number.NEGATIVE_INFINITY
  #closed = false
  #room: (() => void) | undefined
  #ready: (() => void) | undefined
  #resolveFinished: () => void = () => {}
  #rejectFinished: (error: unknown) => void = () => {}

  constructor(source: ReplaySource) {
    this.#source = source
    const all = source.instruments.all()
    this.instruments = new InstrumentTable()
    this.#target = Int32Array.from(all, instrument => this.instruments.add(scaled(instrument)))
    this.#factor = Float64Array.from(
      all,
      instrument => 10 ** (scaled(instrument).sizeDecimals - instrument.sizeDecimals),
    )
    this.#hasQuotes = new Uint8Array(all.length)
    this.#market = createMarketState(all.length)
    this.#shown = new Float64Array(4 * all.length)
    this.finished = new Promise((resolve, reject) => {
      this.#resolveFinished = resolve
      this.#rejectFinished = reject
    })
    // Somebody may only ever look at `ended`; a failure is theirs to see through `finished`.
    this.finished.catch(() => undefined)
  }

  /** Begins to read and waits for the first rows. */
  async start(): Promise<void> {
    const first = new Promise<void>(resolve => {
      this.#ready = resolve
    })
    void this.#read().then(
      () => {
        this.isDone = true
        this.#ready?.()
        this.#resolveFinished()
      },
      (error: unknown) => {
        this.isDone = true
        this.#ready?.()
        this.#rejectFinished(error)
      },
    )
    await first
    if (this.isDone && this.#ring.count === 0) await this.finished
    this.startUs = this.#ring.count > 0 ? this.#ring.tsUs[0]! : 0
  }

  close(): void {
    this.#closed = true
    this.#room?.()
  }

  nextUs(): number {
    return this.#head < this.#ring.count ? this.#ring.tsUs[this.#head]! : Infinity
  }
  /** More rows of the last time read may still come, unless the tape is done. */
  horizonUs(): number {
    return this.isDone ? this.#lastReadUs : this.#lastReadUs - 1
  }

  advanceTo(nowUs: number, maxRows: number): TapeChunk {
    if (this.#out.tsUs.length < maxRows) this.#out = emptyChunk(maxRows)
    const out = this.#out
    out.count = 0
    while (out.count < maxRows && this.#head < this.#ring.count && this.#ring.tsUs[this.#head]! <= nowUs)
      copyRow(this.#ring, this.#head++, out)
    if (this.#ring.count - this.#head < AHEAD_ROWS / 2) {
      this.#room?.()
      this.#room = undefined
    }
    return out
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#source.chunks()) {
      for (let row = 0; row < chunk.count; row++) {
        if (this.#closed) return
        // A row may become three; a little room is kept for them.
        if (this.#ring.count + 4 > AHEAD_ROWS) {
          this.#compact()
          while (this.#ring.count + 4 > AHEAD_ROWS && !this.#closed) {
            this.#announce()
            await new Promise<void>(resolve => {
              this.#room = resolve
            })
            this.#compact()
          }
        }
        this.#take(chunk, row)
      }
    }
  }

  #announce(): void {
    this.#ready?.()
    this.#ready = undefined
  }

  #compact(): void {
    if (this.#head === 0) return
    const {count} = this.#ring
    for (const column of ['tsUs', 'kind', 'instrument', 'flags', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5'] as const)
      this.#ring[column].copyWithin(0, this.#head, count)
    this.#ring.count = count - this.#head
    this.#head = 0
  }

  #take(chunk: TapeChunk, row: number): void {
    const from = chunk.instrument[row]!
    const to = this.#target[from]!
    this.#lastReadUs = chunk.tsUs[row]!
    const factor = this.#factor[from]!
    const atUs = chunk.tsUs[row]!
    switch (chunk.kind[row]) {
      case EventKind.quote:
        this.#hasQuotes[from] = 1
        this.#put(atUs, EventKind.quote, to, 0, [
          chunk.v0[row]!,
          chunk.v1[row]!,
          chunk.v2[row]! * factor,
          chunk.v3[row]! * factor,
        ])
        return
      case EventKind.notice:
        // Bands and halts are the venue's to honour; splits and dividends of a tape are the back-test's to book.
        if (chunk.flags[row] === Notice.status || chunk.flags[row] === Notice.band)
          this.#put(atUs, EventKind.notice, to, chunk.flags[row]!, [
            chunk.v0[row]!,
            chunk.v1[row]!,
            chunk.v2[row]!,
            chunk.v3[row]!,
          ])
        return
      case EventKind.option:
        this.#put(atUs, EventKind.option, to, 0, [
          chunk.v0[row]!,
          chunk.v1[row]!,
          chunk.v2[row]!,
          chunk.v3[row]!,
          chunk.v4[row]!,
          chunk.v5[row]!,
        ])
        return
      case EventKind.trade:
        this.#put(atUs, EventKind.trade, to, chunk.flags[row]!, [chunk.v0[row]!, chunk.v1[row]! * factor])
        return
      case EventKind.depth:
        applyRow(this.#market, chunk, row)
        // The venue publishes books of coins alone.
        if (this.instruments.at(to).kind === 'crypto')
          this.#put(atUs, EventKind.depth, to, chunk.flags[row]!, [chunk.v0[row]!, chunk.v1[row]! * factor])
        if ((chunk.flags[row]! & Depth.last) !== 0) this.#putTouch(atUs, from, to, factor)
        return
      case EventKind.order: {
        applyRow(this.#market, chunk, row)
        const action = chunk.flags[row]! >> 1
        if (action === OrderAction.execute || action === OrderAction.hiddenExecute)
          this.#put(atUs, EventKind.trade, to, aggressorOfExecution(chunk.flags[row]!), [
            chunk.v0[row]!,
            chunk.v1[row]! * factor,
          ])
        this.#putTouch(atUs, from, to, factor)
        return
      }
      case EventKind.bar:
        this.#takeBar(chunk, row, from, to, factor)
        return
      default:
        return
    }
  }

  #takeBar(chunk: TapeChunk, row: number, from: number, to: number, factor: number): void {
    const atUs = chunk.tsUs[row]!
    const close = chunk.v3[row]!
    const volume = chunk.v4[row]! * factor
    if (this.#hasQuotes[from] === 0) {
      const {incrementTicks} = this.instruments.at(to)
      const half = Math.max(incrementTicks / 2, (close * BAR_HALF_SPREAD_BPS) / 1e4)
      const bid = Math.max(incrementTicks, Math.floor((close - half) / incrementTicks) * incrementTicks)
      const ask = Math.max(bid + incrementTicks, Math.ceil((close + half) / incrementTicks) * incrementTicks)
      const touch = Math.max(1, Math.round(volume * BAR_TOUCH_SHARE))
      this.#put(atUs, EventKind.quote, to, 0, [bid, ask, touch, touch])
      if (volume > 0) this.#put(atUs, EventKind.trade, to, 0, [close, volume])
    }
    // The wire knows bars of a minute alone: a longer one is that of its last minute, so that it comes at its close, whole,
    // and makes itself again where minutes are put together.
    const minutes = chunk.v5[row]! / US_PER_MINUTE
    if (minutes === 1 || (minutes > 1 && this.#hasQuotes[from] === 0))
      this.#put(atUs, EventKind.bar, to, 0, [
        chunk.v0[row]!,
        chunk.v1[row]!,
        chunk.v2[row]!,
        close,
        volume,
        US_PER_MINUTE,
      ])
  }

  /** The best quote of a book, when it is another than the last one shown. */
  #putTouch(atUs: number, from: number, to: number, factor: number): void {
    this.#hasQuotes[from] = 1
    const {bidTicks, askTicks, bidLots, askLots} = this.#market
    const quote = [bidTicks[from]!, askTicks[from]!, bidLots[from]! * factor, askLots[from]! * factor]
    const shown = this.#shown.subarray(4 * from, 4 * from + 4)
    if (quote.every((value, k) => value === shown[k])) return
    shown.set(quote)
    this.#put(atUs, EventKind.quote, to, 0, quote)
  }

  #put(atUs: number, kind: number, instrument: number, flags: number, values: readonly number[]): void {
    addRow(this.#ring, atUs, kind, instrument, flags, values[0], values[1], values[2], values[3], values[4], values[5])
  }
}

/** Prices keep the tape's decimals; shares may be traded in fractions. */
const scaled = (instrument: Instrument): Instrument => ({
  ...listedInstrument(instrument),
  priceDecimals: instrument.priceDecimals,
  incrementTicks: instrument.incrementTicks,
})

const copyRow = (from: TapeChunk, row: number, to: TapeChunk & {count: number}): void => {
  const {tsUs, kind, instrument, flags, v0, v1, v2, v3, v4, v5} = from
  addRow(
    to,
    tsUs[row]!,
    kind[row]!,
    instrument[row]!,
    flags[row]!,
    v0[row]!,
    v1[row]!,
    v2[row]!,
    v3[row]!,
    v4[row]!,
    v5[row]!,
  )
}
